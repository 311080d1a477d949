// The cluster that a scenario is played on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "client/client.h"
#include "lab/dialect.h"
#include "lab/scenario.h"
#include "model/fault.h"
#include "wire/reply_parser.h"

namespace kvorum::lab {

// What is not said otherwise is as our own nodes have it. Thread: the one that plays the scenario.
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

  virtual const Dialect& dialect() const { return kvorum_dialect(); }
  // Whoever leads partition 1 now, if anybody does.
  virtual std::optional<NodeId> leader();
  // `words` are those of the command, behind KV.FAULT.
  virtual Result<void> put_links(const FaultCommand& command, const std::string& words);
  // What each node holds of the key, in the form of KV.SEARCH's answer.
  virtual Result<wire::Reply> search(const std::string& key);
  // Everything that the play before left goes.
  virtual Result<void> clear();

  // Any node that answers is asked. An answer that is an error is one here, too.
  Result<wire::Reply> ask(const std::vector<std::string>& words, client::Repeat repeat);
};

}  // namespace kvorum::lab
