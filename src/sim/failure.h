// What can be wrong with a run.
#pragma once

#include <cstdint>

namespace kvorum::sim {

enum class Failure : std::uint8_t {
  kNone,
  kSafety,    // an invariant broke
  kLiveness,  // with all faults gone the cluster did not come to rest, or did not answer
};

}  // namespace kvorum::sim
