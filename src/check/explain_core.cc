#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "check/core.h"
#include "check/key_judge.h"
#include "check/search.h"
#include "check/stale.h"
#include "check/zones.h"

namespace kvorum::check {
namespace {

std::string span_text(std::int64_t ns) {
  if (ns >= 1'000'000'000) {
    return fmt::format("{:.4g} s", static_cast<double>(ns) / 1e9);
  }
  return ns >= 1'000'000 ? fmt::format("{:.4g} ms", static_cast<double>(ns) / 1e6)
         : ns >= 1'000   ? fmt::format("{:.4g} µs", static_cast<double>(ns) / 1e3)
                         : fmt::format("{} ns", ns);
}

class Explainer {
 public:
  Explainer(const History& history, const Core& core, Verdict& verdict)
      : history_(history), verdict_(verdict), problem_(core.problem) {
    verdict_.core = core.operations;
  }

  void run() {
    if (!problem_.refuted) {
      add_longest();
    }
    add_sentence();
    add_edges();
  }

 private:
  std::string name(std::uint32_t operation) const {
    return describe(history_, history_.operations[operation]);
  }

  std::string step_name(std::uint32_t step) const { return name(problem_.steps[step].operation); }

  std::string key_name() const {
    return history_.texts[history_.operations[verdict_.core.front()].key];
  }

  std::string holds(const std::string& key, State state, const States& states) const {
    return state == kNoValue ? key + " is absent" : fmt::format("{} = {}", key, states.text(state));
  }

  // The core is small, but a bound is a bound.
  void add_longest() {
    constexpr std::uint64_t kMostNodes = 20'000;
    Search search(problem_, SearchOrder::kByCall);
    search.keep_longest();
    search.run(kMostNodes);
    verdict_.prefix = search.longest();
    auto states = replay_states(history_, verdict_.core);
    auto state = states.of(history_.initial_of(history_.operations[verdict_.core.front()].key));
    for (const auto i : verdict_.prefix) {
      state = replay(history_.operations[i], state, states);
    }
    verdict_.state = holds(key_name(), state, states);
  }

  void add_sentence() {
    if (verdict_.core.size() == 1) {
      verdict_.sentence =
          fmt::format("{}, which nothing can have brought about", name(verdict_.core.front()));
      return;
    }
    ZoneConflict conflict;
    if (problem_.rules.versions_behind != 0) {
      verdict_.sentence = behind();
      return;
    }
    if (!problem_.refuted) {
      KeyProblem narrowed = problem_;
      conflict = test_zones(narrowed).conflict;
    }
    switch (conflict.why) {
      case ZoneWhy::kNone:
        verdict_.sentence = no_order();
        break;
      case ZoneWhy::kTwice:
        verdict_.sentence = fmt::format("{} and {} each found {}, which the key held only once",
                                        step_name(conflict.a), step_name(conflict.b),
                                        value(problem_.steps[conflict.a].a));
        break;
      case ZoneWhy::kTooEarly:
        verdict_.sentence = too_early(conflict);
        break;
      case ZoneWhy::kBetween:
        verdict_.sentence = between(conflict);
        break;
    }
  }

  std::string value(State state) const {
    return state == kNoValue ? "nothing" : problem_.states.text(state);
  }

  std::int64_t gap(std::uint32_t ended, std::uint32_t began) const {
    return history_.operations[problem_.steps[began].operation].start_ns -
           problem_.steps[ended].end;
  }

  std::string too_early(const ZoneConflict& conflict) const {
    const auto& early = problem_.steps[conflict.a];
    const auto& late = problem_.steps[conflict.b];
    if (early.kind == StepKind::kCas && late.kind == StepKind::kRead && early.a == late.a) {
      return fmt::format("{} although {}, which replaced that, had ended {} before it began",
                         step_name(conflict.b), step_name(conflict.a),
                         span_text(gap(conflict.a, conflict.b)));
    }
    const bool wrote_it = early.needs_a() && late.b == early.a;
    return fmt::format("{} although {}, {}, began only {} after it had ended",
                       step_name(conflict.a), step_name(conflict.b),
                       wrote_it ? "which wrote that" : "which must come first",
                       span_text(gap(conflict.a, conflict.b)));
  }

