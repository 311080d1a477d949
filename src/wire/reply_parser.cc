#include "wire/reply_parser.h"

#include <algorithm>
#include <utility>

#include "base/parse.h"

namespace kvorum::wire {
namespace {

constexpr std::size_t kVerbatimPrefix = 4;  // "txt:"
constexpr std::size_t kMaxLongLine = 64;    // of a size line

bool is_aggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

bool is_blob(char type) { return type == '$' || type == '!' || type == '='; }

}  // namespace

ReplyParser::Step ReplyParser::give_up(std::string why) {
  failed_ = true;
  error_ = Error{ErrorCode::kProtocol, "Protocol error: " + std::move(why)};
  open_.clear();
  return Step::kFailed;
}

Result<std::optional<Reply>> ReplyParser::next() {
  while (!failed_) {
    Reply value;
    switch (read(value)) {
      case Step::kNeedMore:
        return std::optional<Reply>();
      case Step::kFailed:
        continue;
      case Step::kOpened:
        if (open_.back().left > 0) {
          continue;
        }
        if (!close_full(value)) {
          continue;
        }
        return std::optional(std::move(value));
      case Step::kValue:
        if (open_.empty()) {
          return std::optional(std::move(value));
        }
        open_.back().reply.elements.push_back(std::move(value));
        --open_.back().left;
        if (!close_full(value)) {
          continue;
        }
        return std::optional(std::move(value));
    }
  }
  return tl::unexpected(error_);
}

// Takes finished arrays off the stack. True: the outermost one is complete, and in `value`.
bool ReplyParser::close_full(Reply& value) {
  while (!open_.empty() && open_.back().left == 0) {
    auto closed = std::move(open_.back());
    open_.pop_back();
    if (closed.attribute) {
      continue;  // the value that it describes follows
    }
    if (open_.empty()) {
      value = std::move(closed.reply);
      return true;
    }
    open_.back().reply.elements.push_back(std::move(closed.reply));
    --open_.back().left;
  }
  return false;
}

ReplyParser::Step ReplyParser::read(Reply& value) {
  const auto rest = buffer_.rest();
  const auto newline = rest.find('\n', scanned_);
  const auto line_end = newline == ByteView::npos ? rest.size() : newline;
  const char type = rest.empty() ? '\0' : rest.front();
  const bool sized = is_aggregate(type) || is_blob(type);
  if (line_end > (sized ? kMaxLongLine : limits_.line_bytes)) {
    return give_up("a line without end");
  }
  if (newline == ByteView::npos) {
    scanned_ = rest.size();
    return Step::kNeedMore;
  }
  if (newline < 2 || rest[newline - 1] != '\r') {
    return give_up("a line that does not end in CR LF");
  }
  const auto text = rest.substr(1, newline - 2);
  Step step;
  if (is_aggregate(type)) {
    step = open(type, text, newline + 1, value);
  } else if (is_blob(type)) {
    step = read_blob(type, text, newline + 1, value);
  } else {
    step = read_simple(type, text, value);
    if (step == Step::kValue) {
      buffer_.consume(newline + 1);
    }
  }
  if (step != Step::kNeedMore) {
    scanned_ = 0;
  }
  return step;
}

ReplyParser::Step ReplyParser::read_blob(char type, ByteView header, std::size_t header_bytes,
                                         Reply& value) {
  const auto size = parse_number<std::int64_t>(header);
  if (size == -1 && type == '$') {
    buffer_.consume(header_bytes);
    return Step::kValue;
  }
  if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > limits_.bulk_bytes) {
    return give_up("invalid bulk length");
  }
  const auto rest = buffer_.rest().substr(header_bytes);
  const auto bytes = static_cast<std::size_t>(*size);
  if (rest.size() < bytes + 2) {
    scanned_ = header_bytes - 1;
    return Step::kNeedMore;
  }
  if (rest.substr(bytes, 2) != "\r\n") {
    return give_up("expected CR LF behind a bulk string");
  }
  auto text = rest.substr(0, bytes);
  if (type == '=') {
    if (text.size() < kVerbatimPrefix || text[kVerbatimPrefix - 1] != ':') {
      return give_up("a verbatim string without its format");
    }
    text.remove_prefix(kVerbatimPrefix);
  }
  value.type = type == '$'   ? Reply::Type::kBulk
               : type == '!' ? Reply::Type::kError
                             : Reply::Type::kVerbatim;
  value.text = Bytes(text);
  buffer_.consume(header_bytes + bytes + 2);
  return Step::kValue;
}

ReplyParser::Step ReplyParser::open(char type, ByteView header, std::size_t header_bytes,
                                    Reply& value) {
  const auto count = parse_number<std::int64_t>(header);
  if (count == -1 && type == '*') {
    buffer_.consume(header_bytes);
    value.type = Reply::Type::kNil;
    return Step::kValue;
  }
  if (!count || *count < 0 || static_cast<std::uint64_t>(*count) > limits_.elements) {
    return give_up("invalid array length");
  }
  if (open_.size() >= limits_.depth) {
    return give_up("too many nested arrays");
  }
  Open next;
  const bool pairs = type == '%' || type == '|';
  next.left = static_cast<std::uint64_t>(*count) * (pairs ? 2 : 1);
  next.attribute = type == '|';
  next.reply.type = type == '*'   ? Reply::Type::kArray
                    : type == '~' ? Reply::Type::kSet
                    : type == '>' ? Reply::Type::kPush
                                  : Reply::Type::kMap;
  open_.push_back(std::move(next));
  buffer_.consume(header_bytes);
  return Step::kOpened;
}

ReplyParser::Step ReplyParser::read_simple(char type, ByteView text, Reply& value) {
  switch (type) {
    case '+':
      value.type = Reply::Type::kStatus;
      value.text = Bytes(text);
      return Step::kValue;
    case '-':
      value.type = Reply::Type::kError;
      value.text = Bytes(text);
      return Step::kValue;
    case ':': {
      const auto number = parse_number<std::int64_t>(text);
      if (!number) {
        return give_up("invalid integer");
      }
      value.type = Reply::Type::kInteger;
      value.integer = *number;
      return Step::kValue;
    }
    case '_':
      return text.empty() ? Step::kValue : give_up("invalid null");
    case '#':
      if (text != "t" && text != "f") {
        return give_up("invalid boolean");
      }
      value.type = Reply::Type::kBool;
      value.integer = text == "t" ? 1 : 0;
      return Step::kValue;
    case ',':
      value.type = Reply::Type::kDouble;
      value.text = Bytes(text);
      return Step::kValue;
    case '(':
      value.type = Reply::Type::kBigNumber;
      value.text = Bytes(text);
      return Step::kValue;
    default:
      return give_up(
          fmt::format("no reply begins with byte 0x{:02x}", static_cast<unsigned char>(type)));
  }
}

}  // namespace kvorum::wire
