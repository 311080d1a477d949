// The store in memory. Nothing is synced and nothing fails.
#include "store/mem.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/check.h"
#include "store/extent.h"

namespace kvorum::store {
namespace {

using Rows = std::map<Bytes, Bytes>;
using SharedRows = std::shared_ptr<Rows>;

struct Partition {
  LogExtent extent{};
  std::deque<Entry> entries;  // entries[0] has index extent.first()
  std::optional<HardState> hard_state;
  std::optional<Bytes> record;
  std::map<Generation, SharedRows> generations;
};

class MemCursor final : public RowCursor {
 public:
  MemCursor(std::shared_ptr<std::mutex> mutex, std::shared_ptr<const Rows> rows,
            std::optional<Bytes> record)
      : mutex_(std::move(mutex)),
        rows_(std::move(rows)),
        record_(std::move(record)),
        at_(rows_->begin()) {}
  // The writer may change the rows in place from now on: only after what was read here.
  ~MemCursor() override {
    const std::lock_guard lock(*mutex_);
    rows_.reset();
  }
  MemCursor(const MemCursor&) = delete;
  MemCursor& operator=(const MemCursor&) = delete;

  const std::optional<Bytes>& partition_record() const override { return record_; }
  bool valid() const override { return at_ != rows_->end(); }
  ByteView key() const override { return at_->first; }
  ByteView value() const override { return at_->second; }
  void next() override { ++at_; }
  Result<void> status() const override { return {}; }

 private:
  std::shared_ptr<std::mutex> mutex_;  // the store's
  std::shared_ptr<const Rows> rows_;
  std::optional<Bytes> record_;
  Rows::const_iterator at_;
};

class MemStore final : public Store {
 public:
  MemStore() = default;
  MemStore(const MemStore& other) {
    const std::lock_guard lock(*other.mutex_);
    partitions_ = other.partitions_;  // generations are shared until one side writes
    records_ = other.records_;
  }
  MemStore& operator=(const MemStore&) = delete;

  bool low_on_space() override { return false; }
  Result<void> write(const std::vector<const Batch*>& batches) override {
    const std::lock_guard lock(*mutex_);
    for (const auto* batch : batches) {
      for (const auto& operation : batch->operations) {
        std::visit([this](const auto& op) { apply(op); }, operation);
      }
    }
    return {};
  }

  Result<std::optional<Bytes>> record(ByteView name) const override {
    const std::lock_guard lock(*mutex_);
    const auto found = records_.find(name);
    return found == records_.end() ? std::nullopt : std::optional(found->second);
  }

  Result<std::vector<PartitionId>> partitions() const override {
    const std::lock_guard lock(*mutex_);
    std::vector<PartitionId> ids;
    for (const auto& [id, partition] : partitions_) {
      if (is_there(partition.extent) || partition.hard_state || partition.record) {
        ids.push_back(id);
      }
    }
    return ids;
  }

  Result<HardState> hard_state(PartitionId id) const override {
    const std::lock_guard lock(*mutex_);
    const auto* partition = find(id);
    return partition ? partition->hard_state.value_or(HardState{}) : HardState{};
  }

  Result<LogExtent> log(PartitionId id) const override {
    const std::lock_guard lock(*mutex_);
    const auto* partition = find(id);
    return partition ? partition->extent : LogExtent{};
  }

  Result<std::vector<Entry>> read_log(PartitionId id, Index from, Index to,
                                      std::size_t max_bytes) const override {
    const std::lock_guard lock(*mutex_);
    std::vector<Entry> entries;
    const auto* partition = find(id);
    if (!partition || !holds(partition->extent, from)) {
      return entries;
    }
    std::size_t bytes = 0;
    for (auto index = from; index <= std::min(to, partition->extent.last); index = index.next()) {
      const auto& entry = partition->entries[index - partition->extent.first()];
      bytes += entry.byte_size();
      if (!entries.empty() && bytes > max_bytes) {
        break;
      }
      entries.push_back(entry);
    }
    return entries;
  }

  Result<Term> term_at(PartitionId id, Index index) const override {
    const std::lock_guard lock(*mutex_);
    const auto* partition = find(id);
    const auto extent = partition ? partition->extent : LogExtent{};
    if (index == extent.base) {
      return extent.base_term;
    }
    if (!holds(extent, index)) {
      return fail(ErrorCode::kGeneric, "index {} is outside the log of partition {}", index.value(),
                  id.value());
    }
    return partition->entries[index - extent.first()].term;
  }

