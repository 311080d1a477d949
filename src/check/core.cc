#include "check/core.h"

#include <algorithm>
#include <set>

#include "check/key_judge.h"
#include "check/stale.h"
#include "check/zones.h"

namespace kvorum::check {

Sources::Sources(const KeyProblem& problem) : problem_(problem) {
  for (const auto& step : problem.steps) {
    if (!step.optional && (step.kind == StepKind::kPut || step.kind == StepKind::kCas)) {
      ended_.push_back({step.start, step.end, step.b, kNever});
    }
  }
  std::sort(ended_.begin(), ended_.end(),
            [](const Ended& a, const Ended& b) { return a.start < b.start; });
  for (std::size_t i = ended_.size(); i-- > 1;) {
    auto& here = ended_[i - 1];
    const auto& later = ended_[i];
    const auto other = here.value == later.value ? later.other : later.first;
    if (later.first < here.first) {
      here.other = here.value == later.value ? later.other : std::min(here.first, later.other);
      here.first = later.first;
      here.value = later.value;
    } else {
      here.other = std::min(here.other, other);
    }
  }
}

bool Sources::may_be(const Step& maker, const Step& needer) const {
  if (maker.kind == StepKind::kRead || maker.kind == StepKind::kNot || maker.b != needer.a ||
      maker.start > needer.end || maker.operation == needer.operation) {
    return false;
  }
  if (problem_.rules.versions_behind != 0) {
    return true;
  }
  // Not if something else certainly came between.
  const auto after = std::partition_point(
      ended_.begin(), ended_.end(), [&](const Ended& ended) { return ended.start <= maker.end; });
  if (after == ended_.end()) {
    return true;
  }
  return (after->value == maker.b ? after->other : after->first) >= needer.start;
}

const Step* Sources::only(const Step& needer) const {
  const Step* found = nullptr;
  if (needer.a == problem_.first || problem_.made_otherwise(needer.a)) {
    return nullptr;
  }
  for (const auto& step : problem_.steps) {
    if (may_be(step, needer)) {
      if (found != nullptr) {
        return nullptr;
      }
      found = &step;
    }
  }
  return found;
}

namespace {

using Operations = std::vector<std::uint32_t>;

class Shrinker {
 public:
  Shrinker(const History& history, Operations operations, const GetRules& rules,
           std::uint64_t nodes, const Budget& budget)
      : history_(history),
        core_(std::move(operations)),
        rules_(rules),
        nodes_(nodes),
        budget_(budget) {
    refuted_ = KeyProblem(history_, core_, rules_).refuted;
  }

  Operations run() {
    if (!start_from_zones()) {
      cut_off();
    }
    for (std::size_t before = 0; before != core_.size() && !spent();) {
      before = core_.size();
      drop(idle());
      drop(reads());
      drop(unread_writes());
    }
    std::sort(core_.begin(), core_.end());
    return core_;
  }

 private:
  bool spent() const { return own_.spent(0) != nullptr || budget_.spent(0) != nullptr; }

  bool violates(const Operations& operations, std::int64_t until = kNever) const {
    // Without its cause an outcome contradicts everything, which explains nothing.
    return (refuted_ || !KeyProblem(history_, operations, rules_).refuted) &&
           decide(history_, operations, rules_, nodes_, own_, until) == Answer::kViolation;
  }

  // The steps of a zone conflict, and all that can have made what they saw.
  bool start_from_zones() {
    KeyProblem problem(history_, core_, rules_);
    if (problem.refuted) {
      return false;
    }
    const Sources sources(problem);
    std::set<std::uint32_t> chosen;
    std::vector<std::uint32_t> work;
    const auto& steps = problem.steps;
    if (rules_.versions_behind != 0) {
      work = find_stale_read(problem);
    } else {
      auto narrowed = problem;
      const auto conflict = test_zones(narrowed).conflict;
      work = {conflict.a, conflict.b, conflict.c, conflict.d};
      std::erase(work, ZoneConflict::kNoStep);
    }
    if (work.empty()) {
      return false;
    }
    constexpr std::size_t kMost = 5000;  // the search for causes is quadratic
    while (!work.empty() && chosen.size() < kMost) {
      const auto i = work.back();
      work.pop_back();
      if (!chosen.insert(i).second || !steps[i].needs_a()) {
        continue;
      }
      for (std::uint32_t m = 0; m < steps.size(); ++m) {
        if (!chosen.contains(m) && sources.may_be(steps[m], steps[i])) {
          work.push_back(m);
        }
      }
    }
    Operations operations;
    for (const auto i : chosen) {
      operations.push_back(steps[i].operation);
    }
    if (!work.empty() || !violates(operations)) {
      return false;
    }
    core_ = operations;
    return true;
  }

