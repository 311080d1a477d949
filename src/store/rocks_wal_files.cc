#include "store/rocks_wal_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/parse.h"

namespace kvorum::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::size_t kBlockBytes = WalFileSystem::kBlockBytes;

std::size_t whole_blocks(std::size_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

using Blocks = WalFileSystem::Blocks;

}  // namespace

// The last block is written again with each append until it is full.
class WalFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WalFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::uint32_t number,
          WalFileSystem& system)
      : FSWritableFileOwnerWrapper(std::move(file)), number_(number), system_(system) {
    system_.end_ = {number, 0};
  }

  // RocksDB is not to pad what it gives, nor to say where it goes.
  bool use_direct_io() const override { return false; }

  // The zeros need no sync of their own: the next one covers them, before anything relies on them.
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    const auto begun = size_ % kBlockBytes;
    const auto used = begun + data.size();
    const auto bytes = whole_blocks(used);
    if (blocks_.size() < bytes) {
      Blocks larger(std::max(bytes, 2 * blocks_.size()));
      std::memcpy(larger.data(), blocks_.data(), begun);
      blocks_ = std::move(larger);
    }
    std::memcpy(blocks_.data() + begun, data.data(), data.size());
    std::memset(blocks_.data() + used, 0, bytes - used);
    auto status =
        target()->PositionedAppend({blocks_.data(), bytes}, size_ - begun, options, context);
    if (!status.ok()) {
      return status;
    }
    size_ += data.size();
    if (system_.end_.file == number_) {
      system_.end_.bytes = size_;
    }
    const auto left = size_ % kBlockBytes;
    std::memmove(blocks_.data(), blocks_.data() + used - left, left);
    if (size_ > end_) {
      const auto from = whole_blocks(size_);
      const auto& zeros = system_.zeros_;
      const auto room = zeros.size() - from % zeros.size();
      status = target()->PositionedAppend({zeros.data(), room}, from, options, context);
      end_ = from + room;
    }
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }
  void PrepareWrite(std::size_t, std::size_t, const IOOptions&, IODebugContext*) override {}
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    const auto cut = target()->Truncate(size_, options, context);
    const auto closed = target()->Close(options, context);
    return cut.ok() ? closed : cut;
  }

 private:
  const std::uint32_t number_;
  WalFileSystem& system_;
  std::uint64_t size_ = 0;               // of what was appended
  std::uint64_t end_ = 0;                // of the zeros behind it
  Blocks blocks_ = Blocks(kBlockBytes);  // begins with what the last block has
};

WalFileSystem::WalFileSystem(const std::shared_ptr<rocksdb::FileSystem>& system, std::size_t step)
    : FileSystemWrapper(system), zeros_(whole_blocks(step)) {}

std::optional<std::uint32_t> wal_number(ByteView path) {
  constexpr ByteView kEnding = ".log";
  const auto name = path.substr(path.rfind('/') + 1);
  return name.ends_with(kEnding)
             ? parse_number<std::uint32_t>(name.substr(0, name.size() - kEnding.size()))
             : std::nullopt;
}

IOStatus WalFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* context) {
  const auto number = wal_number(name);
  if (!number) {
    return target()->NewWritableFile(name, options, file, context);
  }
  auto direct = options;
  direct.use_direct_writes = true;
  auto status = target()->NewWritableFile(name, direct, file, context);
  // Not every file system can: tmpfs, for one.
  if (!status.ok() || (*file)->GetRequiredBufferAlignment() > kBlockBytes) {
    status = target()->NewWritableFile(name, options, file, context);
  }
  if (status.ok()) {
    *file = std::make_unique<WalFile>(std::move(*file), *number, *this);
  }
  return status;
}

IOStatus WalFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                   IODebugContext* context) {
  const auto number = wal_number(name);
  if (!number) {
    return target()->DeleteFile(name, options, context);
  }
  const std::lock_guard lock(mutex_);
  unneeded_[*number] = name;
  return IOStatus::OK();
}

IOStatus WalFileSystem::remove(std::uint32_t number, bool& removed) {
  const std::lock_guard lock(mutex_);
  const auto found = unneeded_.find(number);
  removed = found != unneeded_.end();
  if (!removed) {
    return IOStatus::OK();
  }
  const auto path = std::move(found->second);
  unneeded_.erase(found);
  return target()->DeleteFile(path, {}, nullptr);
}

}  // namespace kvorum::store
