// Turns a store's operations into one write batch of RocksDB. Part of rocks.cc, apart for its
// length.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "store/extent.h"
#include "store/log_index.h"
#include "store/rocks_keys.h"
#include "store/store.h"
#include "store/wal_scan.h"

namespace kvorum::store {

namespace keys = rocks_keys;

// Column families, in the order of their handles. `log` is empty: formats 1 to 3 had entries there.
enum Family { kDefault, kLog, kMeta, kData, kFamilies };

// A larger batch's memory is given back, not kept for the next: few are.
inline constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

// Turns operations into one write batch, and says what the logs will be. What it does to logs goes
// into the write-ahead log only.
class BatchBuilder {
 public:
  using Extents = std::map<PartitionId, LogExtent>;

  void begin(const Extents& extents, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
             const WalMark& mark) {
    extents_ = &extents;
    families_ = &families;
    if (batch_.Data().capacity() > kKeptBytes) {
      batch_ = rocksdb::WriteBatch();
    }
    batch_.Clear();
    extents_after_.clear();
    log_changes_.clear();
    adds_data_ = false;
    batch_.PutLogData(encode(mark));
  }

  // What the operations do to logs is built first, and then what they do to rows: a start, which
  // looks for the former, need not read the latter.
  void apply(const std::vector<const Batch*>& batches) {
    const auto each = [&batches](const auto& build) {
      for (const auto* batch : batches) {
        for (const auto& operation : batch->operations) {
          std::visit(build, operation);
        }
      }
    };
    each([this](const auto& op) { to_logs(op); });
    each([this](const auto& op) { to_rows(op); });
  }

  // An entry that is on the disk already, encoded.
  void put_entry(PartitionId partition, ByteView entry) {
    bytes_.clear();
    encode_put_head(partition, bytes_);
    bytes_ += entry;
    put_log_change();
  }
  void truncate_entries(PartitionId partition, Index from) {
    bytes_.clear();
    encode_truncate(partition, from, bytes_);
    put_log_change();
  }

  // Each record has sequence numbers of its own, or marks could not tell what was synced; RocksDB
  // counts none for what reaches the write-ahead log only.
  void finish() {
    for (const auto& [partition, after] : extents_after_) {
      const auto before = extent_before(partition);
      const auto key = keys::partition_key(keys::kBasePrefix, partition);
      if (after.base != before.base || after.base_term != before.base_term) {
        after.base ? batch_.Put(family(kMeta), key, keys::encode_base(after))
                   : batch_.Delete(family(kMeta), key);
      }
    }
    if (batch_.Count() == 0 && !log_changes_.empty()) {
      batch_.Put(family(kMeta), Bytes(keys::kFirstKey), {});
    }
  }
  bool empty() const { return batch_.Count() == 0 && log_changes_.empty(); }

  rocksdb::WriteBatch& batch() { return batch_; }
  bool adds_data() const { return adds_data_; }
  const std::vector<std::pair<PartitionId, LogExtent>>& extents_after() const {
    return extents_after_;
  }
  const std::vector<LogChange>& log_changes() const { return log_changes_; }

 private:
  rocksdb::ColumnFamilyHandle* family(Family which) const { return (*families_)[which]; }

  void to_logs(const AppendLog& op) {
    extend(extent(op.partition), op.entries);
    adds_data_ |= !op.entries.empty();
    for (const auto& entry : op.entries) {
      bytes_.clear();
      encode_put_head(op.partition, bytes_);
      encode(entry, bytes_);
      put_log_change();
    }
  }
  void to_logs(const TruncateLog& op) {
    auto& log = extent(op.partition);
    const auto before = log.last;
    truncate(log, op.from);
    if (log.last < before) {
      truncate_entries(op.partition, op.from);
    }
  }
  // The entries go with their base: no row of RocksDB has them.
  void to_logs(const CompactLog& op) { compact(extent(op.partition), op.first, op.before_first); }
  void to_logs(const ResetLog& op) {
    extent(op.partition) = LogExtent{op.base, op.base_term, op.base};
    truncate_entries(op.partition, Index());
  }
  void to_logs(const DropPartition& op) {
    extent(op.partition) = LogExtent{};
    truncate_entries(op.partition, Index());
  }
  template <class Other>
  void to_logs(const Other&) {}
  void to_rows(const ChangeRows& op) {
    const auto prefix = keys::row_prefix(op.partition, op.generation);
    auto* data = family(kData);
    std::array<rocksdb::Slice, 2> row{prefix, {}};
    const rocksdb::SliceParts key(row.data(), row.size());
    op.changes.each(
        [&](ByteView name, ByteView value) {
          adds_data_ = true;
          row[1] = name;
          const rocksdb::Slice bytes(value);
          batch_.Put(data, key, {&bytes, 1});
        },
        [&](ByteView name) {
          row[1] = name;
          batch_.Delete(data, key);
        });
  }
  void to_rows(const DropGeneration& op) {
    const auto begin = keys::row_prefix(op.partition, op.generation);
    batch_.DeleteRange(family(kData), begin, keys::after(begin));
  }
  void to_rows(const PutPartition& op) {
    batch_.Put(family(kData), keys::partition_key(keys::kPartitionPrefix, op.partition), op.value);
  }
  void to_rows(const PutHardState& op) {
    batch_.Put(family(kMeta), keys::partition_key(keys::kHardStatePrefix, op.partition),
               keys::encode(op.state));
  }
  void to_rows(const PutRecord& op) {
    batch_.Put(family(kMeta), keys::record_key(op.name), op.value);
  }
  void to_rows(const DropPartition& op) {
    batch_.Delete(family(kMeta), keys::partition_key(keys::kHardStatePrefix, op.partition));
    batch_.Delete(family(kData), keys::partition_key(keys::kPartitionPrefix, op.partition));
    const auto rows = keys::partition_key(keys::kRowPrefix, op.partition);
    batch_.DeleteRange(family(kData), rows, keys::after(rows));
  }
  template <class Other>
  void to_rows(const Other&) {}

  LogExtent extent_before(PartitionId partition) const {
    const auto found = extents_->find(partition);
    return found == extents_->end() ? LogExtent{} : found->second;
  }
  LogExtent& extent(PartitionId partition) {
    for (auto& [id, after] : extents_after_) {
      if (id == partition) {
        return after;
      }
    }
    return extents_after_.emplace_back(partition, extent_before(partition)).second;
  }

  void put_log_change() {
    batch_.PutLogData(bytes_);
    const auto change = decode_log_change(bytes_, batch_.GetDataSize() - bytes_.size());
    CHECK(change, "log changes are written here alone");
    log_changes_.push_back(*change);
  }

  const Extents* extents_ = nullptr;
  const std::vector<rocksdb::ColumnFamilyHandle*>* families_ = nullptr;
  rocksdb::WriteBatch batch_;
  std::vector<std::pair<PartitionId, LogExtent>> extents_after_;
  std::vector<LogChange> log_changes_;
  bool adds_data_ = false;
  Bytes bytes_;
};

}  // namespace kvorum::store
