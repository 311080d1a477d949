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
  std::string kind;  // what broke: an invariant's name, "level prefix", "not converged"; else empty
  std::string why;   // a sentence; empty when ok
  // Of kUndecided: durability and convergence, which are cheap to judge, were found to hold.
  bool cheap_hold = false;
};

// Runs and judges. The judge may take `budget` of real time, so kUndecided alone may differ between
// machines.
SeedRun run_seed(const sim::Options& options, std::chrono::nanoseconds budget,
                 const std::function<void(const std::string& line)>& trace = {});

// The command that repeats a run of these options: its seed, and what differs from the seed's draw.
// A CHECK that fails within run_seed() prints it.
std::string replay_command(const sim::Options& options);

using StillFails = std::function<bool(const sim::Options& smaller)>;
// Whether a run fails with the finding and the kind of `failed`.
StillFails fails_alike(const SeedRun& failed, std::chrono::nanoseconds budget);

struct Shrunk {
  sim::Options options;
  std::uint64_t tries = 0;
  bool capped = false;  // more could have been tried
};

constexpr std::uint64_t kMostTries = 500;

// Smaller options that still fail: fewer clients, requests, faults. Each try is a run; `progress`
// is told of each success.
Shrunk shrink(const sim::Options& options, const StillFails& still_fails,
              std::uint64_t most_tries = kMostTries,
              const std::function<void(const sim::Options& smaller)>& progress = {});

// A run as a file: {"sim": {"seed": 7, "nodes": 3, ...}}.
std::string to_json(const sim::Options& options);
// kConfig: not such a file, or a number out of its range.
Result<sim::Options> from_json(const std::string& text);

}  // namespace kvorum::lab
