// The store on RocksDB: rocks_open.cc opens and checks it, rocks.cc reads and writes. Nobody else
// includes this.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/wal_filter.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/log_index.h"
#include "store/rocks_batch.h"
#include "store/rocks_keys.h"
#include "store/rocks_wal_files.h"
#include "store/store.h"
#include "store/wal_scan.h"

namespace kvorum::store {

inline constexpr int kRoomWrites = 64;  // writes between two looks at the free space
// Zeros are written ahead in a write-ahead log this many times between two rotations.
inline constexpr std::size_t kWalSteps = 64;

inline Error error_of(const rocksdb::Status& status, ByteView doing) {
  const bool damaged = status.IsCorruption() || status.IsNotFound();
  return Error{damaged ? ErrorCode::kCorrupt : ErrorCode::kIo,
               fmt::format("{}: {}", doing, status.ToString())};
}
inline tl::unexpected<Error> failed(const rocksdb::Status& status, ByteView doing) {
  return tl::unexpected(error_of(status, doing));
}

inline ByteView view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// Empty if the bytes are not just this entry.
inline std::optional<Entry> decode_exactly(ByteView bytes, Index index) {
  Reader reader(bytes);
  auto entry = decode_entry(reader);
  return reader.done() && entry.index == index ? std::optional(std::move(entry)) : std::nullopt;
}

// Watches the replay of the write-ahead logs at open, for the seal that its first record names.
class ReplayWatch final : public rocksdb::WalFilter {
 public:
  const char* Name() const override { return "kvorum.ReplayWatch"; }

  void ColumnFamilyLogNumberMap(const std::map<std::uint32_t, std::uint64_t>& log_numbers,
                                const std::map<std::string, std::uint32_t>&) override {
    for (const auto& [family, number] : log_numbers) {
      first_needed_ = std::max(first_needed_, number);
    }
  }

  WalProcessingOption LogRecordFound(unsigned long long number, const std::string&,
                                     const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                     bool*) override {
    // Older ones were flushed as a whole.
    if (number >= first_needed_ && !found_) {
      found_ = true;
      const auto record = read_wal_record(batch.Data());
      seal_ = record && record->mark ? record->mark->seal : 0;
    }
    return WalProcessingOption::kContinueProcessing;
  }

  std::uint64_t first_needed() const { return first_needed_; }  // number of a write-ahead log
  std::uint64_t seal() const { return seal_; }  // that the first replayed record names; 0: none

 private:
  std::uint64_t first_needed_ = 0;
  bool found_ = false;
  std::uint64_t seal_ = 0;
};

class RocksStore final : public Store {
 public:
  explicit RocksStore(const RocksOptions& options)
      : options_(options),
        environment_(options.environment ? static_cast<rocksdb::Env*>(options.environment)
                                         : rocksdb::Env::Default(),
                     std::max<std::size_t>(1, options.rotate_bytes / kWalSteps)),
        file_system_(environment_.GetFileSystem()) {}
  ~RocksStore() override { close(); }

  Result<void> open();

  Result<void> write(const std::vector<const Batch*>& batches) override;
  bool low_on_space() override;
  Result<std::optional<Bytes>> record(ByteView name) const override {
    return get(kMeta, keys::record_key(name));
  }
  Result<std::vector<PartitionId>> partitions() const override;
  Result<HardState> hard_state(PartitionId partition) const override;
  Result<LogExtent> log(PartitionId partition) const override { return extent(partition); }
  Result<std::vector<Entry>> read_log(PartitionId partition, Index from, Index to,
                                      std::size_t max_bytes) const override;
  Result<Term> term_at(PartitionId partition, Index index) const override;
  Result<std::optional<Bytes>> partition_record(PartitionId partition) const override {
    return get(kData, keys::partition_key(keys::kPartitionPrefix, partition));
  }
  std::unique_ptr<RowCursor> rows(PartitionId partition, Generation generation) const override;
  Result<std::vector<std::optional<Bytes>>> find_rows(
      PartitionId partition, Generation generation, const std::vector<Bytes>& keys) const override;

