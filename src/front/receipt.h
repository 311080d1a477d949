// A receipt of the node's (KV.RECEIPT), read word by word as it comes: for those who need its text
// and a few of its words, and no tree of them.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace kvorum::front {

class Receipt {
 public:
  void begin(std::size_t pairs) {
    text_.reserve(kReservedText);
    came_ = true;
    left_ = 2 * pairs;
  }
  bool came() const { return came_; }
  bool lacks_words() const { return left_ > 0; }

  void word(ByteView word) {
    if (left_-- % 2 == 0) {
      name_ = word;
    } else {
      note(word);
    }
  }
  void number(std::int64_t value) {
    if (name_ == "index") {
      index_ = value;
    } else if (name_ == "partition") {
      partition_ = value;
    }
    const fmt::format_int digits(value);
    word({digits.data(), digits.size()});
  }

  // "asked=quorum; met=w=2,r=2; ...", without the context, which has a field of its own.
  const Bytes& text() const { return text_; }
  const Bytes& version() const { return version_; }  // empty: the row has none
  const Bytes& context() const { return context_; }
  const Bytes& met() const { return met_; }
  // The position; empty: a leaderless keyspace has none.
  const std::optional<std::int64_t>& partition() const { return partition_; }
  const std::optional<std::int64_t>& index() const { return index_; }

 private:
  static constexpr std::size_t kReservedText = 192;  // most are shorter

  void note(ByteView value) {
    if (name_ == "context") {
      context_ = value;
      return;
    }
    if (name_ == "version" && value != "0" && value != "none") {
      version_ = value;
    } else if (name_ == "met") {
      met_ = value;
    }
    text_.append(text_.empty() ? "" : "; ").append(name_).append("=").append(value);
  }

  bool came_ = false;
  std::size_t left_ = 0;  // words, names and values
  Bytes name_;            // whose value comes next
  Bytes text_;
  Bytes version_;
  Bytes context_;
  Bytes met_;
  std::optional<std::int64_t> partition_;
  std::optional<std::int64_t> index_;
};

}  // namespace kvorum::front
