#include "check/key_judge.h"

#include <algorithm>
#include <unordered_set>

#include "base/check.h"

namespace kvorum::check {

KeyJudge::KeyJudge(const History& history, const std::vector<std::uint32_t>& operations,
                   std::int64_t until)
    : history_(history),
      operations_(operations),
      problem_(std::make_unique<KeyProblem>(history, operations, until)) {
  if (problem_->refuted) {
    answer_ = Answer::kViolation;
    return;
  }
  const auto zones = test_zones(*problem_);
  if (zones.answer != ZoneAnswer::kOpen) {
    answer_ = zones.answer == ZoneAnswer::kOk ? Answer::kOk : Answer::kViolation;
  }
  if (until != kNever) {
    operations_.clear();  // an order of a cut history is no order of the whole
  }
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
    CHECK(operations_.empty() || is_legal(history_, operations_, search.order()),
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
              std::uint64_t nodes, const Budget& budget, std::int64_t until) {
  KeyJudge judge(history, operations, until);
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
      return states.of(operation.value) == state ? state : kNoState;
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
              const std::vector<std::uint32_t>& order) {
  const auto key = operations.empty() ? kAbsent : history.operations[operations.front()].key;
  auto states = replay_states(history, operations);
  auto state = states.of(history.initial_of(key));
  std::unordered_set<State> held = {state};
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
    latest = std::max(latest, operation.start_ns);
    state = replay(operation, state, states);
    if (state == kNoState) {
      return false;
    }
    held.insert(state);
  }
  return std::all_of(operations.begin(), operations.end(), [&](std::uint32_t i) {
    const auto& operation = history.operations[i];
    if (placed.contains(i)) {
      return true;
    }
    if (operation.op == HistoryOp::kCas && operation.ended == Ended::kFailed) {
      return operation.never_ran || !held.contains(states.of(operation.expect));
    }
    return operation.ended != Ended::kOk;
  });
}

}  // namespace kvorum::check
