// Forced order. Operations that one observation binds together (the write that set the value, what
// was appended to it, the observation) are one cluster: every other write of the key is before its
// first or after its last. If it is known to be before the observation, it is before the first; if
// it is known to be after the first, it is after the observation. Repeated until nothing changes.
#include "check/causal.h"
#include "check/sequential.h"

namespace kvorum::check {

void ForcedOrder::force(const Frame& frame, Node reader, const Chain& chain, bool first) {
  if (first) {
    each_appended(chain, [&](const Link& link) { order.links.add(link); });
  }
  const auto base = chain.base();
  order.each_unseen(reader, [&](Node unseen) {
    if (base != kInitial && !order.before(unseen, base)) {
      order.links.add({unseen, base, Why::kOverwritten, reader});
    }
  });
  const auto after_reader = [&](Node later) {
    if (!order.before(reader, later)) {
      order.links.add({reader, later, Why::kReadBefore, base == kInitial ? kNone : base});
    }
  };
  if (base == kInitial) {
    if (first) {
      order.each_first(frame.nodes[reader].key, after_reader);
    }
  } else {
    order.each_later(base, after_reader);
  }
}

std::optional<Reasons> ForcedOrder::saturate(const Certain& certain) {
  const auto& frame = certain.frame;
  for (bool first = true;; first = false) {
    if (!order.settle()) {
      return reasons(frame, order.links, order.links.cycle());
    }
    const auto before = order.links.size();
    for (Node reader = 0; reader < frame.nodes.size(); ++reader) {
      const auto* chain = certain.given.saw[reader];
      if (chain != nullptr && order.in_use(reader)) {
        force(frame, reader, *chain, first);
      }
    }
    if (order.links.size() == before) {
      return std::nullopt;
    }
  }
}

}  // namespace kvorum::check
