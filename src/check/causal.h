// Parts of judge_causal.
#pragma once

#include <optional>

#include "check/attribution.h"

namespace kvorum::check {

// What every causal model forbids: a cycle of sessions and reads, a read that misses or sees again
// what the causal order has overwritten. On success `order` is settled.
std::optional<Reasons> refute_cc(const Frame& frame, const Given& given, CausalOrder& order);
std::optional<Reasons> refute_ccv(const Frame& frame, const Given& given);
std::optional<Reasons> refute_cm(const Frame& frame, const Given& given);

// The links that put a chain's writes in their order.
template <class Visit>
void each_appended(const Chain& chain, Visit visit) {
  for (std::size_t i = 1; i < chain.writes.size(); ++i) {
    const auto from = chain.writes[chain.ordered ? i - 1 : 0];
    if (from != kInitial) {
      visit(Link{from, chain.writes[i], Why::kAppended});
    }
  }
}

}  // namespace kvorum::check
