#include "check/frame.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace kvorum::check {

Frame::Frame(const History& whole) : history(&whole) {
  sessions.resize(whole.clients.size());
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < whole.operations.size(); ++i) {
    if (whole.operations[i].may_write() || whole.operations[i].observes()) {
      order.push_back(i);
    }
  }
  // Operations of one client that overlap are taken in the order of their starts.
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const auto& x = whole.operations[a];
    const auto& y = whole.operations[b];
    return std::tie(x.start_ns, x.end_ns, a) < std::tie(y.start_ns, y.end_ns, b);
  });
  std::unordered_map<Text, std::uint32_t> dense;
  for (const auto i : order) {
    const auto& op = whole.operations[i];
    const auto key = dense.try_emplace(op.key, static_cast<std::uint32_t>(keys.size()));
    if (key.second) {
      keys.push_back(op.key);
      writers.emplace_back();
    }
    auto& session = sessions[op.client];
    FrameNode node;
    node.op = i;
    node.session = op.client;
    node.key = key.first->second;
    node.before = session.empty() ? kNone : session.back();
    node.writes = op.may_write();
    // An incr whose result nobody wrote down is a write like any other.
    node.observes = op.observes() && !(op.op == HistoryOp::kIncr && op.value == kAbsent);
    node.loose = op.ended == Ended::kUnknown;
    const auto number = static_cast<Node>(nodes.size());
    if (!node.loose) {
      node.place = static_cast<std::uint32_t>(session.size());
      session.push_back(number);
    }
    if (node.writes) {
      writers[node.key].push_back(number);
    }
    nodes.push_back(node);
  }
}

bool Frame::session_before(Node a, Node b) const {
  const auto& first = nodes[a];
  if (first.loose || first.session != nodes[b].session || a == b) {
    return false;
  }
  const auto last = nodes[b].before;
  return last != kNone && first.place <= nodes[last].place;
}

}  // namespace kvorum::check
