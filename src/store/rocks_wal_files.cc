#include "store/rocks_wal_files.h"

#include <utility>

namespace kvorum::store {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class WalFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WalFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::size_t step)
      : FSWritableFileOwnerWrapper(std::move(file)), step_(step) {}

  // The zeros need no sync of their own: the next one covers them, before anything relies on them.
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    auto status = target()->PositionedAppend(data, size_, options, context);
    if (!status.ok()) {
      return status;
    }
    size_ += data.size();
    if (size_ > end_) {
      const std::string zeros(step_ - size_ % step_, '\0');
      status = target()->PositionedAppend(zeros, size_, options, context);
      end_ = size_ + zeros.size();
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
  const std::size_t step_;
  std::uint64_t size_ = 0;  // of what was appended
  std::uint64_t end_ = 0;   // of the zeros behind it
};

}  // namespace

IOStatus WalFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* context) {
  auto status = target()->NewWritableFile(name, options, file, context);
  if (status.ok() && name.ends_with(".log")) {
    *file = std::make_unique<WalFile>(std::move(*file), step_);
  }
  return status;
}

}  // namespace kvorum::store
