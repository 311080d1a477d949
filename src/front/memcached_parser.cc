#include "front/memcached_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/parse.h"

namespace kvorum::front {
namespace {

constexpr const char* kBadFormat = "CLIENT_ERROR bad command line format";
constexpr const char* kUnknown = "ERROR";
constexpr char kBinaryRequest = '\x80';
constexpr std::size_t kKeptLine = 4096;  // bytes, and words, kept from one request to the next

struct Shape {
  ByteView name;
  MemcachedVerb verb;
  std::size_t least;  // words, the name counted and `noreply` not
  std::size_t most;
  bool may_be_silent;
};

using Verb = MemcachedVerb;
constexpr std::size_t kMany = SIZE_MAX;
constexpr std::array kShapes = {
    Shape{"get", Verb::kGet, 2, kMany, false},
    Shape{"gets", Verb::kGets, 2, kMany, false},
    Shape{"gat", Verb::kGat, 3, kMany, false},
    Shape{"gats", Verb::kGats, 3, kMany, false},
    Shape{"set", Verb::kSet, 5, 5, true},
    Shape{"add", Verb::kAdd, 5, 5, true},
    Shape{"replace", Verb::kReplace, 5, 5, true},
    Shape{"append", Verb::kAppend, 5, 5, true},
    Shape{"prepend", Verb::kPrepend, 5, 5, true},
    Shape{"cas", Verb::kCas, 6, 6, true},
    Shape{"delete", Verb::kDelete, 2, 3, true},
    Shape{"incr", Verb::kIncr, 3, 3, true},
    Shape{"decr", Verb::kDecr, 3, 3, true},
    Shape{"touch", Verb::kTouch, 3, 3, true},
    Shape{"flush_all", Verb::kFlushAll, 1, 2, true},
    Shape{"stats", Verb::kStats, 1, 1, false},
    Shape{"version", Verb::kVersion, 1, 1, false},
    Shape{"verbosity", Verb::kVerbosity, 1, 2, true},
    Shape{"quit", Verb::kQuit, 1, 1, false},
};

bool has_data(Verb verb) { return verb >= Verb::kSet && verb <= Verb::kCas; }

bool is_key(ByteView word) {
  return !word.empty() && word.size() <= MemcachedParser::kMaxKeyBytes &&
         std::none_of(word.begin(), word.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte <= ' ' || byte == 0x7f;
         });
}

}  // namespace

MemcachedParser::Status MemcachedParser::next() {
  switch (stage_) {
    case Stage::kLine:
      return read_line();
    case Stage::kData:
      return read_data();
    case Stage::kSkip:
      break;
  }
  return skip_line();
}

void MemcachedParser::consume(std::size_t count) {
  buffer_.consume(count);
  scanned_ = 0;
}

MemcachedParser::Status MemcachedParser::refuse(const char* answer) {
  answer_ = answer;
  return Status::kRefused;
}

MemcachedParser::Status MemcachedParser::fatal(const char* answer) {
  answer_ = answer;
  return Status::kFatal;
}

MemcachedParser::Status MemcachedParser::read_line() {
  request_ = {};
  answer_ = nullptr;
  const auto rest = buffer_.rest();
  if (rest.empty()) {
    return Status::kNeedMore;
  }
  if (rest.front() == kBinaryRequest) {
    return fatal("CLIENT_ERROR the binary protocol is not served");
  }
  const auto end = rest.find('\n', scanned_);
  if (std::min(end, rest.size()) > limits_.line_bytes) {
    return fatal("CLIENT_ERROR line too long");
  }
  if (end == ByteView::npos) {
    scanned_ = rest.size();
    return Status::kNeedMore;
  }
  const auto text = rest.substr(0, end);
  line_ = text.substr(0, text.ends_with('\r') ? end - 1 : end);
  consume(end + 1);
  split();
  const auto status = parse_line();
  return stage_ == Stage::kData ? read_data() : status;
}

void MemcachedParser::split() {
  if (words_.capacity() > kKeptLine) {
    std::vector<ByteView>().swap(words_);
  }
  if (line_.capacity() > kKeptLine && line_.size() <= kKeptLine) {
    line_.shrink_to_fit();
  }
  words_.clear();
  const ByteView line = line_;
  for (std::size_t at = 0; at < line.size();) {
    const auto end = std::min(line.find(' ', at), line.size());
    if (end > at) {
      words_.push_back(line.substr(at, end - at));
    }
    at = end + 1;
  }
}

