// A whole cluster in one thread from one seed: the production node/ code over a simulated network,
// disks and clocks. First with faults, then without: everything must come to rest, alike on all
// nodes. Same options, same run, event by event.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/history.h"
#include "sim/failure.h"
#include "sim/options.h"

namespace kvorum::sim {

struct Outcome {
  Failure failure = Failure::kNone;
  std::string kind;  // the invariant's name; "not converged"
  std::string why;
  std::vector<HistoryRecord> history;
  std::map<std::string, std::uint64_t> counts;  // of faults, elections, requests, ...
  std::uint64_t trace_hash = 0;                 // of every event
  std::int64_t simulated_ms = 0;
  std::uint64_t events = 0;
};

// Runs it. `trace`, if given, is told every event as a line of text.
Outcome run(const Options& options, const std::function<void(const std::string& line)>& trace = {});

}  // namespace kvorum::sim
