// The disk's side of the step contract: jobs that a node hands out, run in order on whatever thread
// the host has for it, and their completions, which are inputs to the node again. Holds the cursors
// of snapshots being sent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "kv/machine.h"
#include "raft/raft.h"
#include "store/store.h"

namespace kvorum::node {

struct WriteJob {
  std::uint64_t ticket = 0;
  store::Batch batch;  // empty: completes once everything before it has
};
struct LoadJob {
  PartitionId partition;
  raft::LoadRequest request;
};
struct SnapshotJob {
  PartitionId partition;
  raft::SnapshotRead request;
};
struct FetchJob {  // in no order with the others, so that it waits for no sync: a Disk of its own
  PartitionId partition;
  Generation generation;
  std::uint64_t id = 0;  // the asker's
  std::vector<Bytes> keys;
};
struct RetryJob {};  // while space is low: look again, and try the waiting writes again
using DiskJob = std::variant<WriteJob, LoadJob, SnapshotJob, FetchJob, RetryJob>;

struct WriteDone {
  std::uint64_t ticket = 0;  // all writes up to this one are done
};
struct DiskSpace {  // whether free space is low, whenever that changes. Writes that found no room
                    // wait inside Disk, in order
  bool low = false;
};
struct DiskFailed {
  Error error;  // kIo or kCorrupt: the node must stop
};
struct LoadDone {
  PartitionId partition;
  raft::Loaded loaded;
};
struct SnapshotDone {
  PartitionId partition;
  raft::SnapshotChunk chunk;
};
struct FetchDone {
  FetchJob job;
  std::vector<std::optional<Bytes>> values;  // as the store has them; empty: no such row
};
using DiskDone = std::variant<WriteDone, DiskSpace, DiskFailed, LoadDone, SnapshotDone, FetchDone>;

class Disk {
 public:
  explicit Disk(store::Store& store) : store_(store) {}

  // Runs the jobs in order. Neighbouring writes become one synced write (group commit); appends
  // what happened to `done`.
  void run(std::vector<DiskJob> jobs, std::vector<DiskDone>& done);

  store::Store& store() { return store_; }

  static constexpr std::size_t kChunkBytes = std::size_t{256} << 10;  // of a snapshot

 private:
  void forget_dropped(const store::Batch& batch);
  void write_pending(std::vector<DiskDone>& done);
  void tell_space(bool low, std::vector<DiskDone>& done);
  void load(const LoadJob& job, std::vector<DiskDone>& done);
  void fetch(FetchJob job, std::vector<DiskDone>& done);
  void read_snapshot(const SnapshotJob& job, std::vector<DiskDone>& done);

  struct Sending {
    std::unique_ptr<store::RowCursor> rows;
    raft::SnapshotMeta meta;
    std::uint64_t next_chunk = 0;
  };

  store::Store& store_;
  std::vector<WriteJob> pending_;
  bool low_ = false;
  std::map<std::pair<PartitionId, NodeId>, Sending> sending_;
};

}  // namespace kvorum::node
