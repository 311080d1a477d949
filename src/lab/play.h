// Plays a scenario on a running cluster: every client a thread of its own, faults when they are
// due.
#pragma once

#include <cstdint>
#include <functional>

#include "lab/run_record.h"
#include "lab/scenario.h"
#include "lab/stage.h"

namespace kvorum::lab {

struct PlayOptions {
  std::uint64_t seed = 1;
  std::function<void(const Event&)> tell;  // each event as it happens; any thread, one at a time
};

// The cluster serves and is empty of the scenario's keys. Writes the initial values, lets the
// clients begin all at once, waits until they are done and, if asked, until replicas are equal;
// heals all links and mends all nodes before that. The record has no verdict yet. Errors: the
// cluster could not be set up, a fault could not be put in force, replicas do not become equal,
// somebody interrupted. Nothing goes on behind it when it returns.
Result<RunRecord> play(const Scenario& scenario, Stage& stage, const PlayOptions& options);

// What FaultAction::words say about the scenario's links.
Result<FaultCommand> parse_links(const Scenario& scenario, const std::string& words);

// How long a request may take in such a cluster, with its delays.
Duration patience_of(const Scenario& scenario);

}  // namespace kvorum::lab
