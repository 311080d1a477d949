// The parts of parse_scenario.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lab/json_reader.h"
#include "lab/scenario.h"

namespace kvorum::lab {

// A level's word; 1 and 9 may also stand as numbers.
void read_level(const Object& object, std::optional<Level>& out);
// The fields `client` and `requests`.
Await read_await(const Object& object);
// The fields `do` and `node`.
FaultAction read_action(const Object& object, std::uint32_t nodes);
void read_clients(const Object& file, Scenario& scenario);
void read_workload(const Object& object, Scenario& scenario);
void read_expectations(const Object& file, Scenario& scenario);

// What no field can tell alone: levels and replicas, waits, sightings, leaders.
void check_scenario(const Object& file, const Scenario& scenario);

}  // namespace kvorum::lab