  std::string between(const ZoneConflict& conflict) const {
    if (conflict.b != conflict.c) {
      auto out = fmt::format("{} although {} had ended {} before it began", step_name(conflict.d),
                             step_name(conflict.c), span_text(gap(conflict.c, conflict.d)));
      return conflict.a == ZoneConflict::kNoStep
                 ? out
                 : fmt::format(
                       "{}, and {} although {} had ended {} before it began: each of the "
                       "two values comes before the other",
                       out, step_name(conflict.b), step_name(conflict.a),
                       span_text(gap(conflict.a, conflict.b)));
    }
    auto out = fmt::format("{} although {} had ended {} before it began", step_name(conflict.d),
                           step_name(conflict.c), span_text(gap(conflict.c, conflict.d)));
    if (conflict.a == ZoneConflict::kNoStep) {
      const auto& read = problem_.steps[conflict.d];
      return out + (read.needs_a() && read.a == problem_.first
                        ? ", and nothing put the first value back"
                        : ", and what it found can only have been before that");
    }
    return fmt::format("{}, and {} had ended before that", out, step_name(conflict.a));
  }

  std::string behind() const {
    const auto stale = problem_.refuted ? std::vector<std::uint32_t>() : find_stale_read(problem_);
    return stale.empty() ? no_order()
                         : fmt::format(
                               "{} although at least {} writes came after what it returned "
                               "and had ended before it began",
                               step_name(stale.front()), problem_.rules.versions_behind + 1);
  }

  std::string no_order() const {
    const std::unordered_set<std::uint32_t> placed(verdict_.prefix.begin(), verdict_.prefix.end());
    const std::uint32_t* stuck = nullptr;
    for (const auto& i : verdict_.core) {
      const auto& operation = history_.operations[i];
      const bool waits = !placed.contains(i) && operation.observes();
      if (waits && (stuck == nullptr || operation.end_ns < history_.operations[*stuck].end_ns)) {
        stuck = &i;
      }
    }
    auto out = fmt::format("No order of these {} operations on {} explains what they saw",
                           verdict_.core.size(), key_name());
    if (stuck == nullptr || verdict_.state.empty()) {
      return out;
    }
    return fmt::format("{}: after the longest that fits, {}, and there is no place left for {}",
                       out, verdict_.state, name(*stuck));
  }

  void add_edges() {
    const auto& operations = history_.operations;
    const auto start = [&](std::uint32_t i) { return start_of(operations[i], problem_.rules); };
    const auto before = [&](std::uint32_t a, std::uint32_t b) {
      return operations[a].ended != Ended::kUnknown && operations[a].end_ns < start(b);
    };
    for (const auto to : verdict_.core) {
      // Of those that ended before it began, the ones that no other of them follows.
      auto latest = std::numeric_limits<std::int64_t>::min();
      for (const auto from : verdict_.core) {
        latest = before(from, to) ? std::max(latest, start(from)) : latest;
      }
      for (const auto from : verdict_.core) {
        if (before(from, to) && operations[from].end_ns >= latest) {
          verdict_.edges.push_back({from, to, "real time"});
        }
      }
    }
    for (const auto& step : problem_.steps) {
      if (!step.needs_a() || step.a == problem_.first || problem_.made_otherwise(step.a)) {
        continue;
      }
      const auto& use = problem_.use[step.a];
      if (use.direct == 1 && use.which != StateUse::kLeftOut) {
        verdict_.edges.push_back(
            {problem_.steps[use.which].operation, step.operation, "reads from"});
      }
    }
  }

  const History& history_;
  Verdict& verdict_;
  KeyProblem problem_;
};

}  // namespace

void explain_core(const History& history, const Core& core, Verdict& verdict) {
  Explainer(history, core, verdict).run();
}

}  // namespace kvorum::check