 private:
  // Steps of open(), in their order.
  Result<void> check_presence();
  Result<void> make_folder();
  Result<void> inspect();  // under the database's lock, without changing anything but torn tails
  Result<void> check_manifest();
  Result<void> check_logs_of_writes();
  Result<ByteView> read_file(const std::string& name, std::string& room) const;
  Result<void> read_log_of_writes(std::uint32_t number, bool newest, std::string& room);
  Result<void> cut(const std::string& name, std::size_t whole, std::size_t torn);
  Result<void> check_families();
  Result<void> read_database();
  Result<void> check_format();
  Result<void> check_tables();
  Result<void> load_logs();
  Result<void> load_log_bases();
  Result<void> check_gap();
  Result<void> check_log_family();
  Result<void> check_seal();
  Result<void> open_database();
  Result<void> upgrade();
  Result<void> take_over_log_family();

  Result<void> open_with(bool read_only);
  void close();
  tl::unexpected<Error> cut_short() const;

  Result<void> check_room(std::size_t bytes);
  Result<void> sync_log();
  Result<void> make_room_in_memory(bool synced);
  bool is_flushing() const;
  Result<void> rotate();
  Result<void> begin_log();
  Result<std::uint32_t> append(rocksdb::WriteBatch& batch, bool sync);
  Result<void> commit(bool sync);
  Result<void> move_old_entries();
  Result<std::size_t> move(const std::vector<LogIndex::Located>& entries, std::size_t begin);
  Result<void> remove_old_logs();
  void reclaim();
  Result<void> write_synced(rocksdb::WriteBatch& batch);
  Error stop(const rocksdb::Status& status, ByteView doing);

  using LogFile = std::shared_ptr<rocksdb::FSRandomAccessFile>;
  struct Stored {
    LogFile file;
    Index index;
    EntryPlace place;
  };
  // `bytes`: as it is encoded.
  using EntryVisit = std::function<void(std::size_t which, ByteView bytes, Entry entry)>;
  Result<LogFile> log_file(std::uint32_t number) const;  // under the lock
  Result<void> visit_entries(const std::vector<Stored>& entries, const EntryVisit& visit) const;
  std::string log_path(std::uint32_t number) const { return at(fmt::format("{:06}.log", number)); }

  Result<std::optional<Bytes>> get(Family family, const Bytes& key) const;
  LogExtent extent(PartitionId partition) const {
    const std::lock_guard lock(mutex_);
    const auto found = extents_.find(partition);
    return found == extents_.end() ? LogExtent{} : found->second;
  }
  std::unique_ptr<rocksdb::Iterator> walk(Family family) const {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(read, families_[family]));
  }
  std::string at(ByteView name) const { return fmt::format("{}/{}", options_.path, name); }

  RocksOptions options_;
  WalEnvironment environment_;
  rocksdb::Env* const env_ = &environment_;
  std::shared_ptr<rocksdb::FileSystem> file_system_;
  bool fresh_ = false;                // nothing is there yet, or a creation that was cut short
  std::uint32_t format_ = 0;          // found
  std::uint64_t replayed_seal_ = 0;   // that the first replayed record names
  std::uint64_t first_replayed_ = 0;  // number of the first write-ahead log whose rows are needed
  std::uint64_t next_sequence_ = 0;   // while write-ahead logs are read: of the next record; 0: any
  std::uint32_t gap_before_ = 0;  // the newest of them before which records are missing; 0: none
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;

  // Of the writing thread.
  BatchBuilder builder_;
  std::optional<Error> failed_;
  WalMark mark_;
  std::size_t since_rotate_ = 0;
  std::size_t since_room_ = 0;
  int writes_since_room_ = kRoomWrites;  // so the first write looks
  std::uint64_t room_ = 0;
  bool low_ = false;  // as low_on_space() last said

  // Guards what follows. The writing thread alone changes the first two, and reads them without.
  mutable std::mutex mutex_;
  BatchBuilder::Extents extents_;
  LogIndex index_;
  mutable std::map<std::uint32_t, LogFile> log_files_;  // open for reading
};

}  // namespace kvorum::store
