#include "check/key_order.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "check/key_judge.h"

namespace kvorum::check {
namespace {

using Order = std::vector<std::uint32_t>;

constexpr int kMostTries = 6;

Order all_of(const OrderWish& wish) {
  auto all = wish.operations;
  all.insert(all.end(), wish.weak_gets.begin(), wish.weak_gets.end());
  return all;
}

std::optional<Order> search(const History& history, const Order& operations,
                            const std::vector<Precedence>& precedence, std::uint64_t states,
                            const Budget& budget) {
  KeyProblem problem(history, operations, {});
  if (problem.refuted || test_zones(problem).answer == ZoneAnswer::kViolation) {
    return std::nullopt;
  }
  // The order of ends is most likely the one that the store chose.
  Search by_end(problem, SearchOrder::kByEnd);
  Search by_call(problem, SearchOrder::kByCall);
  by_end.respect(precedence);
  by_call.respect(precedence);
  constexpr std::uint64_t kSlice = 1024;
  do {
    for (auto* one : {&by_end, &by_call}) {
      const auto outcome = one->run(kSlice);
      if (outcome == Search::Outcome::kFound) {
        return one->order();
      }
      if (outcome == Search::Outcome::kNone) {
        return std::nullopt;
      }
    }
  } while (by_call.nodes() < states && budget.spent(by_end.bytes() + by_call.bytes()) == nullptr);
  return std::nullopt;
}

// Puts gets into an order that was found without them: each between two writes where the key holds
// what it read, as early as it may be.
class Placing {
 public:
  Placing(const History& history, const OrderWish& wish, const Order& order)
      : history_(history), states_(replay_states(history, all_of(wish))) {
    const auto key = history.operations[all_of(wish).front()].key;
    auto latest = std::numeric_limits<std::int64_t>::min();
    add_era(states_.of(history.initial_of(key)), latest);
    for (const auto i : order) {
      const auto& op = history.operations[i];
      latest = std::max(latest, op.start_ns);
      if (op.may_write()) {
        add_era(replay(op, eras_.back().state, states_), latest);
      }
      eras_.back().members.push_back(i);
      era_of_.emplace(i, eras_.size() - 1);
    }
    find_ends();
    for (const auto& pair : wish.precedence) {
      first_of_[pair.second].push_back(pair.first);
      second_of_[pair.first].push_back(pair.second);
    }
  }

  // False if there is no place for it.
  bool place(std::uint32_t get) {
    const auto& op = history_.operations[get];
    std::size_t from = 0;
    for (const auto i : first_of_[get]) {
      const auto era = era_of_.find(i);
      from = era == era_of_.end() ? from : std::max(from, era->second);
    }
    auto to = eras_.size();
    for (const auto i : second_of_[get]) {
      const auto era = era_of_.find(i);
      if (era != era_of_.end()) {
        to = std::min(to, era->second + (history_.operations[i].may_write() ? 0 : 1));
      }
    }
    const auto& fitting = eras_by_state_[states_.of(op.value)];
    for (auto at = std::lower_bound(fitting.begin(), fitting.end(), from);
         at != fitting.end() && *at < to; ++at) {
      auto& era = eras_[*at];
      if (era.start <= op.end_ns && op.start_ns <= era.end) {
        era.placed.push_back(get);
        era_of_.emplace(get, *at);
        return true;
      }
    }
    return false;
  }

  // The gets that were placed in an era go right behind the write that began it.
  Order whole() const {
    Order out;
    for (const auto& era : eras_) {
      const auto write = !era.members.empty() && &era != &eras_.front() ? 1 : 0;
      out.insert(out.end(), era.members.begin(), era.members.begin() + write);
      out.insert(out.end(), era.placed.begin(), era.placed.end());
      out.insert(out.end(), era.members.begin() + write, era.members.end());
    }
    return out;
  }

 private:
  // From one write to the next.
  struct Era {
    State state = kNoValue;
    std::int64_t start = 0;     // when its write can have taken effect
    std::int64_t end = kNever;  // when the next one must have
    Order members;              // the write, and what the order has before the next one
    Order placed;
  };

  void add_era(State state, std::int64_t start) {
    eras_by_state_[state].push_back(eras_.size());
    Era era;
    era.state = state;
    era.start = start;
    eras_.push_back(std::move(era));
  }

  void find_ends() {
    auto end = kNever;
    for (auto era = eras_.rbegin(); era != eras_.rend(); ++era) {
      era->end = end;
      for (const auto i : era->members) {
        end = std::min(end, history_.operations[i].end_ns);
      }
    }
  }

  const History& history_;
  States states_;
  std::vector<Era> eras_;
  std::unordered_map<State, std::vector<std::size_t>> eras_by_state_;
  std::unordered_map<std::uint32_t, std::size_t> era_of_;
  std::unordered_map<std::uint32_t, Order> first_of_;   // what must come before it
  std::unordered_map<std::uint32_t, Order> second_of_;  // what must come after it
};

}  // namespace

std::optional<std::vector<Interval>> narrowed(const History& history,
                                              const std::vector<std::uint32_t>& operations) {
  KeyProblem problem(history, operations, {});
  if (problem.refuted || test_zones(problem).answer == ZoneAnswer::kViolation) {
    return std::nullopt;
  }
  std::vector<Interval> out;
  for (const auto& step : problem.steps) {
    out.push_back({step.operation, step.start, step.end});
  }
  return out;
}

// Wide intervals make for long searches. So only those gets take part in one that found no place
// in the last order.
std::optional<Order> find_order(const History& history, const OrderWish& wish, std::uint64_t states,
                                const Budget& budget) {
  auto chosen = wish.operations;
  auto rest = wish.weak_gets;
  for (int tries = 1; tries <= kMostTries; ++tries) {
    const auto order = search(history, chosen, wish.precedence, states, budget);
    if (!order) {
      return std::nullopt;
    }
    Placing placing(history, wish, *order);
    Order left;
    std::copy_if(rest.begin(), rest.end(), std::back_inserter(left),
                 [&](std::uint32_t get) { return !placing.place(get); });
    if (left.empty()) {
      return placing.whole();
    }
    if (tries + 1 == kMostTries) {
      left = rest;
    }
    chosen.insert(chosen.end(), left.begin(), left.end());
    std::erase_if(rest, [&](std::uint32_t get) {
      return std::find(left.begin(), left.end(), get) != left.end();
    });
  }
  return std::nullopt;
}

bool all_fit(const History& history, const Order& order) {
  if (order.empty()) {
    return true;
  }
  auto states = replay_states(history, order);
  auto state = states.of(history.initial_of(history.operations[order.front()].key));
  return std::all_of(order.begin(), order.end(), [&](std::uint32_t i) {
    const auto& operation = history.operations[i];
    if (operation.op == HistoryOp::kGet) {
      return states.of(operation.value) == state;
    }
    state = replay(operation, state, states);
    return state != kNoState;
  });
}

}  // namespace kvorum::check
