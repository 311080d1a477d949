#include "sim/disk.h"

#include <utility>

#include "base/check.h"
#include "store/mem.h"

namespace kvorum::sim {
namespace {

Error damage_error() { return {ErrorCode::kCorrupt, "a simulated sector of the disk is damaged"}; }

class DamagedCursor final : public store::RowCursor {
 public:
  const std::optional<Bytes>& partition_record() const override { return none_; }
  bool valid() const override { return false; }
  ByteView key() const override { return {}; }
  ByteView value() const override { return {}; }
  void next() override {}
  Result<void> status() const override { return tl::unexpected(damage_error()); }

 private:
  std::optional<Bytes> none_;
};

// Several batches are one record of the log on disk.
store::Batch merged(const std::vector<const store::Batch*>& batches) {
  store::Batch one;
  for (const auto* batch : batches) {
    one.operations.insert(one.operations.end(), batch->operations.begin(), batch->operations.end());
  }
  return one;
}

}  // namespace

SimStore::SimStore() : live_(store::open_mem()), durable_(store::open_mem()) {}

Result<void> SimStore::write(const std::vector<const store::Batch*>& batches) {
  meet_faults(batches);
  if (failed_) {
    return tl::unexpected(failed_->error);
  }
  bool sync = false;
  for (const auto* batch : batches) {
    sync = sync || batch->sync;
  }
  if (const auto written = live_->write(batches); !written) {
    return written;
  }
  if (!sync) {
    for (const auto* batch : batches) {
      unsynced_.push_back(*batch);
    }
    return {};
  }
  std::vector<const store::Batch*> all;
  for (const auto& batch : unsynced_) {
    all.push_back(&batch);
  }
  all.insert(all.end(), batches.begin(), batches.end());
  const auto written = durable_->write(all);
  unsynced_.clear();
  return written;
}

void SimStore::meet_faults(const std::vector<const store::Batch*>& batches) {
  if (failed_) {
    return;
  }
  if (std::exchange(fail_next_, false)) {
    failed_ = Failed{merged(batches), {ErrorCode::kIo, "a simulated write failed"}};
  } else if (damaged() && writes_left_-- == 0) {
    damage_read_ = true;
    failed_ = Failed{merged(batches), damage_error()};
  }
}

void SimStore::crash(Prng& prng, bool power, const store::Batch* torn) {
  const auto* last = failed_ ? &failed_->batch : torn;
  const auto found = power || failed_ ? prng.below(unsynced_.size() + 1) : unsynced_.size();
  const bool reaches_last = found == unsynced_.size() && last != nullptr && prng.chance(1, 2);
  std::vector<const store::Batch*> kept;
  for (std::size_t i = 0; i < found; ++i) {
    kept.push_back(&unsynced_[i]);
  }
  if (reaches_last) {
    kept.push_back(last);
  }
  const auto written = durable_->write(kept);
  CHECK(written.has_value(), "memory does not fail");
  unsynced_.clear();
  live_ = store::copy_mem(*durable_);
  failed_.reset();
  fail_next_ = false;
}

void SimStore::damage(Damage part, std::uint64_t writes) {
  damage_ = part;
  writes_left_ = writes;
}

Result<void> SimStore::look_over() const {
  return damaged() ? Result<void>(tl::unexpected(damage_error())) : Result<void>();
}

Result<void> SimStore::read(Damage part) const {
  if (damage_ != part) {
    return {};
  }
  damage_read_ = true;
  return tl::unexpected(damage_error());
}

Result<std::optional<Bytes>> SimStore::record(ByteView name) const { return live_->record(name); }

Result<std::vector<PartitionId>> SimStore::partitions() const { return live_->partitions(); }

Result<HardState> SimStore::hard_state(PartitionId partition) const {
  return live_->hard_state(partition);
}

Result<store::LogExtent> SimStore::log(PartitionId partition) const {
  return live_->log(partition);
}

Result<std::vector<Entry>> SimStore::read_log(PartitionId partition, Index from, Index to,
                                              std::size_t max_bytes) const {
  if (const auto whole = read(Damage::kLog); !whole) {
    return tl::unexpected(whole.error());
  }
  return live_->read_log(partition, from, to, max_bytes);
}

Result<Term> SimStore::term_at(PartitionId partition, Index index) const {
  if (live_->log(partition)->base == index) {
    return live_->term_at(partition, index);  // kept in memory
  }
  if (const auto whole = read(Damage::kLog); !whole) {
    return tl::unexpected(whole.error());
  }
  return live_->term_at(partition, index);
}

Result<std::optional<Bytes>> SimStore::partition_record(PartitionId partition) const {
  if (const auto whole = read(Damage::kRecord); !whole) {
    return tl::unexpected(whole.error());
  }
  return live_->partition_record(partition);
}

std::unique_ptr<store::RowCursor> SimStore::rows(PartitionId partition,
                                                 Generation generation) const {
  if (!read(Damage::kRows)) {
    return std::make_unique<DamagedCursor>();
  }
  return live_->rows(partition, generation);
}

Result<std::vector<std::optional<Bytes>>> SimStore::find_rows(
    PartitionId partition, Generation generation, const std::vector<Bytes>& keys) const {
  if (const auto whole = read(Damage::kRows); !whole) {
    return tl::unexpected(whole.error());
  }
  return live_->find_rows(partition, generation, keys);
}

SimDisk::SimDisk(EventQueue& events, SimStore& store, const Options& options, Prng prng, Done done)
    : events_(events),
      store_(store),
      options_(options),
      prng_(prng),
      done_(std::move(done)),
      disk_(store) {}

void SimDisk::push(std::vector<node::DiskJob>& jobs) {
  for (auto& job : jobs) {
    waiting_.push_back(std::move(job));
  }
  jobs.clear();
  if (running_.empty() && !waiting_.empty()) {
    start();
  }
}

void SimDisk::start() {
  running_ = std::exchange(waiting_, {});
  const auto takes = std::chrono::microseconds(options_.disk_min_us) +
                     draw_exponential(prng_, std::chrono::microseconds(options_.disk_mean_us));
  events_.after(takes * factor_, [this, alive = alive_] {
    if (*alive) {
      finish();
    }
  });
}

void SimDisk::finish() {
  std::vector<node::DiskDone> done;
  disk_.run(std::exchange(running_, {}), done);
  if (!waiting_.empty()) {
    start();
  }
  if (!done.empty()) {
    done_(std::move(done));
  }
}

void SimDisk::crash(Prng& prng, bool power) {
  *alive_ = false;
  store::Batch torn;
  for (auto& job : running_) {
    if (auto* write = std::get_if<node::WriteJob>(&job)) {
      auto& operations = write->batch.operations;
      torn.operations.insert(torn.operations.end(), std::make_move_iterator(operations.begin()),
                             std::make_move_iterator(operations.end()));
    }
  }
  store_.crash(prng, power, torn.empty() ? nullptr : &torn);
}

}  // namespace kvorum::sim
