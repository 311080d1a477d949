// Opening the store on RocksDB, and telling a torn tail from damage. docs/store.md tells the rules.
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/memtablerep.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <utility>

#include "base/parse.h"
#include "store/rocks_store.h"

namespace kvorum::store {
namespace {

using rocksdb::Slice;

constexpr std::size_t kWriteBufferRotates = 4;  // rotate() comes first, unless flushes fall behind
// The most that RocksDB writes to a manifest between two syncs: a few edits of a few hundred bytes.
constexpr std::size_t kManifestWriteBytes = std::size_t{64} << 10;
// Tables that flushes made, before they are merged: a merge costs as much as all of them together,
// and what was merged before.
constexpr int kMergedFiles = 16;
// With so many RocksDB slows writes down, or holds them up.
constexpr int kSlowFiles = 2 * kMergedFiles;
constexpr int kTooManyFiles = 3 * kMergedFiles;
constexpr std::size_t kCacheBytes = std::size_t{8} << 20;
constexpr std::size_t kFindingCacheBytes = std::size_t{32} << 20;
constexpr double kFilterBits = 10;  // for each row: one look in a hundred is in vain
constexpr std::array<const char*, kFamilies> kFamilyNames{"default", "log", "meta", "data"};
constexpr std::size_t kTakenOver = std::size_t{1} << 20;  // bytes of the old log family in a write

// With room for the blocks that single rows are looked for in, and filters that tell which tables
// do not have them.
std::shared_ptr<rocksdb::TableFactory> tables(bool finds_rows) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(finds_rows ? kFindingCacheBytes : kCacheBytes);
  table.cache_index_and_filter_blocks = true;
  if (finds_rows) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kFilterBits));
  }
  return std::shared_ptr<rocksdb::TableFactory>(rocksdb::NewBlockBasedTableFactory(table));
}

rocksdb::Options database_options(const RocksOptions& options, rocksdb::Env* env,
                                  ReplayWatch* watch) {
  rocksdb::Options db;
  db.env = env;
  db.create_if_missing = options.create;
  db.create_missing_column_families = options.create;
  db.paranoid_checks = true;
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.wal_filter = watch;
  db.max_bgerror_resume_count = 0;  // a failed write or sync ends this process; nothing is retried
  db.atomic_flush =
      true;  // flushed rows are never without their log's base, and the other way round
  db.allow_concurrent_memtable_write = false;  // there is one writer
  db.max_background_jobs = 2;
  db.max_open_files = 256;
  db.max_manifest_file_size = std::size_t{4} << 20;
  db.bytes_per_sync = std::size_t{1} << 20;
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  db.max_log_file_size = std::size_t{1} << 20;
  db.keep_log_file_num = 2;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.write_buffer_size = kWriteBufferRotates * options.rotate_bytes;
  db.arena_block_size = std::max<std::size_t>(4096, options.rotate_bytes / 16);
  db.max_write_buffer_number = 4;
  db.table_factory = tables(false);
  return db;
}

}  // namespace

// Everything is looked at before anything is changed, but for torn tails: those are cut off first.
Result<void> RocksStore::open() {
  for (const auto step : {&RocksStore::check_presence, &RocksStore::inspect,
                          &RocksStore::open_database, &RocksStore::rotate}) {
    if (auto done = (this->*step)(); !done) {
      return done;
    }
  }
  return {};
}

Result<void> RocksStore::check_presence() {
  if (file_system_->FileExists(at("CURRENT"), {}, nullptr).ok()) {
    return {};
  }
  std::vector<std::string> names;
  file_system_->GetChildren(options_.path, {}, &names, nullptr).PermitUncheckedError();
  for (const auto& name : names) {
    if (name.ends_with(".sst") || name.ends_with(".log")) {
      return fail(ErrorCode::kCorrupt, "{} is missing, though {} is there", at("CURRENT"), name);
    }
  }
  if (!options_.create) {
    return fail(ErrorCode::kIo, "there is no database in {}", options_.path);
  }
  fresh_ = true;
  return make_folder();
}

