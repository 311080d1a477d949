// Reads over every partition of a keyspace, one after another: not atomic, and documented so.
#include "node/gather.h"

#include <string>
#include <vector>

#include "base/checksum.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

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
    (*chosen)->machine().read(drawn, {now_.wall}, reply);
    return;
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
