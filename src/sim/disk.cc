#include "sim/disk.h"

#include <utility>

#include "base/check.h"
#include "store/mem.h"

namespace kvorum::sim {

SimStore::SimStore() : live_(store::open_mem()), durable_(store::open_mem()) {}

Result<void> SimStore::write(const std::vector<const store::Batch*>& batches) {
  if (std::exchange(fail_next_, false)) {
    failed_ = true;
  }
  if (failed_) {
    return fail(ErrorCode::kIo, "a simulated write failed");
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

void SimStore::crash(Prng& prng, bool power, const store::Batch* torn) {
  auto found = power ? prng.below(unsynced_.size() + 1) : unsynced_.size();
  const bool reaches_torn = found == unsynced_.size() && torn != nullptr && prng.chance(1, 2);
  std::vector<const store::Batch*> kept;
  for (std::size_t i = 0; i < found; ++i) {
    kept.push_back(&unsynced_[i]);
  }
  if (reaches_torn && !failed_) {
    kept.push_back(torn);
  }
  const auto written = durable_->write(kept);
  CHECK(written.has_value(), "memory does not fail");
  unsynced_.clear();
  live_ = store::copy_mem(*durable_);
  failed_ = false;
  fail_next_ = false;
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
  if (damaged_) {
    return fail(ErrorCode::kCorrupt, "a simulated sector of the log is damaged");
  }
  return live_->read_log(partition, from, to, max_bytes);
}

Result<Term> SimStore::term_at(PartitionId partition, Index index) const {
  return live_->term_at(partition, index);
}

Result<std::optional<Bytes>> SimStore::partition_record(PartitionId partition) const {
  if (damaged_) {
    return fail(ErrorCode::kCorrupt, "a simulated sector of a record is damaged");
  }
  return live_->partition_record(partition);
}

std::unique_ptr<store::RowCursor> SimStore::rows(PartitionId partition,
                                                 Generation generation) const {
  return live_->rows(partition, generation);
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