  // Everything after the first moment by which it had gone wrong.
  void cut_off() {
    std::vector<std::int64_t> ends;
    for (const auto i : core_) {
      if (history_.operations[i].ended != Ended::kUnknown) {
        ends.push_back(history_.operations[i].end_ns);
      }
    }
    std::sort(ends.begin(), ends.end());
    std::size_t low = 0;
    auto high = ends.empty() ? 0 : ends.size() - 1;
    while (low < high && !spent()) {
      const auto middle = low + (high - low) / 2;
      if (decide(history_, core_, rules_, nodes_, own_, ends[middle]) == Answer::kViolation) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    Operations early;
    for (const auto i : core_) {
      const auto& operation = history_.operations[i];
      const bool started = !ends.empty() && operation.start_ns <= ends[high];
      if (started && (operation.is_write() || operation.end_ns <= ends[high])) {
        early.push_back(i);
      }
    }
    if (violates(early)) {
      core_ = early;
    }
  }

  // What says nothing about the rest.
  Operations idle() const {
    const KeyProblem problem(history_, core_, rules_);
    if (problem.refuted) {
      return {};
    }
    std::set<std::uint32_t> used;
    for (const auto& step : problem.steps) {
      used.insert(step.operation);
    }
    Operations out;
    std::copy_if(core_.begin(), core_.end(), std::back_inserter(out),
                 [&](std::uint32_t i) { return !used.contains(i); });
    return out;
  }

  Operations reads() const {
    Operations out;
    std::copy_if(core_.begin(), core_.end(), std::back_inserter(out), [&](std::uint32_t i) {
      const auto& operation = history_.operations[i];
      return !operation.is_write() || operation.ended == Ended::kFailed;
    });
    return out;
  }

  Operations unread_writes() const {
    const KeyProblem problem(history_, core_, rules_);
    Operations out;
    if (problem.refuted) {
      return refuted_ ? core_ : out;
    }
    const Sources sources(problem);
    for (const auto& step : problem.steps) {
      const bool writes = step.kind == StepKind::kPut || step.kind == StepKind::kCas;
      if (writes && unread(sources, step)) {
        out.push_back(step.operation);
      }
    }
    return out;
  }

  static bool unread(const Sources& sources, const Step& write) {
    const auto& problem = sources.problem();
    if (problem.counters != 0 ||
        (problem.appends != 0 && (write.b != kDeadState || problem.nots != 0))) {
      return false;
    }
    return std::none_of(problem.steps.begin(), problem.steps.end(), [&](const Step& other) {
      if (other.kind == StepKind::kNot) {
        return may_help(problem, write, other);
      }
      return other.needs_a() && sources.may_be(write, other);
    });
  }

  // Whether a failed compare may owe it to this write that it did not find what it expected.
  static bool may_help(const KeyProblem& problem, const Step& write, const Step& compare) {
    if (write.start > compare.end) {
      return false;
    }
    return problem.first == compare.a || problem.made_otherwise(compare.a) ||
           std::any_of(problem.steps.begin(), problem.steps.end(), [&](const Step& maker) {
             return maker.b == compare.a && maker.start <= write.end;
           });
  }

  // Leaves out as many of them as can be, in ever smaller groups.
  void drop(Operations list) {
    std::sort(list.begin(), list.end(), [&](std::uint32_t a, std::uint32_t b) {
      return history_.operations[a].start_ns < history_.operations[b].start_ns;
    });
    for (auto group = list.size(); group != 0; group /= 2) {
      for (std::size_t at = 0; at < list.size() && !spent();) {
        const auto begin = list.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = begin + static_cast<std::ptrdiff_t>(std::min(group, list.size() - at));
        const std::set<std::uint32_t> without(begin, end);
        Operations rest;
        std::copy_if(core_.begin(), core_.end(), std::back_inserter(rest),
                     [&](std::uint32_t i) { return !without.contains(i); });
        if (violates(rest)) {
          core_ = std::move(rest);
          list.erase(begin, end);
        } else {
          at += group;
        }
      }
    }
  }

  const History& history_;
  Operations core_;
  GetRules rules_;
  std::uint64_t nodes_;
  const Budget& budget_;
  Budget own_{std::chrono::seconds(3), std::size_t{1} << 30};
  bool refuted_ = false;
};

}  // namespace

std::vector<std::uint32_t> find_core(const History& history,
                                     const std::vector<std::uint32_t>& operations,
                                     const GetRules& rules, std::uint64_t nodes,
                                     const Budget& budget) {
  // A part is rarely harder than the whole.
  constexpr std::uint64_t kLeastNodes = 10'000;
  return Shrinker(history, operations, rules, 2 * nodes + kLeastNodes, budget).run();
}

}  // namespace kvorum::check
