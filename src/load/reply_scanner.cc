#include "load/reply_scanner.h"

#include "base/parse.h"

namespace kvorum::load {
namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr std::int64_t kLongestBulk = std::int64_t{512} << 20;
constexpr std::int64_t kMostElements = std::int64_t{1} << 30;

}  // namespace

ByteView ReplyScanner::next_line(ByteView& bytes) {
  if (line_in_use_) {
    line_in_use_ = false;
    cut_line_.clear();
  }
  const auto end = bytes.find('\n');
  const auto piece = bytes.substr(0, end == ByteView::npos ? end : end + 1);
  bytes.remove_prefix(piece.size());
  auto line = piece;
  if (end == ByteView::npos || !cut_line_.empty()) {
    cut_line_.append(piece);
    if (end == ByteView::npos) {
      failed_ = cut_line_.size() > kLongestLine;
      return {};
    }
    line_in_use_ = true;
    line = cut_line_;
  }
  failed_ = line.size() < 3 || line[line.size() - 2] != '\r';
  return failed_ ? ByteView() : line.substr(0, line.size() - 2);
}

bool ReplyScanner::take(ByteView line) {
  const auto text = line.substr(1);
  if (left_ == 0) {
    what_ = line.front() == '-' ? What::kError : What::kValue;
  }
  if (line.front() == '+' || line.front() == '-') {
    return value();
  }
  const auto number = parse_number<std::int64_t>(text);
  if (line.front() == ':' && number) {
    return value();
  }
  const bool bulk = line.front() == '$';
  if ((!bulk && line.front() != '*') || !number || *number < -1 ||
      *number > (bulk ? kLongestBulk : kMostElements)) {
    failed_ = true;
    return false;
  }
  if (*number == -1) {
    what_ = left_ == 0 ? What::kNil : what_;
    return value();
  }
  if (bulk) {
    skip_ = static_cast<std::uint64_t>(*number) + 2;
    return false;
  }
  if (*number == 0) {
    return value();
  }
  // An inner array stands for one value of the outer one.
  left_ += static_cast<std::uint64_t>(*number) - (left_ > 0 ? 1 : 0);
  return false;
}

}  // namespace kvorum::load
