#include "store/rocks_forgetful_fs.h"

#include <rocksdb/system_clock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/check.h"
#include "store/conformance.h"

namespace kvorum::store::testing {

namespace fs = std::filesystem;
using rocksdb::IOStatus;

namespace {

constexpr std::uint64_t kSectorBytes = 512;

class SleeplessClock final : public rocksdb::SystemClockWrapper {
 public:
  SleeplessClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "kvorum.SleeplessClock"; }
  void SleepForMicroseconds(int) override {}
};

std::pair<std::string, std::string> split(const std::string& name) {
  const fs::path path = fs::path(name).lexically_normal();
  return {path.parent_path().string(), path.filename().string()};
}

std::string normal(const std::string& folder) {
  auto name = fs::path(folder).lexically_normal().string();
  if (name.ends_with('/')) {
    name.pop_back();
  }
  return name;
}

// Of what was written over `from` to `to`, some sectors may still hold the old bytes, or garbage.
void tear_sectors(std::string& bytes, std::uint64_t from, std::uint64_t to, const std::string& old,
                  Prng& prng) {
  for (auto at = from; at < to;) {
    const auto end = std::min(to, (at / kSectorBytes + 1) * kSectorBytes);
    const auto fate = prng.below(12);  // 0: old, or zeros if there was nothing; 1, 2: garbage
    for (; at < end; ++at) {
      if (fate == 0) {
        bytes[at] = at < old.size() ? old[at] : '\0';
      } else if (fate <= 2) {
        bytes[at] = static_cast<char>(prng.next());
      }
    }
  }
}

}  // namespace

class ForgetfulFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  ForgetfulFile(ForgetfulFileSystem& system, std::uint64_t inode,
                std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), system_(system), inode_(inode) {}

  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* context) override {
    const auto status =
        system_.write(inode_, fs::file_size(system_.inode_name(inode_)), data.size());
    return status.ok() ? target()->Append(data, options, context) : status;
  }
  IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                  const rocksdb::DataVerificationInfo&, rocksdb::IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t offset,
                            const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
    const auto status = system_.write(inode_, offset, data.size());
    return status.ok() ? target()->PositionedAppend(data, offset, options, context) : status;
  }
  IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options,
                    rocksdb::IODebugContext* context) override {
    system_.truncate(inode_, size);
    return target()->Truncate(size, options, context);
  }
  IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return system_.sync(inode_);
  }
  IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return system_.sync(inode_);
  }

 private:
  ForgetfulFileSystem& system_;
  std::uint64_t inode_;
};

class ForgetfulFolder final : public rocksdb::FSDirectoryWrapper {
 public:
  ForgetfulFolder(ForgetfulFileSystem& system, std::string name,
                  std::unique_ptr<rocksdb::FSDirectory> folder)
      : FSDirectoryWrapper(std::move(folder)), system_(system), name_(std::move(name)) {}

  IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    return system_.sync_folder(name_);
  }
  IOStatus FsyncWithDirOptions(const rocksdb::IOOptions&, rocksdb::IODebugContext*,
                               const rocksdb::DirFsyncOptions&) override {
    return system_.sync_folder(name_);
  }

 private:
  ForgetfulFileSystem& system_;
  std::string name_;
};

ForgetfulFileSystem::ForgetfulFileSystem(const std::string& root)
    : FileSystemWrapper(rocksdb::FileSystem::Default()),
      disk_(root + "/disk"),
      inodes_(root + "/inodes") {
  fs::create_directories(disk_);
  fs::create_directories(inodes_);
  folders_[disk_].lasting = true;
}

std::string ForgetfulFileSystem::inode_name(Inode inode) const {
  return inodes_ + "/" + std::to_string(inode);
}

void ForgetfulFileSystem::cut_power_after(std::uint64_t changes) {
  const std::lock_guard lock(mutex_);
  cut_at_ = changes_ + changes;
  power_ = changes > 0;
}

bool ForgetfulFileSystem::power() const {
  const std::lock_guard lock(mutex_);
  return power_;
}

std::uint64_t ForgetfulFileSystem::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

std::uint64_t ForgetfulFileSystem::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

void ForgetfulFileSystem::name(const std::string& path, Inode inode) {
  const auto [folder_name, leaf] = split(path);
  auto& folder = folders_[folder_name];
  if (inode == kNoInode) {
    folder.now.erase(leaf);
  } else {
    folder.now[leaf] = inode;
  }
  folder.unsynced.emplace_back(leaf, inode);
}

std::uint64_t ForgetfulFileSystem::early_logs() const {
  const std::lock_guard lock(mutex_);
  return early_logs_;
}

