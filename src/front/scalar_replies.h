// The node's replies, one by one, for fronts whose requests are all answered by a single value.
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
    ByteView text;            // kStatus, kBulk; kError: "CODE text", one line. Until the return
    std::int64_t number = 0;  // kInteger
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
  void map(std::size_t pairs) override { open(2 * pairs); }

  // Whole ones; an array counts once.
  std::uint64_t replies() const { return replies_; }

 private:
  void take(const Reply& reply) {
    if (inside_ == 0) {
      return tell(reply);
    }
    if (--inside_ == 0) {
      tell({Kind::kMany, {}});
    }
  }
  void open(std::uint64_t elements) {
    inside_ = (inside_ == 0 ? 0 : inside_ - 1) + elements;
    if (inside_ == 0) {
      tell({Kind::kMany, {}});
    }
  }
  void tell(const Reply& reply) {
    ++replies_;
    on_reply_(reply);
  }

  std::function<void(const Reply&)> on_reply_;
  std::uint64_t replies_ = 0;
  std::uint64_t inside_ = 0;  // values that the open array still lacks
};

}  // namespace kvorum::front
