// The smallest part of a history that is a violation by itself.
#pragma once

#include <functional>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// A judge whose violations name a core that need not be minimal, or none.
using PlainJudge = std::function<Verdict(const History&, const Budget&)>;

// The judge's verdict; a violation comes with a core from which nothing more can be taken (as far
// as the time for it reached), and with the sentence and the edges that the judge gives of that
// core alone.
//
// An observation is taken out freely: fewer observations are never harder to explain. A write only
// if nothing left can have seen it; then whatever explains the whole explains the rest as well.
Verdict judge_with_core(const History& history, const Budget& budget, const PlainJudge& judge);

// The history with only these operations.
History part_of(const History& history, const std::vector<std::uint32_t>& operations);
// Makes a verdict on that part one on the whole.
void in_whole(const std::vector<std::uint32_t>& operations, Verdict& verdict);

}  // namespace kvorum::check
