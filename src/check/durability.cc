// Durability: what was acknowledged is there in the end. The writes, with the gets after everything
// had come to rest, are linearizable; gets before may have been as stale as they liked.
#include <algorithm>

#include "check/linearizable.h"

namespace kvorum::check {

Verdict judge_durability(const History& history, const Budget& budget) {
  const bool any_final =
      std::any_of(history.operations.begin(), history.operations.end(), [](const Operation& op) {
        return op.op == HistoryOp::kGet && op.final && op.ended == Ended::kOk;
      });
  Verdict verdict;
  if (any_final) {
    LinearRules rules;
    rules.only_final_gets = true;
    verdict = judge_by_key(history, rules, budget);
  } else {
    verdict.answer = Answer::kUnknown;
    verdict.reason = "unsupported";
    verdict.detail = "there is no get marked final";
  }
  verdict.model = {ModelKind::kDurability, 0};
  return verdict;
}

}  // namespace kvorum::check
