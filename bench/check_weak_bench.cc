// How fast good histories are judged against the models that ignore real time. Arguments:
// operations, sessions. Values are unique, as our own workloads write them.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <map>

#include "base/check.h"
#include "base/prng.h"
#include "check/judge.h"

namespace kvorum::check {
namespace {

constexpr std::uint64_t kKeys = 16;

// Draws the operations; the stores below decide what gets return.
class Drawing {
 public:
  Drawing(std::int64_t operations, std::int64_t sessions) : prng_(7) {
    history_.clients.reserve(static_cast<std::size_t>(sessions));
    for (std::int64_t i = 0; i < operations; ++i) {
      HistoryRecord record;
      record.client = static_cast<std::uint32_t>(prng_.below(static_cast<std::uint64_t>(sessions)));
      record.op = prng_.chance(1, 2) ? HistoryOp::kGet : HistoryOp::kPut;
      record.key = fmt::format("key{}", prng_.below(kKeys));
      record.value =
          record.op == HistoryOp::kPut ? std::optional(fmt::format("value{}", i)) : std::nullopt;
      record.start_ns = 10 * i;
      record.end_ns = 10 * i + 5;
      records_.push_back(record);
    }
  }

  Prng& prng() { return prng_; }
  std::vector<HistoryRecord>& records() { return records_; }
  History finish() {
    for (const auto& record : records_) {
      history_.add(record);
    }
    return std::move(history_);
  }

 private:
  Prng prng_;
  std::vector<HistoryRecord> records_;
  History history_;
};

// A log, and a replica per session that follows it at its own pace: gets are local and old.
History sequential_history(std::int64_t operations, std::int64_t sessions) {
  Drawing drawing(operations, sessions);
  struct Entry {
    std::string key;
    std::string value;
  };
  std::vector<Entry> log;
  std::vector<std::size_t> applied(static_cast<std::size_t>(sessions), 0);
  std::vector<std::map<std::string, std::string>> replicas(static_cast<std::size_t>(sessions));
  for (auto& record : drawing.records()) {
    auto& at = applied[record.client];
    auto& replica = replicas[record.client];
    if (record.op == HistoryOp::kPut) {
      log.push_back({record.key, *record.value});
    }
    const auto until = record.op == HistoryOp::kPut
                           ? log.size()
                           : at + drawing.prng().below(log.size() - at + 1) / 2;
    for (; at < until; ++at) {
      replica[log[at].key] = log[at].value;
    }
    if (record.op == HistoryOp::kGet && replica.contains(record.key)) {
      record.value = replica[record.key];
    }
  }
  return drawing.finish();
}

// A replica per session; writes reach the others in causal order, and the latest Lamport time wins.
History causal_history(std::int64_t operations, std::int64_t sessions) {
  const auto count = static_cast<std::size_t>(sessions);
  struct Write {
    std::string key;
    std::string value;
    std::pair<std::uint64_t, std::size_t> stamp;
    std::vector<std::size_t> seen;
  };
  struct Replica {
    std::uint64_t clock = 0;
    std::vector<std::size_t> seen;  // writes of each session
    std::map<std::string, const Write*> rows;
  };
  Drawing drawing(operations, sessions);
  std::vector<std::deque<Write>> writes(count);
  std::vector<Replica> replicas(count);
  const auto apply = [](Replica& replica, const Write& write) {
    auto& row = replica.rows[write.key];
    row = row == nullptr || row->stamp < write.stamp ? &write : row;
    replica.clock = std::max(replica.clock, write.stamp.first);
  };
  for (auto& replica : replicas) {
    replica.seen.assign(count, 0);
  }
  for (auto& record : drawing.records()) {
    auto& replica = replicas[record.client];
    for (int i = 0; i < 8; ++i) {
      const auto from = drawing.prng().below(count);
      auto& at = replica.seen[from];
      while (at < writes[from].size() && from != record.client) {
        const auto& write = writes[from][at];
        bool ready = true;
        for (std::size_t other = 0; other < count; ++other) {
          ready = ready && (other == from || write.seen[other] <= replica.seen[other]);
        }
        if (!ready) {
          break;
        }
        apply(replica, write);
        ++at;
      }
    }
    if (record.op == HistoryOp::kPut) {
      writes[record.client].push_back(
          {record.key, *record.value, {replica.clock + 1, record.client}, replica.seen});
      apply(replica, writes[record.client].back());
      ++replica.seen[record.client];
    } else if (replica.rows.contains(record.key)) {
      record.value = replica.rows[record.key]->value;
    }
  }
  return drawing.finish();
}

void run(benchmark::State& state, const History& history, ModelKind kind) {
  std::uint64_t nodes = 0;
  for (auto _ : state) {
    const auto verdict = judge(history, {kind, 0}, Budget(std::chrono::minutes(1), 4ULL << 30));
    CHECK(verdict.answer == Answer::kOk, "{} {}", to_string(verdict.answer), verdict.sentence);
    nodes = verdict.nodes;
  }
  state.counters["states"] = static_cast<double>(nodes);
}

void sequential(benchmark::State& state) {
  run(state, sequential_history(state.range(0), state.range(1)), ModelKind::kSequential);
}
void cc(benchmark::State& state) {
  run(state, causal_history(state.range(0), state.range(1)), ModelKind::kCc);
}
void ccv(benchmark::State& state) {
  run(state, causal_history(state.range(0), state.range(1)), ModelKind::kCcv);
}
void cm(benchmark::State& state) {
  run(state, sequential_history(state.range(0), state.range(1)), ModelKind::kCm);
}
void monotonic_reads(benchmark::State& state) {
  run(state, causal_history(state.range(0), state.range(1)), ModelKind::kMonotonicReads);
}

BENCHMARK(sequential)
    ->Args({1'000, 6})
    ->Args({5'000, 16})
    ->Args({20'000, 32})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(cc)->Args({100'000, 32})->Unit(benchmark::kMillisecond);
BENCHMARK(ccv)->Args({10'000, 16})->Args({100'000, 32})->Unit(benchmark::kMillisecond);
BENCHMARK(cm)->Args({5'000, 16})->Args({100'000, 32})->Unit(benchmark::kMillisecond);
BENCHMARK(monotonic_reads)->Args({100'000, 32})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvorum::check

BENCHMARK_MAIN();
