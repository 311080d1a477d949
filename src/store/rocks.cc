// Reading and writing the store on RocksDB.
#include <algorithm>
#include <utility>
#include <vector>

#include "store/extent.h"
#include "store/rocks_store.h"

namespace kvorum::store {
namespace {

using rocksdb::Slice;

constexpr std::size_t kItemBytes = 64;  // what an item takes in memory besides its bytes
constexpr std::size_t kRoomBytes = std::size_t{1}
                                   << 20;  // written between two looks at the free space
constexpr std::size_t kRotatesBehind = 3;  // below kWriteBufferRotates
constexpr std::size_t kReadBytes = std::size_t{256} << 10;  // of a write-ahead log, at once
constexpr std::uint64_t kSealsKept = 8;  // more than write-ahead logs that were not flushed yet
// Write-ahead logs may take so many rotations' bytes, and twice what their entries take that are in
// a log, before the oldest ones' entries are moved, so many bytes at once.
constexpr std::size_t kSpareRotates = 4;
constexpr std::size_t kMovedBytes = std::size_t{1} << 20;
constexpr std::size_t kOpenLogs = 16;  // for reading

class RocksCursor final : public RowCursor {
 public:
  RocksCursor(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* data, PartitionId partition,
              Generation generation)
      : begin_(keys::row_prefix(partition, generation)),
        end_(keys::after(begin_)),
        end_slice_(end_) {
    const auto* snapshot = db.GetSnapshot();
    rocksdb::ReadOptions read;
    read.snapshot = snapshot;
    std::string record;
    record_status_ =
        db.Get(read, data, keys::partition_key(keys::kPartitionPrefix, partition), &record);
    if (record_status_.ok()) {
      record_ = std::move(record);
    }
    read.fill_cache = false;
    read.iterate_upper_bound = &end_slice_;
    iterator_.reset(db.NewIterator(read, data));
    db.ReleaseSnapshot(snapshot);  // the iterator holds on to what it sees
    iterator_->Seek(begin_);
  }

  const std::optional<Bytes>& partition_record() const override { return record_; }
  bool valid() const override { return iterator_->Valid(); }
  ByteView key() const override { return view(iterator_->key()).substr(keys::kRowPrefixBytes); }
  ByteView value() const override { return view(iterator_->value()); }
  void next() override { iterator_->Next(); }
  Result<void> status() const override {
    if (!record_status_.ok() && !record_status_.IsNotFound()) {
      return failed(record_status_, "reading a partition record");
    }
    if (!iterator_->status().ok()) {
      return failed(iterator_->status(), "reading rows");
    }
    return {};
  }