// RocksDB syncs the names inside of its folder, but not the folder's own.
Result<void> RocksStore::make_folder() {
  const auto folder = std::filesystem::absolute(options_.path + "/.").lexically_normal();
  rocksdb::Status status = env_->CreateDirIfMissing(options_.path);
  std::unique_ptr<rocksdb::FSDirectory> parent;
  if (status.ok()) {
    const auto name = folder.parent_path().parent_path().string();
    status = file_system_->NewDirectory(name, {}, &parent, nullptr);
  }
  if (status.ok()) {
    status = parent->Fsync({}, nullptr);
  }
  return status.ok() ? Result<void>() : failed(status, "creating " + options_.path);
}

Result<void> RocksStore::inspect() {
  rocksdb::FileLock* lock = nullptr;
  if (const auto status = env_->LockFile(at("LOCK"), &lock); !status.ok()) {
    return fail(ErrorCode::kIo, "another process uses the database in {} ({})", options_.path,
                status.ToString());
  }
  Result<void> done;
  if (!fresh_) {
    for (const auto step : {&RocksStore::check_manifest, &RocksStore::check_logs_of_writes,
                            &RocksStore::check_families, &RocksStore::read_database}) {
      if (done = (this->*step)(); !done) {
        break;
      }
    }
  }
  env_->UnlockFile(lock).PermitUncheckedError();
  return done;
}

// The last write to a manifest may be torn. Were it damaged instead, a table or a write-ahead log
// that it spoke of would be missing, or check_seal() would see it; further back, damage is none
// that a power cut can do.
Result<void> RocksStore::check_manifest() {
  std::string current;
  auto status = rocksdb::ReadFileToString(env_, at("CURRENT"), &current);
  if (!status.ok()) {
    return failed(status, "reading " + at("CURRENT"));
  }
  if (!current.starts_with("MANIFEST-") || !current.ends_with('\n')) {
    return fail(ErrorCode::kCorrupt, "{} is damaged", at("CURRENT"));
  }
  current.pop_back();
  std::string bytes;
  if (status = rocksdb::ReadFileToString(env_, at(current), &bytes); !status.ok()) {
    return fail(ErrorCode::kCorrupt, "reading {}: {}", at(current), status.ToString());
  }
  const auto whole = whole_manifest_bytes(bytes);
  if (whole == 0 || bytes.size() - whole > kManifestWriteBytes) {
    return fail(ErrorCode::kCorrupt, "{} is damaged at byte {} of {}", at(current), whole,
                bytes.size());
  }
  return whole == bytes.size() ? Result<void>() : cut(at(current), whole, bytes.size() - whole);
}

Result<void> RocksStore::check_logs_of_writes() {
  std::vector<std::string> names;
  if (const auto status = env_->GetChildren(options_.path, &names); !status.ok()) {
    return failed(status, "reading " + options_.path);
  }
  std::set<std::uint32_t> numbers;
  for (const auto& name : names) {
    if (const auto number = wal_number(name)) {
      numbers.insert(*number);
    }
  }
  std::string room;
  for (const auto number : numbers) {
    if (auto done = read_log_of_writes(number, number == *numbers.rbegin(), room); !done) {
      return done;
    }
  }
  return {};
}

// In one piece, into `room`, which may be larger.
Result<ByteView> RocksStore::read_file(const std::string& name, std::string& room) const {
  std::uint64_t size = 0;
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  rocksdb::Status status = file_system_->GetFileSize(name, {}, &size, nullptr);
  if (status.ok()) {
    status = file_system_->NewRandomAccessFile(name, {}, &file, nullptr);
  }
  if (room.size() < size) {
    room.clear();
    room.resize(size);
  }
  Slice bytes;
  if (status.ok() && size > 0) {
    status = file->Read(0, size, {}, &bytes, room.data(), nullptr);
  }
  return status.ok() ? Result<ByteView>(view(bytes)) : failed(status, "reading " + name);
}

