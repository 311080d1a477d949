// What nodes tell of themselves in INFO, before a load and after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "client/connection.h"

namespace kvorum::load {

// Since the node's process began; or, of a difference, between two looks.
struct NodeFigures {
  double cpu_seconds = 0;  // user and system
  std::uint64_t peer_messages = 0;
  std::uint64_t peer_bytes = 0;
  std::uint64_t disk_syncs = 0;
};

// From the text of INFO; empty if a figure is missing.
std::optional<NodeFigures> parse_figures(ByteView info);

// Asks the node; blocks for some seconds at most. Errors: kIo, it does not answer; kGeneric, it is
// none of ours.
Result<NodeFigures> look_at(const client::Endpoint& node);

// Empty if the node has begun anew in between.
std::optional<NodeFigures> difference(const NodeFigures& before, const NodeFigures& after);

}  // namespace kvorum::load
