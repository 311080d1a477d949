// From a scenario's operations to what is sent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/prng.h"
#include "base/time.h"
#include "lab/scenario.h"
#include "sim/request.h"
#include "wire/reply_parser.h"

namespace kvorum::lab {

// What is sent at that level (empty: the connection's), and the record to be.
sim::Request make_request(const Operation& operation, const std::optional<Level>& level);

// ... by this client, whose connections are at the scenario's level.
sim::Request make_request(const Operation& operation, const ScenarioClient& client,
                          const Scenario& scenario);
// Fills in how it ended. kUnknown: it may have taken effect; any other error: it did not.
void conclude(sim::Request& request, const Result<wire::Reply>& reply);
// An answer that is an error is one here, too.
Result<wire::Reply> no_error(const std::vector<std::string>& words, wire::Reply reply);

// Whether what its session has seen is good at any node that it moves on to.
bool keeps_place(const ScenarioClient& client, const Scenario& scenario);

// Drawn evenly.
Duration draw(const DelayRange& range, Prng& prng);
// What such a client draws from when it sleeps.
Prng chance_of(const ScenarioClient& client, std::uint64_t seed);

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
// "20 ms"
std::string describe_time(Duration time);

}  // namespace kvorum::lab
