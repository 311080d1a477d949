// Requests in memcached's text protocol: a line of words, for some a block of data behind it.
// Incremental, bounded, and without a copy of data that arrived whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "wire/stream_buffer.h"

namespace kvorum::front {

struct MemcachedLimits {
  std::size_t line_bytes = std::size_t{1} << 20;     // of a command line. More: fatal
  std::size_t value_bytes = std::size_t{16} << 20;   // more: drained and refused
  std::size_t drain_bytes = std::size_t{512} << 20;  // of one block of data. More: fatal
};

enum class MemcachedVerb : std::uint8_t {
  kGet,
  kGets,
  kGat,
  kGats,
  kSet,
  kAdd,
  kReplace,
  kAppend,
  kPrepend,
  kCas,
  kDelete,
  kIncr,
  kDecr,
  kTouch,
  kFlushAll,
  kStats,
  kVersion,
  kVerbosity,
  kQuit,
};

struct MemcachedRequest {
  MemcachedVerb verb = MemcachedVerb::kGet;
  std::span<const ByteView> keys;  // none with a byte that a key may not have
  std::int64_t lifetime_s = 0;     // as written: 0 for ever, negative none, above 30 days a time
  std::uint64_t delta = 0;         // of incr and decr
  std::uint64_t unique = 0;        // of cas; not 0
  ByteView data;                   // until the next feed(), keep() or next()
  bool silent = false;             // `noreply`
};

class MemcachedParser {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,  // no whole request is left
    kRequest,   // request() is one
    kRefused,   // answer() is what one gets, unless request().silent, and nothing else happens
    kFatal,     // the same, and where the next one would begin is not known
  };

  static constexpr std::size_t kMaxKeyBytes = 250;

  explicit MemcachedParser(const MemcachedLimits& limits) : limits_(limits) {}

  // Appends bytes, borrowed until keep().
  void feed(ByteView bytes) { buffer_.feed(bytes); }
  void keep() { buffer_.keep(); }
  // Not after kFatal.
  Status next();

  // Of the last kRequest, until next() but for its data.
  const MemcachedRequest& request() const { return request_; }
  // Of the last kRefused or kFatal: a line without its end.
  ByteView answer() const { return answer_; }
  // Part of a request is here, and the rest is not.
  bool within_request() const { return stage_ != Stage::kLine || !buffer_.rest().empty(); }

 private:
  enum class Stage : std::uint8_t { kLine, kData, kSkip };

  Status read_line();
  Status read_data();
  Status skip_line();
  Status parse_line();
  Status parse_store();
  Status parse_times();
  Status take_keys(std::size_t from);
  void split();
  void consume(std::size_t count);
  Status refuse(const char* answer);
  Status fatal(const char* answer);

  MemcachedLimits limits_;
  wire::StreamBuffer buffer_;
  std::size_t scanned_ = 0;  // bytes of the unread ones that hold no line end
  Bytes line_;               // the request's
  std::vector<ByteView> words_;
  MemcachedRequest request_;
  const char* answer_ = nullptr;  // not null: the request is refused
  Stage stage_ = Stage::kLine;
  std::uint64_t data_bytes_ = 0;  // kData: that are still to be taken, or dropped if refused
};

}  // namespace kvorum::front
