// RESP alone: requests of 16-byte keys and 64-byte values parsed, as one read of a socket brings
// them, and replies encoded.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/resp.h"
#include "wire/resp_writer.h"

namespace kvorum::wire {
namespace {

const Bytes kValue(64, 'v');

// `pipeline` of them.
Bytes requests(std::size_t pipeline, bool writes) {
  Bytes out;
  for (std::size_t i = 0; i < pipeline; ++i) {
    const auto key = fmt::format("key:{:012}", i);
    const ByteView set[] = {"SET", key, kValue};
    const ByteView get[] = {"GET", key};
    writes ? append_request(set, out) : append_request(get, out);
  }
  return out;
}

void parse(benchmark::State& state, bool writes) {
  const auto pipeline = static_cast<std::size_t>(state.range(0));
  const auto bytes = requests(pipeline, writes);
  RequestParser parser;
  for (auto _ : state) {
    parser.feed(bytes);
    std::size_t count = 0;
    while (parser.next() == RequestParser::Status::kRequest) {
      benchmark::DoNotOptimize(parser.args().data());
      ++count;
    }
    parser.keep();
    CHECK(count == pipeline);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK_CAPTURE(parse, set, true)->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(parse, get, false)->Arg(1)->Arg(16);

// A SET's and a GET's.
void encode(benchmark::State& state, bool value) {
  Bytes out;
  RespWriter writer(out);
  for (auto _ : state) {
    out.clear();
    value ? writer.bulk(kValue) : writer.status("OK");
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(encode, status, false);
BENCHMARK_CAPTURE(encode, bulk, true);

}  // namespace
}  // namespace kvorum::wire

BENCHMARK_MAIN();
