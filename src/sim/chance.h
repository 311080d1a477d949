// Where the parts of a run take their chance from: a generator of its own for every purpose, so
// that a run without one kind of fault draws the others as before.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/checksum.h"
#include "base/prng.h"

namespace kvorum::sim {

// The generator of this seed for `purpose`, and for one of several that share it.
inline Prng chance_of(std::uint64_t seed, std::string_view purpose, std::uint64_t which = 0) {
  Prng purposes(seed ^ checksum(purpose));
  Prng several(purposes.next() ^ which);
  return Prng(several.next());
}

}  // namespace kvorum::sim
