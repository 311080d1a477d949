// The cluster that a scenario is to be played on.
#pragma once

#include "base/error.h"
#include "base/time.h"
#include "lab/scenario.h"
#include "model/keyspace.h"
#include "model/level.h"

namespace kvorum::lab {

struct Formation {
  Keyspace main;
  Level level;  // of reads that name none
  Duration election_timeout{};
  Duration heartbeat{};
  Duration request_timeout{};
};

// kConfig: the scenario asks for a cluster that can't be.
Result<Formation> form(const Scenario& scenario);

}  // namespace kvorum::lab
