#include "check/search.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/prng.h"

namespace kvorum::check {
namespace {

// Spreads a small number over 64 bits.
std::uint64_t spread(std::uint64_t number) { return Prng(number).next(); }

}  // namespace

Search::Search(KeyProblem& problem, SearchOrder order)
    : p_(problem), order_(order), steps_(problem.steps), use_(problem.use), state_(problem.first) {
  // More than there are writes is no limit.
  behind_ = std::min(static_cast<std::size_t>(p_.rules.versions_behind), p_.steps.size());
  reachable_.resize(use_.size());
  hold(state_);
  sort_steps();
  find_kinds();
  find_makers();
  nots_ = p_.nots;
}

void Search::sort_steps() {
  std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
    return std::tie(a.start, a.end, a.operation) < std::tie(b.start, b.end, b.operation);
  });
  const auto count = static_cast<std::uint32_t>(steps_.size());
  next_.resize(count + 2);
  prev_.resize(count + 2);
  std::uint32_t last[2] = {count, count + 1};
  Prng prng(count);
  prints_.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& before = last[steps_[i].optional ? 1 : 0];
    next_[before] = i;
    prev_[i] = before;
    before = i;
    left_ += steps_[i].optional ? 0 : 1;
    prints_.push_back({prng.next(), prng.next()});
  }
  for (std::uint32_t head = 0; head < 2; ++head) {
    next_[last[head]] = count + head;
    prev_[count + head] = last[head];
  }
}

void Search::find_kinds() {
  std::vector<std::uint32_t> order(steps_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto effect = [&](std::uint32_t i) {
    const auto& step = steps_[i];
    return std::tuple(step.kind, step.a, step.b, step.token, step.by);
  };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(effect(a), a) < std::pair(effect(b), b);
  });
  places_.resize(steps_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || effect(order[i]) != effect(order[i - 1])) {
      kinds_.emplace_back();
    }
    auto& kind = kinds_.back();
    places_[order[i]] = {static_cast<std::uint32_t>(kinds_.size()) - 1,
                         static_cast<std::uint32_t>(kind.members.size())};
    kind.members.push_back(order[i]);
  }
  kinds_.emplace_back();
  taken_.resize(steps_.size());
  blocked_.resize(steps_.size());
  unblocks_.resize(steps_.size());
}

void Search::respect(const std::vector<Precedence>& pairs) {
  std::unordered_map<std::uint32_t, std::uint32_t> step_of;
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    step_of.emplace(steps_[i].operation, i);
  }
  for (const auto& pair : pairs) {
    const auto first = step_of.find(pair.first);
    const auto second = step_of.find(pair.second);
    if (first != step_of.end() && second != step_of.end()) {
      unblocks_[first->second].push_back(second->second);
      ++blocked_[second->second];
    }
  }
}

void Search::find_makers() {
  makers_.resize(use_.size());
  std::unordered_map<Text, std::uint32_t> appending;
  std::vector<std::uint32_t> counting;
  for (std::uint32_t k = 0; k + 1 < kinds_.size(); ++k) {
    const auto& step = steps_[kinds_[k].members.front()];
    if (step.b != kNoState) {
      makers_[step.b].push_back(k);
    } else if (step.kind == StepKind::kAppend) {
      appending.emplace(step.token, k);
    } else if (step.kind == StepKind::kIncr) {
      counting.push_back(k);
    }
  }
  for (State state = 0; state < use_.size(); ++state) {
    if (!use_[state].looked_for()) {
      continue;
    }
    for (const Text token : p_.last_tokens(state)) {
      if (const auto found = appending.find(token); found != appending.end()) {
        makers_[state].push_back(found->second);
      }
    }
    if (state != kNoValue && p_.states.number(state)) {
      makers_[state].insert(makers_[state].end(), counting.begin(), counting.end());
    }
  }
}

Search::Outcome Search::run(std::uint64_t nodes) {
  const auto limit = nodes_ + nodes;
  if (!started_) {
    started_ = true;
    visit(false);
  }
  while (left_ != 0) {
    if (frames_.empty()) {
      return Outcome::kNone;
    }
    if (nodes_ >= limit) {
      return Outcome::kMore;
    }
    auto& frame = frames_.back();
    while (trail_.size() > frame.taken) {
      untake();
    }
    if (frame.next == candidates_.size()) {
      candidates_.resize(frame.candidates);
      frames_.pop_back();
      continue;
    }
    const auto i = candidates_[frame.next++];
    take(i);
    visit(steps_[i].optional);
  }
  return Outcome::kFound;
}

