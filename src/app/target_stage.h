// A Redis or Valkey that runs already as a scenario's stage: a master and its replicas.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "client/client.h"
#include "lab/stage.h"

namespace kvorum::app {

struct Target {
  std::vector<client::Endpoint> endpoints;  // node i is the i-th; the first is the master
  std::uint32_t wait = 0;                   // replicas that must acknowledge a write
  bool replica_reads = false;
};

// redis://host:port,host:port,... Errors: kConfig.
Result<std::vector<client::Endpoint>> parse_target(const std::string& url);

// What docs/scenarios.md says of faults: a node is killed by SHUTDOWN, a replica that is cut off
// from its master follows nobody, and the next node takes a dead master's place.
class TargetStage final : public lab::Stage {
 public:
  // Signals must be held. Errors: kConfig, such a scenario can't be played on a target; else the
  // target does not answer, is no master with replicas, or holds keys.
  static Result<std::unique_ptr<TargetStage>> open(const lab::Scenario& scenario,
                                                   const Target& target);
  // Heals all links, and leaves no keys.
  ~TargetStage() override;

  const std::vector<client::Endpoint>& endpoints() const override { return endpoints_; }
  Result<void> act(lab::FaultVerb verb, NodeId node) override;
  Result<void> mend() override { return {}; }  // nobody restarts what was killed
  bool interrupted() override;
  const lab::Dialect& dialect() const override { return dialect_; }
  std::optional<NodeId> leader() override { return master_; }
  Result<void> put_links(const FaultCommand& command, const std::string& words) override;
  Result<wire::Reply> search(const std::string& key) override;
  Result<void> clear() override;

 private:
  struct Node {
    client::Client client;
    bool runs = true;
    NodeId follows;  // 0: nobody
  };

  explicit TargetStage(const Target& target);
  Result<void> look();
  Result<void> await_replica(NodeId node);
  Result<void> kill(NodeId node);
  Result<void> arrange();
  Result<void> follow(NodeId node, NodeId master);
  Result<void> await(const std::function<Result<bool>()>& condition, const std::string& what);
  Result<wire::Reply> ask_node(NodeId node, const std::vector<std::string>& words,
                               client::Repeat repeat);
  Node& node(NodeId id) { return nodes_[id.value() - 1]; }
  std::vector<NodeId> running() const;

  const std::vector<client::Endpoint> endpoints_;
  const lab::RedisDialect dialect_;
  std::vector<Node> nodes_;
  NodeId master_{1};
  std::set<std::tuple<FaultKind, NodeId, NodeId>> broken_;  // links, the lower end first
  bool ours_ = false;                                       // it was empty, so we may empty it
  bool interrupted_ = false;
};

}  // namespace kvorum::app
