// Versions of leaderless keys (docs/consistency.md): who wrote what, after having seen what.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"
#include "base/time.h"

namespace kvorum {

// Who makes dots: a node and the data directory that it stands on. A node that lost its disk is
// another replica, so its new counters never look like the old ones (riak_kv#679).
struct ReplicaId {
  NodeId node;
  Incarnation incarnation;
  friend auto operator<=>(const ReplicaId&, const ReplicaId&) = default;
};

// One write: the counter is its replica's, over all keys, from 1, and never used twice.
struct Dot {
  ReplicaId replica;
  std::uint64_t counter = 0;
  friend auto operator<=>(const Dot&, const Dot&) = default;
};

// Hybrid logical clock (Kulkarni et al., OPODIS 2014): 48 bits of wall clock in ms, 16 bits that
// count within a ms. What happened before has the smaller stamp.
struct HybridTime {
  std::uint64_t packed = 0;

  static HybridTime at(WallMs wall, std::uint16_t count = 0) {
    return {static_cast<std::uint64_t>(wall.value()) << 16 | count};
  }
  WallMs wall() const { return WallMs(static_cast<std::int64_t>(packed >> 16)); }
  friend auto operator<=>(const HybridTime&, const HybridTime&) = default;
};

}  // namespace kvorum
