// The state machine alone: entries of 64 commands as a busy leader makes them, 16-byte keys and
// 64-byte values.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "kv/machine.h"

namespace kvorum {
namespace {

constexpr std::uint32_t kBatch = 64;
constexpr ClientId kClient{1};

class Silent final : public kv::Observer {
 public:
  ReplyWriter& before(ClientId, std::uint64_t) override { return reply_; }
  void after(ClientId, std::uint64_t, Version) override {}
  void refused(ClientId, std::uint64_t) override {}

 private:
  NoReply reply_;
};

Bytes key_of(std::uint64_t n) { return fmt::format("key:{:012}", n); }

class Log {
 public:
  explicit Log(kv::Machine& machine) : machine_(machine) {}

  // An entry of `kBatch` commands, made by make(i, command).
  template <class Make>
  Bytes payload(Make make) {
    Bytes body;
    for (std::uint32_t i = 0; i < kBatch; ++i) {
      Command command;
      const Bytes key = make(i, command);
      command.args.insert(command.args.begin(), key);
      encode(command, body);
    }
    Bytes out;
    encode(RunHead{kClient, 1, kBatch, static_cast<std::uint32_t>(body.size())}, out);
    return out + body;
  }

  // Numbers the run afresh, so that a prepared payload can be applied again.
  void apply(const SharedBytes& payload) {
    auto& bytes = const_cast<Bytes&>(*payload);
    bytes.replace(8, sizeof seq_, reinterpret_cast<const char*>(&seq_), sizeof seq_);
    seq_ += kBatch;
    Entry entry;
    entry.term = Term(1);
    entry.index = machine_.applied().next();
    entry.type = EntryType::kCommands;
    entry.stamp = WallMs(1'000'000);
    entry.payload = payload;
    machine_.apply(entry, observer_);
  }

  void fill(std::uint64_t count) {
    const Bytes value(64, 'v');
    for (std::uint64_t at = 0; at < count; at += kBatch) {
      apply(share(payload([&](std::uint32_t i, Command& command) {
        command.op = Op::kSet;
        command.args.assign({value});
        return key_of(at + i);
      })));
    }
  }

 private:
  kv::Machine& machine_;
  Silent observer_;
  std::uint64_t seq_ = 1;
};

void apply_set(benchmark::State& state) {
  kv::Machine machine(PartitionId(1), {});
  Log log(machine);
  const auto count = static_cast<std::uint64_t>(state.range(0));
  log.fill(count);
  state.counters["bytes/key"] =
      static_cast<double>(machine.memory_bytes()) / static_cast<double>(machine.size());
  const Bytes value(64, 'w');
  Prng prng(1);
  std::vector<SharedBytes> payloads;
  for (int i = 0; i < 4096; ++i) {
    payloads.push_back(share(log.payload([&](std::uint32_t, Command& command) {
      command.op = Op::kSet;
      command.args.assign({value});
      return key_of(prng.below(count));
    })));
  }
  std::size_t at = 0;
  for (auto _ : state) {
    log.apply(payloads[at++ % payloads.size()]);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * kBatch);
}
BENCHMARK(apply_set)->Arg(100'000)->Arg(1'000'000);

void read_get(benchmark::State& state) {
  kv::Machine machine(PartitionId(1), {});
  Log log(machine);
  const auto count = static_cast<std::uint64_t>(state.range(0));
  log.fill(count);
  Prng prng(1);
  std::vector<Bytes> keys;
  for (int i = 0; i < 1 << 18; ++i) {
    keys.push_back(key_of(prng.below(count)));
  }
  NoReply reply;
  Command command;
  command.op = Op::kGet;
  command.args.assign({ByteView()});
  std::size_t at = 0;
  for (auto _ : state) {
    command.args[0] = keys[at++ % keys.size()];
    machine.read(command, {}, reply);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(read_get)->Arg(100'000)->Arg(1'000'000);

void take_dirty(benchmark::State& state) {
  kv::Machine machine(PartitionId(1), {});
  Log log(machine);
  for (auto _ : state) {
    state.PauseTiming();
    log.fill(100'000);
    store::Batch batch;
    state.ResumeTiming();
    machine.take_dirty({}, batch);
    state.PauseTiming();
    batch = {};
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 100'000);
}
BENCHMARK(take_dirty)->Unit(benchmark::kMillisecond);

void scan_page(benchmark::State& state) {
  kv::Machine machine(PartitionId(1), {});
  Log log(machine);
  log.fill(1'000'000);
  NoReply reply;
  Command command;
  command.op = Op::kScan;
  command.number2 = 10;
  Prng prng(1);
  for (auto _ : state) {
    command.number = static_cast<std::int64_t>(prng.below(std::uint64_t{1} << 62));
    machine.read(command, {}, reply);
  }
}
BENCHMARK(scan_page);

}  // namespace
}  // namespace kvorum

BENCHMARK_MAIN();
