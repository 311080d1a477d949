// Parts of judge_sequential.
#pragma once

#include "check/causal_order.h"
#include "check/certain.h"

namespace kvorum::check {

// The order that every sequential explanation must respect, as far as it follows in polynomial time
// (Zennou, Bouajjani, Enea, Erradi: Gradual consistency checking, CAV 2019).
struct ForcedOrder {
  explicit ForcedOrder(const Certain& certain) : order(certain.frame, certain.given) {}

  // Why there is none; empty if nothing speaks against it so far.
  std::optional<Reasons> saturate(const Certain& certain);

  CausalOrder order;

 private:
  void force(const Frame& frame, Node reader, const Chain& chain, bool first);
};

// Without a minimal core; looks at `most_nodes` states at most (0: as many as the budget allows).
Verdict search_sequential(const History& history, const Budget& budget, std::uint64_t most_nodes);

}  // namespace kvorum::check