 private:
  Bytes begin_;
  Bytes end_;
  Slice end_slice_;
  rocksdb::Status record_status_;
  std::optional<Bytes> record_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

std::size_t bytes_of(const rocksdb::WriteBatch& batch) {
  return batch.GetDataSize() + batch.Count() * kItemBytes;
}

}  // namespace

Error RocksStore::stop(const rocksdb::Status& status, ByteView doing) {
  failed_ = error_of(status, fmt::format("{} {}", doing, options_.path));
  return *failed_;
}

Result<void> RocksStore::check_room(std::size_t bytes) {
  const bool look = writes_since_room_ >= kRoomWrites || since_room_ + bytes > kRoomBytes ||
                    room_ < options_.reserve_bytes + since_room_ + bytes;
  if (look) {
    if (!file_system_->GetFreeSpace(options_.path, {}, &room_, nullptr).ok()) {
      room_ = UINT64_MAX / 2;  // a file system that can't tell: its own error will
    }
    writes_since_room_ = 0;
    since_room_ = 0;
  }
  if (room_ < options_.reserve_bytes + since_room_ + bytes) {
    return fail(ErrorCode::kDiskFull, "{}: {} bytes are free, {} are held in reserve",
                options_.path, room_, options_.reserve_bytes);
  }
  ++writes_since_room_;
  since_room_ += bytes;
  return {};
}

// Between two looks at the file system it trusts the last one less what was written since.
bool RocksStore::low_on_space() {
  if (room_ < options_.low_bytes + since_room_) {
    if (!file_system_->GetFreeSpace(options_.path, {}, &room_, nullptr).ok()) {
      room_ = UINT64_MAX / 2;
    }
    since_room_ = 0;
  }
  low_ = room_ < options_.low_bytes + since_room_;
  if (low_) {
    reclaim();
  }
  return low_;
}

// Nobody may write enough for a rotation while space is low, and logs that are not needed go only
// then.
void RocksStore::reclaim() {
  const bool much = index_.bytes() > 2 * index_.live() + options_.rotate_bytes;
  if (much && !failed_ && !is_flushing()) {
    static_cast<void>(rotate());  // an error stays, and is the next write's
  }
}

Result<void> RocksStore::write(const std::vector<const Batch*>& batches) {
  if (failed_) {
    return tl::unexpected(*failed_);
  }
  builder_.begin(extents_, families_, mark_);
  bool sync = false;
  for (const auto* batch : batches) {
    sync |= batch->sync;
  }
  builder_.apply(batches);
  builder_.finish();
  if (builder_.empty()) {
    return sync ? sync_log() : Result<void>();
  }
  if (builder_.adds_data()) {
    if (auto room = check_room(bytes_of(builder_.batch())); !room) {
      return room;
    }
  }
  auto done = commit(sync);
  return done ? make_room_in_memory(sync) : done;
}

// Where the record begins in its file. The first one there is synced before its second is written:
// scan_wal() relies on it.
Result<std::uint32_t> RocksStore::append(rocksdb::WriteBatch& batch, bool sync) {
  const auto& end = environment_.files().end();
  const auto before = end;
  rocksdb::WriteOptions options;
  options.sync = sync || before.bytes == 0;
  if (const auto status = db_->Write(options, &batch); !status.ok()) {
    return tl::unexpected(stop(status, "writing to"));
  }
  CHECK_LE(end.bytes, UINT32_MAX);
  since_rotate_ += bytes_of(batch);
  if (options.sync) {
    mark_.synced = db_->GetLatestSequenceNumber();
  }
  if (end.file == before.file) {
    return static_cast<std::uint32_t>(before.bytes);
  }
  {  // RocksDB began a new one before it wrote
    const std::lock_guard lock(mutex_);
    index_.end_file(before.file, before.bytes);
  }
  if (!options.sync) {
    if (auto synced = sync_log(); !synced) {
      return tl::unexpected(std::move(synced.error()));
    }
  }
  return 0;
}

// Writes what was built. Readers see logs as they were until then, and as they are from then on.
Result<void> RocksStore::commit(bool sync) {
  const auto record = append(builder_.batch(), sync);
  if (!record) {
    return tl::unexpected(record.error());
  }
  const auto file = environment_.files().end().file;
  const std::lock_guard lock(mutex_);
  for (const auto& change : builder_.log_changes()) {
    index_.apply(change, file, *record);
  }
  for (const auto& [partition, after] : builder_.extents_after()) {
    extents_[partition] = after;
    index_.begin_at(partition, after.first());
  }
  return {};
}

// A new flush begins only once the one before is done: two that overlap run into an assertion of
// RocksDB 7.8 when the disk fails (memtable_list.cc, RollbackMemtableFlush). Far behind, RocksDB
// begins one by itself, and slows writes down. Either way the present write-ahead log ends, so it
// is synced first.
Result<void> RocksStore::make_room_in_memory(bool synced) {
  if (since_rotate_ < options_.rotate_bytes) {
    return {};
  }
  const bool flushing = is_flushing();
  if (!synced && (!flushing || since_rotate_ >= kRotatesBehind * options_.rotate_bytes)) {
    if (auto done = sync_log(); !done) {
      return done;
    }
  }
  return flushing ? Result<void>() : rotate();
}

bool RocksStore::is_flushing() const {
  return std::any_of(families_.begin(), families_.end(), [this](auto* family) {
    std::uint64_t waiting = 0;
    return db_->GetIntProperty(family, rocksdb::DB::Properties::kNumImmutableMemTable, &waiting) &&
           waiting > 0;
  });
}

Result<void> RocksStore::sync_log() {
  if (const auto status = db_->SyncWAL(); !status.ok()) {
    return tl::unexpected(stop(status, "syncing"));
  }
  mark_.synced = db_->GetLatestSequenceNumber();
  return {};
}

// Flushes what is in memory, and with that begins a new write-ahead log. The old one has been
// synced as a whole: else, after a power cut, the new one's records could stand there without the
// old one's last.
//
// A seal proves, at open, that what was flushed before a write-ahead log began is still there: it
// is the last record of the old log, so it is flushed with the rest, and every record of the new
// log names it. The new log begins with a synced record of no meaning, so that there is one to name
// it.
Result<void> RocksStore::rotate() {
  if (auto moved = move_old_entries(); !moved) {
    return moved;
  }
  ++mark_.seal;
  rocksdb::WriteBatch seal;
  seal.PutLogData(encode(mark_));
  seal.Put(families_[kMeta], keys::seal_key(mark_.seal), {});
  if (mark_.seal > kSealsKept) {
    seal.Delete(families_[kMeta], keys::seal_key(mark_.seal - kSealsKept));
  }
  if (auto written = write_synced(seal); !written) {
    return written;
  }
  const auto ended = environment_.files().end();
  rocksdb::FlushOptions flush;
  flush.wait = false;
  flush.allow_write_stall = true;
  if (const auto status = db_->Flush(flush, families_); !status.ok()) {
    return tl::unexpected(stop(status, "flushing"));
  }
  since_rotate_ = 0;
  {
    const std::lock_guard lock(mutex_);
    index_.end_file(ended.file, ended.bytes);
  }
  auto begun = begin_log();
  return begun ? remove_old_logs() : begun;
}

Result<void> RocksStore::begin_log() {
  rocksdb::WriteBatch first;
  first.PutLogData(encode(mark_));
  first.Put(families_[kMeta], Bytes(keys::kFirstKey), {});
  return write_synced(first);
}

// A write-ahead log stays while one before it does, so what was truncated or replaced there never
// stands there alone. That an idle partition's entry does not keep them all, the oldest are written
// once more. The seal's sync covers that. The reserve does not hold it up: it frees more.
Result<void> RocksStore::move_old_entries() {
  auto bytes = index_.bytes();
  const auto most = (low_ ? 1 : kSpareRotates) * options_.rotate_bytes + 2 * index_.live();
  std::uint64_t moved = 0;
  std::uint32_t through = 0;
  for (const auto& [number, file] : index_.files()) {
    if (bytes <= most || moved > options_.rotate_bytes / 2 ||
        number == environment_.files().end().file) {
      break;
    }
    bytes -= file.bytes;
    moved += file.live;
    through = number;
  }
  if (moved == 0) {
    return {};
  }
  const auto entries = index_.entries_through(through);
  for (std::size_t done = 0; done < entries.size();) {
    const auto end = move(entries, done);
    if (!end) {
      failed_ = failed_ ? failed_ : end.error();
      return tl::unexpected(end.error());
    }
    done = *end;
  }
  return {};
}

// From `begin` on, as many as are moved at once; where it ended.
Result<std::size_t> RocksStore::move(const std::vector<LogIndex::Located>& entries,
                                     std::size_t begin) {
  std::vector<Stored> stored;
  std::size_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = begin; at < entries.size() && bytes < kMovedBytes; ++at) {
      const auto file = log_file(entries[at].place.file);
      if (!file) {
        return tl::unexpected(file.error());
      }
      stored.push_back({*file, entries[at].index, entries[at].place});
      bytes += entries[at].place.size;
    }
  }
  builder_.begin(extents_, families_, mark_);
  auto done = visit_entries(stored, [&](std::size_t which, ByteView entry, const Entry&) {
    builder_.put_entry(entries[begin + which].partition, entry);
  });
  if (done) {
    builder_.finish();
    done = commit(false);
  }
  return done ? Result<std::size_t>(begin + stored.size()) : tl::unexpected(done.error());
}

