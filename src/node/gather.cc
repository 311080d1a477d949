// Reads over every partition of a keyspace, one after another: not atomic, and documented so.
#include <string>
#include <variant>
#include <vector>

#include "base/checksum.h"
#include "base/parse.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

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
  // All elements of all gathered arrays, as one array.
  void replay_as_one(ReplyWriter& reply) const {
    reply.array(elements_);
    for (const auto& part : parts_) {
      replay(part, reply);
    }
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

// Passes SCAN's answer on, but where one partition ends, its cursor leads to the next one.
class ScanReply final : public ReplyWriter {
 public:
  ScanReply(ReplyWriter& reply, std::uint64_t next) : reply_(reply), next_(next) {}
  void status(ByteView text) override { reply_.status(text); }
  void integer(std::int64_t value) override { reply_.integer(value); }
  void bulk(ByteView bytes) override {
    const bool ended = !cursor_seen_ && bytes == "0" && next_ != 0;
    cursor_seen_ = true;
    if (ended) {
      reply_.bulk(std::to_string(next_));
    } else {
      reply_.bulk(bytes);
    }
  }
  void nil() override { reply_.nil(); }
  void error(const Error& error) override { reply_.error(error); }
  void array(std::size_t count) override { reply_.array(count); }
  void map(std::size_t pairs) override { reply_.map(pairs); }

 private:
  ReplyWriter& reply_;
  std::uint64_t next_;
  bool cursor_seen_ = false;
};

}  // namespace

void Replica::read_everywhere(const Keyspace& keyspace, const Command& command,
                              ReplyWriter& reply) {
  std::vector<Partition*> partitions;
  std::size_t rows = 0;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    partitions.push_back(find(PartitionId(keyspace.first_partition.value() + i)));
    rows += partitions.back()->machine().size();
  }
  if (command.op == Op::kRandomKey) {
    auto nth = rows == 0 ? 0 : prng_.below(rows);
    auto chosen = partitions.begin();
    for (; nth >= (*chosen)->machine().size() && rows > 0; ++chosen) {
      nth -= (*chosen)->machine().size();
    }
    Command drawn = command;
    drawn.number = static_cast<std::int64_t>(prng_.next());
    return (*chosen)->machine().read(drawn, {now_.wall}, reply);
  }
  Gather gather;
  for (const auto* partition : partitions) {
    partition->machine().read(command, {now_.wall}, gather);
  }
  if (command.op == Op::kDbSize) {
    reply.integer(gather.sum());
  } else if (command.op == Op::kDigest) {
    reply.bulk(fmt::format("{:016x}", gather.hex_sum()));
  } else {
    gather.replay_as_one(reply);
  }
}

void Replica::scan(const Keyspace& keyspace, const Partition& partition, const Command& command,
                   ReplyWriter& reply) {
  const auto ordinal = partition.id().value() - keyspace.first_partition.value();
  std::uint64_t next = 0;
  if (ordinal + 1 < keyspace.partitions) {
    // The first slot whose partition is the next one.
    const auto slot =
        (std::uint64_t{ordinal + 1} * kSlotCount + keyspace.partitions - 1) / keyspace.partitions;
    next = slot << 48;
  }
  ScanReply chained(reply, next);
  partition.machine().read(command, {now_.wall}, chained);
}

}  // namespace kvorum::node