// Checks it, and takes what it says of logs. All write-ahead logs are read, in their order. No
// sequence number may be missing between two records; between two files, check_gap() judges.
Result<void> RocksStore::read_log_of_writes(std::uint32_t number, bool newest, std::string& room) {
  const auto name = log_path(number);
  const auto whole_file = read_file(name, room);
  if (!whole_file) {
    return tl::unexpected(whole_file.error());
  }
  const auto bytes = *whole_file;
  std::string problem;
  const auto scan = scan_wal(bytes, [&](std::size_t at, ByteView record) {
    const auto known = read_wal_record(record);
    if (next_sequence_ != 0 && known->sequence != next_sequence_) {
      if (at == 0) {
        gap_before_ = number;
      } else if (problem.empty()) {
        problem = fmt::format("records are missing before sequence number {}", known->sequence);
      }
    }
    next_sequence_ = known->sequence + known->count;
    bool first = true;
    bool whole = true;
    const auto take = [&](ByteView changed) {
      if (std::exchange(first, false)) {
        return;  // the mark
      }
      const auto offset = static_cast<std::size_t>(changed.data() - record.data());
      const auto change = decode_log_change(changed, offset);
      whole = whole && change;
      if (whole) {
        index_.apply(*change, number, static_cast<std::uint32_t>(at));
      }
    };
    if (problem.empty() && (!each_log_data(record, take) || !whole)) {
      problem = fmt::format("the record at byte {} is malformed", at);
    }
  });
  if (scan.damaged_bytes > 0 && (scan.lost_synced || !newest)) {
    return fail(ErrorCode::kCorrupt, "{} is damaged at byte {} of {}, and {}: no torn tail", name,
                scan.whole_bytes, bytes.size(),
                newest ? "records behind it were synced later" : "a newer log is there");
  }
  if (!problem.empty()) {
    return fail(ErrorCode::kCorrupt, "{}: {}", name, problem);
  }
  index_.end_file(number, scan.whole_bytes);
  // Synced even if whole: what it has is relied on from now on, and RocksDB may leave it for the
  // next start to look at.
  return newest ? cut(name, scan.whole_bytes, scan.damaged_bytes) : Result<void>();
}

// Leaves the whole bytes, and tells of the torn ones behind them; zeros in their stead are room
// that was never used.
Result<void> RocksStore::cut(const std::string& name, std::size_t whole, std::size_t torn) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  rocksdb::Status status = file_system_->ReopenWritableFile(name, {}, &file, nullptr);
  if (status.ok()) {
    status = file->Truncate(whole, {}, nullptr);
  }
  if (status.ok() && torn > 0 && options_.notice) {
    options_.notice(fmt::format("cut a torn tail of {} bytes off {}", torn, name));
  }
  if (status.ok()) {
    status = file->Sync({}, nullptr);
  }
  return status.ok() ? Result<void>() : failed(status, "cutting " + name);
}

// A creation that was cut short leaves some of the column families, or no format record, and no
// data; it is finished when asked to create.
Result<void> RocksStore::check_families() {
  std::vector<std::string> names;
  rocksdb::DBOptions options;
  options.env = env_;
  if (const auto status = rocksdb::DB::ListColumnFamilies(options, options_.path, &names);
      !status.ok()) {
    return failed(status, "opening " + options_.path);
  }
  for (const auto& name : names) {
    if (std::find(kFamilyNames.begin(), kFamilyNames.end(), name) == kFamilyNames.end()) {
      return fail(ErrorCode::kFormat, "{} has a column family '{}' of a later version",
                  options_.path, name);
    }
  }
  fresh_ = names.size() < kFamilyNames.size();
  return fresh_ && !options_.create ? cut_short() : Result<void>();
}

tl::unexpected<Error> RocksStore::cut_short() const {
  return fail(ErrorCode::kCorrupt, "{} has no format record: its creation was cut short",
              options_.path);
}

// Opens for reading only: RocksDB replays the logs in memory and writes nothing.
Result<void> RocksStore::read_database() {
  if (fresh_) {
    return {};
  }
  if (auto opened = open_with(true); !opened) {
    return opened;
  }
  auto done = check_format();
  for (const auto step :
       {&RocksStore::check_tables, &RocksStore::load_logs, &RocksStore::check_seal}) {
    if (done && !fresh_) {
      done = (this->*step)();
    }
  }
  close();
  return done;
}

