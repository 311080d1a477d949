#include "check/key_problem.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_set>

namespace kvorum::check {
namespace {

std::vector<Text> named_texts(const History& history, std::span<const std::uint32_t> operations) {
  std::vector<Text> named;
  named.reserve(operations.size() + 1);
  for (const auto index : operations) {
    const auto& operation = history.operations[index];
    named.push_back(operation.value);
    if (operation.expect != kAbsent) {
      named.push_back(operation.expect);
    }
  }
  named.push_back(operations.empty()
                      ? kAbsent
                      : history.initial_of(history.operations[operations.front()].key));
  return named;
}

bool has_composing(const History& history, std::span<const std::uint32_t> operations) {
  return std::any_of(operations.begin(), operations.end(), [&](std::uint32_t index) {
    const auto op = history.operations[index].op;
    return op == HistoryOp::kAppend || op == HistoryOp::kIncr;
  });
}

}  // namespace

std::int64_t start_of(const Operation& operation, const GetRules& rules) {
  std::int64_t start = operation.start_ns;
  if (operation.op == HistoryOp::kGet && __builtin_sub_overflow(start, rules.earlier_ns, &start)) {
    start = std::numeric_limits<std::int64_t>::min();
  }
  return start;
}

class KeyBuilder {
 public:
  KeyBuilder(KeyProblem& problem, const History& history, std::int64_t until)
      : p_(problem), known_(*problem.known), history_(history), until_(until) {}

  void build(std::span<const std::uint32_t> operations) {
    p_.steps.reserve(operations.size());
    for (const auto index : operations) {
      add(history_.operations[index], index);
    }
    if (p_.refuted) {
      return;
    }
    use().resize(p_.states.size());
    index_appends();
    recount();
    for (const auto& step : p_.steps) {
      known_.unrecorded += step.kind == StepKind::kIncr && step.b == kNoState ? 1 : 0;
      if (step.a != kNoState) {
        look_for(step.a);
      }
    }
    do {
      bind_all();
    } while (!p_.refuted && narrow_counters());
    if (!p_.refuted) {
      drop_idle_nots();
      find_open_texts();
      forget_what_nobody_sees();
    }
  }

 private:
  std::vector<StateUse>& use() { return p_.use; }

  void add(const Operation& operation, std::uint32_t index) {
    const bool open = operation.ended == Ended::kUnknown || operation.end_ns > until_;
    const bool failed = operation.ended == Ended::kFailed;
    if (operation.never_ran || operation.start_ns > until_ ||
        (open && (failed || !operation.is_write())) ||
        (failed && operation.op != HistoryOp::kCas)) {
      return;
    }
    Step step;
    step.operation = index;
    step.optional = open;
    step.start = start_of(operation, p_.rules);
    step.end = step.optional ? kNever : std::max(operation.start_ns, operation.end_ns);
    switch (operation.op) {
      case HistoryOp::kGet:
        step.kind = StepKind::kRead;
        step.a = p_.states.of(operation.value);
        break;
      case HistoryOp::kPut:
      case HistoryOp::kDelete:
        step.kind = StepKind::kPut;
        step.b = operation.op == HistoryOp::kPut ? p_.states.of(operation.value) : kNoValue;
        break;
      case HistoryOp::kCas:
        step.kind = StepKind::kCas;
        step.a = p_.states.of(operation.expect);
        step.b = p_.states.of(operation.value);
        if (failed) {
          step.kind = StepKind::kNot;
        } else if (step.a == step.b) {
          step.kind = unchanged(open);
        }
        break;
      case HistoryOp::kAppend:
        step.kind = StepKind::kAppend;
        step.token = operation.value;
        step.inert = history_.texts[step.token].empty();
        break;
      case HistoryOp::kIncr:
        add_counter(operation, step);
        break;
    }
    if (step.kind == StepKind::kRead || step.kind == StepKind::kNot) {
      step.b = kNoState;
    }
    if (!open || step.kind != StepKind::kRead) {
      p_.steps.push_back(step);
    }
  }

  // A write that leaves what it finds is a read, unless versions are counted; then it makes one, so
  // an unknown one is best left out.
  StepKind unchanged(bool open) const {
    return open || p_.rules.versions_behind == 0 ? StepKind::kRead : StepKind::kCas;
  }

  // With a result that is not `by` itself there is one number before it: a cas.
  void add_counter(const Operation& operation, Step& step) {
    step.kind = StepKind::kIncr;
    step.by = operation.by;
    step.inert = step.by == 0;
    if (step.optional || operation.value == kAbsent) {
      return;
    }
    step.b = p_.states.of(operation.value);
    const auto result = p_.states.number(step.b);
    std::int64_t before = 0;
    if (!result || __builtin_sub_overflow(*result, operation.by, &before)) {
      p_.refuted = true;
    } else if (before != 0) {
      step.kind = operation.by == 0 ? unchanged(false) : StepKind::kCas;
      step.a = p_.states.of_number(before);
    }
  }

