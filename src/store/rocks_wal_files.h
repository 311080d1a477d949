// How the store's write-ahead logs lie on disk: in blocks that are there before they are written,
// so that a sync changes no file size and no extent. The file system then has nothing of its own
// to commit: a sync takes less time of both kinds. They are written around the page cache, block by
// block: they are hardly ever read before the next start, and a sync has no pages to collect.
//
// And how long they stay: until the store removes them, since entries of logs stand in them alone.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <boost/align/aligned_allocator.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace kvorum::store {

// The number in a write-ahead log's path, "000042.log".
std::optional<std::uint32_t> wal_number(ByteView path);

// Writes zeros ahead of the records of each *.log, `step` bytes at a time (whole blocks), and
// leaves all other files alone. Closing a log cuts the zeros off; after a crash it ends in them. A
// block that is not full is written again, with the same bytes before what is new.
class WalFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // What is written as a whole: a multiple of nearly every disk's sectors.
  static constexpr std::size_t kBlockBytes = 4096;
  using Blocks = std::vector<char, boost::alignment::aligned_allocator<char, kBlockBytes>>;

  WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& system, std::size_t step);

  const char* Name() const override { return "kvorum.WalFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override;
  // Of a *.log: only remembers that RocksDB needs it no more. Any thread.
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override;
  // Removes such a file; false if RocksDB needs it yet. Any thread.
  rocksdb::IOStatus remove(std::uint32_t number, bool& removed);

  // Where the next record will begin: the newest log, and its size so far. Writing thread.
  struct End {
    std::uint32_t file = 0;
    std::uint64_t bytes = 0;
  };
  const End& end() const { return end_; }

 private:
  friend class WalFile;

  const Blocks zeros_;
  End end_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::string> unneeded_;  // and their paths
};

// RocksDB's whole environment over such a file system. `base` outlives it.
class WalEnvironment final : public rocksdb::EnvWrapper {
 public:
  WalEnvironment(rocksdb::Env* base, std::size_t step) : EnvWrapper(base) {
    files_ = std::make_shared<WalFileSystem>(base->GetFileSystem(), step);
    file_system_ = files_;
    system_clock_ = base->GetSystemClock();
  }
  WalFileSystem& files() { return *files_; }

 private:
  std::shared_ptr<WalFileSystem> files_;
};

}  // namespace kvorum::store
