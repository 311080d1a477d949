// Replies as a client receives them, RESP2 and RESP3: incremental, bounded, turned into a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/stream_buffer.h"

namespace kvorum::wire {

struct Reply {
  enum class Type : std::uint8_t {
    kNil,
    kStatus,     // text
    kError,      // text, "CODE text"
    kInteger,    // integer
    kBulk,       // text
    kDouble,     // text, as it came
    kBool,       // integer: 0 or 1
    kBigNumber,  // text
    kVerbatim,   // text, without its three-letter format
    kArray,      // elements
    kMap,        // elements: key, value, key, value, ...
    kSet,        // elements
    kPush,       // elements; sent by the server on its own account
  };

  Type type = Type::kNil;
  std::int64_t integer = 0;
  Bytes text;
  std::vector<Reply> elements;

  bool is_error() const { return type == Type::kError; }
  bool is_nil() const { return type == Type::kNil; }
  friend bool operator==(const Reply&, const Reply&) = default;
};

struct ReplyLimits {
  std::size_t bulk_bytes = std::size_t{512} << 20;
  std::size_t elements = std::size_t{1} << 30;  // of one array; memory is taken as they come
  std::size_t line_bytes = std::size_t{1} << 20;
  std::size_t depth = 32;
};

class ReplyParser {
 public:
  explicit ReplyParser(const ReplyLimits& limits = {}) : limits_(limits) {}

  void feed(ByteView bytes) {  // copies what next() does not use
    if (!failed_) {
      buffer_.feed(bytes);
      buffer_.keep();
    }
  }

  // The next whole reply; empty: feed more. kProtocol: these are no replies, and the connection is
  // of no further use. Attributes (RESP3 '|') are dropped; streamed strings and arrays are refused,
  // as no request asks for them.
  Result<std::optional<Reply>> next();

  std::size_t buffered() const { return buffer_.rest().size(); }

 private:
  struct Open {  // an array whose elements are still coming
    Reply reply;
    std::uint64_t left = 0;
    bool attribute = false;
  };
  enum class Step : std::uint8_t { kNeedMore, kValue, kOpened, kFailed };

  Step read(Reply& value);
  Step read_blob(char type, ByteView header, std::size_t header_bytes, Reply& value);
  Step open(char type, ByteView header, std::size_t header_bytes, Reply& value);
  Step read_simple(char type, ByteView text, Reply& value);
  bool close_full(Reply& value);
  Step give_up(std::string why);

  ReplyLimits limits_;
  StreamBuffer buffer_;
  std::vector<Open> open_;
  std::size_t scanned_ = 0;  // no line feed before this
  bool failed_ = false;
  Error error_;
};

}  // namespace kvorum::wire
