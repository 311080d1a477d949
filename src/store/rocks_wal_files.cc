#include "store/rocks_wal_files.h"

#include <boost/align/aligned_allocator.hpp>
#include <utility>
#include <vector>

namespace kvorum::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// What is written as a whole: a multiple of nearly every disk's sectors.
constexpr std::size_t kBlockBytes = 4096;

std::size_t whole_blocks(std::size_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
}

// The last block is written again with each append until it is full.
class WalFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WalFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::size_t step)
      : FSWritableFileOwnerWrapper(std::move(file)), step_(whole_blocks(step)) {}

  // RocksDB is not to pad what it gives, nor to say where it goes.
  bool use_direct_io() const override { return false; }

  // The zeros need no sync of their own: the next one covers them, before anything relies on them.
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    const auto begun = size_ % kBlockBytes;
    const auto used = begun + data.size();
    blocks_.resize(begun);
    blocks_.insert(blocks_.end(), data.data(), data.data() + data.size());
    blocks_.resize(whole_blocks(used));
    auto status = target()->PositionedAppend({blocks_.data(), blocks_.size()}, size_ - begun,
                                             options, context);
    if (!status.ok()) {
      return status;
    }
    size_ += data.size();
    blocks_.erase(blocks_.begin(),
                  blocks_.begin() + static_cast<std::ptrdiff_t>(used - size_ % kBlockBytes));
    if (size_ > end_) {
      const auto from = whole_blocks(size_);
      const Blocks zeros(step_ - from % step_);
      status = target()->PositionedAppend({zeros.data(), zeros.size()}, from, options, context);
      end_ = from + zeros.size();
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
  using Blocks = std::vector<char, boost::alignment::aligned_allocator<char, kBlockBytes>>;

  const std::size_t step_;
  std::uint64_t size_ = 0;  // of what was appended
  std::uint64_t end_ = 0;   // of the zeros behind it
  Blocks blocks_;           // begins with what the last block has
};

}  // namespace

IOStatus WalFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* context) {
  if (!name.ends_with(".log")) {
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
    *file = std::make_unique<WalFile>(std::move(*file), step_);
  }
  return status;
}

}  // namespace kvorum::store
