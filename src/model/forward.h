// Commands on their way from the node that accepted them to the partition's leader.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace kvorum {

struct Forward {
  PartitionId partition;
  NodeId from;
  NodeId to;
  SharedBytes runs =
      share({});  // encoded runs (model/command.h), all of node `from`; go unchanged into the log
};

// What two nodes tell each other when a peer link opens. Another cluster, an unknown node or
// another bound on values: the link is refused.
struct PeerHello {
  ClusterId cluster;
  NodeId node;
  Incarnation incarnation;
  std::int64_t wall_ms = 0;           // the sender's clock
  std::uint64_t max_value_bytes = 0;  // decides what is applied: alike on all nodes
  Incarnation replica;                // as which its leaderless half makes dots (model/dot.h)
};

}  // namespace kvorum