Result<void> RocksStore::open_with(bool read_only) {
  ReplayWatch watch;
  const auto options = database_options(options_, env_, read_only ? &watch : nullptr);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto* name : kFamilyNames) {
    descriptors.emplace_back(name, options);
  }
  auto& data = descriptors[kData].options;
  if (options_.finds_rows) {
    data.table_factory = tables(true);
    data.optimize_filters_for_hits = true;
  } else {
    // Rows come in no order and nobody asks for one, only for all: sorted when they are flushed,
    // they cost a tenth of what a skip list takes to insert.
    data.memtable_factory = std::make_shared<rocksdb::VectorRepFactory>();
    data.level0_file_num_compaction_trigger = kMergedFiles;
    data.level0_slowdown_writes_trigger = kSlowFiles;
    data.level0_stop_writes_trigger = kTooManyFiles;
  }
  rocksdb::DB* db = nullptr;
  const auto status =
      read_only ? rocksdb::DB::OpenForReadOnly(options, options_.path, descriptors, &families_, &db)
                : rocksdb::DB::Open(options, options_.path, descriptors, &families_, &db);
  db_.reset(db);
  replayed_seal_ = watch.seal();
  first_replayed_ = watch.first_needed();
  return status.ok() ? Result<void>() : failed(status, "opening " + options_.path);
}

void RocksStore::close() {
  for (auto* family : families_) {
    db_->DestroyColumnFamilyHandle(family);
  }
  families_.clear();
  db_.reset();
}

Result<void> RocksStore::check_format() {
  const auto found = get(kMeta, Bytes(keys::kFormatKey));
  if (!found) {
    return tl::unexpected(found.error());
  }
  if (!*found) {
    fresh_ = options_.create && db_->GetLatestSequenceNumber() == 0;
    return fresh_ ? Result<void>() : cut_short();
  }
  const auto version = parse_number<std::uint32_t>(**found);
  if (!version) {
    return fail(ErrorCode::kCorrupt, "{}: the format record is malformed", options_.path);
  }
  if (*version > keys::kFormat) {
    return fail(ErrorCode::kFormat, "{} has format {}; this program knows {} at most",
                options_.path, *version, keys::kFormat);
  }
  format_ = *version;
  return {};
}

Result<void> RocksStore::check_tables() {
  const auto status = db_->VerifyChecksum();
  return status.ok() ? Result<void>() : failed(status, "checking " + options_.path);
}

Result<void> RocksStore::open_database() {
  auto opened = open_with(false);
  return opened && format_ != keys::kFormat ? upgrade() : opened;
}

// A creation, or an older format. Cut short, it is begun anew at the next start: the format's
// record comes last, with the end of what was taken over.
Result<void> RocksStore::upgrade() {
  if (auto done = take_over_log_family(); !done) {
    return done;
  }
  rocksdb::WriteBatch batch;
  batch.PutLogData(encode(mark_));
  batch.DeleteRange(families_[kLog], {}, Bytes(keys::kLogKeyBytes + 1, '\xff'));
  batch.Put(families_[kMeta], Bytes(keys::kFormatKey), std::to_string(keys::kFormat));
  return write_synced(batch);
}

Result<void> RocksStore::take_over_log_family() {
  builder_.begin(extents_, families_, mark_);
  for (const auto& [partition, log] : index_.logs()) {  // of a time before that was cut short
    builder_.truncate_entries(partition, Index());
  }
  const auto write = [this]() -> Result<void> {
    builder_.finish();
    if (builder_.empty()) {
      return {};
    }
    if (auto room = check_room(builder_.batch().GetDataSize()); !room) {
      return room;
    }
    auto done = commit(false);
    done = done ? make_room_in_memory(false) : done;
    builder_.begin(extents_, families_, mark_);
    return done;
  };
  const auto iterator = walk(kLog);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    builder_.put_entry(keys::partition_of_log_key(view(iterator->key())), view(iterator->value()));
    if (builder_.batch().GetDataSize() >= kTakenOver) {
      if (auto done = write(); !done) {
        return done;
      }
    }
  }
  return iterator->status().ok() ? write() : failed(iterator->status(), "reading old logs");
}