// Opens the state reached: false if nothing can follow it.
bool Search::visit(bool must_use) {
  ++nodes_;
  if (settle()) {
    must_use = false;
  }
  if (left_ == 0) {
    return true;
  }
  const Frame frame{static_cast<std::uint32_t>(trail_.size()),
                    static_cast<std::uint32_t>(candidates_.size()),
                    static_cast<std::uint32_t>(candidates_.size())};
  if ((keep_longest_ || needs_can_be_met()) && seen_.insert(fingerprint(must_use)) &&
      add_candidates(must_use)) {
    frames_.push_back(frame);
    return true;
  }
  if (keep_longest_) {
    note_longest();
  }
  return false;
}

// Takes all that costs nothing; true if something was taken. Sets the window.
bool Search::settle() {
  bool any = false;
  do {
    window_.clear();
    bound_ = kNever;
    const auto head = static_cast<std::uint32_t>(steps_.size());
    for (auto i = next_[head]; i != head && steps_[i].start <= bound_; i = next_[i]) {
      bound_ = std::min(bound_, steps_[i].end);
      window_.push_back(i);
    }
    while (!window_.empty() && steps_[window_.back()].start > bound_) {
      window_.pop_back();
    }
    if (!take_what_holds()) {
      return any;
    }
    any = true;
  } while (left_ != 0);
  return any;
}

// An outcome that holds now may be moved here from wherever a legal order has it. Where nobody can
// tell the state from others, the same goes for a put that leaves another such state.
bool Search::take_what_holds() {
  bool any = false;
  const bool buried = behind_ == 0 && nots_ == 0 && !alive(state_);
  for (const auto i : window_) {
    const auto& step = steps_[i];
    const bool holds = (step.kind == StepKind::kRead && in_reach(step.a)) ||
                       (step.kind == StepKind::kNot && step.a != state_) ||
                       (step.kind == StepKind::kPut && buried && !alive(step.b));
    if (holds && blocked_[i] == 0) {
      take(i);
      any = true;
    }
  }
  return any;
}

// Each outcome that could be next finds its state, or something that can make it in time.
bool Search::needs_can_be_met() {
  return std::all_of(window_.begin(), window_.end(), [&](std::uint32_t i) {
    const auto& step = steps_[i];
    const bool holds = step.kind == StepKind::kRead ? in_reach(step.a) : step.a == state_;
    return !step.needs_a() || holds || can_be_made(step.a, step.end);
  });
}

bool Search::can_be_made(State state, std::int64_t deadline) {
  for (const auto k : makers_[state]) {
    auto& kind = kinds_[k];
    while (kind.first < kind.members.size() && taken_[kind.members[kind.first]]) {
      ++kind.first;
    }
    if (kind.first < kind.members.size() && steps_[kind.members[kind.first]].start <= deadline) {
      return true;
    }
  }
  return false;
}

bool Search::extends(State state) {
  if (state >= extends_.size()) {
    extends_.resize(p_.states.size(), -1);
  }
  if (extends_[state] < 0) {
    extends_[state] = p_.extends(state) ? 1 : 0;
  }
  return extends_[state] != 0;
}

// Whether a step that is left could tell it from another state. Depends on the definite steps
// taken alone, so that equal fingerprints mean equal futures.
bool Search::alive(State state) {
  if (state == kDeadState) {
    return false;
  }
  if (state < use_.size() && use_[state].looked_for()) {
    return true;
  }
  return (p_.appends != 0 && extends(state)) ||
         (p_.counters != 0 && (p_.appends != 0 || p_.states.number(state)));
}

State Search::after(const Step& step) {
  switch (step.kind) {
    case StepKind::kPut:
      return step.b;
    case StepKind::kCas:
      return step.a == state_ ? step.b : kNoState;
    case StepKind::kAppend:
      return p_.states.append(state_, step.token);
    case StepKind::kIncr: {
      const auto next = state_ == kDeadState ? kNoState : p_.states.incr(state_, step.by);
      return step.b == kNoState || next == step.b ? next : kNoState;
    }
    default:
      return kNoState;
  }
}

