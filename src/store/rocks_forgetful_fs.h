// For tests: a file system that forgets, at a power cut, what was not synced: bytes, new names,
// renames, removals. It can fail writes and syncs on command, tear what was not synced, and lie
// about syncs.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"

namespace kvorum::store::testing {

// Works in root/disk, with a second name for every file in root/inodes so that nothing is gone
// before its time.
class ForgetfulFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using IOStatus = rocksdb::IOStatus;
  using IOOptions = rocksdb::IOOptions;
  using FileOptions = rocksdb::FileOptions;
  using Context = rocksdb::IODebugContext;

  explicit ForgetfulFileSystem(const std::string& root);

  std::string disk() const { return disk_; }

  // Faults, from now on.
  void fail_appends(bool on) { set(fail_appends_, on); }
  void fail_syncs(bool on) { set(fail_syncs_, on); }
  void lie_about_syncs(bool on) { set(lie_about_syncs_, on); }  // they succeed and do nothing
  void set_free_bytes(std::uint64_t bytes) { set(free_bytes_, bytes); }

  // The power goes off in the middle of the n-th change from now; 0: at once. From then on
  // everything goes on as before, but the disk no longer sees it: RocksDB 7.8 runs into assertions
  // of its own when everything fails.
  void cut_power_after(std::uint64_t changes);
  bool power() const;
  std::uint64_t changes() const;  // appends, syncs, new names, renames, removals so far
  std::uint64_t syncs() const;    // of files
  // Write-ahead logs that began while an older one had unsynced bytes: a cut may keep the new one's
  // alone.
  std::uint64_t early_logs() const;

  // Puts the disk into the state it has when the power is back; every file must have been closed.
  // With `tear`, a random part of what was not synced survives, in which sectors may be garbage;
  // without, nothing of it does.
  void restore(bool tear, Prng& prng);

  const char* Name() const override { return "kvorum.ForgetfulFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           Context* context) override;
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              Context* context) override;
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* folder, Context* context) override;
  IOStatus CreateDir(const std::string& name, const IOOptions& options, Context* context) override;
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions& options,
                              Context* context) override;
  IOStatus DeleteFile(const std::string& name, const IOOptions& options, Context* context) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      Context* context) override;
  IOStatus GetFreeSpace(const std::string& path, const IOOptions& options, std::uint64_t* bytes,
                        Context* context) override;

 private:
  friend class ForgetfulFile;
  friend class ForgetfulFolder;

  using Inode = std::uint64_t;
  static constexpr Inode kNoInode = 0;
  // What a write put over, or a cut took away: what stood there, and the size before.
  struct Change {
    std::uint64_t offset;
    std::string before;
    std::uint64_t size;
    bool cut;
    bool seen;  // by the disk: the power was on
  };
  using File = std::vector<Change>;  // unsynced, in order
  struct Folder {
    std::map<std::string, Inode> now;
    std::map<std::string, Inode> synced;
    std::vector<std::pair<std::string, Inode>>
        unsynced;          // changes since, in order; kNoInode: removed
    bool lasting = false;  // its own name is synced
  };

  template <class T>
  void set(T& where, T value) {
    const std::lock_guard lock(mutex_);
    where = value;
  }
  void name(const std::string& path, Inode inode);  // kNoInode removes it
  bool change();  // counts one; false if the disk does not see it. Under the mutex
  IOStatus write(Inode inode, std::uint64_t offset, std::size_t bytes);
  IOStatus sync(Inode inode);
  void truncate(Inode inode, std::uint64_t size);
  void remember(Inode inode, std::uint64_t offset, std::uint64_t bytes, bool cut, bool seen);
  IOStatus sync_folder(const std::string& name);
  void forget_folder(const std::string& name, Folder& folder, bool tear, Prng& prng);
  void restore_file(Inode inode, bool tear, Prng& prng);
  std::string inode_name(Inode inode) const;

  std::string disk_;
  std::string inodes_;
  mutable std::mutex mutex_;
  std::map<std::string, Folder> folders_;
  std::map<Inode, File> files_;
  Inode next_inode_ = 1;
  std::uint64_t changes_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t early_logs_ = 0;
  std::uint64_t cut_at_ = UINT64_MAX;
  bool power_ = true;
  bool fail_appends_ = false;
  bool fail_syncs_ = false;
  bool lie_about_syncs_ = false;
  std::uint64_t free_bytes_ = std::uint64_t{1} << 40;
};

// RocksDB's whole environment over such a file system; where RocksDB would sleep after an error,
// this one goes on.
class ForgetfulEnvironment final : public rocksdb::EnvWrapper {
 public:
  explicit ForgetfulEnvironment(const std::shared_ptr<ForgetfulFileSystem>& system);
};

}  // namespace kvorum::store::testing