  void index_appends() {
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      if (p_.steps[i].kind == StepKind::kAppend) {
        const auto token = p_.steps[i].token;
        appends_[token].push_back(i);
        ++known_.append_left[token];
        by_bytes_.emplace(history_.texts[token], token);
        lengths_.insert(history_.texts[token].size());
      }
    }
  }

  void recount() {
    use().assign(p_.states.size(), StateUse());
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      const auto& step = p_.steps[i];
      if (step.b != kNoState) {
        add_direct(step.b, i);
      }
      if (step.kind == StepKind::kNot) {
        ++use()[step.a].nots;
      } else if (step.needs_a()) {
        ++(step.optional ? use()[step.a].soft : use()[step.a].need);
      }
    }
  }

  void add_direct(State state, std::uint32_t i) {
    ++use()[state].direct;
    use()[state].which ^= i;
  }

  // Notes the appends that could make it, and looks at it (again).
  void look_for(State state) {
    work_.push_back(state);
    if (appends_.empty() || state <= kDeadState || !sought_.insert(state).second) {
      return;
    }
    const auto text = p_.states.text(state);
    for (const auto length : lengths_) {
      // Appending "" makes only "".
      if (length > text.size() || (length == 0 && !text.empty())) {
        continue;
      }
      const auto found = by_bytes_.find(std::string_view(text).substr(text.size() - length));
      if (found != by_bytes_.end()) {
        known_.last_tokens[state].push_back(found->second);
        made_by_[found->second].push_back(state);
      }
    }
  }

  std::size_t makers(State state) const {
    std::size_t count = p_.use[state].direct + (state == p_.first ? 1 : 0);
    for (const Text token : p_.last_tokens(state)) {
      count += known_.append_left.at(token);
    }
    if (state != kNoValue && p_.states.number(state)) {
      count += known_.unrecorded;
    }
    return count;
  }

  // What some outcome needs and only one step can have made, that step made: an unknown outcome
  // is known then, and an append is a cas from the one state before it, which is needed in turn.
  void bind_all() {
    while (!work_.empty() && !p_.refuted) {
      const auto state = work_.back();
      work_.pop_back();
      if (use()[state].need == 0 || state == p_.first) {
        continue;
      }
      const auto count = makers(state);
      if (count == 0) {
        p_.refuted = true;
      } else if (count == 1 && use()[state].direct == 1) {
        promote(use()[state].which);
      } else if (count == 1) {
        bind_append(state);
      }
    }
  }

  void promote(std::uint32_t i) {
    auto& step = p_.steps[i];
    if (!step.optional) {
      return;
    }
    step.optional = false;
    if (step.kind == StepKind::kCas) {
      --use()[step.a].soft;
      ++use()[step.a].need;
      work_.push_back(step.a);
    }
  }

  void bind_append(State state) {
    for (const Text token : p_.last_tokens(state)) {
      if (known_.append_left.at(token) == 0) {
        continue;
      }
      const auto before = state_before(state, token);
      if (before == kNoState) {
        return;
      }
      auto& candidates = appends_.at(token);
      const auto found = std::find_if(candidates.begin(), candidates.end(), [&](std::uint32_t i) {
        return p_.steps[i].kind == StepKind::kAppend;
      });
      auto& step = p_.steps[*found];
      step.kind = StepKind::kCas;
      step.optional = false;
      step.a = before;
      step.b = state;
      --known_.append_left.at(token);
      add_direct(state, *found);
      ++use()[before].need;
      look_for(before);
      work_.insert(work_.end(), made_by_.at(token).begin(), made_by_.at(token).end());
      return;
    }
    // A counter without a result: which number it began from is not known.
  }

  // kNoState if both "" and nothing could have been there.
  State state_before(State state, Text token) {
    const auto before = p_.states.before_append(state, token);
    use().resize(p_.states.size());
    if (before != p_.states.empty()) {
      return before;
    }
    if (before == state) {
      return kNoValue;  // the only step that makes "" cannot have begun from it
    }
    look_for(before);
    if (before != p_.first && makers(before) == 0) {
      return kNoValue;
    }
    return makers(kNoValue) == 0 ? before : kNoState;
  }

  // A counter that ends at its own step began at "0" or at nothing; often only one can be.
  bool narrow_counters() {
    bool narrowed = false;
    for (auto& step : p_.steps) {
      if (step.kind != StepKind::kIncr || step.b == kNoState || step.by == 0) {
        continue;
      }
      const auto zero = p_.states.of_number(0);
      use().resize(p_.states.size());
      look_for(zero);
      const bool from_zero = makers(zero) != 0;
      if (from_zero && makers(kNoValue) != 0) {
        continue;
      }
      step.kind = StepKind::kCas;
      step.a = from_zero ? zero : kNoValue;
      ++use()[step.a].need;
      look_for(step.a);
      narrowed = true;
    }
    return narrowed;
  }

  void drop_idle_nots() {
    std::erase_if(p_.steps, [&](const Step& step) {
      return step.kind == StepKind::kNot && makers(step.a) == 0;
    });
    recount();
    for (const auto& step : p_.steps) {
      p_.nots += step.kind == StepKind::kNot ? 1 : 0;
      p_.counters += step.kind == StepKind::kIncr ? 1 : 0;
    }
  }

  // Appends that no text in question contains only bury what was there.
  void find_open_texts() {
    for (State state = 0; state < use().size(); ++state) {
      const auto tokens = p_.last_tokens(state);
      const bool open = use()[state].looked_for() &&
                        std::any_of(tokens.begin(), tokens.end(),
                                    [&](Text token) { return known_.append_left.at(token) != 0; });
      if (open) {
        known_.open_texts.push_back(p_.states.text(state));
      }
    }
    std::sort(known_.open_texts.begin(), known_.open_texts.end());
    std::unordered_map<Text, bool> matters;
    constexpr std::size_t kMostSearches = 1'000'000;
    const bool too_many = known_.open_texts.size() * by_bytes_.size() > kMostSearches;
    for (auto& step : p_.steps) {
      if (step.kind != StepKind::kAppend) {
        continue;
      }
      const auto [found, fresh] = matters.try_emplace(step.token, true);
      const auto& bytes = history_.texts[step.token];
      if (fresh && !too_many) {
        found->second = bytes.empty() || p_.counters != 0 ||
                        std::any_of(known_.open_texts.begin(), known_.open_texts.end(),
                                    [&](const std::string& text) {
                                      return text.find(bytes) != std::string::npos;
                                    });
      }
      if (found->second) {
        ++p_.appends;
      } else {
        step.kind = StepKind::kPut;
        step.b = kDeadState;
      }
    }
  }

  bool matters(State state) const {
    return p_.use[state].looked_for() || p_.extends(state) ||
           (p_.counters != 0 && (p_.appends != 0 || p_.states.number(state)));
  }

  // States that no step can tell apart become one, and unknown outcomes that could only make
  // such a state are left out, unless a failed compare might want any change.
  void forget_what_nobody_sees() {
    for (std::size_t dropped = 1; dropped != 0; recount()) {
      for (auto& step : p_.steps) {
        const bool leaves = step.kind == StepKind::kPut || step.kind == StepKind::kCas;
        if (leaves && step.b != kDeadState && !matters(step.b)) {
          step.b = kDeadState;
        }
      }
      dropped = p_.nots != 0 ? 0 : std::erase_if(p_.steps, [](const Step& step) {
        return step.optional && step.b == kDeadState;
      });
    }
  }

  KeyProblem& p_;
  KeyProblem::Known& known_;
  const History& history_;
  std::int64_t until_;
  std::vector<State> work_;
  std::unordered_map<Text, std::vector<std::uint32_t>> appends_;  // by token
  std::unordered_map<Text, std::vector<State>> made_by_;          // by token: `known->last_tokens`
  std::unordered_map<std::string_view, Text> by_bytes_;
  std::unordered_set<std::size_t> lengths_;  // of tokens
  std::unordered_set<State> sought_;
};

