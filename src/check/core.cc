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

namespace {

using Operations = std::vector<std::uint32_t>;

class Shrinker {
 public:
  Shrinker(const History& history, Operations operations, const GetRules& rules,
           std::uint64_t nodes, const Budget& budget)
      : history_(history),
        core_(std::move(operations)),
        rules_(rules),
        whole_(history, core_, rules),
        nodes_(nodes),
        budget_(budget) {}

  Core run() {
    if (whole_.refuted || contradiction(whole_).empty()) {
      cut_off();
      for (std::size_t before = 0; before != core_.size() && !spent();) {
        before = core_.size();
        drop(idle());
        drop(reads());
        drop(unread_writes());
      }
      return {core_, KeyProblem(history_, core_, rules_)};
    }
    proved_ = true;
    const bool started = start_from_proof();
    // How each value came about, back to the first, may be more than anyone wants to read.
    constexpr std::size_t kReadable = 12;
    if (!started || core_.size() > kReadable) {
      causes_ = Causes::kOfProof;
      start_from_links();
      drop_all_that_can();
    }
    return {core_, whole_.part(core_)};
  }

 private:
  enum class Causes : std::uint8_t { kOfAll, kOfProof };

  bool spent() const { return own_.spent(0) != nullptr || budget_.spent(0) != nullptr; }

  void drop_all_that_can() {
    for (std::size_t before = 0; before != core_.size() && !spent();) {
      before = core_.size();
      drop(core_);
    }
  }

  // Whether they contradict each other by themselves; and, if the whole has a proof, by one that
  // holds for the whole as well.
  bool violates(const Operations& operations) const {
    if (proved_ && !proves(whole_.part(operations))) {
      return false;
    }
    // Without its cause an outcome contradicts everything, which explains nothing.
    const bool caused = whole_.refuted || causes_ == Causes::kOfProof ||
                        !KeyProblem(history_, operations, rules_).refuted;
    return caused && decide(history_, operations, rules_, nodes_, own_) == Answer::kViolation;
  }

  bool proves(const KeyProblem& part) const {
    const auto proof = contradiction(part);
    const auto cause_left_out = [&](const Step& step) {
      return step.needs_a() && step.a != part.first && part.use[step.a].direct == 1 &&
             part.use[step.a].which == StateUse::kLeftOut;
    };
    if (causes_ == Causes::kOfAll) {
      return !proof.empty() && std::none_of(part.steps.begin(), part.steps.end(), cause_left_out);
    }
    return !proof.empty() && std::none_of(proof.begin(), proof.end(), [&](std::uint32_t i) {
      return part.steps[i].kind == StepKind::kRead && cause_left_out(part.steps[i]);
    });
  }

  // The steps whose times alone contradict each other, if a first test finds some.
  std::vector<std::uint32_t> contradiction(KeyProblem problem) const {
    if (rules_.versions_behind != 0) {
      return find_stale_read(problem);
    }
    const auto conflict = test_zones(problem).conflict;
    std::vector<std::uint32_t> found = {conflict.a, conflict.b, conflict.c, conflict.d};
    std::erase(found, ZoneConflict::kNoStep);
    return found;
  }

  // The proof's operations, and all that can have made what they saw.
  bool start_from_proof() {
    auto work = contradiction(whole_);
    const Sources sources(whole_);
    const auto& steps = whole_.steps;
    std::set<std::uint32_t> chosen;
    constexpr std::size_t kMost = 200;  // the search for causes is quadratic
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
    if (!work.empty() || !start_from(chosen)) {
      return false;
    }
    drop_all_that_can();
    return true;
  }

  // Or only as many of the steps that link them as the proof needs.
  void start_from_links() {
    const auto proof = contradiction(whole_);
    const auto& steps = whole_.steps;
    for (std::size_t most = 4; most < steps.size(); most *= 4) {
      std::vector<std::uint32_t> found = proof;
      std::set<std::uint32_t> chosen(proof.begin(), proof.end());
      for (std::size_t at = 0; at < found.size() && at < most; ++at) {
        const auto& step = steps[found[at]];
        const bool linked = step.needs_a() && step.a != whole_.first &&
                            whole_.use[step.a].direct == 1 && !whole_.made_otherwise(step.a);
        if (linked && chosen.insert(whole_.use[step.a].which).second) {
          found.push_back(whole_.use[step.a].which);
        }
      }
      if (start_from(chosen)) {
        return;
      }
    }
  }

  bool start_from(const std::set<std::uint32_t>& chosen) {
    Operations operations;
    for (const auto i : chosen) {
      operations.push_back(whole_.steps[i].operation);
    }
    std::sort(operations.begin(), operations.end());
    if (!violates(operations)) {
      return false;
    }
    core_ = std::move(operations);
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
      return whole_.refuted ? core_ : out;
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
    // The last first: nothing depends on them.
    std::sort(list.begin(), list.end(), [&](std::uint32_t a, std::uint32_t b) {
      return history_.operations[a].start_ns > history_.operations[b].start_ns;
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
  KeyProblem whole_;
  bool proved_ = false;
  Causes causes_ = Causes::kOfAll;
  std::uint64_t nodes_;
  const Budget& budget_;
  Budget own_{std::chrono::seconds(3), std::size_t{1} << 30};
};

}  // namespace

Core find_core(const History& history, const std::vector<std::uint32_t>& operations,
               const GetRules& rules, std::uint64_t nodes, const Budget& budget) {
  // A part is rarely harder than the whole.
  constexpr std::uint64_t kLeastNodes = 10'000;
  return Shrinker(history, operations, rules, 2 * nodes + kLeastNodes, budget).run();
}

}  // namespace kvorum::check
