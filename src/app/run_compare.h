// The same scenario at several levels.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include "base/time.h"
#include "lab/scenario.h"

namespace kvorum::app {

struct CompareOptions {
  std::filesystem::path folder;
  std::uint64_t seed = 1;
  std::uint32_t repeat = 1;
  Duration delay{};  // of every message between two nodes; 0: the scenario's own
  std::chrono::nanoseconds budget{};
};

// Plays it at eventual, sequential and linearizable, each on a fresh cluster, judges each play at
// its level, prints a table and leaves comparison.html and comparison.txt. Exit code.
int compare_levels(const lab::Scenario& scenario, const CompareOptions& options);

}  // namespace kvorum::app