// A state that somebody still needs is given up only if it can come back.
bool Search::may_bury(const Step& step, State next) {
  if (keep_longest_ || held_.size() <= behind_) {
    return true;
  }
  const auto lost = held_[held_.size() - 1 - behind_];
  if (next == lost || lost >= use_.size() || reachable_[lost] > 1) {
    return true;
  }
  const auto own = step.kind == StepKind::kCas && step.a == lost && !step.optional ? 1u : 0u;
  return use_[lost].need <= own || can_be_made(lost, kNever);
}

bool Search::in_reach(State state) const { return reachable_[state] != 0; }

void Search::hold(State state) {
  state_ = state;
  held_.push_back(state);
  if (state < reachable_.size()) {
    ++reachable_[state];
  }
  if (held_.size() > behind_ + 1) {
    const auto lost = held_[held_.size() - 2 - behind_];
    if (lost < reachable_.size()) {
      --reachable_[lost];
    }
  }
}

void Search::let_go() {
  if (held_.size() > behind_ + 1) {
    const auto found = held_[held_.size() - 2 - behind_];
    if (found < reachable_.size()) {
      ++reachable_[found];
    }
  }
  if (held_.back() < reachable_.size()) {
    --reachable_[held_.back()];
  }
  held_.pop_back();
  state_ = held_.back();
}

bool Search::add_candidates(bool must_use) {
  const auto begin = candidates_.size();
  for (const auto i : window_) {
    consider(i);
  }
  const auto head = static_cast<std::uint32_t>(steps_.size()) + 1;
  for (auto i = next_[head]; i != head && steps_[i].start <= bound_; i = next_[i]) {
    consider(i);
  }
  for (const auto i : window_) {
    add_best(i, must_use);
  }
  for (auto i = next_[head]; i != head && steps_[i].start <= bound_; i = next_[i]) {
    add_best(i, must_use);
  }
  std::sort(candidates_.begin() + static_cast<std::ptrdiff_t>(begin), candidates_.end(),
            [&](std::uint32_t a, std::uint32_t b) {
              if (order_ == SearchOrder::kByCall) {
                return a < b;
              }
              return std::tie(steps_[a].optional, steps_[a].end, a) <
                     std::tie(steps_[b].optional, steps_[b].end, b);
            });
  return candidates_.size() != begin;
}

Search::Kind& Search::kind_now(std::uint32_t i) {
  const auto& step = steps_[i];
  return step.kind == StepKind::kPut && !alive(step.b) ? kinds_.back() : kinds_[places_[i].kind];
}

// Finds the first of each kind to end.
void Search::consider(std::uint32_t i) {
  if (blocked_[i] != 0) {
    return;
  }
  const auto& step = steps_[i];
  auto& kind = kind_now(i);
  if (kind.met != nodes_ || steps_[kind.best].end > step.end) {
    kind.met = nodes_;
    kind.best = i;
  }
}

void Search::add_best(std::uint32_t i, bool must_use) {
  const auto& step = steps_[i];
  if (blocked_[i] != 0 || kind_now(i).best != i ||
      (must_use && behind_ == 0 && step.kind == StepKind::kPut)) {
    return;
  }
  const auto next = after(step);
  if (next == kNoState || !may_bury(step, next)) {
    return;
  }
  // An unknown outcome is worth taking only for what it changes: its new state, or that the old
  // one is gone.
  if (step.optional && (next == state_ || (!alive(next) && !waits_for_change()))) {
    return;
  }
  candidates_.push_back(i);
}

// Whether a failed compare might gain from any other state than this, now or after it has grown.
bool Search::waits_for_change() const {
  if (nots_ != 0 && p_.appends + p_.counters != 0) {
    return true;
  }
  return nots_ != 0 && std::any_of(window_.begin(), window_.end(), [&](std::uint32_t i) {
           return steps_[i].kind == StepKind::kNot && steps_[i].a == state_;
         });
}

