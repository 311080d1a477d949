// Requests as Redis clients send them: RESP arrays of bulk strings, or inline lines. Incremental,
// bounded, and without a copy for a request that arrived whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/stream_buffer.h"

namespace kvorum::wire {

// Appends a request as clients send it: an array of bulk strings.
void append_request(std::span<const ByteView> args, Bytes& out);

struct RequestLimits {
  std::size_t args = std::size_t{1} << 20;           // more: protocol error
  std::size_t inline_bytes = std::size_t{64} << 10;  // of an inline line. More: protocol error
  std::size_t bulk_bytes = std::size_t{16}
                           << 20;  // of one argument. More: drained and refused, up to the next
  std::size_t drain_bytes = std::size_t{512}
                            << 20;  // of one argument or one request. More: protocol error
  std::size_t request_bytes = std::size_t{64}
                              << 20;  // held in memory for one request. More: drained and refused
};

class RequestParser {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,  // no complete request is left
    kRequest,   // args() holds it
    kRefused,   // a request was drained; error() says why, and the connection goes on
    kFatal,     // the bytes make no sense; error() says why, and every further call gives the same
  };

  explicit RequestParser(const RequestLimits& limits = {}) : limits_(limits) {}

  // Appends bytes, borrowed until keep().
  void feed(ByteView bytes) { buffer_.feed(bytes); }
  // Ends the borrowing. Not between next() and the use of its args().
  void keep() { buffer_.keep(); }

  Status next();

  // Of the last kRequest, until the next call of feed(), keep() or next(). At least one argument.
  std::span<const ByteView> args() const { return args_; }
  // Of the last kRefused or kFatal.
  const Error& error() const { return error_; }
  // Bytes held for requests that are not complete.
  std::size_t buffered() const { return buffer_.rest().size(); }

 private:
  enum class Step : std::uint8_t { kNeedMore, kGoOn, kDone, kFatal };
  enum class Line : std::uint8_t { kNeedMore, kNumber, kMalformed, kEndless };

  struct Piece {  // where an argument lies, counted from the request's first byte
    std::uint32_t offset;
    std::uint32_t size;
  };

  Status next_inline(bool& empty);
  Status next_multibulk(bool& empty);
  Step read_count();
  Step read_bulk_size();
  Step read_bulk();
  Step drain();
  Line read_number(std::size_t from, std::int64_t& value, std::size_t& end) const;
  void refuse(Error error);
  void forget_consumed();
  Status fatal(std::string text);
  Status finish();
  void reset();

  RequestLimits limits_;
  StreamBuffer buffer_;
  std::vector<ByteView> args_;
  Bytes inline_text_;  // unquoted arguments of an inline request
  Error error_;
  bool failed_ = false;

  // The request being read. Kept between calls, so bytes that came before are never looked at
  // again.
  std::vector<Piece> pieces_;
  std::size_t at_ = 0;            // read up to here, from the request's first byte still held
  std::uint64_t seen_ = 0;        // bytes of the request's arguments so far, drained ones included
  std::int64_t args_left_ = -1;   // -1: the count is not read yet
  std::int64_t bulk_size_ = -1;   // -1: the size line of the next argument is not read yet
  std::uint64_t drain_left_ = 0;  // bytes to skip, the closing CR LF included
  bool refused_ = false;          // nothing of this request is held any more
};

}  // namespace kvorum::wire
