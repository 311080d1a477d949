// The durable truth of one node: Raft logs, hard states, rows and a few named records, written in
// atomic batches. Two makers, `mem` and `rocks`, one conformance suite (store/conformance.h).
// docs/store.md has the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "model/entry.h"
#include "store/row_changes.h"

namespace kvorum::store {

// One atomic write: after a crash all of it is there or none. Operations take effect in order.
struct ChangeRows {
  PartitionId partition;
  Generation generation;
  RowChanges changes;
};
struct DropGeneration {  // every row of it; cheap, its space is freed in the background
  PartitionId partition;
  Generation generation;
};
struct PutPartition {  // the partition's state record (generation, applied index, ...); beside its
                       // rows, same batch
  PartitionId partition;
  Bytes value;
};
struct PutHardState {
  PartitionId partition;
  HardState state;
};
struct AppendLog {  // contiguous behind what is there; writing an index that exists replaces it
  PartitionId partition;
  std::vector<Entry> entries;
};
struct TruncateLog {  // drops entries at and after `from`
  PartitionId partition;
  Index from;
};
struct CompactLog {  // drops entries before `first`; the log's base becomes (first - 1,
                     // before_first)
  PartitionId partition;
  Index first;
  Term before_first;
};
struct ResetLog {  // drops the whole log; the base becomes (base, base_term): a snapshot was
                   // installed
  PartitionId partition;
  Index base;
  Term base_term;
};
struct DropPartition {  // its log, hard state, record and rows of all generations
  PartitionId partition;
};
struct PutRecord {  // node-wide: identity, boot count
  Bytes name;
  Bytes value;
};

using Operation = std::variant<ChangeRows, DropGeneration, PutPartition, PutHardState, AppendLog,
                               TruncateLog, CompactLog, ResetLog, DropPartition, PutRecord>;

struct Batch {
  std::vector<Operation> operations;
  bool sync =
      false;  // the write returns only once it, and every write before it, survives a power cut

  bool empty() const { return operations.empty(); }
};

// What a log holds. first == last + 1 when it is empty.
struct LogExtent {
  Index base;  // entry before the first; 0 for a log from the beginning
  Term base_term;
  Index last;
  Index first() const { return base.next(); }
};

// Rows of one generation in key order, as they stood when the cursor was opened, with the partition
// record of that very moment; later writes don't show. May be used on one thread while the store is
// used on another.
class RowCursor {
 public:
  virtual ~RowCursor() = default;
  virtual const std::optional<Bytes>& partition_record() const = 0;
  virtual bool valid() const = 0;
  virtual ByteView key() const = 0;    // good until next()
  virtual ByteView value() const = 0;  // good until next()
  virtual void next() = 0;
  virtual Result<void> status() const = 0;  // damage met while reading
};

// Thread: write() from one thread at a time (the disk thread); reads may run beside it on another
// thread. Errors: kIo for a failed write or sync, kCorrupt for damage. After either from write()
// the store refuses every further write with the same error: the caller stops the node (Rebello et
// al., USENIX ATC 2020). kDiskFull is the exception: nothing was written, and later writes may
// succeed.
class Store {
 public:
  virtual ~Store() = default;

  // Merges the batches into one atomic write, in order, synced if any of them asks for it.
  virtual Result<void> write(const std::vector<const Batch*>& batches) = 0;
  // Whether free space is below RocksOptions::low_bytes. Same thread as write().
  virtual bool low_on_space() = 0;

  virtual Result<std::optional<Bytes>> record(ByteView name) const = 0;
  // Those that have a log, hard state or partition record.
  virtual Result<std::vector<PartitionId>> partitions() const = 0;
  virtual Result<HardState> hard_state(PartitionId partition) const = 0;  // zeros if none
  virtual Result<LogExtent> log(PartitionId partition) const = 0;
  // Entries from `from`, through `to` at most, as many as fit in max_bytes but at least one. Empty
  // if `from` is outside the log. kCorrupt if an entry's checksum fails or one is missing in
  // between. What a write takes away meanwhile is missing at the end.
  virtual Result<std::vector<Entry>> read_log(PartitionId partition, Index from, Index to,
                                              std::size_t max_bytes) const = 0;
  // The base included; kGeneric for an index outside the log.
  virtual Result<Term> term_at(PartitionId partition, Index index) const = 0;
  virtual Result<std::optional<Bytes>> partition_record(PartitionId partition) const = 0;
  virtual std::unique_ptr<RowCursor> rows(PartitionId partition, Generation generation) const = 0;
  // The rows with these keys, in their order; empty: no such row.
  virtual Result<std::vector<std::optional<Bytes>>> find_rows(
      PartitionId partition, Generation generation, const std::vector<Bytes>& keys) const = 0;
};

struct RocksOptions {
  std::string path;
  bool create = false;  // false: a missing database is an error
  // Free space below which writes that add data get kDiskFull.
  std::uint64_t reserve_bytes = std::uint64_t{64} << 20;
  // Free space below which low_on_space() says so; the caller then takes no more from clients, and
  // what it writes by itself goes on until reserve_bytes.
  std::uint64_t low_bytes = 0;
  // Written between two flushes to tables; bounds memory.
  std::size_t rotate_bytes = std::size_t{16} << 20;
  // find_rows() will be called now and then, so it must be quick; writing rows costs more then.
  bool finds_rows = false;
  // Told at open about a torn tail that was cut off.
  std::function<void(const std::string&)> notice;
  // Tests: a rocksdb::Env* that outlives the store; null: the operating system's.
  void* environment = nullptr;
};

// In memory: for tests, the simulator and `--store mem`. Nothing survives it.
std::unique_ptr<Store> open_mem();

// On RocksDB. Refuses a format from the future (kFormat) and damage that is no torn tail
// (kCorrupt).
Result<std::unique_ptr<Store>> open_rocks(const RocksOptions& options);

}  // namespace kvorum::store
