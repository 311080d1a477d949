// Waits until all replicas hold the same, and looks at what that is, without repairing anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "lab/venue.h"

namespace kvorum::lab {

// What one replica holds of one key: empty if it holds none, or a tombstone. Siblings are joined by
// " | ".
struct Held {
  NodeId node;
  std::string key;
  std::optional<std::string> value;
};

// Searches for each key until the replicas agree. Errors: kTimeout names a key and what its
// replicas hold; or the play must end now.
Result<std::vector<Held>> wait_until_quiet(Venue& venue, const std::vector<std::string>& keys,
                                           Duration patience);

}  // namespace kvorum::lab
