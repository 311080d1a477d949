// What linearizability and the models that are linearizability with a difference share.
#pragma once

#include "check/judge.h"
#include "check/key_problem.h"

namespace kvorum::check {

struct LinearRules {
  GetRules gets;
  bool only_final_gets = false;  // as if there were no others
};

// Everything but the verdict's model.
Verdict judge_by_key(const History& history, const LinearRules& rules, const Budget& budget);

}  // namespace kvorum::check
