// How the store's write-ahead logs lie on disk: in blocks that are there before they are written,
// so that a sync changes no file size and no extent. The file system then has nothing of its own
// to commit: a sync takes less time of both kinds. They are written around the page cache, block by
// block: nobody reads them before the next start, and a sync has no pages to collect.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <string>

namespace kvorum::store {

// Writes zeros ahead of the records of each *.log, `step` bytes at a time (whole blocks), and
// leaves all other files alone. Closing a log cuts the zeros off; after a crash it ends in them. A
// block that is not full is written again, with the same bytes before what is new.
class WalFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& system, std::size_t step)
      : FileSystemWrapper(system), step_(step) {}

  const char* Name() const override { return "kvorum.WalFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override;

 private:
  std::size_t step_;
};

// RocksDB's whole environment over such a file system. `base` outlives it.
class WalEnvironment final : public rocksdb::EnvWrapper {
 public:
  WalEnvironment(rocksdb::Env* base, std::size_t step) : EnvWrapper(base) {
    file_system_ = std::make_shared<WalFileSystem>(base->GetFileSystem(), step);
    system_clock_ = base->GetSystemClock();
  }
};

}  // namespace kvorum::store
