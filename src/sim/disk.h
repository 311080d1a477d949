// A node's disk: a store in memory that can lose what was not synced, and the latency and faults of
// the device under it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "node/disk.h"
#include "sim/events.h"
#include "sim/options.h"
#include "store/store.h"

namespace kvorum::sim {

// What of a disk went bad.
enum class Damage : std::uint8_t { kNone, kLog, kRecord, kRows };

// What the node writes goes to `live`; what would survive a power cut stands in `durable`. A synced
// write makes everything before it durable.
class SimStore final : public store::Store {
 public:
  SimStore();

  Result<void> write(const std::vector<const store::Batch*>& batches) override;
  bool low_on_space() override { return false; }
  Result<std::optional<Bytes>> record(ByteView name) const override;
  Result<std::vector<PartitionId>> partitions() const override;
  Result<HardState> hard_state(PartitionId partition) const override;
  Result<store::LogExtent> log(PartitionId partition) const override;
  Result<std::vector<Entry>> read_log(PartitionId partition, Index from, Index to,
                                      std::size_t max_bytes) const override;
  Result<Term> term_at(PartitionId partition, Index index) const override;
  Result<std::optional<Bytes>> partition_record(PartitionId partition) const override;
  std::unique_ptr<store::RowCursor> rows(PartitionId partition,
                                         Generation generation) const override;
  Result<std::vector<std::optional<Bytes>>> find_rows(
      PartitionId partition, Generation generation, const std::vector<Bytes>& keys) const override;

  const store::Store& durable() const { return *durable_; }

  // The process is gone, and with `power` the machine too: then only a part, drawn by `prng`, of
  // what was not synced is found again. So it is after a failed write or sync, power or not: all,
  // part or nothing of what it was to make durable is there. `torn`: a write that had begun; it is
  // found whole or not at all, as its checksum tells.
  void crash(Prng& prng, bool power, const store::Batch* torn);
  void fail_next_write(bool on) { fail_next_ = on; }
  // A sector went bad: from now on reading that part back says so, and so does a write after
  // `writes` others, because compaction reads as well.
  void damage(Damage part, std::uint64_t writes);
  bool damaged() const { return damage_ != Damage::kNone; }
  bool damage_read() const { return damage_read_; }  // somebody was told
  // Nobody was told of damage, or of a write that failed.
  bool healthy() const { return !damage_read_ && !failed_; }
  // Opening a real store reads all of it, and refuses what is damaged.
  Result<void> look_over() const;

 private:
  struct Failed {  // the write that did; all that follow get its error
    store::Batch batch;
    Error error;
  };

  Result<void> read(Damage part) const;
  void meet_faults(const std::vector<const store::Batch*>& batches);

  std::unique_ptr<store::Store> live_;
  std::unique_ptr<store::Store> durable_;
  std::vector<store::Batch> unsynced_;
  bool fail_next_ = false;
  std::optional<Failed> failed_;
  Damage damage_ = Damage::kNone;
  std::uint64_t writes_left_ = 0;  // until one meets the damage
  mutable bool damage_read_ = false;
};

// Runs a node's jobs one group after another, each taking its time.
class SimDisk {
 public:
  using Done = std::function<void(std::vector<node::DiskDone> done)>;

  SimDisk(EventQueue& events, SimStore& store, const Options& options, Prng prng, Done done);
  ~SimDisk() { *alive_ = false; }
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  void push(std::vector<node::DiskJob>& jobs);
  // Every job takes this many times longer from now on.
  void slow(std::int64_t factor) { factor_ = factor; }
  // The last call: nothing more is heard of the jobs in hand. Those that were running may have
  // reached the disk.
  void crash(Prng& prng, bool power);

 private:
  void start();
  void finish();

  EventQueue& events_;
  SimStore& store_;
  const Options& options_;
  Prng prng_;
  Done done_;
  node::Disk disk_;
  std::vector<node::DiskJob> waiting_;
  std::vector<node::DiskJob> running_;
  std::int64_t factor_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // false: the disk is gone
};

}  // namespace kvorum::sim
