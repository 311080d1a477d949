// What only a store on disk can get wrong: presence, format, lock, damage, a full disk, failing
// writes and syncs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/prng.h"
#include "store/conformance.h"
#include "store/rocks_forgetful_fs.h"
#include "store/rocks_keys.h"
#include "store/wal_scan.h"

namespace kvorum::store::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr PartitionId kOne{1};
constexpr Generation kFirst{1};

RocksOptions options_for(const std::string& path, bool create) {
  RocksOptions options;
  options.path = path;
  options.create = create;
  return options;
}

void write_file(const fs::path& name, const std::string& bytes) {
  std::ofstream(name, std::ios::binary | std::ios::trunc) << bytes;
}

// The newest write-ahead log in the folder.
fs::path newest_log(const std::string& folder) {
  fs::path newest;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() == ".log" && file.path() > newest) {
      newest = file.path();
    }
  }
  return newest;
}

// Where its records end, and the zeros begin.
std::size_t used_bytes(const fs::path& log) { return scan_wal(read_file(log)).whole_bytes; }

using Families = std::vector<std::string>;

// Opens it with RocksDB alone, for as long as `use` runs.
using Handles = std::vector<rocksdb::ColumnFamilyHandle*>;
void use_bare(const std::string& path, const Families& families, rocksdb::Env* environment,
              const std::function<void(rocksdb::DB& db, const Handles& handles)>& use) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const auto& name : families) {
    descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
  }
  rocksdb::Options options;
  options.env = environment;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  Handles handles;
  rocksdb::DB* db = nullptr;
  const auto status = rocksdb::DB::Open(options, path, descriptors, &handles, &db);
  ASSERT_TRUE(status.ok()) << status.ToString();
  use(*db, handles);
  for (auto* handle : handles) {
    EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  delete db;
}
const Families kThese{"default", "log", "meta", "data"};

std::string format_of(const std::string& path) {
  std::string version;
  use_bare(path, kThese, rocksdb::Env::Default(), [&](rocksdb::DB& db, const Handles& handles) {
    EXPECT_TRUE(db.Get({}, handles[2], "f", &version).ok());
  });
  return version;
}

// What format 3 was: entries stand in a family of their own. Two logs, 4..8 and 1..2, and a row.
void make_format_3(const std::string& path, rocksdb::Env* environment) {
  const auto write = [](rocksdb::DB& db, const Handles& handles) {
    rocksdb::WriteBatch batch;
    batch.Put(handles[2], "f", "3");
    const auto put = [&](PartitionId partition, const Entry& entry) {
      Bytes value;
      encode(entry, value);
      batch.Put(handles[1], rocks_keys::log_key(partition, entry.index), value);
    };
    for (std::uint64_t index = 4; index <= 8; ++index) {
      put(kOne, entry(index, 2, Bytes(index == 6 ? 1'100'000 : 100, 'e')));
    }
    put(PartitionId(2), entry(1, 1));
    put(PartitionId(2), entry(2, 1));
    batch.Put(handles[2], rocks_keys::partition_key(rocks_keys::kBasePrefix, kOne),
              rocks_keys::encode_base({Index(3), Term(2), {}}));
    batch.Put(handles[3], rocks_keys::row_prefix(kOne, kFirst) + "key", "value");
    rocksdb::WriteOptions synced;
    synced.sync = true;
    EXPECT_TRUE(db.Write(synced, &batch).ok());
  };
  use_bare(path, kThese, environment, write);
}
void expect_format_3_was_taken_over(const Store& store) {
  EXPECT_EQ(extent(store, kOne), "3/2..8");
  EXPECT_EQ(show(store.read_log(kOne, Index(4), Index(8), SIZE_MAX)), "4:2 5:2 6:2 7:2 8:2");
  EXPECT_EQ(extent(store, PartitionId(2)), "0/0..2");
  EXPECT_EQ(show(store.read_log(PartitionId(2), Index(1), Index(8), SIZE_MAX)), "1:1 2:1");
  EXPECT_EQ(rows(store, kOne, kFirst), "key=value");
}

Error error_of_open(const RocksOptions& options) {
  const auto store = open_rocks(options);
  EXPECT_FALSE(store) << "it opened";
  return store ? Error{} : store.error();
}

class RocksTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open(bool create = false) {
    auto options = options_for(path_, create);
    options.notice = [this](const std::string& text) { notices_ += text + "\n"; };
    auto store = open_rocks(options);
    EXPECT_TRUE(store) << to_string(store.error());
    return store ? std::move(*store) : nullptr;
  }
  // `count` entries of 100 bytes, one synced batch each, behind what is there.
  void append(Store& store, std::uint64_t count) {
    const auto last = store.log(kOne).value().last.value();
    for (auto index = last + 1; index <= last + count; ++index) {
      ASSERT_TRUE(write(store, {AppendLog{kOne, {entry(index, 1, Bytes(100, 'e'))}}}, true));
    }
  }
  Error refusal() { return error_of_open(options_for(path_, false)); }

  TemporaryFolder folder_;
  std::string path_ = folder_.database();
  std::string notices_;
};

TEST_F(RocksTest, AMissingDatabaseIsAnErrorUnlessItIsToBeMade) {
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_THAT(error.detail, HasSubstr("there is no database in " + path_));
  EXPECT_FALSE(fs::exists(path_)) << "a refusal leaves nothing behind";
  EXPECT_TRUE(open(true));
  EXPECT_TRUE(open(false));
  EXPECT_TRUE(open(true));
}

TEST_F(RocksTest, AFormatFromTheFutureIsRefusedAndLeftAlone) {
  open(true).reset();
  use_bare(path_, kThese, rocksdb::Env::Default(), [](rocksdb::DB& db, const Handles& handles) {
    EXPECT_TRUE(db.Put({}, handles[2], "f", "5").ok());
  });
  const auto log = newest_log(path_);
  const auto before = read_file(log);
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kFormat);
  EXPECT_THAT(error.detail, HasSubstr("has format 5; this program knows 4"));
  EXPECT_EQ(read_file(log), before);
}

TEST_F(RocksTest, AnOlderFormatIsReadAndIsThisOneFromThenOn) {
  make_format_3(path_, rocksdb::Env::Default());
  for (int life = 0; life < 2; ++life) {
    expect_format_3_was_taken_over(*open());
  }
  append(*open(), 1);
  EXPECT_EQ(extent(*open(), kOne), "3/2..9");
  EXPECT_EQ(format_of(path_), "4");
}

TEST_F(RocksTest, AnOlderFormatWithAMissingEntryIsRefused) {
  make_format_3(path_, rocksdb::Env::Default());
  use_bare(path_, kThese, rocksdb::Env::Default(), [](rocksdb::DB& db, const Handles& handles) {
    EXPECT_TRUE(db.Delete({}, handles[1], rocks_keys::log_key(kOne, Index(5))).ok());
  });
  for (int life = 0; life < 2; ++life) {
    const auto error = refusal();
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_THAT(error.detail, HasSubstr("entry 5 of partition 1 is missing"));
  }
}

TEST_F(RocksTest, AnUnknownColumnFamilyIsAFormatFromTheFuture) {
  open(true).reset();
  auto families = kThese;
  families.push_back("versions");
  use_bare(path_, families, rocksdb::Env::Default(), [](rocksdb::DB&, const Handles&) {});
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kFormat);
  EXPECT_THAT(error.detail, HasSubstr("'versions'"));
}

TEST_F(RocksTest, TwoStoresCantShareADatabase) {
  const auto first = open(true);
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_THAT(error.detail, HasSubstr("another process uses the database in " + path_));
  append(*first, 1);
}

TEST_F(RocksTest, AnotherProcessHoldsTheDatabase) {
  open(true).reset();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const auto child = fork();
  if (child == 0) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    const int file = ::open((path_ + "/LOCK").c_str(), O_RDWR);
    if (file >= 0 && fcntl(file, F_SETLK, &lock) == 0 && ::write(ready[1], "", 1) == 1) {
      pause();
    }
    _exit(1);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_THAT(error.detail, HasSubstr("another process uses the database"));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(open());
}

