// A simulated run and its judgement: invariants, coming to rest, and what the clients saw at each
// level.
#pragma once

#include <functional>
#include <string>

#include "check/history.h"
#include "check/verdict.h"
#include "sim/sim.h"

namespace kvorum::lab {

enum class Finding : std::uint8_t {
  kOk,
  kUndecided,  // nothing was found; the judge ran out of its budget
  kNotConverged,
  kUnsafe,  // an invariant broke, or the history breaks its levels
};
const char* to_string(Finding finding);

struct SeedRun {
  sim::Outcome outcome;  // its history is moved to `history`
  check::History history;
  check::Verdict verdict;  // of model `levels`; ok and empty when the run itself failed
  Finding finding = Finding::kOk;
  std::string why;  // a sentence; empty when ok
};

// Runs and judges. The judge may take `budget` of real time, so kUndecided alone may differ between
// machines.
SeedRun run_seed(const sim::Options& options, std::chrono::nanoseconds budget,
                 const std::function<void(const std::string& line)>& trace = {});

// Smaller options that still give the same finding: fewer clients, requests, faults. Each try is a
// run; `progress` is told of each success.
sim::Options shrink(const sim::Options& options, Finding finding, std::chrono::nanoseconds budget,
                    const std::function<void(const sim::Options& smaller)>& progress = {});

// A run as a file: {"sim": {"seed": 7, "nodes": 3, ...}}.
std::string to_json(const sim::Options& options);
// kConfig: not such a file, or a number out of its range.
Result<sim::Options> from_json(const std::string& text);

}  // namespace kvorum::lab
