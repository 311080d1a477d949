// A scenario's stage of real server processes on this machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/cluster_run.h"
#include "lab/stage.h"

namespace kvorum::app {

class ProcessStage final : public lab::Stage {
 public:
  // Forms and starts the scenario's cluster in a directory that must not hold one; it serves when
  // this returns. Signals must be held. Errors: kConfig, the scenario asks for a cluster that can't
  // be; kIo, a port is in use; else a node does not start.
  static Result<std::unique_ptr<ProcessStage>> start(const lab::Scenario& scenario,
                                                     const std::string& directory);
  ~ProcessStage() override;

  const std::vector<client::Endpoint>& endpoints() const override { return endpoints_; }
  Result<void> act(lab::FaultVerb verb, NodeId node) override;
  Result<void> mend() override;
  bool interrupted() override;

  const ClusterDir& dir() const { return dir_; }
  // Ends all processes in order.
  void stop();

 private:
  ProcessStage(const std::string& directory, ClusterConfig config);
  Result<void> run(NodeId node);
  Result<void> await_whole();
  void end(NodeId node, int signal);
  std::optional<Member>& member(NodeId node) { return members_[node.value() - 1]; }

  ClusterDir dir_;
  const ClusterConfig config_;
  std::vector<client::Endpoint> endpoints_;
  std::vector<std::optional<Member>> members_;  // by id; empty: down
  std::vector<bool> frozen_;
  bool interrupted_ = false;
};

}  // namespace kvorum::app