bool ForgetfulFileSystem::change() {
  if (power_ && ++changes_ >= cut_at_) {
    power_ = false;
  }
  return power_;
}

IOStatus ForgetfulFileSystem::write(Inode inode, std::uint64_t offset, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (fail_appends_) {
    return IOStatus::IOError("appending fails");
  }
  const bool had_power = power_;
  auto seen = change() ? bytes : 0;
  if (had_power && !power_) {
    constexpr std::uint64_t kPlaces = 97;
    seen = bytes * (changes_ % kPlaces) / kPlaces;  // the power went off somewhere within it
  }
  remember(inode, offset, seen, false, true);
  remember(inode, offset + seen, bytes - seen, false, false);
  return IOStatus::OK();
}

void ForgetfulFileSystem::remember(Inode inode, std::uint64_t offset, std::uint64_t bytes, bool cut,
                                   bool seen) {
  if (bytes > 0) {
    const auto now = read_file(inode_name(inode));
    const auto before = offset < now.size() ? now.substr(offset, bytes) : std::string();
    files_[inode].push_back(
        {offset, before, std::max<std::uint64_t>(now.size(), offset), cut, seen});
  }
}

IOStatus ForgetfulFileSystem::sync(Inode inode) {
  const std::lock_guard lock(mutex_);
  if (fail_syncs_) {
    return IOStatus::IOError("syncing fails");
  }
  ++syncs_;
  if (change() && !lie_about_syncs_) {
    files_[inode].clear();
  }
  return IOStatus::OK();
}

IOStatus ForgetfulFileSystem::sync_folder(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (fail_syncs_) {
    return IOStatus::IOError("syncing fails");
  }
  if (change() && !lie_about_syncs_) {
    auto& folder = folders_[name];
    folder.synced = folder.now;
    folder.unsynced.clear();
    for (auto& [path, inner] : folders_) {
      inner.lasting |= split(path).first == name;
    }
  }
  return IOStatus::OK();
}

void ForgetfulFileSystem::truncate(Inode inode, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  const bool seen = change();
  remember(inode, size, UINT64_MAX, true, seen);
}

IOStatus ForgetfulFileSystem::NewWritableFile(const std::string& name, const FileOptions& options,
                                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                                              Context* context) {
  const std::lock_guard lock(mutex_);
  std::error_code ignored;
  fs::remove(name, ignored);  // else an older inode would be emptied in place
  std::unique_ptr<rocksdb::FSWritableFile> made;
  auto status = target()->NewWritableFile(name, options, &made, context);
  if (!status.ok()) {
    return status;
  }
  const auto inode = next_inode_++;
  fs::create_hard_link(name, inode_name(inode));
  if (change()) {
    const auto& others = folders_[split(name).first].now;
    const bool early = std::any_of(others.begin(), others.end(), [this](const auto& other) {
      const auto& unsynced = files_[other.second];
      const bool writes = std::any_of(unsynced.begin(), unsynced.end(),
                                      [](const auto& change) { return !change.cut; });
      return other.first.ends_with(".log") && writes;
    });
    early_logs_ += name.ends_with(".log") && early ? 1 : 0;
    this->name(name, inode);
    files_[inode] = {};
  }
  *file = std::make_unique<ForgetfulFile>(*this, inode, std::move(made));
  return status;
}

IOStatus ForgetfulFileSystem::ReopenWritableFile(const std::string& name,
                                                 const FileOptions& options,
                                                 std::unique_ptr<rocksdb::FSWritableFile>* file,
                                                 Context* context) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<rocksdb::FSWritableFile> opened;
  auto status = target()->ReopenWritableFile(name, options, &opened, context);
  if (status.ok()) {
    const auto [folder, leaf] = split(name);
    const auto found = folders_[folder].now.find(leaf);
    CHECK(!power_ || found != folders_[folder].now.end(), "{} is not known", name);
    const auto inode = power_ ? found->second : Inode(0);
    *file = std::make_unique<ForgetfulFile>(*this, inode, std::move(opened));
  }
  return status;
}

IOStatus ForgetfulFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                           std::unique_ptr<rocksdb::FSDirectory>* folder,
                                           Context* context) {
  std::unique_ptr<rocksdb::FSDirectory> opened;
  auto status = target()->NewDirectory(name, options, &opened, context);
  if (status.ok()) {
    *folder = std::make_unique<ForgetfulFolder>(*this, normal(name), std::move(opened));
  }
  return status;
}

IOStatus ForgetfulFileSystem::CreateDir(const std::string& name, const IOOptions& options,
                                        Context* context) {
  const std::lock_guard lock(mutex_);
  auto status = target()->CreateDir(name, options, context);
  if (status.ok() && change()) {
    folders_[normal(name)];
  }
  return status;
}

