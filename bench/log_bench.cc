// The log on RocksDB alone: one entry of so many bytes appended by each write, as a node's disk
// thread does, synced or not. Its folder is below the working directory, and goes at the end; older
// entries are cut off as a node's checkpoints would.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/check.h"
#include "store/store.h"

namespace kvorum::store {
namespace {

constexpr PartitionId kPartition{1};
constexpr Term kTerm{1};
constexpr std::uint64_t kKept = 1000;  // entries

class Folder {
 public:
  Folder() { std::filesystem::remove_all(kPath); }
  ~Folder() { std::filesystem::remove_all(kPath); }
  static constexpr const char* kPath = "log_bench.tmp";
};

void append(benchmark::State& state, bool sync) {
  const Folder folder;
  RocksOptions options;
  options.path = Folder::kPath;
  options.create = true;
  const auto store = open_rocks(options);
  CHECK(store.has_value());
  const auto payload = share(Bytes(static_cast<std::size_t>(state.range(0)), 'p'));
  Index index;
  for (auto _ : state) {
    index = index.next();
    Batch batch;
    batch.sync = sync;
    Entry entry;
    entry.term = kTerm;
    entry.index = index;
    entry.type = EntryType::kCommands;
    entry.payload = payload;
    batch.operations.emplace_back(AppendLog{kPartition, {std::move(entry)}});
    if (index.value() % kKept == 0) {
      batch.operations.emplace_back(CompactLog{kPartition, index, kTerm});
    }
    CHECK((*store)->write({&batch}).has_value());
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(append, sync, true)->Arg(90)->Arg(5760)->UseRealTime();
BENCHMARK_CAPTURE(append, no_sync, false)->Arg(90)->Arg(5760)->Arg(92160)->UseRealTime();

}  // namespace
}  // namespace kvorum::store

BENCHMARK_MAIN();