KeyProblem::KeyProblem(const History& history, std::span<const std::uint32_t> operations,
                       const GetRules& get_rules, std::int64_t until)
    : rules(get_rules),
      known(std::make_shared<Known>(Known{
          {history.texts, named_texts(history, operations), has_composing(history, operations)},
          {},
          {},
          0,
          {}})),
      states(known->states) {
  if (!operations.empty()) {
    first = states.of(history.initial_of(history.operations[operations.front()].key));
  }
  KeyBuilder(*this, history, until).build(operations);
}

KeyProblem KeyProblem::part(std::span<const std::uint32_t> kept) const {
  KeyProblem out = *this;
  std::erase_if(out.steps, [&](const Step& step) {
    return !std::binary_search(kept.begin(), kept.end(), step.operation);
  });
  for (auto& by_state : out.use) {
    by_state.need = by_state.soft = by_state.nots = 0;
    by_state.which = StateUse::kLeftOut;
  }
  for (std::uint32_t i = 0; i < out.steps.size(); ++i) {
    const auto& step = out.steps[i];
    if (step.b != kNoState) {
      out.use[step.b].which = i;
    }
    if (step.kind == StepKind::kNot) {
      ++out.use[step.a].nots;
    } else if (step.needs_a()) {
      ++(step.optional ? out.use[step.a].soft : out.use[step.a].need);
    }
  }
  return out;
}

std::span<const Text> KeyProblem::last_tokens(State state) const {
  const auto found = known->last_tokens.find(state);
  return found == known->last_tokens.end() ? std::span<const Text>() : found->second;
}

bool KeyProblem::made_otherwise(State state) const {
  const auto tokens = last_tokens(state);
  return (known->unrecorded != 0 && state != kNoValue && states.number(state)) ||
         std::any_of(tokens.begin(), tokens.end(),
                     [&](Text token) { return known->append_left.at(token) != 0; });
}

bool KeyProblem::extends(State state) const {
  if (appends == 0 || state == kDeadState) {
    return false;
  }
  const auto text = states.text(state);
  const auto found = std::lower_bound(known->open_texts.begin(), known->open_texts.end(), text);
  return found != known->open_texts.end() && found->starts_with(text);
}

}  // namespace kvorum::check
