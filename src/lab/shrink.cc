// Makes a failing run small: tries simpler options, one after another, and keeps those that still
// fail alike (in the spirit of Zeller & Hildebrandt, Simplifying and isolating failure-inducing
// input, IEEE TSE 2002).
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "lab/seed_run.h"

namespace kvorum::lab {
namespace {

struct Step {
  std::string_view name;
  std::int64_t least;  // the simplest value
  bool halve;          // otherwise straight to the simplest
};

// Faults first: each one that goes makes every later run easier to read.
constexpr auto kSteps = std::to_array<Step>({
    {"crash_ms", 0, false},
    {"stop_ms", 0, false},
    {"pause_ms", 0, false},
    {"slow_ms", 0, false},
    {"cut_ms", 0, false},
    {"clog_ms", 0, false},
    {"disk_slow_ms", 0, false},
    {"disk_fail_ms", 0, false},
    {"disk_lost_ms", 0, false},
    {"clock_ms", 0, false},
    {"loss_ppm", 0, false},
    {"duplicate_ppm", 0, false},
    {"reorder_ppm", 0, false},
    {"damage_ppm", 0, false},
    {"split", 0, false},
    {"offset_ms", 0, false},
    {"drift_ppm", 0, false},
    {"hang_up_ppm", 0, false},
    {"power_percent", 0, false},
    {"other_percent", 0, false},
    {"once_percent", 0, false},
    {"token_percent", 0, false},
    {"change_percent", 0, false},
    {"move_percent", 0, false},
    {"reader_percent", 0, false},
    {"pipeline", 1, true},
    {"clients", 1, true},
    {"operations", 1, true},
    {"keys", 1, true},
    {"partitions", 1, true},
    {"nodes", 1, true},
    {"faults_end_ms", 0, true},
});

const sim::OptionInfo& info(std::string_view name) {
  const auto table = sim::option_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [name](const auto& option) { return option.name == name; });
  CHECK(found != table.end(), "the simulator has no option {}", name);
  return *found;
}

std::vector<std::int64_t> candidates(std::int64_t value, const Step& step) {
  if (value == step.least) {
    return {};
  }
  std::vector<std::int64_t> out = {step.least};
  if (step.halve) {
    for (const auto share : {8, 4, 2}) {
      out.push_back(std::max(step.least, value / share));
    }
    out.push_back(std::max(step.least, value * 3 / 4));
    if (value <= 16) {
      out.push_back(value - 1);
    }
  }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace

StillFails fails_alike(const SeedRun& failed, std::chrono::nanoseconds budget) {
  return [finding = failed.finding, kind = failed.kind, budget](const sim::Options& options) {
    const auto run = run_seed(options, budget);
    return run.finding == finding && run.kind == kind;
  };
}

Shrunk shrink(const sim::Options& options, const StillFails& still_fails, std::uint64_t most_tries,
              const std::function<void(const sim::Options& smaller)>& progress) {
  Shrunk best{options};
  const auto fails = [&](const sim::Options& tried) {
    best.capped = best.tries == most_tries;
    best.tries += best.capped ? 0 : 1;
    return !best.capped && still_fails(tried);
  };
  for (bool smaller = true; smaller && !best.capped;) {
    smaller = false;
    for (const auto& step : kSteps) {
      const auto field = info(step.name).field;
      for (const auto value : candidates(best.options.*field, step)) {
        auto tried = best.options;
        tried.*field = value;
        if (value != best.options.*field && fails(tried)) {
          best.options = tried;
          smaller = true;
          if (progress) {
            progress(best.options);
          }
          break;
        }
        if (best.capped) {
          return best;
        }
      }
    }
  }
  return best;
}

}  // namespace kvorum::lab