TEST_F(RocksTest, ATornLastRecordIsCutOff) {
  for (std::size_t lost = 2; lost < 130; lost += 43) {  // the last byte is a zero
    for (const bool zeros : {false, true}) {
      fs::remove_all(path_);
      append(*open(true), 20);
      const auto log = newest_log(path_);
      const auto whole = read_file(log);
      write_file(log, whole.substr(0, whole.size() - lost) + Bytes(zeros ? lost + 50'000 : 0, 0));
      notices_.clear();
      auto store = open();
      ASSERT_EQ(extent(*store, kOne), "0/0..19") << lost;
      EXPECT_THAT(notices_, HasSubstr("cut a torn tail"));
      append(*store, 1);
      store.reset();
      EXPECT_EQ(extent(*open(), kOne), "0/0..20");
    }
  }
}

// A copy of the folder while the store is open is what kill -9 would leave.
TEST_F(RocksTest, SyncsChangeNoFileSizeAndAKilledProcessLeavesZeros) {
  auto store = open(true);
  append(*store, 1);
  const auto log = newest_log(path_);
  const auto size = fs::file_size(log);
  append(*store, 300);
  EXPECT_EQ(fs::file_size(log), size);
  EXPECT_LT(used_bytes(log), size);
  append(*store, 2000);
  EXPECT_GT(fs::file_size(log), size) << "the room must be used up once";
  ASSERT_TRUE(write(
      *store, {ChangeRows{kOne, kFirst, RowChanges().put("key", Bytes(1'000'000, '\0'))}}, true));
  ASSERT_TRUE(write(*store, {ChangeRows{kOne, kFirst, RowChanges().put("zeros", Bytes(100, '\0'))}},
                    false));
  const auto killed = folder_.path() + "/killed";
  fs::copy(path_, killed);
  store.reset();
  EXPECT_EQ(fs::file_size(log), used_bytes(log)) << "closing cuts the zeros off";
  for (const auto& path : {killed, path_}) {
    path_ = path;
    store = open();
    EXPECT_EQ(notices_, "");
    EXPECT_EQ(extent(*store, kOne), "0/0..2301");
    EXPECT_EQ(rows(*store, kOne, kFirst),
              "key=" + Bytes(1'000'000, '\0') + " zeros=" + Bytes(100, '\0'));
  }
}

TEST_F(RocksTest, AFlippedByteInTheLastRecordIsATornTail) {
  for (std::size_t back = 1; back < 130; back += 25) {
    fs::remove_all(path_);
    append(*open(true), 20);
    const auto log = newest_log(path_);
    auto bytes = read_file(log);
    bytes[bytes.size() - back] = static_cast<char>(bytes[bytes.size() - back] ^ 0x10);
    write_file(log, bytes);
    EXPECT_EQ(extent(*open(), kOne), "0/0..19") << back;
    EXPECT_THAT(notices_, HasSubstr("cut a torn tail"));
  }
}

// The same flip with synced records behind it is damage, wherever it hits: head, length, type or
// bytes. RocksDB drops the records behind in silence when a length in the last block points past
// the end.
TEST_F(RocksTest, AFlippedByteBeforeSyncedRecordsIsRefusedAndNothingIsChanged) {
  append(*open(true), 20);
  const auto log = newest_log(path_);
  const auto whole = read_file(log);
  const auto last_record = whole.size() - 190;
  for (std::size_t at = 0; at < last_record; at += 19) {
    for (const int flip : {0x01, 0x80}) {
      auto bytes = whole + Bytes(flip == 1 ? 0 : 5000, 0);
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      write_file(log, bytes);
      const auto error = refusal();
      ASSERT_EQ(error.code, ErrorCode::kCorrupt) << at << " of " << whole.size();
      ASSERT_THAT(error.detail, HasSubstr(log.string()));
      ASSERT_EQ(read_file(log), bytes);
    }
  }
  write_file(log, whole);
  EXPECT_EQ(extent(*open(), kOne), "0/0..20");
}

// As if its sectors had never been written over the zeros.
TEST_F(RocksTest, ASyncedRecordOfZerosIsRefusedUnlessItIsTheLast) {
  auto store = open(true);
  const auto log = newest_log(path_);
  std::vector<std::size_t> ends;
  for (int i = 0; i < 3; ++i) {
    append(*store, 1);
    ends.push_back(used_bytes(log));
  }
  const auto whole = read_file(log);
  store.reset();
  for (std::size_t gone = 1; gone < 3; ++gone) {
    auto bytes = whole;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(ends[gone - 1]),
              bytes.begin() + static_cast<std::ptrdiff_t>(ends[gone]), '\0');
    write_file(log, bytes);
    if (gone == 1) {
      EXPECT_EQ(refusal().code, ErrorCode::kCorrupt);
      EXPECT_EQ(read_file(log), bytes);
    } else {
      EXPECT_EQ(extent(*open(), kOne), "0/0..2");
    }
  }
}

TEST_F(RocksTest, ARecordGoneFromBetweenOthersIsRefused) {
  auto store = open(true);
  const auto begin = used_bytes(newest_log(path_));
  append(*store, 20);
  store.reset();
  const auto log = newest_log(path_);
  auto bytes = read_file(log);
  const auto record = (bytes.size() - begin) / 20;
  write_file(log, bytes.erase(begin + 5 * record, record));
  const auto error = refusal();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.detail, HasSubstr("records are missing before"));
}

