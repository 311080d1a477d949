// The rows of leaderless partitions on disk. What a turn writes of a partition is one entry of its
// log, the rows as they came from the core, in one piece: one insertion instead of one a row. When
// such a log has grown as long as its partition's rows are (and kJournalBytes at least), what it
// tells of is written as rows, each once however often it was written meanwhile, and the log is
// cut: a checkpoint. It is spread over the writes that follow, so that no turn is long.
//
// A checkpoint tells rows as they stand when it comes to them, which may be newer than the log's
// cut. That does no harm: they are at least as new as what it cuts off, and what they are newer by
// stands in the log behind the cut, and is read after them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "dynamo/core.h"
#include "store/store.h"

namespace kvorum::node {

// Visits what a store holds of a partition, in this order: its rows, then what its log says of
// them, which is newer; an empty row is gone. Stops when `visit` is false: kCorrupt. `on_disk`: as
// a row of its own, not only by the log.
using RowVisit = std::function<bool(ByteView key, ByteView row, bool on_disk)>;
Result<void> visit_rows(const store::Store& store, PartitionId partition, Generation generation,
                        const RowVisit& visit);

class Journal {
 public:
  // `least`: no log is cut before it holds so many bytes.
  explicit Journal(std::size_t least) : least_(least) {}

  // What the disk holds of it is visited, before the first write.
  Result<void> open(const store::Store& store, PartitionId partition, Generation generation,
                    const RowVisit& visit);
  // `table`: the partition's, as it stands; null: not here.
  void write(dynamo::RowsWrite write, dynamo::Table* table, store::Batch& batch);
  // Memory is short, and rows leave it only when they are on the disk as rows: looks at about
  // `rows` of the table's for those that the log alone tells of, whether it is long or not. May it:
  // there are such.
  bool may_hurry(PartitionId partition) const;
  void hurry(PartitionId partition, dynamo::Table& table, std::size_t rows, store::Batch& batch);
  // What was given to batches as rows since the last call, each as it stood then.
  std::vector<std::pair<PartitionId, dynamo::KeyPrint>> take_put() {
    return std::exchange(put_, {});
  }
  // All rows of that generation go, and what the log says of any; with `partition` all that is on
  // disk of it.
  void drop_rows(PartitionId partition, Generation generation, store::Batch& batch);
  void drop(PartitionId partition, store::Batch& batch);

 private:
  struct Log {
    Index last;
    Generation generation;
    std::size_t bytes = 0;    // since the last checkpoint began
    std::vector<Bytes> gone;  // keys that are so since then
    // The checkpoint under way: what of the log it covers, and the leaf of the table that is next.
    Index covers;
    std::size_t next = 0;
  };

  static void note(Log& log, const dynamo::RowList& rows);
  static void begin_checkpoint(Log& log, PartitionId partition, const dynamo::Table& table,
                               store::Batch& batch);
  void go_on(Log& log, PartitionId partition, dynamo::Table& table, std::size_t rows,
             store::Batch& batch);

  std::size_t least_;
  std::map<PartitionId, Log> logs_;
  std::vector<std::pair<PartitionId, dynamo::KeyPrint>> put_;
};

}  // namespace kvorum::node
