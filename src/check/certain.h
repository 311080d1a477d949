// What the observations of a history certainly saw.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "check/causal_order.h"

namespace kvorum::check {

class Certain {
 public:
  Certain(const History& history, Fold fold);

  // Gives every observation with a single possible source that one; `open` is left with the others.
  // A violation if something was seen that no writes can have made; unknown if there is no time.
  std::optional<Verdict> settle(const Budget& budget);

  const Origins& origins(Node node);
  // Takes the chain as what the node saw. Writes of unknown outcome in it have happened, and a cas
  // among them found what it expected: such join `waiting`.
  void take(Node node, const Chain& chain, std::vector<Node>& waiting);

  // After settle(): what the clocks of a CausalOrder take.
  std::size_t clock_bytes() const;
  // After settle(), for models with one order: the writes of unknown outcome that happened, and
  // those that may have. Whatever order there is, there is one without the others, as nobody saw
  // them.
  std::vector<bool> unknown_that_matter();

  Frame frame;
  Given given;
  std::vector<Node> open;

 private:
  Verdict from_nowhere(Node node) const;

  OriginFinder finder_;
  std::deque<std::optional<Origins>> origins_;  // per node; addresses stay
};

}  // namespace kvorum::check