TEST_F(RocksTest, UnsyncedRecordsBehindATornOneAreCutOffWithIt) {
  auto store = open(true);
  append(*store, 10);
  const auto synced = used_bytes(newest_log(path_));
  for (std::uint64_t index = 11; index <= 13; ++index) {
    ASSERT_TRUE(write(*store, {AppendLog{kOne, entries(index, index, 1)}}, false));
  }
  store.reset();
  const auto log = newest_log(path_);
  auto bytes = read_file(log);
  bytes[synced + 20] = static_cast<char>(bytes[synced + 20] ^ 1);
  write_file(log, bytes);
  EXPECT_EQ(extent(*open(), kOne), "0/0..10");
}

// Whatever single byte of whatever file is flipped: the store refuses to open, or all that was
// synced is there but for the very last record, which can't be told from a torn one.
TEST_F(RocksTest, OneFlippedByteAnywhereLosesNothingInSilence) {
  {
    auto options = options_for(path_, true);
    options.rotate_bytes = 70'000;
    auto store = open_rocks(options).value();
    append(*store, 600);
    ASSERT_TRUE(write(*store, {ChangeRows{kOne, kFirst, RowChanges().put("key", "value")}}, true));
    append(*store, 3);
  }
  const auto kept = folder_.path() + "/kept";
  fs::copy(path_, kept);
  Prng prng(5);
  int refused = 0;
  for (const auto& file : fs::directory_iterator(kept)) {
    const auto whole = read_file(file.path());
    const auto tries = std::min<std::size_t>(whole.size(), 12);
    for (std::size_t i = 0; i < tries; ++i) {
      fs::remove_all(path_);
      fs::copy(kept, path_);
      auto bytes = whole;
      const auto at = i == 0 ? bytes.size() - 1 : prng.below(bytes.size());
      bytes[at] = static_cast<char>(bytes[at] ^ (1u << prng.below(8)));
      write_file(fs::path(path_) / file.path().filename(), bytes);
      SCOPED_TRACE(fmt::format("{} byte {} of {}", file.path().string(), at, bytes.size()));
      const auto store = open_rocks(options_for(path_, false));
      if (!store) {
        ++refused;
        EXPECT_THAT(store.error().code, ::testing::AnyOf(ErrorCode::kCorrupt, ErrorCode::kIo));
        const auto again = open_rocks(options_for(path_, false));
        EXPECT_FALSE(again) << "refused once, accepted later: " << to_string(store.error());
        continue;
      }
      EXPECT_THAT(extent(**store, kOne), ::testing::AnyOf("0/0..603", "0/0..602"));
      EXPECT_EQ(show((*store)->read_log(kOne, Index(1), Index(2), SIZE_MAX)), "1:1 2:1");
      EXPECT_EQ(rows(**store, kOne, kFirst), "key=value");
    }
  }
  EXPECT_GT(refused, 20);
}

// Of files that lost their end, or are gone, RocksDB itself makes out only some. Rows show it best:
// a log would betray a loss by its gaps.
class LostFiles : public RocksTest {
 protected:
  static constexpr int kRows =
      900;  // some flushes, too few for a compaction, which would leave tables missing

