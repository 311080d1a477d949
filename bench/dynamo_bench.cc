// The leaderless core's data alone: 16-byte keys, 64-byte values, rows that two replicas wrote to.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <malloc.h>

#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "dynamo/table.h"

namespace kvorum::dynamo {
namespace {

constexpr std::uint64_t kBusyKeys = 1 << 18;

Bytes key_of(std::uint64_t n) { return fmt::format("key:{:012}", n); }

ReplicaId replica(std::uint64_t node) {
  return {NodeId(static_cast<std::uint32_t>(node)), Incarnation(node * 0x9e3779b97f4a7c15)};
}

// By `node`, above all that there was.
void write(Row& row, std::uint64_t node, std::uint64_t counter) {
  Sibling fresh;
  fresh.dot = {replica(node), counter};
  fresh.stamp.packed = counter << 16;
  fresh.value = Bytes(64, 'v');
  put(row, std::move(fresh), Context(row.context));
}

void fill(Table& table, std::uint64_t count) {
  for (std::uint64_t n = 0; n < count; ++n) {
    Row row;
    write(row, 1, 100'000 + 2 * n);
    write(row, 2, 100'001 + 2 * n);
    table.replace(key_of(n), row);
  }
}

std::vector<Bytes> random_keys(std::uint64_t bound) {
  Prng prng(1);
  std::vector<Bytes> keys;
  for (std::uint64_t i = 0; i < kBusyKeys; ++i) {
    keys.push_back(key_of(prng.below(bound)));
  }
  return keys;
}

void find(benchmark::State& state) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  const auto before = mallinfo2().uordblks;
  Table table;
  fill(table, count);
  const auto per_key = [&](std::size_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(count) - 16 - 64;
  };
  state.counters["overhead/key"] = per_key(mallinfo2().uordblks - before);
  state.counters["estimated/key"] = per_key(table.memory_bytes());
  const auto keys = random_keys(count);
  std::size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.find(keys[at++ % kBusyKeys]));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(find)->Arg(100'000)->Arg(1'000'000);

// A coordinator's write: the row copied, put to, settled and replaced.
void replace(benchmark::State& state) {
  const auto count = static_cast<std::uint64_t>(state.range(0));
  Table table;
  fill(table, count);
  const auto keys = random_keys(count);
  std::vector<Sibling> losers;
  std::uint64_t counter = std::uint64_t{1} << 30;
  for (auto _ : state) {
    const auto& key = keys[counter % kBusyKeys];
    Row row = *table.find(key);
    write(row, 1, ++counter);
    settle(row, Conflict::kLww, losers);
    table.replace(key, row);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(replace)->Arg(100'000)->Arg(1'000'000);

// A replica's share of a write: the row decoded, merged into its own and replaced.
void take_row(benchmark::State& state) {
  Table table;
  fill(table, 100'000);
  const auto keys = random_keys(100'000);
  std::vector<Bytes> sent(kBusyKeys);
  for (std::uint64_t i = 0; i < kBusyKeys; ++i) {
    Row row = *table.find(keys[i]);
    write(row, 2, (std::uint64_t{1} << 30) + i);
    encode(row, sent[i]);
  }
  std::vector<Sibling> losers;
  std::size_t at = 0;
  for (auto _ : state) {
    const auto i = at++ % kBusyKeys;
    Row from;
    Reader reader(sent[i]);
    benchmark::DoNotOptimize(decode(reader, from));
    Row row = *table.find(keys[i]);
    merge(row, from);
    settle(row, Conflict::kLww, losers);
    table.replace(keys[i], row);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(take_row);

// Rows of three replicas; `siblings` concurrent values each, half of them the same.
void merge_rows(benchmark::State& state) {
  const auto make = [&](std::uint64_t first) {
    Row row;
    for (auto node = first; node < first + static_cast<std::uint64_t>(state.range(0)); ++node) {
      Sibling fresh;
      fresh.dot = {replica(node), 1000};
      fresh.value = Bytes(64, 'v');
      put(row, std::move(fresh), {});
    }
    return row;
  };
  const auto a = make(1);
  const auto b = make(1 + static_cast<std::uint64_t>(state.range(0)) / 2);
  for (auto _ : state) {
    Row row = a;
    benchmark::DoNotOptimize(merge(row, b));
  }
}
BENCHMARK(merge_rows)->Arg(1)->Arg(2)->Arg(8);

void print_row(benchmark::State& state) {
  Row row;
  write(row, 1, 1'000'000);
  write(row, 2, 1'000'001);
  write(row, 3, 1'000'002);
  const auto key = key_of(7);
  for (auto _ : state) {
    benchmark::DoNotOptimize(fingerprint(key, row));
  }
}
BENCHMARK(print_row);

void print_leaf(benchmark::State& state) {
  Table table;
  fill(table, 1'000'000);
  std::uint32_t number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.prints({Table::kDepth, number++ % 4096}));
  }
}
BENCHMARK(print_leaf);

}  // namespace
}  // namespace kvorum::dynamo

BENCHMARK_MAIN();