Search::Fingerprint Search::fingerprint(bool must_use) {
  auto print = set_;
  const auto mix = [&](std::uint64_t number) {
    print.low ^= spread(number);
    print.high ^= spread(~number);
  };
  mix((std::uint64_t{alive(state_) ? state_ : kDeadState} << 1) | (must_use ? 1 : 0));
  for (std::size_t i = 1; i <= behind_ && i < held_.size(); ++i) {
    const auto earlier = held_[held_.size() - 1 - i];
    if (alive(earlier)) {
      mix((std::uint64_t{i} << 33) | earlier | (std::uint64_t{1} << 32));
    }
  }
  for (const auto k : optional_kinds_) {
    const auto& kind = kinds_[k];
    const auto& step = steps_[kind.members.front()];
    const bool tells = nots_ != 0 || step.kind == StepKind::kAppend ||
                       step.kind == StepKind::kIncr || alive(step.b);
    if (kind.optional_taken != 0 && tells) {
      mix((std::uint64_t{k} << 32) | (std::uint64_t{1} << 63) | kind.optional_taken);
    }
  }
  return print;
}

void Search::take(std::uint32_t i) {
  const auto& step = steps_[i];
  trail_.push_back(i);
  auto& kind = kinds_[places_[i].kind];
  if (step.kind != StepKind::kRead && step.kind != StepKind::kNot) {
    hold(after(step));
  }
  if (step.optional) {
    if (kind.optional_taken++ == 0) {
      optional_kinds_.push_back(places_[i].kind);
    }
  } else {
    --left_;
    set_.low ^= prints_[i].low;
    set_.high ^= prints_[i].high;
    if (step.needs_a()) {
      --use_[step.a].need;
    }
  }
  if (step.kind == StepKind::kNot) {
    --use_[step.a].nots;
    --nots_;
  }
  next_[prev_[i]] = next_[i];
  prev_[next_[i]] = prev_[i];
  taken_[i] = true;
  for (const auto next : unblocks_[i]) {
    --blocked_[next];
  }
}

void Search::untake() {
  const auto i = trail_.back();
  trail_.pop_back();
  const auto& step = steps_[i];
  if (step.kind != StepKind::kRead && step.kind != StepKind::kNot) {
    let_go();
  }
  next_[prev_[i]] = i;
  prev_[next_[i]] = i;
  taken_[i] = false;
  for (const auto next : unblocks_[i]) {
    ++blocked_[next];
  }
  auto& kind = kinds_[places_[i].kind];
  kind.first = std::min(kind.first, places_[i].at);
  if (step.optional) {
    if (--kind.optional_taken == 0) {
      optional_kinds_.pop_back();
    }
  } else {
    ++left_;
    set_.low ^= prints_[i].low;
    set_.high ^= prints_[i].high;
    if (step.needs_a()) {
      ++use_[step.a].need;
    }
  }
  if (step.kind == StepKind::kNot) {
    ++use_[step.a].nots;
    ++nots_;
  }
}

std::vector<std::uint32_t> Search::order() const {
  std::vector<std::uint32_t> operations;
  operations.reserve(trail_.size());
  for (const auto step : trail_) {
    operations.push_back(steps_[step].operation);
  }
  return operations;
}

void Search::note_longest() {
  if (trail_.size() > longest_.size()) {
    longest_ = order();
  }
}

std::size_t Search::bytes() const {
  return seen_.bytes() + candidates_.capacity() * sizeof(candidates_[0]) +
         frames_.capacity() * sizeof(Frame) + steps_.capacity() * (sizeof(Step) + 64);
}

bool Search::Seen::insert(const Fingerprint& print) {
  if (count_ * 2 >= slots_.size()) {
    constexpr std::size_t kFirstSlots = 64;
    std::vector<Fingerprint> old(std::max(kFirstSlots, slots_.size() * 4));
    std::swap(old, slots_);
    count_ = 0;
    for (const auto& slot : old) {
      if (slot != Fingerprint{}) {
        insert(slot);
      }
    }
  }
  const auto mask = slots_.size() - 1;
  for (auto i = print.low & mask;; i = (i + 1) & mask) {
    if (slots_[i] == print) {
      return false;
    }
    if (slots_[i] == Fingerprint{}) {
      slots_[i] = print;
      ++count_;
      return true;
    }
  }
}

}  // namespace kvorum::check
