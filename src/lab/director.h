// Conducts a play: what comes before the clients, the faults among them, and what comes after.
#pragma once

#include "lab/play.h"
#include "lab/venue.h"

namespace kvorum::lab {

// As play() says, in a venue whose cluster serves.
Result<RunRecord> conduct(const Scenario& scenario, Venue& venue, const PlayOptions& options);

}  // namespace kvorum::lab
