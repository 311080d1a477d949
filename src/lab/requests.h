// From a scenario's operations to what is sent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "lab/scenario.h"
#include "sim/request.h"

namespace kvorum::lab {

// What is sent at that level (empty: the connection's), and the record to be.
sim::Request make_request(const Operation& operation, const std::optional<Level>& level);

// The requests of one client of a random load. Values are written once.
std::vector<Step> draw_steps(const RandomLoad& load, std::uint32_t client, Prng& prng);

// Every key that the scenario names, ascending.
std::vector<std::string> keys_of(const Scenario& scenario);

// Clients with steps and those of the load, in the order of their numbers.
std::vector<ScenarioClient> cast_of(const Scenario& scenario, std::uint64_t seed);

// "put a = 10", "get a", "cas a from 1 to 2".
std::string describe(const HistoryRecord& record);
// What came of it: "ok", "10", "absent", "failed: ...", "unknown".
std::string describe_outcome(const HistoryRecord& record);

}  // namespace kvorum::lab
