// A history as sessions: the operations that can matter, in each client's order. What every model
// that ignores real time starts from.
#pragma once

#include <cstdint>
#include <vector>

#include "check/history.h"

namespace kvorum::check {

using Node = std::uint32_t;  // index into Frame::nodes
inline constexpr Node kNone = 0xffffffff;

// An operation that wrote, may have written, or observed.
struct FrameNode {
  std::uint32_t op = 0;       // index into History::operations
  std::uint32_t session = 0;  // its client's
  std::uint32_t place = 0;    // in Frame::sessions[session]; meaningless if loose
  std::uint32_t key = 0;      // dense
  // Right before it in its session; kNone at the front.
  Node before = kNone;
  bool writes = false;
  bool observes = false;
  // Of unknown outcome: it may not have happened at all. It comes after what its client did before,
  // and before nothing.
  bool loose = false;
};

struct Frame {
  explicit Frame(const History& whole);

  const Operation& op(Node node) const { return history->operations[nodes[node].op]; }
  // Whether a is before b in one session.
  bool session_before(Node a, Node b) const;

  const History* history;
  std::vector<FrameNode> nodes;
  std::vector<std::vector<Node>> sessions;  // those that are not loose, by start
  std::vector<Text> keys;
  std::vector<std::vector<Node>> writers;  // per key, loose ones included
};

}  // namespace kvorum::check