MemcachedParser::Status MemcachedParser::parse_line() {
  const auto* const shape = std::find_if(kShapes.begin(), kShapes.end(), [this](const Shape& one) {
    return !words_.empty() && one.name == words_[0];
  });
  if (shape == kShapes.end()) {
    return refuse(kUnknown);
  }
  request_.verb = shape->verb;
  if (shape->may_be_silent && words_.size() > shape->least && words_.back() == "noreply") {
    request_.silent = true;
    words_.pop_back();
  }
  if (words_.size() < shape->least || words_.size() > shape->most) {
    // Of one with data it is not known where that ends, and none of it may be taken for a command.
    return has_data(shape->verb) ? fatal(kBadFormat) : refuse(kUnknown);
  }
  if (has_data(shape->verb)) {
    return parse_store();
  }
  switch (shape->verb) {
    case Verb::kGet:
    case Verb::kGets:
      return take_keys(1);
    case Verb::kGat:
    case Verb::kGats:
    case Verb::kTouch:
    case Verb::kFlushAll:
      return parse_times();
    case Verb::kDelete:
      // Old clients send the time for which the key was to stay away.
      return words_.size() == 3 && words_[2] != "0" ? refuse(kBadFormat) : take_keys(1);
    case Verb::kIncr:
    case Verb::kDecr: {
      const auto delta = parse_number<std::uint64_t>(words_[2]);
      request_.delta = delta.value_or(0);
      return delta ? take_keys(1) : refuse("CLIENT_ERROR invalid numeric delta argument");
    }
    case Verb::kVerbosity:
      return words_.size() == 1 && !request_.silent ? refuse(kUnknown) : Status::kRequest;
    default:
      return Status::kRequest;
  }
}

// Those with a time and no data.
MemcachedParser::Status MemcachedParser::parse_times() {
  const bool key_first = request_.verb == Verb::kTouch;
  const auto at = key_first ? std::size_t{2} : std::size_t{1};
  if (words_.size() > at) {
    const auto seconds = parse_number<std::int64_t>(words_[at]);
    if (!seconds) {
      return refuse("CLIENT_ERROR invalid exptime argument");
    }
    request_.lifetime_s = *seconds;
  }
  if (request_.verb == Verb::kFlushAll) {
    return Status::kRequest;
  }
  return take_keys(key_first ? 1 : 2);
}

// One key, or all from there on.
MemcachedParser::Status MemcachedParser::take_keys(std::size_t from) {
  const auto keys = std::span<const ByteView>(words_).subspan(from);
  request_.keys = request_.verb <= Verb::kGats ? keys : keys.first(1);
  return std::all_of(request_.keys.begin(), request_.keys.end(), is_key) ? Status::kRequest
                                                                         : refuse(kBadFormat);
}

// verb key flags lifetime bytes [unique]. What is wrong is said behind the data.
MemcachedParser::Status MemcachedParser::parse_store() {
  const auto size = parse_number<std::uint64_t>(words_[4]);
  if (!size || *size > limits_.drain_bytes) {
    return fatal(kBadFormat);
  }
  const auto flags = parse_number<std::uint32_t>(words_[2]);
  const auto seconds = parse_number<std::int64_t>(words_[3]);
  const bool cas = request_.verb == Verb::kCas;
  const auto unique = cas ? parse_number<std::uint64_t>(words_[5]) : std::uint64_t{1};
  if (!is_key(words_[1]) || !flags || !seconds || !unique) {
    refuse(kBadFormat);
  } else if (*unique == 0) {
    refuse("SERVER_ERROR cas needs the number that a gets of an ordered keyspace gave");
  } else if (*flags != 0) {
    refuse("SERVER_ERROR flags other than 0 cannot be stored");
  } else if (*size > limits_.value_bytes) {
    refuse("SERVER_ERROR object too large for cache");
  } else {
    request_.keys = std::span<const ByteView>(words_).subspan(1, 1);
    request_.lifetime_s = *seconds;
    request_.unique = *unique;
  }
  stage_ = Stage::kData;
  data_bytes_ = *size;
  return Status::kNeedMore;
}

MemcachedParser::Status MemcachedParser::read_data() {
  if (answer_ != nullptr) {
    const auto drop = std::min<std::uint64_t>(data_bytes_, buffer_.rest().size());
    consume(drop);
    data_bytes_ -= drop;
  }
  const auto rest = buffer_.rest();
  if (rest.size() < data_bytes_) {
    return Status::kNeedMore;
  }
  const auto end = rest.substr(data_bytes_, 2);
  if (end.empty() || end == "\r") {
    return Status::kNeedMore;
  }
  if (end[0] != '\n' && end != "\r\n") {
    answer_ = answer_ != nullptr ? answer_ : "CLIENT_ERROR bad data chunk";
    stage_ = Stage::kSkip;
    consume(data_bytes_);
    return skip_line();
  }
  stage_ = Stage::kLine;
  request_.data = rest.substr(0, data_bytes_);
  consume(data_bytes_ + (end[0] == '\n' ? 1 : 2));
  return answer_ != nullptr ? Status::kRefused : Status::kRequest;
}

// To the next line end, so that what is behind too long data is no command either.
MemcachedParser::Status MemcachedParser::skip_line() {
  const auto end = buffer_.rest().find('\n');
  if (end == ByteView::npos) {
    consume(buffer_.rest().size());
    return Status::kNeedMore;
  }
  consume(end + 1);
  stage_ = Stage::kLine;
  return Status::kRefused;
}

}  // namespace kvorum::front
