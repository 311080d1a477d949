// What the metadata group (Raft group 0) holds. It is an ordinary partition: these are its rows,
// and registering a member is an ordinary SETNX, so the first incarnation that registers is the
// node's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace kvorum {

inline constexpr PartitionId kMetaPartition{0};

// Row "member/<node>", value: the incarnation in hex.
Bytes member_row_key(NodeId node);
Bytes encode(Incarnation incarnation);
std::optional<Incarnation> decode_incarnation(ByteView value);

// Row "voters": node ids of the data partitions' voters, separated by blanks.
inline constexpr ByteView kVotersRowKey = "voters";
Bytes encode(const std::vector<NodeId>& nodes);
std::optional<std::vector<NodeId>> decode_nodes(ByteView value);

}  // namespace kvorum
