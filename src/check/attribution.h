// From observed values to who saw which write, for the models that are decided once that is known.
#pragma once

#include <functional>
#include <optional>

#include "check/causal_order.h"
#include "check/shrink.h"

namespace kvorum::check {

// Why what was seen contradicts the model; empty if it does not. Observations that are left open
// ask nothing: giving them a source can only turn "no contradiction" into one.
using Refute = std::function<std::optional<Reasons>(const Frame&, const Given&)>;

// Exact where every observation has one possible source (values written once), and in small cases
// by trying all sources. Otherwise ok only if a plausible choice of sources fits, a violation only
// if those that are certain already contradict each other, else unknown: "unsupported".
Verdict judge_by_sources(const History& history, const Budget& budget, const Refute& refute);

}  // namespace kvorum::check
