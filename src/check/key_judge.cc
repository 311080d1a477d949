#include "check/key_judge.h"

#include <algorithm>
#include <unordered_set>

#include "base/check.h"
#include "check/stale.h"

namespace kvorum::check {

KeyJudge::KeyJudge(const History& history, const std::vector<std::uint32_t>& operations,
                   const GetRules& rules, std::int64_t until)
    : history_(history),
      operations_(operations),
      problem_(std::make_unique<KeyProblem>(history, operations, rules, until)) {
  answer_ = first_tests();
  if (until != kNever) {
    operations_.clear();  // an order of a cut history is no order of the whole
  }
}

Answer KeyJudge::first_tests() {
  if (problem_->refuted) {
    return Answer::kViolation;
  }
  if (problem_->rules.versions_behind == 0) {
    const auto zones = test_zones(*problem_).answer;
    return zones == ZoneAnswer::kOpen ? Answer::kUnknown
           : zones == ZoneAnswer::kOk ? Answer::kOk
                                      : Answer::kViolation;
  }
  if (!find_stale_read(*problem_).empty()) {
    return Answer::kViolation;
  }
  auto strict = *problem_;  // what is linearizable is never behind
  return test_zones(strict).answer == ZoneAnswer::kOk ? Answer::kOk : Answer::kUnknown;
}

void KeyJudge::search(std::uint64_t nodes) {
  if (answer_ != Answer::kUnknown) {
    return;
  }
  if (!by_call_) {
    by_call_.emplace(*problem_, SearchOrder::kByCall);
  }
  finish(*by_call_, by_call_->run(nodes));
  if (answer_ != Answer::kUnknown) {
    return;
  }
  if (!by_end_) {
    by_end_.emplace(*problem_, SearchOrder::kByEnd);
  }
  finish(*by_end_, by_end_->run(nodes));
}

void KeyJudge::finish(Search& search, Search::Outcome outcome) {
  if (outcome == Search::Outcome::kNone) {
    answer_ = Answer::kViolation;
  } else if (outcome == Search::Outcome::kFound) {
    CHECK(operations_.empty() || is_legal(history_, operations_, search.order(), problem_->rules),
          "the search found an order that is not legal");
    answer_ = Answer::kOk;
  }
}

std::uint64_t KeyJudge::nodes() const {
  return (by_call_ ? by_call_->nodes() : 0) + (by_end_ ? by_end_->nodes() : 0);
}

std::size_t KeyJudge::bytes() const {
  return problem_->states.bytes() + problem_->steps.size() * sizeof(Step) +
         (by_call_ ? by_call_->bytes() : 0) + (by_end_ ? by_end_->bytes() : 0);
}

Answer decide(const History& history, const std::vector<std::uint32_t>& operations,
              const GetRules& rules, std::uint64_t nodes, const Budget& budget,
              std::int64_t until) {
  KeyJudge judge(history, operations, rules, until);
  constexpr std::uint64_t kSlice = 1024;
  while (judge.answer() == Answer::kUnknown && judge.nodes() < nodes &&
         budget.spent(judge.bytes()) == nullptr) {
    judge.search(kSlice);
  }
  return judge.answer();
}

State replay(const Operation& operation, State state, States& states) {
  const bool known = operation.ended == Ended::kOk;
  switch (operation.op) {
    case HistoryOp::kGet:
      return state;
    case HistoryOp::kPut:
      return states.of(operation.value);
    case HistoryOp::kDelete:
      return kNoValue;
    case HistoryOp::kCas: {
      const bool equal = states.of(operation.expect) == state;
      if (operation.ended == Ended::kFailed) {
        return equal ? kNoState : state;
      }
      return equal ? states.of(operation.value) : known ? kNoState : state;
    }
    case HistoryOp::kAppend:
      return states.append(state, operation.value);
    case HistoryOp::kIncr: {
      const auto next = states.incr(state, operation.by);
      const bool recorded = known && operation.value != kAbsent;
      return recorded && next != states.of(operation.value) ? kNoState : next;
    }
  }
  return kNoState;
}

States replay_states(const History& history, const std::vector<std::uint32_t>& operations) {
  std::vector<Text> named;
  for (const auto i : operations) {
    named.push_back(history.operations[i].value);
    named.push_back(history.operations[i].expect);
    named.push_back(history.initial_of(history.operations[i].key));
  }
  return {history.texts, std::move(named), true};
}

bool is_legal(const History& history, const std::vector<std::uint32_t>& operations,
              const std::vector<std::uint32_t>& order, const GetRules& rules) {
  const auto key = operations.empty() ? kAbsent : history.operations[operations.front()].key;
  auto states = replay_states(history, operations);
  auto state = states.of(history.initial_of(key));
  std::vector<State> held = {state};
  std::unordered_set<std::uint32_t> placed;
  auto latest = std::numeric_limits<std::int64_t>::min();
  for (const auto i : order) {
    const auto& operation = history.operations[i];
    const auto end = operation.ended == Ended::kUnknown
                         ? kNever
                         : std::max(operation.start_ns, operation.end_ns);
    if (end < latest || !placed.insert(i).second) {
      return false;
    }
    latest = std::max(latest, start_of(operation, rules));
    if (operation.op == HistoryOp::kGet) {
      const auto recent = std::min<std::int64_t>(rules.versions_behind, held.size() - 1);
      if (std::find(held.end() - 1 - recent, held.end(), states.of(operation.value)) ==
          held.end()) {
        return false;
      }
      continue;
    }
    state = replay(operation, state, states);
    if (state == kNoState) {
      return false;
    }
    if (operation.ended != Ended::kFailed) {
      held.push_back(state);
    }
  }
  return std::all_of(operations.begin(), operations.end(), [&](std::uint32_t i) {
    const auto& operation = history.operations[i];
    if (placed.contains(i)) {
      return true;
    }
    if (operation.op == HistoryOp::kCas && operation.ended == Ended::kFailed) {
      return operation.never_ran ||
             std::find(held.begin(), held.end(), states.of(operation.expect)) == held.end();
    }
    return operation.ended != Ended::kOk;
  });
}

}  // namespace kvorum::check
