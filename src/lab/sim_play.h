// Plays a scenario on a simulated cluster, in simulated time.
#pragma once

#include "lab/play.h"

namespace kvorum::lab {

// As play(): same scenario, seed and program, same record. Errors: kConfig, the scenario asks for a
// cluster that can't be; those of play(); a broken invariant; clients that wait for one another.
Result<RunRecord> play_simulated(const Scenario& scenario, const PlayOptions& options);

}  // namespace kvorum::lab
