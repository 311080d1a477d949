// What one node asks another about rows that it does not hold itself, or tells it, and the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"

namespace kvorum {

// A command that looks at rows, for those that the receiver holds; or
// Op::kTell or Op::kHear, of no keyspace, or Op::kLead.
struct Query {
  NodeId from;
  NodeId to;
  std::uint64_t id = 0;  // the asker's name for it, as no other of its life
  KeyspaceId keyspace;
  std::vector<PartitionId> partitions;  // those to look at
  Bytes command;                        // encoded (model/command.h)

  friend bool operator==(const Query&, const Query&) = default;
};

struct Answer {
  // Longer ones are errors, so that a frame has room for any.
  static constexpr std::size_t kMaxBytes = std::size_t{32} << 20;

  NodeId from;
  NodeId to;
  std::uint64_t id = 0;              // the question's
  std::optional<ErrorCode> refused;  // there is none
  Bytes reply;                       // recorded (kv/kept_reply.h); of a refusal: why

  friend bool operator==(const Answer&, const Answer&) = default;
};

}  // namespace kvorum
