// Files into memory, plain or gzipped.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "check/load_parts.h"

namespace kvorum::check {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

tl::unexpected<Error> too_large(const std::string& name) {
  return fail(ErrorCode::kTooLong, "{}: larger than 4 GiB", name);
}

// One stream of zlib; ends with its scope.
class Inflater {
 public:
  // 16: gzip's header and checksum, nothing else.
  Inflater() { good_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool good() const { return good_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool good_ = false;
};

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

// All members of a gzip file, one after another.
Result<std::string> unpack(std::string_view packed, const std::string& name) {
  std::string out;
  Inflater inflater;
  auto& stream = inflater.stream();
  bool member_open = true;
  const auto give = [&] {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(std::min<std::size_t>(packed.size(), 1U << 30));
  };
  give();
  while (inflater.good() && member_open) {
    const auto at = out.size();
    out.resize(at + std::max(kPiece, at / 2));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
    stream.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size() - at, 1U << 30));
    const auto room = stream.avail_out;
    const auto offered = stream.avail_in;
    const int status = inflate(&stream, Z_NO_FLUSH);
    out.resize(at + (room - stream.avail_out));
    packed.remove_prefix(offered - stream.avail_in);
    give();
    if (out.size() > kMaxBytes) {
      return too_large(name);
    }
    if (status == Z_STREAM_END) {
      member_open = is_gzip(packed);
      if (!member_open && packed.find_first_not_of('\0') != std::string_view::npos) {
        return fail(ErrorCode::kCorrupt, "{}: something else follows the gzip data", name);
      }
      inflateReset(&stream);
    } else if (status == Z_BUF_ERROR ||
               (status == Z_OK && packed.empty() && room != 0 && stream.avail_out != 0)) {
      return fail(ErrorCode::kCorrupt, "{}: the gzip data end too early", name);
    } else if (status != Z_OK) {
      return fail(ErrorCode::kCorrupt, "{}: the gzip data are damaged", name);
    }
  }
  return out;
}

Result<PaddedText> pad(std::string bytes, const std::string& name) {
  if (is_gzip(bytes)) {
    auto unpacked = unpack(bytes, name);
    if (!unpacked) {
      return tl::unexpected(unpacked.error());
    }
    bytes = std::move(*unpacked);
  }
  if (bytes.size() > kMaxBytes) {
    return too_large(name);
  }
  PaddedText text{std::move(bytes), 0};
  text.size = text.bytes.size();
  text.bytes.append(kPadding, ' ');
  return text;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ > STDERR_FILENO) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

 private:
  int fd_;
};

}  // namespace

Result<PaddedText> read_file(const std::string& path) {
  const auto wrong = [&path](int code) {
    return fail(ErrorCode::kIo, "{}: {}", path, std::strerror(code));
  };
  const int fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return wrong(errno);
  }
  const Descriptor closes(fd);
  struct stat about {};
  if (::fstat(fd, &about) != 0) {
    return wrong(errno);
  }
  if (S_ISDIR(about.st_mode)) {
    return wrong(EISDIR);
  }
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(std::max<off_t>(about.st_size, 0)) + kPadding + 1);
  while (true) {
    const auto at = bytes.size();
    const auto room = bytes.capacity() - at;  // of a file whose size was told, to its end
    bytes.resize(at + (room > 0 ? std::min(room, kPiece) : kPiece));
    const auto got = ::read(fd, bytes.data() + at, bytes.size() - at);
    bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno != EINTR) {
      return wrong(errno);
    }
    if (got == 0) {
      return pad(std::move(bytes), path);
    }
    if (bytes.size() > kMaxBytes) {
      return too_large(path);
    }
  }
}

Result<PaddedText> padded(std::string_view bytes, const std::string& name) {
  return pad(std::string(bytes), name);
}

}  // namespace kvorum::check
