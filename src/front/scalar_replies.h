// The node's replies, one by one, for fronts whose requests are all answered by a single value, or
// by one with its receipt.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "model/reply.h"

namespace kvorum::front {

class ScalarReplies final : public ReplyWriter {
 public:
  enum class Kind : std::uint8_t { kStatus, kInteger, kBulk, kNil, kError, kMany };
  struct Reply {
    Kind kind;
    ByteView text;             // kStatus, kBulk; kError: "CODE text", one line. Until the return
    std::int64_t number = 0;   // kInteger
    std::int64_t version = 0;  // from the receipt; 0: none, or none that is a number
  };

  explicit ScalarReplies(std::function<void(const Reply&)> on_reply)
      : on_reply_(std::move(on_reply)) {}

  void status(ByteView text) override { take({Kind::kStatus, text}); }
  void integer(std::int64_t value) override { take({Kind::kInteger, {}, value}); }
  void bulk(ByteView bytes) override { take({Kind::kBulk, bytes}); }
  void nil() override { take({Kind::kNil, {}}); }
  void error(const Error& error) override {
    auto text = to_string(error);
    for (auto& c : text) {
      c = c == '\r' || c == '\n' ? ' ' : c;
    }
    take({Kind::kError, text});
  }
  void array(std::size_t count) override { open(count); }
  void map(std::size_t pairs) override {
    // Behind the value, which is the first of two: the receipt.
    has_receipt_ = inside_ == 1;
    open(2 * pairs);
  }

  // Whole ones; an array counts once.
  std::uint64_t replies() const { return replies_; }

 private:
  void take(const Reply& reply) {
    if (inside_ == 0) {
      return tell(reply);
    }
    if (is_first_) {
      text_ = reply.text;
      first_ = reply;
      is_first_ = false;
    } else if (std::exchange(is_version_, has_receipt_ && reply.text == "version")) {
      first_.version = reply.number;
    }
    leave();
  }

  void open(std::uint64_t elements) {
    if (inside_ == 0) {
      is_first_ = true;
      has_receipt_ = false;
    } else {
      first_ = is_first_ ? Reply{Kind::kMany, {}} : first_;
      is_first_ = false;
    }
    inside_ += elements + (inside_ == 0 ? 1 : 0);
    leave();
  }

  // An element, or what had elements, was counted.
  void leave() {
    if (--inside_ == 0) {
      first_.text = text_;
      tell(has_receipt_ ? first_ : Reply{Kind::kMany, {}});
      Bytes().swap(text_);
    }
  }

  void tell(const Reply& reply) {
    ++replies_;
    on_reply_(reply);
  }

  std::function<void(const Reply&)> on_reply_;
  std::uint64_t replies_ = 0;
  std::uint64_t inside_ = 0;      // values that the open array still lacks
  Reply first_{Kind::kMany, {}};  // of its elements
  Bytes text_;                    // that one's
  bool is_first_ = false;         // it comes next
  bool has_receipt_ = false;      // it is a value, and its receipt has begun
  bool is_version_ = false;       // the receipt's version comes next
};

}  // namespace kvorum::front