  Result<std::optional<Bytes>> partition_record(PartitionId id) const override {
    const std::lock_guard lock(*mutex_);
    const auto* partition = find(id);
    return partition ? partition->record : std::nullopt;
  }

  std::unique_ptr<RowCursor> rows(PartitionId id, Generation generation) const override {
    static const auto kNoRows = std::make_shared<const Rows>();
    const std::lock_guard lock(*mutex_);
    const auto* partition = find(id);
    if (!partition) {
      return std::make_unique<MemCursor>(mutex_, kNoRows, std::nullopt);
    }
    const auto found = partition->generations.find(generation);
    std::shared_ptr<const Rows> rows = kNoRows;
    if (found != partition->generations.end()) {
      rows = found->second;
    }
    return std::make_unique<MemCursor>(mutex_, std::move(rows), partition->record);
  }

  Result<std::vector<std::optional<Bytes>>> find_rows(
      PartitionId id, Generation generation, const std::vector<Bytes>& keys) const override {
    const std::lock_guard lock(*mutex_);
    std::vector<std::optional<Bytes>> found(keys.size());
    const auto* partition = find(id);
    if (!partition || !partition->generations.contains(generation)) {
      return found;
    }
    const auto& rows = *partition->generations.at(generation);
    std::transform(keys.begin(), keys.end(), found.begin(), [&rows](const Bytes& key) {
      const auto at = rows.find(key);
      return at == rows.end() ? std::nullopt : std::optional(at->second);
    });
    return found;
  }

 private:
  const Partition* find(PartitionId id) const {
    const auto found = partitions_.find(id);
    return found == partitions_.end() ? nullptr : &found->second;
  }

  // Rows to change. A cursor may hold the present ones; then it keeps them and the store goes on
  // with a copy. Cursors come and go under the mutex: use_count() by itself orders nothing.
  Rows& writable(PartitionId id, Generation generation) {
    auto& rows = partitions_[id].generations[generation];
    if (!rows) {
      rows = std::make_shared<Rows>();
    } else if (rows.use_count() > 1) {
      rows = std::make_shared<Rows>(*rows);
    }
    return *rows;
  }

  void apply(const ChangeRows& op) {
    auto& rows = writable(op.partition, op.generation);
    op.changes.each(
        [&](ByteView key, ByteView value) { rows.insert_or_assign(Bytes(key), Bytes(value)); },
        [&](ByteView key) { rows.erase(Bytes(key)); });
  }
  void apply(const DropGeneration& op) {
    partitions_[op.partition].generations.erase(op.generation);
  }
  void apply(const PutPartition& op) { partitions_[op.partition].record = op.value; }
  void apply(const PutHardState& op) { partitions_[op.partition].hard_state = op.state; }
  void apply(const PutRecord& op) { records_.insert_or_assign(op.name, op.value); }

  void apply(const AppendLog& op) {
    auto& partition = partitions_[op.partition];
    extend(partition.extent, op.entries);
    for (const auto& entry : op.entries) {
      const auto position = entry.index - partition.extent.first();
      if (position < partition.entries.size()) {
        partition.entries[position] = entry;
      } else {
        partition.entries.push_back(entry);
      }
    }
  }
  void apply(const TruncateLog& op) {
    auto& partition = partitions_[op.partition];
    truncate(partition.extent, op.from);
    partition.entries.resize(partition.extent.last - partition.extent.base);
  }
  void apply(const CompactLog& op) {
    auto& partition = partitions_[op.partition];
    const auto old_base = partition.extent.base;
    if (compact(partition.extent, op.first, op.before_first)) {
      const auto dropped = static_cast<std::ptrdiff_t>(partition.extent.base - old_base);
      partition.entries.erase(partition.entries.begin(), partition.entries.begin() + dropped);
    }
  }
  void apply(const ResetLog& op) {
    auto& partition = partitions_[op.partition];
    partition.entries.clear();
    partition.extent = LogExtent{op.base, op.base_term, op.base};
  }

  void apply(const DropPartition& op) { partitions_.erase(op.partition); }

  std::shared_ptr<std::mutex> mutex_ = std::make_shared<std::mutex>();
  std::map<PartitionId, Partition> partitions_;
  std::map<Bytes, Bytes, std::less<>> records_;
};

}  // namespace

std::unique_ptr<Store> open_mem() { return std::make_unique<MemStore>(); }

std::unique_ptr<Store> copy_mem(const Store& store) {
  const auto* mem = dynamic_cast<const MemStore*>(&store);
  CHECK(mem != nullptr, "only a store in memory can be copied");
  return std::make_unique<MemStore>(*mem);
}

}  // namespace kvorum::store
