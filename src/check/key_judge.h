// Whether one key's operations have a legal order, decided step by step, so that a hard key cannot
// keep the others waiting.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "check/history.h"
#include "check/key_problem.h"
#include "check/search.h"
#include "check/verdict.h"
#include "check/zones.h"

namespace kvorum::check {

class KeyJudge {
 public:
  // Builds the problem and runs the zone test.
  KeyJudge(const History& history, const std::vector<std::uint32_t>& operations,
           const GetRules& rules, std::int64_t until = kNever);

  // kUnknown: not decided yet.
  Answer answer() const { return answer_; }
  // Both candidate orders in turn, up to `nodes` states each.
  void search(std::uint64_t nodes);

  std::uint64_t nodes() const;
  std::size_t bytes() const;

 private:
  Answer first_tests();
  void finish(Search& search, Search::Outcome outcome);

  const History& history_;
  std::vector<std::uint32_t> operations_;
  std::unique_ptr<KeyProblem> problem_;
  std::optional<Search> by_call_;
  std::optional<Search> by_end_;
  Answer answer_ = Answer::kUnknown;
};

// Decides within `nodes` states, or not.
Answer decide(const History& history, const std::vector<std::uint32_t>& operations,
              const GetRules& rules, std::uint64_t nodes, const Budget& budget,
              std::int64_t until = kNever);

// What the operation leaves of `state`; kNoState if its outcome cannot come about there. A get's
// value is not looked at.
State replay(const Operation& operation, State state, States& states);
// States for replaying operations on one key.
States replay_states(const History& history, const std::vector<std::uint32_t>& operations);

// Whether the order obeys real time and every outcome, told by the operations alone.
bool is_legal(const History& history, const std::vector<std::uint32_t>& operations,
              const std::vector<std::uint32_t>& order, const GetRules& rules);

}  // namespace kvorum::check
