// KV.FAULT on the simulated network: the rules for its links, and the packets that wait for them.
// As net/ does it to messages.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/prng.h"
#include "node/fault_table.h"
#include "sim/events.h"

namespace kvorum::sim {

class LinkFaults {
 public:
  // On its way, as it would be without rules.
  using Pass = std::function<void(NodeId from, NodeId to, Bytes frames)>;

  LinkFaults(EventQueue& events, std::uint32_t nodes, std::uint64_t seed, Pass pass);

  // In force at once. What no rule keeps any more is passed on, in order.
  void apply(const FaultCommand& command);
  // The link is closed, and refused.
  bool is_cut(NodeId from, NodeId to) const;
  // Passes the packet on now, later or never.
  void send(NodeId from, NodeId to, Bytes frames);
  // The connection broke: what waits is lost with it.
  void broken(NodeId from, NodeId to) { lines_.erase({from, to}); }

 private:
  // Packets one way, by when they are due.
  struct Line {
    std::multimap<Instant, Bytes> kept;
    Instant last_due{};
  };

  const node::FaultRule* find(NodeId from, NodeId to, FaultKind kind) const;
  Instant due(Line& line, const node::FaultRule* delay, std::size_t way) const;
  void let_go(NodeId from, NodeId to);
  void let_all_go();
  void look_over();  // after the rules changed

  EventQueue& events_;
  Pass pass_;
  Prng seeds_;           // of rules that name none
  bool active_ = false;  // there is a rule
  // The rules of each link stand in the table of its lower end, so that each is in force once.
  std::map<NodeId, node::FaultTable> tables_;
  std::map<std::pair<NodeId, NodeId>, Line> lines_;
};

}  // namespace kvorum::sim