// Bases come from `meta`, entries from the write-ahead logs.
Result<void> RocksStore::load_logs() {
  if (auto loaded = load_log_bases(); !loaded || format_ < keys::kFormat) {
    return loaded ? check_log_family() : loaded;
  }
  for (const auto& [partition, extent] : extents_) {
    index_.begin_at(partition, extent.first());
  }
  for (const auto& [partition, log] : index_.logs()) {
    auto& extent = extents_[partition];
    for (auto index = extent.first(); index <= log.last(); index = index.next()) {
      if (index_.find(partition, index) == nullptr) {
        return fail(ErrorCode::kCorrupt, "{}: entry {} of partition {} is missing", options_.path,
                    index.value(), partition.value());
      }
      extent.last = index;
    }
  }
  return check_gap();
}

// Records that are missing between two write-ahead logs do no harm if nothing before them is
// needed: RocksDB does not always remove the oldest first.
Result<void> RocksStore::check_gap() {
  for (const auto& [number, file] : index_.files()) {
    const bool needed = number >= first_replayed_ || file.entries > 0;
    if (number < gap_before_ && needed) {
      return fail(ErrorCode::kCorrupt, "{}: records are missing before {}", options_.path,
                  log_path(gap_before_));
    }
  }
  return {};
}

Result<void> RocksStore::load_log_bases() {
  const auto iterator = walk(kMeta);
  for (iterator->Seek(Slice(&keys::kBasePrefix, 1));
       iterator->Valid() && iterator->key()[0] == keys::kBasePrefix; iterator->Next()) {
    const auto extent = keys::decode_base(view(iterator->value()));
    if (!extent) {
      return fail(ErrorCode::kCorrupt, "{}: a log's base is malformed", options_.path);
    }
    extents_[keys::partition_of(view(iterator->key()))] = *extent;
  }
  return iterator->status().ok() ? Result<void>() : failed(iterator->status(), "reading log bases");
}

// Of formats 1 to 3.
Result<void> RocksStore::check_log_family() {
  const auto iterator = walk(kLog);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    const auto partition = keys::partition_of_log_key(view(iterator->key()));
    const auto index = keys::index_of_log_key(view(iterator->key()));
    auto& extent = extents_[partition];
    if (iterator->key().size() != keys::kLogKeyBytes || index != extent.last.next() ||
        !decode_exactly(view(iterator->value()), index)) {
      return fail(ErrorCode::kCorrupt, "{}: entry {} of partition {} is missing or damaged",
                  options_.path, extent.last.next().value(), partition.value());
    }
    extent.last = index;
  }
  return iterator->status().ok() ? check_gap() : failed(iterator->status(), "reading logs");
}

// The first replayed record names the seal that had been flushed before it. If that one is missing,
// so is all the rest of what was flushed with it: RocksDB reads a manifest with a damaged end as a
// shorter one.
Result<void> RocksStore::check_seal() {
  if (replayed_seal_ != 0) {
    const auto sealed = get(kMeta, keys::seal_key(replayed_seal_));
    if (!sealed) {
      return tl::unexpected(sealed.error());
    }
    if (!*sealed) {
      return fail(ErrorCode::kCorrupt, "{}: tables written before {} records are missing",
                  options_.path, replayed_seal_);
    }
  }
  const auto iterator = walk(kMeta);
  iterator->SeekForPrev(keys::seal_key(UINT64_MAX));
  if (iterator->Valid() && iterator->key()[0] == keys::kSealPrefix) {
    mark_.seal = keys::get_big<std::uint64_t>(view(iterator->key()).substr(1));
  }
  return iterator->status().ok() ? Result<void>() : failed(iterator->status(), "reading seals");
}

Result<std::unique_ptr<Store>> open_rocks(const RocksOptions& options) {
  auto store = std::make_unique<RocksStore>(options);
  if (auto opened = store->open(); !opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  return store;
}

}  // namespace kvorum::store
