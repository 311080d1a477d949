// What the disks of stopped nodes say of the order in which they applied the writes of an ordered
// keyspace.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace kvorum::app {

// Per node a line per write of its log, as far as any of them knows it to be committed, in the
// order of the log: "partition index op key value". Of what a snapshot has taken the place of,
// nothing is left.
Result<std::vector<std::string>> read_orders(const std::vector<std::string>& data_paths);

}  // namespace kvorum::app
