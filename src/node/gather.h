// Several partitions' or nodes' replies as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/parse.h"
#include "model/reply.h"

namespace kvorum::node {

// Keeps replies to hand them on later: several partitions' arrays become one.
class Gather final : public ReplyWriter {
 public:
  void status(ByteView text) override { keep({Kind::kStatus, 0, Bytes(text), {}}); }
  void integer(std::int64_t value) override {
    sum_ += value;
    keep({Kind::kInteger, value, {}, {}});
  }
  void bulk(ByteView bytes) override { keep({Kind::kBulk, 0, Bytes(bytes), {}}); }
  void nil() override { keep({Kind::kNil, 0, {}, {}}); }
  void error(const Error& error) override { keep({Kind::kError, 0, {}, error}); }
  void array(std::size_t count) override { open(Kind::kArray, count, count); }
  void map(std::size_t pairs) override { open(Kind::kMap, pairs, 2 * pairs); }

  std::int64_t sum() const { return sum_; }
  // The bulk replies read as hexadecimal numbers, added up.
  std::uint64_t hex_sum() const {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) {
      sum += parse_number<std::uint64_t>(part.bytes, 16).value_or(0);
    }
    return sum;
  }
  // Of all gathered arrays together.
  std::size_t elements() const { return elements_; }
  void replay_elements(ReplyWriter& reply) const {
    for (const auto& part : parts_) {
      replay(part, reply);
    }
  }
  // All elements of all gathered arrays, as one array.
  void replay_as_one(ReplyWriter& reply) const {
    reply.array(elements_);
    replay_elements(reply);
  }

 private:
  enum class Kind : std::uint8_t { kStatus, kInteger, kBulk, kNil, kError, kArray, kMap };
  struct Part {
    Kind kind;
    std::int64_t number;
    Bytes bytes;
    Error error;
  };

  // Depth 0 is a partition's own array, whose head is dropped; its elements count.
  void keep(Part part) {
    elements_ += left_.size() == 1 ? 1 : 0;
    parts_.push_back(std::move(part));
    took_one();
  }
  void open(Kind kind, std::size_t count, std::size_t elements) {
    if (!left_.empty()) {
      elements_ += left_.size() == 1 ? 1 : 0;
      parts_.push_back({kind, static_cast<std::int64_t>(count), {}, {}});
    }
    left_.push_back(elements);
    close_full();
  }
  void took_one() {
    if (!left_.empty()) {
      --left_.back();
    }
    close_full();
  }
  void close_full() {
    while (!left_.empty() && left_.back() == 0) {
      left_.pop_back();
      if (!left_.empty()) {
        --left_.back();
      }
    }
  }
  static void replay(const Part& part, ReplyWriter& reply) {
    switch (part.kind) {
      case Kind::kStatus:
        return reply.status(part.bytes);
      case Kind::kInteger:
        return reply.integer(part.number);
      case Kind::kBulk:
        return reply.bulk(part.bytes);
      case Kind::kNil:
        return reply.nil();
      case Kind::kError:
        return reply.error(part.error);
      case Kind::kArray:
        return reply.array(static_cast<std::size_t>(part.number));
      case Kind::kMap:
        return reply.map(static_cast<std::size_t>(part.number));
    }
  }

  std::vector<Part> parts_;
  std::vector<std::size_t> left_;  // elements to come, per open array
  std::size_t elements_ = 0;
  std::int64_t sum_ = 0;
};

}  // namespace kvorum::node
