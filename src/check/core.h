// Why one key's operations have no legal order: the few that contradict each other, in words.
#pragma once

#include <cstdint>
#include <vector>

#include "check/history.h"
#include "check/key_problem.h"
#include "check/verdict.h"

namespace kvorum::check {

// A small part of `operations` that is a violation by itself, ascending. They are known to be one,
// which took `nodes` states to find. Only reads, and writes that none of the rest can have read,
// are left out: no history becomes wrong by that, so the part's contradiction is the whole's.
std::vector<std::uint32_t> find_core(const History& history,
                                     const std::vector<std::uint32_t>& operations,
                                     const GetRules& rules, std::uint64_t nodes,
                                     const Budget& budget);

// Sentence, edges, prefix and state for a verdict whose core is set.
void explain_core(const History& history, const GetRules& rules, Verdict& verdict);

// Which write each outcome can have seen.
class Sources {
 public:
  explicit Sources(const KeyProblem& problem);

  // Whether the step may have made the state that the other one needs.
  bool may_be(const Step& maker, const Step& needer) const;
  // The only one that may have; nullptr if there are several, or none.
  const Step* only(const Step& needer) const;
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
