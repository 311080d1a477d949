// The cluster that a scenario is played on.
#pragma once

#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "client/connection.h"
#include "lab/scenario.h"

namespace kvorum::lab {

// Thread: the one that plays the scenario.
class Stage {
 public:
  Stage() = default;
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  // All nodes, in the order of their ids, from 1; those that are down too.
  virtual const std::vector<client::Endpoint>& endpoints() const = 0;
  // Anything but kLinks. Has happened when it returns; a restarted node answers by then.
  virtual Result<void> act(FaultVerb verb, NodeId node) = 0;
  // Restarts and resumes what is down or frozen, and waits until all nodes serve.
  virtual Result<void> mend() = 0;
  // Somebody wants the play to end now.
  virtual bool interrupted() = 0;
};

}  // namespace kvorum::lab
