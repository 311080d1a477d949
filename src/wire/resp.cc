#include "wire/resp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "wire/inline_args.h"

namespace kvorum::wire {
namespace {

constexpr std::size_t kMaxNumberLine = 32;  // a size line without an end by then is none
constexpr int kMaxDigits = 18;              // fits 64 bits
constexpr std::size_t kKeptArgs = 1024;     // capacity kept from one request to the next
constexpr std::size_t kPieceBytes =
    sizeof(ByteView) + 2 * sizeof(std::uint32_t);  // memory an argument costs

// A printable stand-in for a byte in an error text.
char printable(char c) { return c >= ' ' && c <= '~' ? c : '?'; }

}  // namespace

void append_request(std::span<const ByteView> args, Bytes& out) {
  const auto at = std::back_inserter(out);
  fmt::format_to(at, "*{}\r\n", args.size());
  for (const auto arg : args) {
    fmt::format_to(at, "${}\r\n", arg.size());
    out += arg;
    out += "\r\n";
  }
}

RequestParser::Status RequestParser::fatal(std::string text) {
  failed_ = true;
  error_ = Error{ErrorCode::kProtocol, "Protocol error: " + text};
  return Status::kFatal;
}

void RequestParser::reset() {
  pieces_.clear();
  at_ = 0;
  seen_ = 0;
  args_left_ = -1;
  bulk_size_ = -1;
  drain_left_ = 0;
  refused_ = false;
}

RequestParser::Status RequestParser::next() {
  if (failed_) {
    return Status::kFatal;
  }
  args_.clear();
  while (!buffer_.rest().empty()) {
    bool empty = false;
    const bool multibulk = args_left_ >= 0 || buffer_.rest().front() == '*';
    const auto status = multibulk ? next_multibulk(empty) : next_inline(empty);
    if (!empty) {
      return status;
    }
  }
  return Status::kNeedMore;
}

// Reads "[-]digits CR LF" from `from`; `end` is behind the line feed.
RequestParser::Line RequestParser::read_number(std::size_t from, std::int64_t& value,
                                               std::size_t& end) const {
  const auto rest = buffer_.rest();
  const char* p = rest.data() + from;
  const char* const stop = rest.data() + rest.size();
  const bool negative = p != stop && *p == '-';
  p += negative ? 1 : 0;
  std::int64_t number = 0;
  int digits = 0;
  for (; p != stop && static_cast<unsigned char>(*p - '0') <= 9; ++p) {
    if (++digits > kMaxDigits) {
      return Line::kMalformed;
    }
    number = number * 10 + (*p - '0');
  }
  if (stop - p >= 2 && p[0] == '\r' && p[1] == '\n' && digits > 0) {
    value = negative ? -number : number;
    end = static_cast<std::size_t>(p - rest.data()) + 2;
    return Line::kNumber;
  }
  const bool cut = p == stop || (stop - p == 1 && *p == '\r' && digits > 0);
  if (cut) {
    return Line::kNeedMore;
  }
  const auto seen = rest.substr(from, kMaxNumberLine);
  const bool ends = seen.find('\r') != ByteView::npos;
  return ends || rest.size() - from < kMaxNumberLine ? (ends ? Line::kMalformed : Line::kNeedMore)
                                                     : Line::kEndless;
}

RequestParser::Step RequestParser::read_count() {
  std::size_t end = 0;
  switch (read_number(1, args_left_, end)) {
    case Line::kNeedMore:
      args_left_ = -1;
      return Step::kNeedMore;
    case Line::kEndless:
      fatal("too big mbulk count string");
      return Step::kFatal;
    case Line::kMalformed:
      fatal("invalid multibulk length");
      return Step::kFatal;
    case Line::kNumber:
      break;
  }
  if (args_left_ > static_cast<std::int64_t>(limits_.args)) {
    fatal("invalid multibulk length");
    return Step::kFatal;
  }
  args_left_ =
      std::max<std::int64_t>(args_left_, 0);  // a negative count is an empty request, as in Redis
  at_ = end;
  return Step::kGoOn;
}

RequestParser::Step RequestParser::read_bulk_size() {
  const auto rest = buffer_.rest();
  if (at_ == rest.size()) {
    return Step::kNeedMore;
  }
  if (rest[at_] != '$') {
    fatal(fmt::format("expected '$', got '{}'", printable(rest[at_])));
    return Step::kFatal;
  }
  std::int64_t size = 0;
  std::size_t end = 0;
  switch (read_number(at_ + 1, size, end)) {
    case Line::kNeedMore:
      return Step::kNeedMore;
    case Line::kEndless:
      fatal("too big bulk count string");
      return Step::kFatal;
    case Line::kMalformed:
      fatal("invalid bulk length");
      return Step::kFatal;
    case Line::kNumber:
      break;
  }
  if (size < 0 || static_cast<std::uint64_t>(size) > limits_.drain_bytes) {
    fatal("invalid bulk length");
    return Step::kFatal;
  }
  seen_ += static_cast<std::uint64_t>(size);
  if (seen_ > limits_.drain_bytes) {
    fatal("too big request");
    return Step::kFatal;
  }
  at_ = end;
  bulk_size_ = size;
  if (static_cast<std::uint64_t>(size) > limits_.bulk_bytes) {
    refuse(Error{ErrorCode::kTooLong, {}});
  } else if (at_ + static_cast<std::uint64_t>(size) + pieces_.size() * kPieceBytes >
             limits_.request_bytes) {
    refuse(Error{ErrorCode::kTooLong, "request exceeds maximum allowed size"});
  }
  return Step::kGoOn;
}

// From here on the request's bytes are dropped as they come. Its first error is the one that is
// told.
void RequestParser::refuse(Error error) {
  if (!refused_) {
    refused_ = true;
    error_ = std::move(error);
    std::vector<Piece>().swap(pieces_);
  }
}

void RequestParser::forget_consumed() {
  buffer_.consume(at_);
  at_ = 0;
}

RequestParser::Step RequestParser::drain() {
  const auto count = std::min<std::uint64_t>(drain_left_, buffer_.rest().size() - at_);
  at_ += count;
  drain_left_ -= count;
  forget_consumed();
  if (drain_left_ > 0) {
    return Step::kNeedMore;
  }
  bulk_size_ = -1;
  --args_left_;
  return Step::kGoOn;
}

RequestParser::Step RequestParser::read_bulk() {
  const auto size = static_cast<std::size_t>(bulk_size_);
  if (refused_) {
    if (drain_left_ == 0) {
      drain_left_ = size + 2;
    }
    return drain();
  }
  const auto rest = buffer_.rest();
  if (rest.size() - at_ < size + 2) {
    return Step::kNeedMore;
  }
  const char* const end = rest.data() + at_ + size;
  if (end[0] != '\r' || end[1] != '\n') {
    fatal("expected CR LF behind a bulk string");
    return Step::kFatal;
  }
  pieces_.push_back({static_cast<std::uint32_t>(at_), static_cast<std::uint32_t>(size)});
  at_ += size + 2;
  bulk_size_ = -1;
  --args_left_;
  return Step::kGoOn;
}

RequestParser::Status RequestParser::next_multibulk(bool& empty) {
  if (args_left_ < 0 && read_count() != Step::kGoOn) {
    return failed_ ? Status::kFatal : Status::kNeedMore;
  }
  while (args_left_ > 0) {
    auto step = Step::kGoOn;
    if (bulk_size_ < 0) {
      step = read_bulk_size();
    }
    if (step == Step::kGoOn) {
      step = read_bulk();
    }
    if (step == Step::kNeedMore) {
      if (refused_) {
        forget_consumed();
      }
      return Status::kNeedMore;
    }
    if (step == Step::kFatal) {
      return Status::kFatal;
    }
  }
  empty = pieces_.empty() && !refused_;
  return finish();
}

// Hands the request out, and gets ready for the next one.
RequestParser::Status RequestParser::finish() {
  const char* const start = buffer_.rest().data();
  if (args_.capacity() > kKeptArgs && pieces_.size() <= kKeptArgs) {
    std::vector<ByteView>().swap(args_);
  }
  args_.reserve(pieces_.size());
  for (const auto& piece : pieces_) {
    args_.emplace_back(start + piece.offset, piece.size);
  }
  const bool refused = refused_;
  buffer_.consume(at_);
  if (pieces_.capacity() > kKeptArgs) {
    std::vector<Piece>().swap(pieces_);
  }
  reset();
  return refused ? Status::kRefused : Status::kRequest;
}

RequestParser::Status RequestParser::next_inline(bool& empty) {
  const auto rest = buffer_.rest();
  const auto* const newline =
      static_cast<const char*>(std::memchr(rest.data() + at_, '\n', rest.size() - at_));
  const auto size =
      newline != nullptr ? static_cast<std::size_t>(newline - rest.data()) : rest.size();
  if (size > limits_.inline_bytes) {
    return fatal("too big inline request");
  }
  if (newline == nullptr) {
    at_ = rest.size();
    return Status::kNeedMore;
  }
  auto line = rest.substr(0, size);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (!split_inline(line, args_, inline_text_)) {
    return fatal("unbalanced quotes in request");
  }
  buffer_.consume(size + 1);
  at_ = 0;
  empty = args_.empty();
  if (!empty && is_http(args_.front())) {
    return fatal("this port speaks the Redis protocol, not HTTP");
  }
  return Status::kRequest;
}

}  // namespace kvorum::wire
