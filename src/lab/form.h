// The cluster that a scenario is to be played on.
#pragma once

#include <string>

#include "base/error.h"
#include "base/time.h"
#include "lab/scenario.h"
#include "model/keyspace.h"

namespace kvorum::lab {

struct Formation {
  Keyspace main;
  std::string level;  // of requests that name none, in the words of `kvorum cluster start`
  Duration election_timeout{};
  Duration heartbeat{};
  Duration request_timeout{};
};

// kConfig: the scenario asks for a cluster that can't be.
Result<Formation> form(const Scenario& scenario);

}  // namespace kvorum::lab