// What was written since their entries went has been synced.
Result<void> RocksStore::remove_old_logs() {
  while (!index_.files().empty()) {
    const auto& [number, file] = *index_.files().begin();
    if (file.entries > 0 || number == environment_.files().end().file) {
      break;
    }
    bool removed = false;
    if (const auto status = environment_.files().remove(number, removed); !status.ok()) {
      return tl::unexpected(stop(status, "removing old logs of"));
    }
    if (!removed) {
      break;
    }
    const std::lock_guard lock(mutex_);
    log_files_.erase(number);
    index_.forget_file(number);
  }
  return {};
}

Result<void> RocksStore::write_synced(rocksdb::WriteBatch& batch) {
  const auto record = append(batch, true);
  return record ? Result<void>() : tl::unexpected(record.error());
}

Result<std::optional<Bytes>> RocksStore::get(Family family, const Bytes& key) const {
  std::string value;
  const auto status = db_->Get({}, families_[family], key, &value);
  if (status.IsNotFound()) {
    return std::nullopt;
  }
  if (!status.ok()) {
    return failed(status, "reading");
  }
  return value;
}

Result<std::vector<PartitionId>> RocksStore::partitions() const {
  std::vector<PartitionId> ids;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, extent] : extents_) {
      if (is_there(extent)) {
        ids.push_back(partition);
      }
    }
  }
  for (const auto& [family, prefix] :
       {std::pair(kMeta, keys::kHardStatePrefix), std::pair(kData, keys::kPartitionPrefix)}) {
    const auto iterator = walk(family);
    for (iterator->Seek(Slice(&prefix, 1)); iterator->Valid() && iterator->key()[0] == prefix;
         iterator->Next()) {
      ids.push_back(keys::partition_of(view(iterator->key())));
    }
    if (!iterator->status().ok()) {
      return failed(iterator->status(), "reading partitions");
    }
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Result<HardState> RocksStore::hard_state(PartitionId partition) const {
  const auto bytes = get(kMeta, keys::partition_key(keys::kHardStatePrefix, partition));
  if (!bytes) {
    return tl::unexpected(bytes.error());
  }
  const auto state = *bytes ? keys::decode_hard_state(**bytes) : HardState{};
  if (!state) {
    return fail(ErrorCode::kCorrupt, "{}: the hard state of partition {} is malformed",
                options_.path, partition.value());
  }
  return *state;
}

Result<RocksStore::LogFile> RocksStore::log_file(std::uint32_t number) const {
  if (const auto found = log_files_.find(number); found != log_files_.end()) {
    return found->second;
  }
  std::unique_ptr<rocksdb::FSRandomAccessFile> opened;
  const auto status = file_system_->NewRandomAccessFile(log_path(number), {}, &opened, nullptr);
  if (!status.ok()) {
    return failed(status, "opening " + log_path(number));
  }
  if (log_files_.size() == kOpenLogs) {
    log_files_.erase(log_files_.begin());  // who reads it holds on to it
  }
  return log_files_[number] = std::move(opened);
}

// Neighbours are read in one piece.
Result<void> RocksStore::visit_entries(const std::vector<Stored>& entries,
                                       const EntryVisit& visit) const {
  const auto range_of = [](const EntryPlace& place) {
    return wal_range(place.record, place.offset, place.size);
  };
  std::string room;
  Bytes bytes;
  for (std::size_t i = 0; i < entries.size();) {
    const auto begin = range_of(entries[i].place).begin;
    auto end = range_of(entries[i].place).end;
    auto next = i + 1;
    for (; next < entries.size() && entries[next].file == entries[i].file; ++next) {
      const auto range = range_of(entries[next].place);
      if (range.begin < end || range.end > begin + kReadBytes) {
        break;
      }
      end = range.end;
    }
    room.resize(end - begin);
    Slice piece;
    const auto status = entries[i].file->Read(begin, room.size(), {}, &piece, room.data(), nullptr);
    if (!status.ok() || piece.size() < room.size()) {
      return fail(ErrorCode::kIo, "reading {}: {}", log_path(entries[i].place.file),
                  status.ok() ? "it ended early" : status.ToString());
    }
    for (; i < next; ++i) {
      const auto range = range_of(entries[i].place);
      bytes.clear();
      read_wal_range(range.begin, view(piece).substr(range.begin - begin, range.end - range.begin),
                     bytes);
      auto entry = decode_exactly(bytes, entries[i].index);
      if (!entry || entry->term != entries[i].place.term) {
        return fail(ErrorCode::kCorrupt, "{}: the entry at byte {} is damaged",
                    log_path(entries[i].place.file), range.begin);
      }
      visit(i, bytes, std::move(*entry));
    }
  }
  return {};
}

Result<std::vector<Entry>> RocksStore::read_log(PartitionId partition, Index from, Index to,
                                                std::size_t max_bytes) const {
  std::vector<Entry> entries;
  std::vector<Stored> stored;
  {
    const std::lock_guard lock(mutex_);
    const auto found = extents_.find(partition);
    if (found == extents_.end() || !holds(found->second, from)) {
      return entries;
    }
    const auto last = std::min(to, found->second.last);
    std::size_t bytes = 0;
    for (auto index = from; index <= last; index = index.next()) {
      const auto* place = index_.find(partition, index);
      CHECK(place != nullptr, "entry {} of partition {} stands nowhere", index.value(),
            partition.value());
      bytes += place->size;
      if (!stored.empty() && bytes > max_bytes) {
        break;
      }
      const auto file = log_file(place->file);
      if (!file) {
        return tl::unexpected(file.error());
      }
      stored.push_back({*file, index, *place});
    }
  }
  entries.reserve(stored.size());
  const auto done = visit_entries(
      stored, [&](std::size_t, ByteView, Entry entry) { entries.push_back(std::move(entry)); });
  if (!done) {
    return tl::unexpected(done.error());
  }
  return entries;
}

Result<Term> RocksStore::term_at(PartitionId partition, Index index) const {
  const std::lock_guard lock(mutex_);
  const auto found = extents_.find(partition);
  const auto known = found == extents_.end() ? LogExtent{} : found->second;
  if (index == known.base) {
    return known.base_term;
  }
  const auto* place = index_.find(partition, index);
  if (place == nullptr) {
    return fail(ErrorCode::kGeneric, "index {} is outside the log of partition {}", index.value(),
                partition.value());
  }
  return place->term;
}

std::unique_ptr<RowCursor> RocksStore::rows(PartitionId partition, Generation generation) const {
  return std::make_unique<RocksCursor>(*db_, families_[kData], partition, generation);
}

Result<std::vector<std::optional<Bytes>>> RocksStore::find_rows(
    PartitionId partition, Generation generation, const std::vector<Bytes>& keys) const {
  const auto prefix = keys::row_prefix(partition, generation);
  std::vector<Bytes> whole;
  whole.reserve(keys.size());
  for (const auto& key : keys) {
    whole.push_back(prefix + key);
  }
  const std::vector<Slice> slices(whole.begin(), whole.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet({}, families_[kData], keys.size(), slices.data(), values.data(), statuses.data());
  std::vector<std::optional<Bytes>> found(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].ok()) {
      found[i] = Bytes(view(values[i]));
    } else if (!statuses[i].IsNotFound()) {
      return failed(statuses[i], "reading rows");
    }
  }
  return found;
}

}  // namespace kvorum::store
