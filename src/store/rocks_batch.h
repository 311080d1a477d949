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
#include "store/rocks_keys.h"
#include "store/store.h"
#include "store/wal_scan.h"

namespace kvorum::store {

namespace keys = rocks_keys;

enum Family {
  kDefault,
  kLog,
  kMeta,
  kData,
  kFamilies
};  // column families, in the order of their handles

// A larger batch's memory is given back, not kept for the next: only checkpoints are.
inline constexpr std::size_t kKeptBytes = std::size_t{1} << 20;
inline constexpr std::uint64_t kManyDeletes =
    4096;  // from here on one range tombstone is cheaper than single ones

// Turns operations into one write batch, and says what the logs will be.
class BatchBuilder {
 public:
  using Extents = std::map<PartitionId, LogExtent>;
  struct Change {
    LogExtent after;
    Index lowest_last;  // while the write runs, readers may count on entries up to here only
  };

  void begin(const Extents& extents, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
             const WalMark& mark) {
    extents_ = &extents;
    families_ = &families;
    if (batch_.Data().capacity() > kKeptBytes) {
      batch_ = rocksdb::WriteBatch();
    }
    batch_.Clear();
    changes_.clear();
    adds_data_ = false;
    batch_.PutLogData(encode(mark));
  }

  void apply(const ChangeRows& op) {
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
  void apply(const DropGeneration& op) {
    const auto begin = keys::row_prefix(op.partition, op.generation);
    batch_.DeleteRange(family(kData), begin, keys::after(begin));
  }
  void apply(const PutPartition& op) {
    batch_.Put(family(kData), keys::partition_key(keys::kPartitionPrefix, op.partition), op.value);
  }
  void apply(const PutHardState& op) {
    batch_.Put(family(kMeta), keys::partition_key(keys::kHardStatePrefix, op.partition),
               keys::encode(op.state));
  }
  void apply(const PutRecord& op) {
    batch_.Put(family(kMeta), keys::record_key(op.name), op.value);
  }
  void apply(const AppendLog& op) {
    extend(change(op.partition).after, op.entries);
    adds_data_ |= !op.entries.empty();
    for (const auto& entry : op.entries) {
      set_log_key(op.partition, entry.index);
      value_.clear();
      encode_head(entry, value_);
      const rocksdb::Slice key(key_);
      const std::array<rocksdb::Slice, 2> value{value_, *entry.payload};
      batch_.Put(family(kLog), {&key, 1}, {value.data(), value.size()});
    }
  }
  void apply(const TruncateLog& op) {
    auto& log = change(op.partition);
    const auto end = log.after.last.next();
    truncate(log.after, op.from);
    log.lowest_last = std::min(log.lowest_last, log.after.last);
    delete_entries(op.partition, op.from, end);
  }
  void apply(const CompactLog& op) {
    auto& log = change(op.partition);
    const auto begin = log.after.first();
    if (compact(log.after, op.first, op.before_first)) {
      delete_entries(op.partition, begin, op.first);
      put_base(op.partition, log.after);
    }
  }
  void apply(const ResetLog& op) {
    auto& log = change(op.partition);
    delete_entries(op.partition, log.after.first(), log.after.last.next());
    log.after = LogExtent{op.base, op.base_term, op.base};
    log.lowest_last = Index(0);
    put_base(op.partition, log.after);
  }

  void apply(const DropPartition& op) {
    auto& log = change(op.partition);
    delete_entries(op.partition, log.after.first(), log.after.last.next());
    log.after = LogExtent{};
    log.lowest_last = Index(0);
    for (const auto prefix : {keys::kBasePrefix, keys::kHardStatePrefix}) {
      batch_.Delete(family(kMeta), keys::partition_key(prefix, op.partition));
    }
    batch_.Delete(family(kData), keys::partition_key(keys::kPartitionPrefix, op.partition));
    const auto rows = keys::partition_key(keys::kRowPrefix, op.partition);
    batch_.DeleteRange(family(kData), rows, keys::after(rows));
  }

  rocksdb::WriteBatch& batch() { return batch_; }
  bool adds_data() const { return adds_data_; }
  const std::vector<std::pair<PartitionId, Change>>& changes() const { return changes_; }

 private:
  rocksdb::ColumnFamilyHandle* family(Family which) const { return (*families_)[which]; }

  Change& change(PartitionId partition) {
    for (auto& [id, log] : changes_) {
      if (id == partition) {
        return log;
      }
    }
    const auto found = extents_->find(partition);
    const auto extent = found == extents_->end() ? LogExtent{} : found->second;
    return changes_.emplace_back(partition, Change{extent, extent.last}).second;
  }

  void set_log_key(PartitionId partition, Index index) {
    key_.clear();
    keys::put_big(key_, partition.value());
    keys::put_big(key_, index.value());
  }
  void put_base(PartitionId partition, const LogExtent& extent) {
    batch_.Put(family(kMeta), keys::partition_key(keys::kBasePrefix, partition),
               keys::encode_base(extent));
  }

  // Single tombstones mostly: reads seek to the log's first entry and so never walk over them,
  // while every read would have to ask each range tombstone.
  void delete_entries(PartitionId partition, Index begin, Index end) {
    if (begin >= end) {
      return;
    }
    if (end - begin >= kManyDeletes) {
      batch_.DeleteRange(family(kLog), keys::log_key(partition, begin),
                         keys::log_key(partition, end));
      return;
    }
    for (auto index = begin; index < end; index = index.next()) {
      set_log_key(partition, index);
      batch_.Delete(family(kLog), key_);
    }
  }

  const Extents* extents_ = nullptr;
  const std::vector<rocksdb::ColumnFamilyHandle*>* families_ = nullptr;
  rocksdb::WriteBatch batch_;
  std::vector<std::pair<PartitionId, Change>> changes_;
  bool adds_data_ = false;
  Bytes key_;
  Bytes value_;
};

}  // namespace kvorum::store