IOStatus ForgetfulFileSystem::CreateDirIfMissing(const std::string& name, const IOOptions& options,
                                                 Context* context) {
  const std::lock_guard lock(mutex_);
  auto status = target()->CreateDirIfMissing(name, options, context);
  if (status.ok() && change()) {
    folders_[normal(name)];
  }
  return status;
}

IOStatus ForgetfulFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                         Context* context) {
  const std::lock_guard lock(mutex_);
  auto status = target()->DeleteFile(name, options, context);
  if (status.ok() && change()) {
    this->name(name, kNoInode);
  }
  return status;
}

IOStatus ForgetfulFileSystem::RenameFile(const std::string& from, const std::string& to,
                                         const IOOptions& options, Context* context) {
  const std::lock_guard lock(mutex_);
  auto status = target()->RenameFile(from, to, options, context);
  if (!status.ok() || !change()) {
    return status;
  }
  const auto [folder, leaf] = split(from);
  const auto moved = folders_[folder].now.find(leaf);
  if (moved !=
      folders_[folder].now.end()) {  // the info log is not ours: the wrapped system opens it
    name(to, moved->second);
    name(from, kNoInode);
  }
  return status;
}

IOStatus ForgetfulFileSystem::GetFreeSpace(const std::string&, const IOOptions&,
                                           std::uint64_t* bytes, Context*) {
  const std::lock_guard lock(mutex_);
  *bytes = free_bytes_;
  return IOStatus::OK();
}

void ForgetfulFileSystem::restore(bool tear, Prng& prng) {
  const std::lock_guard lock(mutex_);
  for (const auto& found : fs::directory_iterator(disk_)) {
    fs::remove_all(found.path());
  }
  for (auto at = folders_.begin(); at != folders_.end();) {  // outer folders come first
    auto& [name, folder] = *at;
    folder.lasting |= tear && prng.chance(1, 2);
    if (!folder.lasting || !fs::exists(fs::path(name).parent_path())) {
      at = folders_.erase(at);
      continue;
    }
    fs::create_directories(name);
    forget_folder(name, folder, tear, prng);
    ++at;
  }
  power_ = true;
  cut_at_ = UINT64_MAX;
  fail_appends_ = fail_syncs_ = lie_about_syncs_ = false;
}

void ForgetfulFileSystem::forget_folder(const std::string& name, Folder& folder, bool tear,
                                        Prng& prng) {
  auto left = folder.synced;
  const auto survive = tear ? prng.below(folder.unsynced.size() + 1) : 0;
  for (std::uint64_t i = 0; i < survive; ++i) {
    const auto& [leaf, inode] = folder.unsynced[i];
    if (inode == kNoInode) {
      left.erase(leaf);
    } else {
      left[leaf] = inode;
    }
  }
  for (const auto& [leaf, inode] : left) {
    restore_file(inode, tear, prng);
    fs::create_hard_link(inode_name(inode), name + "/" + leaf);
  }
  folder.now = folder.synced = std::move(left);
  folder.unsynced.clear();
}

void ForgetfulFileSystem::restore_file(Inode inode, bool tear, Prng& prng) {
  auto& unsynced = files_[inode];
  auto now = read_file(inode_name(inode));  // as the disk last saw it
  auto old = now;                           // as it was synced
  for (auto change = unsynced.rbegin(); change != unsynced.rend(); ++change) {
    old.resize(change->size);
    old.replace(change->offset, change->before.size(), change->before);
    if (!change->seen) {
      now = old;
    }
  }
  unsynced.clear();
  if (!tear) {
    now = old;
  } else if (now != old) {
    const auto from = static_cast<std::uint64_t>(
        std::mismatch(now.begin(), now.end(), old.begin(), old.end()).first - now.begin());
    auto to = now.size();
    while (to > from && to <= old.size() && now[to - 1] == old[to - 1]) {
      --to;
    }
    if (prng.chance(2, 3)) {
      tear_sectors(now, from, to, old, prng);
    }
    if (prng.chance(1, 2)) {  // the size goes its own way
      const auto least = std::min(now.size(), old.size());
      if (now.size() < old.size()) {
        now += old.substr(now.size());
      }
      now.resize(least + prng.below(now.size() - least + 1));
    }
  }
  std::ofstream(inode_name(inode), std::ios::binary | std::ios::trunc) << now;
}

ForgetfulEnvironment::ForgetfulEnvironment(const std::shared_ptr<ForgetfulFileSystem>& system)
    : EnvWrapper(rocksdb::NewCompositeEnv(system)) {
  system_clock_ = std::make_shared<SleeplessClock>();
}

}  // namespace kvorum::store::testing
