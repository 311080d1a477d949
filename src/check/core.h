// Why one key's operations have no legal order: the few that contradict each other, in words.
#pragma once

#include <cstdint>
#include <vector>

#include "check/history.h"
#include "check/key_problem.h"
#include "check/verdict.h"

namespace kvorum::check {

struct Core {
  std::vector<std::uint32_t> operations;  // ascending
  KeyProblem problem;                     // with what is known of them from the others
};

// A small part of `operations` that is a violation by itself. They are known to be one, which took
// `nodes` states to find. Left out are reads, writes that none of the rest can have read, and what
// a proof from times alone has no need of: no history becomes wrong by that, so the part's
// contradiction is the whole's. Of a long chain of values only the last links are kept.
Core find_core(const History& history, const std::vector<std::uint32_t>& operations,
               const GetRules& rules, std::uint64_t nodes, const Budget& budget);

// A violation's core, sentence, edges, prefix and state.
void explain_core(const History& history, const Core& core, Verdict& verdict);

// Which write each outcome can have seen.
class Sources {
 public:
  explicit Sources(const KeyProblem& problem);

  // Whether the step may have made the state that the other one needs.
  bool may_be(const Step& maker, const Step& needer) const;
  const KeyProblem& problem() const { return problem_; }

 private:
  struct Ended {
    std::int64_t start = 0;
    // Of the certain writes that start no earlier: the first end, and the first of another value.
    std::int64_t first = 0;
    State value = kNoState;
    std::int64_t other = 0;
  };

  const KeyProblem& problem_;
  std::vector<Ended> ended_;  // by start
};

}  // namespace kvorum::check
