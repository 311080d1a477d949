// Frames between nodes alone: one that carries a log entry of so many SETs, and one that carries so
// many leaderless rows, encoded and decoded. 16-byte keys and 64-byte values.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/peer.h"

namespace kvorum::wire {
namespace {

constexpr std::size_t kCommandBytes = 90;  // about what a SET takes in a run
constexpr std::size_t kRowBytes = 120;     // about what a row takes that two replicas wrote to

raft::Message append_of(std::int64_t commands) {
  raft::Message message;
  message.type = raft::MessageType::kAppend;
  message.from = NodeId(1);
  message.to = NodeId(2);
  message.term = message.log_term = Term(3);
  message.log_index = Index(1'000'000);
  Entry entry;
  entry.term = Term(3);
  entry.index = Index(1'000'001);
  entry.type = EntryType::kCommands;
  entry.payload = share(Bytes(static_cast<std::size_t>(commands) * kCommandBytes, 'c'));
  message.entries.push_back(std::move(entry));
  return message;
}

// Whole rows from the replica that coordinated their writes.
dynamo::Message rows_of(std::int64_t rows) {
  dynamo::Message message;
  message.from = NodeId(1);
  message.to = NodeId(2);
  message.partition = PartitionId(5);
  message.id = 7;
  message.incarnation = Incarnation(11);
  for (std::int64_t i = 0; i < rows; ++i) {
    message.rows.add(Bytes(16, 'k'), Bytes(kRowBytes, 'r'));
  }
  return message;
}

template <class Encode>
void encode_one(benchmark::State& state, Encode encode) {
  Bytes out;
  for (auto _ : state) {
    out.clear();
    CHECK(encode(out));
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}

void decode_one(benchmark::State& state, const Bytes& bytes) {
  FrameParser parser;
  for (auto _ : state) {
    parser.feed(bytes);
    auto frame = parser.next();
    CHECK(frame && *frame);
    benchmark::DoNotOptimize(&**frame);
    parser.keep();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void encode_append(benchmark::State& state) {
  const auto message = append_of(state.range(0));
  encode_one(state, [&](Bytes& out) { return encode_message(PartitionId(5), message, out); });
}
BENCHMARK(encode_append)->Arg(1)->Arg(64)->Arg(1024);

void decode_append(benchmark::State& state) {
  Bytes bytes;
  CHECK(encode_message(PartitionId(5), append_of(state.range(0)), bytes));
  decode_one(state, bytes);
}
BENCHMARK(decode_append)->Arg(1)->Arg(64)->Arg(1024);

void encode_rows(benchmark::State& state) {
  const auto message = rows_of(state.range(0));
  encode_one(state, [&](Bytes& out) { return encode_dynamo(message, out); });
}
BENCHMARK(encode_rows)->Arg(1)->Arg(16);

void decode_rows(benchmark::State& state) {
  Bytes bytes;
  CHECK(encode_dynamo(rows_of(state.range(0)), bytes));
  decode_one(state, bytes);
}
BENCHMARK(decode_rows)->Arg(1)->Arg(16);

}  // namespace
}  // namespace kvorum::wire

BENCHMARK_MAIN();
