// The rules of KV.FAULT that are in force at one node.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "model/fault.h"

namespace kvorum::node {

// What using a rule changes: shared by the table, which shows it, and net/, which uses the rule.
struct FaultUse {
  FaultUse(std::uint64_t out_seed, std::uint64_t in_seed) : prng{Prng(out_seed), Prng(in_seed)} {}

  std::array<Prng, 2> prng;    // of what this node sends, and of what it hears
  std::uint64_t messages = 0;  // that the rule was applied to
  std::uint64_t overflow = 0;  // that were dropped because too many waited
};

// A rule as seen from this node: what becomes of messages to (out) and from (in) one peer; or, with
// itself as the peer, of its disk or clock.
struct FaultRule {
  FaultKind kind = FaultKind::kCut;
  NodeId peer;
  bool out = false;
  bool in = false;
  Duration delay{};
  Duration jitter{};
  bool unordered = false;
  std::uint32_t percent = 0;
  std::uint64_t seed = 0;
  Instant until = Instant::max();
  std::shared_ptr<FaultUse> use;
};

// Has at most one rule of a kind for each direction of each link: a newer one replaces the older.
class FaultTable {
 public:
  FaultTable(NodeId self, std::span<const NodeId> members)
      : self_(self), members_(members.begin(), members.end()) {}

  // Puts, heals or releases on all of this node's links that the command covers. False: it covers
  // none.
  bool apply(const FaultCommand& command, std::uint64_t default_seed, Instant now);
  // True: a rule's time was over.
  bool expire(Instant now);
  Instant next_expiry() const;

  const std::vector<FaultRule>& rules() const { return rules_; }
  // "delay 1 2 50ms jitter 10ms seed 7 for 8.2s: 12 delayed"
  std::vector<std::string> describe(Instant now) const;

 private:
  void apply_to(NodeId peer, const FaultCommand& command, std::uint64_t default_seed, Instant now);
  void take_off(NodeId peer, FaultKind kind, bool out, bool in);

  NodeId self_;
  std::vector<NodeId> members_;
  std::vector<FaultRule> rules_;
};

}  // namespace kvorum::node
