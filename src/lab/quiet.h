// Waits until all replicas hold the same, and looks at what that is, without repairing anything.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "client/connection.h"
#include "lab/stage.h"
#include "model/history.h"

namespace kvorum::lab {

// What one replica holds of one key: empty if it holds none, or a tombstone. Siblings are joined by
// " | ".
struct Held {
  NodeId node;
  std::string key;
  std::optional<std::string> value;
};

// Searches for each key until the replicas agree. Errors: kTimeout names a key and what its
// replicas hold; kGeneric, somebody interrupted.
Result<std::vector<Held>> wait_until_quiet(Stage& stage, const std::vector<std::string>& keys,
                                           Duration patience);

}  // namespace kvorum::lab
