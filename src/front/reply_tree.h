// The node's reply as a value, for fronts that look at it before they answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/reply.h"
#include "wire/reply_parser.h"

namespace kvorum::front {

class ReplyTree final : public ReplyWriter {
 public:
  void status(ByteView text) override { add({wire::Reply::Type::kStatus, 0, Bytes(text), {}}); }
  void integer(std::int64_t value) override { add({wire::Reply::Type::kInteger, value, {}, {}}); }
  void bulk(ByteView bytes) override { add({wire::Reply::Type::kBulk, 0, Bytes(bytes), {}}); }
  void nil() override { add({}); }
  void error(const Error& error) override {
    error_ = error;
    add({wire::Reply::Type::kError, 0, to_string(error), {}});
  }
  void array(std::size_t count) override { open(wire::Reply::Type::kArray, count); }
  void map(std::size_t pairs) override { open(wire::Reply::Type::kMap, 2 * pairs); }

  // Replies that are whole, elements not counted.
  std::uint64_t replies() const { return replies_; }
  // What comes next is the second of two elements, and its reply's last.
  bool lacks_second() const {
    return open_.size() == 1 && open_.back().left == 1 && open_.back().reply.elements.size() == 1;
  }
  bool is_whole() const { return whole_; }
  // The reply, and the last error that is, or is in, it. A new one begins.
  struct Taken {
    wire::Reply reply;
    std::optional<Error> error;
  };
  Taken take() {
    whole_ = false;
    return {std::move(root_), std::exchange(error_, std::nullopt)};
  }

  // Of the texts in it.
  static std::size_t bytes(const wire::Reply& reply) {
    auto sum = reply.text.size();
    for (const auto& element : reply.elements) {
      sum += bytes(element);
    }
    return sum;
  }

 private:
  struct Open {
    wire::Reply reply;
    std::size_t left;
  };
  static constexpr std::size_t kReserved = 64;  // elements, of an array that says it has more

  void open(wire::Reply::Type type, std::size_t count) {
    if (count == 0) {
      return add({type, 0, {}, {}});
    }
    open_.push_back({{type, 0, {}, {}}, count});
    open_.back().reply.elements.reserve(std::min(count, kReserved));
  }
  void add(wire::Reply reply) {
    while (!open_.empty()) {
      auto& parent = open_.back();
      parent.reply.elements.push_back(std::move(reply));
      if (--parent.left > 0) {
        return;
      }
      reply = std::move(parent.reply);
      open_.pop_back();
    }
    root_ = std::move(reply);
    whole_ = true;
    ++replies_;
  }

  std::vector<Open> open_;
  wire::Reply root_;
  std::optional<Error> error_;
  std::uint64_t replies_ = 0;
  bool whole_ = false;
};

}  // namespace kvorum::front
