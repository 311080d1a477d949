// What came of a play: is its history what the scenario's model allows, and was seen what it
// expects?
#pragma once

#include <chrono>

#include "check/history.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// The history as the judge takes it, with the scenario's initial values.
check::History history_of(const RunRecord& record);

// Fills in the verdict and what was expected. The judge may take `budget` for each model.
void judge(const check::History& history, std::chrono::nanoseconds budget, RunRecord& record);

enum class PlayResult : std::uint8_t { kMet, kNotMet, kUndecided };
PlayResult result_of(const RunRecord& record);

// What was seen, as `never` and `once` say it: the last gets of the play.
bool was_seen(const RunRecord& record, const std::vector<Sighting>& sightings);
std::string describe(const std::vector<Sighting>& sightings);

}  // namespace kvorum::lab