  void SetUp() override {
    auto options = options_for(path_, true);
    options.rotate_bytes = 70'000;
    const auto store = open_rocks(options).value();
    for (int i = 0; i < kRows; ++i) {
      ASSERT_TRUE(write(
          *store, {ChangeRows{kOne, kFirst, RowChanges().put(std::to_string(i), Bytes(100, 'v'))}},
          true));
    }
    fs::copy(path_, kept_);
  }
  void take_anew() {
    fs::remove_all(path_);
    fs::copy(kept_, path_);
  }
  // True if the store refuses, as it must again and again; else nothing may be missing.
  bool refuses() {
    const auto store = open_rocks(options_for(path_, false));
    if (!store) {
      EXPECT_EQ(store.error().code, ErrorCode::kCorrupt);
      EXPECT_FALSE(open_rocks(options_for(path_, false))) << to_string(store.error());
      return true;
    }
    int found = 0;
    for (const auto cursor = (*store)->rows(kOne, kFirst); cursor->valid(); cursor->next()) {
      ++found;
    }
    EXPECT_EQ(found, kRows);
    return false;
  }

  const fs::path kept_ = folder_.path() + "/kept";
};

TEST_F(LostFiles, AManifestThatLostItsEnd) {
  auto current = read_file(kept_ / "CURRENT");
  current.pop_back();
  const auto whole = read_file(kept_ / current);
  int refused = 0;
  for (auto bytes = whole.size() / 2; bytes < whole.size(); bytes += whole.size() / 40 + 1) {
    take_anew();
    write_file(fs::path(path_) / current, whole.substr(0, bytes));
    SCOPED_TRACE(fmt::format("{} of {} bytes", bytes, whole.size()));
    refused += refuses() ? 1 : 0;
  }
  EXPECT_GT(refused, 2);
}

TEST_F(LostFiles, AMissingFileIsDamage) {
  for (const auto& file : fs::directory_iterator(kept_)) {
    const auto name = file.path().filename();
    if (name.extension() != ".sst" && name != "CURRENT" && !name.string().starts_with("MANIFEST")) {
      continue;
    }
    take_anew();
    fs::remove(fs::path(path_) / name);
    for (const bool create : {false, true}) {
      EXPECT_EQ(error_of_open(options_for(path_, create)).code, ErrorCode::kCorrupt) << name;
    }
  }
}

// Entries stand in write-ahead logs, which stay as long as they are needed.
class KeptLogs : public RocksTest {
 protected:
  static constexpr PartitionId kIdle{2};

