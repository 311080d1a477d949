// How long a recorded history takes to load: a million operations in the form that we write.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "base/prng.h"
#include "check/load.h"
#include "model/history.h"

namespace kvorum::check {
namespace {

constexpr std::uint32_t kClients = 64;

// Half puts of unique values, half gets of values put before; no client overlaps itself.
std::string json_lines(std::uint64_t count, std::uint64_t keys) {
  Prng prng(1);
  std::string out;
  for (std::uint64_t i = 0; i < count; ++i) {
    HistoryRecord record;
    record.client = static_cast<std::uint32_t>(i % kClients);
    record.op = prng.below(2) == 0 ? HistoryOp::kPut : HistoryOp::kGet;
    record.key = fmt::format("key{}", prng.below(keys));
    record.value = fmt::format("value-{}", record.op == HistoryOp::kPut ? i : prng.below(i + 1));
    record.start_ns = static_cast<std::int64_t>(i * 1000);
    record.end_ns = record.start_ns + static_cast<std::int64_t>(prng.below(50'000));
    record.node = 1 + static_cast<std::uint32_t>(prng.below(5));
    record.version = i;
    append_json(record, out);
  }
  return out;
}

void load_json_lines(benchmark::State& state) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  const auto text = json_lines(count, static_cast<std::uint64_t>(state.range(1)));
  for (auto _ : state) {
    auto history = load_text(text, "bench");
    benchmark::DoNotOptimize(history);
    state.PauseTiming();
    if (!history || history->operations.size() != count) {
      state.SkipWithError("not loaded");
    }
    history = History();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(load_json_lines)->Args({1'000'000, 1000})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvorum::check

BENCHMARK_MAIN();
