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

sim::Options shrink(const sim::Options& options, Finding finding, std::chrono::nanoseconds budget,
                    const std::function<void(const sim::Options& smaller)>& progress) {
  auto best = options;
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (const auto& step : kSteps) {
      const auto field = info(step.name).field;
      for (const auto value : candidates(best.*field, step)) {
        auto tried = best;
        tried.*field = value;
        if (value != best.*field && run_seed(tried, budget).finding == finding) {
          best = tried;
          smaller = true;
          if (progress) {
            progress(best);
          }
          break;
        }
      }
    }
  }
  return best;
}

}  // namespace kvorum::lab