  std::unique_ptr<Store> open_small() {
    auto options = options_for(path_, true);
    options.rotate_bytes = 30'000;
    return open_rocks(options).value();
  }
  std::vector<fs::path> logs() const {
    std::vector<fs::path> found;
    for (const auto& file : fs::directory_iterator(path_)) {
      if (file.path().extension() == ".log") {
        found.push_back(file.path());
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(KeptLogs, GoOnceTheirEntriesAreCompacted) {
  auto store = open_small();
  append(*store, 1000);
  const auto before = logs();
  EXPECT_GT(before.size(), 3u);
  EXPECT_EQ(show(store->read_log(kOne, Index(1), Index(2), SIZE_MAX)), "1:1 2:1");
  store = nullptr;
  store = open_small();
  EXPECT_EQ(extent(*store, kOne), "0/0..1000");
  EXPECT_EQ(show(store->read_log(kOne, Index(1), Index(2), SIZE_MAX)), "1:1 2:1");
  ASSERT_TRUE(write(*store, {CompactLog{kOne, Index(991), Term(1)}}, true));
  for (int i = 0; i < 60 && logs().front() <= before.back(); ++i) {  // the flush has its own time
    append(*store, 100);
    const auto last = store->log(kOne).value().last;
    ASSERT_TRUE(write(*store, {CompactLog{kOne, last, Term(1)}}, true));
  }
  EXPECT_GT(logs().front(), before.back());
  const auto last = store->log(kOne).value().last;
  store = nullptr;
  store = open_small();
  EXPECT_EQ(store->log(kOne).value().first(), last);
  EXPECT_EQ(store->read_log(kOne, last, last, 0).value().size(), 1u);
}

// Else one entry would keep all that was written since.
TEST_F(KeptLogs, EntriesOfAnIdlePartitionMoveOutOfOldOnes) {
  auto store = open_small();
  ASSERT_TRUE(write(*store, {AppendLog{kIdle, entries(1, 4, 7)}}, true));
  ASSERT_TRUE(write(*store, {TruncateLog{kIdle, Index(4)}}, true));
  const auto first = logs().front();
  for (int i = 0; i < 300 && fs::exists(first); ++i) {
    append(*store, 100);
    ASSERT_TRUE(write(*store, {CompactLog{kOne, store->log(kOne).value().last, Term(1)}}, true));
  }
  EXPECT_FALSE(fs::exists(first));
  for (int life = 0; life < 2; ++life) {
    EXPECT_EQ(extent(*store, kIdle), "0/0..3");
    EXPECT_EQ(show(store->read_log(kIdle, Index(1), Index(9), SIZE_MAX)), "1:7 2:7 3:7");
    store = nullptr;
    store = open_small();
  }
}

// RocksDB begins a log by itself, in the middle of a write, when its memory is full.
TEST_F(KeptLogs, ThoseThatRocksDbBeganGoToo) {
  auto store = open_small();
  append(*store, 10);
  store = nullptr;
  store = open_small();  // with a log that gets no entry
  RowChanges rows;
  for (int i = 0; i < 2000; ++i) {
    rows.put(std::to_string(i), Bytes(200, 'v'));
  }
  ASSERT_TRUE(write(*store, {ChangeRows{kOne, kFirst, std::move(rows)}}, true));
  const auto before = logs();
  for (int i = 0; i < 300 && logs().front() <= before.back(); ++i) {
    append(*store, 100);
    ASSERT_TRUE(write(*store, {CompactLog{kOne, store->log(kOne).value().last, Term(1)}}, true));
  }
  EXPECT_GT(logs().front(), before.back());
  const auto last = store->log(kOne).value().last;
  store = nullptr;
  store = open_small();
  EXPECT_EQ(store->log(kOne).value().last, last);
}

TEST_F(KeptLogs, AMissingOneIsDamage) {
  append(*open_small(), 1000);
  const auto kept = folder_.path() + "/kept";
  fs::copy(path_, kept);
  const auto found = logs();
  ASSERT_GT(found.size(), 4u);
  for (std::size_t i = 0; i + 2 < found.size(); ++i) {
    fs::remove_all(path_);
    fs::copy(kept, path_);
    fs::remove(found[i]);
    EXPECT_EQ(refusal().code, ErrorCode::kCorrupt) << found[i];
  }
}

// The rest: a file system that fails.
class FailingDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = options_for(disk_->disk() + "/db", true);
    options_.environment = &environment_;
    options_.reserve_bytes = 1'000'000;
    store_ = open_rocks(options_).value();
    ASSERT_TRUE(write(
        *store_,
        {ChangeRows{kOne, kFirst, RowChanges().put("k", "1")}, AppendLog{kOne, entries(1, 3, 1)}},
        true));
  }

  TemporaryFolder folder_;
  std::shared_ptr<ForgetfulFileSystem> disk_ =
      std::make_shared<ForgetfulFileSystem>(folder_.path());
  ForgetfulEnvironment environment_{disk_};
  RocksOptions options_;
  std::unique_ptr<Store> store_;
};

TEST_F(FailingDisk, AFailedSyncStopsAllFurtherWrites) {
  disk_->fail_syncs(true);
  const auto failed = write(*store_, {AppendLog{kOne, entries(4, 4, 1)}}, true);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  EXPECT_THAT(failed.error().detail, HasSubstr("syncing fails"));
  disk_->fail_syncs(false);
  const auto later = write(*store_, {PutHardState{kOne, {Term(9), {}, {}}}}, false);
  ASSERT_FALSE(later);
  EXPECT_EQ(to_string(later.error()), to_string(failed.error()));
  EXPECT_EQ(rows(*store_, kOne, kFirst), "k=1") << "reads go on";
}

TEST_F(FailingDisk, AFailedWriteStopsAllFurtherWrites) {
  disk_->fail_appends(true);
  const auto failed = write(*store_, {AppendLog{kOne, entries(4, 4, 1)}}, false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kIo);
  disk_->fail_appends(false);
  EXPECT_FALSE(write(*store_, {AppendLog{kOne, entries(4, 4, 1)}}, false));
  store_.reset();
  store_ = open_rocks(options_).value();
  EXPECT_EQ(show(store_->read_log(kOne, Index(1), Index(9), SIZE_MAX)), "1:1 2:1 3:1");
}

TEST_F(FailingDisk, AnEmptySyncedBatchSyncsTheWritesBeforeIt) {
  ASSERT_TRUE(write(*store_, {ChangeRows{kOne, kFirst, RowChanges().put("k", "2")}}, false));
  ASSERT_TRUE(write(*store_, {}, true));
  disk_->cut_power_after(0);
  store_.reset();
  Prng prng(1);
  disk_->restore(false, prng);
  store_ = open_rocks(options_).value();
  EXPECT_EQ(rows(*store_, kOne, kFirst), "k=2");
}

TEST_F(FailingDisk, BelowTheReserveWritesThatAddDataAreRefusedAndNothingElse) {
  disk_->set_free_bytes(900'000);
  for (int i = 0; i < 100; ++i) {  // sooner or later it looks
    if (!write(*store_, {ChangeRows{kOne, kFirst, RowChanges().put("k", "2")}}, false)) {
      break;
    }
  }
  const Batch adds{
      {ChangeRows{kOne, kFirst, RowChanges().put("k", "3")}, AppendLog{kOne, entries(4, 4, 1)}},
      true};
  const Batch state{{PutHardState{kOne, {Term(5), {}, {}}}}, true};
  const auto refused = store_->write({&state, &adds});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDiskFull);
  EXPECT_EQ(rows(*store_, kOne, kFirst), "k=2");
  EXPECT_EQ(extent(*store_, kOne), "0/0..3");
  EXPECT_EQ(store_->hard_state(kOne).value(), HardState{}) << "merged with what was refused";
  EXPECT_TRUE(store_->write({&state}));
  EXPECT_TRUE(
      write(*store_,
            {ChangeRows{kOne, kFirst, RowChanges().erase("k")}, CompactLog{kOne, Index(3), Term(1)},
             DropGeneration{kOne, kFirst}, PutRecord{"boot", "2"}},
            true));
  disk_->set_free_bytes(10'000'000);
  EXPECT_TRUE(store_->write({&adds}));
  EXPECT_EQ(extent(*store_, kOne), "2/1..4");
}

TEST_F(FailingDisk, SaysWhenSpaceIsLow) {
  options_.low_bytes = 5'000'000;
  store_.reset();
  store_ = open_rocks(options_).value();
  EXPECT_FALSE(store_->low_on_space());
  disk_->set_free_bytes(4'000'000);
  for (int i = 0; i < 100 && !store_->low_on_space(); ++i) {  // it looks now and then
    ASSERT_TRUE(write(*store_, {ChangeRows{kOne, kFirst, RowChanges().put("k", "2")}}, false))
        << "above the reserve";
  }
  EXPECT_TRUE(store_->low_on_space());
  disk_->set_free_bytes(6'000'000);
  EXPECT_FALSE(store_->low_on_space());
}

TEST_F(FailingDisk, AWriteLargerThanTheRoomIsRefused) {
  disk_->set_free_bytes(2'100'000);
  const auto refused = write(
      *store_, {ChangeRows{kOne, kFirst, RowChanges().put("big", Bytes(1'200'000, 'x'))}}, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDiskFull);
  EXPECT_TRUE(write(*store_, {ChangeRows{kOne, kFirst, RowChanges().put("small", "x")}}, false));
}

// A start moves old entries, too.
TEST_F(FailingDisk, AStartThatMovesEntriesMayBeCutShort) {
  Prng prng(3);
  bool done = false;
  int cuts = 0;
  for (std::uint64_t changes = 0; !done; changes += 3) {
    SCOPED_TRACE(changes);
    options_.path = fmt::format("{}/moved{}", disk_->disk(), changes);
    options_.create = true;
    options_.rotate_bytes = 100'000;
    auto store = open_rocks(options_).value();
    for (std::uint64_t index = 1; index <= 300; ++index) {
      ASSERT_TRUE(write(*store,
                        {AppendLog{kOne, {entry(index, 1, Bytes(1000, 'e'))}},
                         AppendLog{PartitionId(2), {entry(index, 2)}}},
                        index % 50 == 0));
    }
    ASSERT_TRUE(write(*store, {CompactLog{kOne, Index(300), Term(1)}}, true));
    store = nullptr;
    options_.rotate_bytes = 10'000;
    const auto expect_all = [&] {
      auto opened = open_rocks(options_);
      ASSERT_TRUE(opened) << to_string(opened.error());
      EXPECT_EQ(extent(**opened, kOne), "299/1..300");
      EXPECT_EQ(extent(**opened, PartitionId(2)), "0/0..300");
      const auto found = (*opened)->read_log(PartitionId(2), Index(1), Index(300), SIZE_MAX);
      EXPECT_EQ(found.value().size(), 300u);
    };
    disk_->cut_power_after(changes);
    expect_all();
    done = disk_->power();
    cuts += done ? 0 : 1;
    disk_->restore(cuts % 2 == 0, prng);
    expect_all();
  }
  EXPECT_GT(cuts, 7);
}

TEST_F(FailingDisk, WhenSpaceIsLowLogsThatNobodyNeedsGo) {
  store_.reset();
  options_.low_bytes = 5'000'000;
  options_.rotate_bytes = 100'000;
  store_ = open_rocks(options_).value();
  for (std::uint64_t index = 4; index <= 400; ++index) {
    ASSERT_TRUE(write(*store_, {AppendLog{kOne, {entry(index, 1, Bytes(1000, 'e'))}}}, false));
  }
  ASSERT_TRUE(write(*store_, {CompactLog{kOne, Index(400), Term(1)}}, true));
  const auto bytes = [&] {
    std::uintmax_t sum = 0;
    for (const auto& file : fs::directory_iterator(options_.path)) {
      sum += file.path().extension() == ".log" ? fs::file_size(file) : 0;
    }
    return sum;
  };
  EXPECT_FALSE(store_->low_on_space());
  EXPECT_GT(bytes(), 300'000u);
  disk_->set_free_bytes(2'000'000);
  for (int i = 0; i < 1000 && bytes() > 200'000; ++i) {  // flushes have their own time
    ASSERT_TRUE(write(*store_, {ChangeRows{kOne, kFirst, RowChanges().put("k", "2")}}, true));
    EXPECT_TRUE(store_->low_on_space() || i < 100);
  }
  EXPECT_LE(bytes(), 200'000u);
  EXPECT_EQ(show(store_->read_log(kOne, Index(400), Index(400), 0)), "400:1");
}

// Whenever it ends, the next start does it anew.
TEST_F(FailingDisk, TakingOverAnOlderFormatMayBeCutShort) {
  store_.reset();
  Prng prng(7);
  bool done = false;
  int cuts = 0;
  for (std::uint64_t changes = 0; !done; changes += 5) {
    options_.path = fmt::format("{}/old{}", disk_->disk(), changes);
    options_.create = false;
    make_format_3(options_.path, &environment_);
    std::unique_ptr<rocksdb::FSDirectory> folder;
    ASSERT_TRUE(disk_->NewDirectory(disk_->disk(), {}, &folder, nullptr).ok());
    ASSERT_TRUE(folder->Fsync({}, nullptr).ok());
    SCOPED_TRACE(changes);
    disk_->cut_power_after(changes);
    auto store = open_rocks(options_);
    ASSERT_TRUE(store) << to_string(store.error());
    expect_format_3_was_taken_over(**store);
    store->reset();
    done = disk_->power();
    cuts += done ? 0 : 1;
    disk_->restore(cuts % 2 == 1, prng);
    store = open_rocks(options_);
    ASSERT_TRUE(store) << to_string(store.error());
    expect_format_3_was_taken_over(**store);
  }
  EXPECT_GT(cuts, 8);
}

}  // namespace
}  // namespace kvorum::store::testing
