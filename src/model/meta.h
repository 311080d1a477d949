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
#include "base/time.h"

namespace kvorum {

inline constexpr PartitionId kMetaPartition{0};

// Row "member/<node>", value: the incarnation in hex.
Bytes member_row_key(NodeId node);
Bytes encode(Incarnation incarnation);
std::optional<Incarnation> decode_incarnation(ByteView value);

// Row "replica/<node>": as which the node's leaderless half makes dots (model/dot.h), and whether
// nobody waits for that one any more (dynamo/core.h). Changed by compare-and-set alone, so that a
// fence hits the replica that it is meant for and no later one.
struct ReplicaRow {
  Incarnation incarnation;
  WallMs checked;  // when the node last had to ask whether it was fenced, by its own clock
  bool fenced = false;
  friend bool operator==(const ReplicaRow&, const ReplicaRow&) = default;
};
Bytes replica_row_key(NodeId node);
Bytes encode(const ReplicaRow& row);
std::optional<ReplicaRow> decode_replica(ByteView value);

// Row "voters": node ids of the data partitions' voters, separated by blanks.
inline constexpr ByteView kVotersRowKey = "voters";
Bytes encode(const std::vector<NodeId>& nodes);
std::optional<std::vector<NodeId>> decode_nodes(ByteView value);

}  // namespace kvorum
