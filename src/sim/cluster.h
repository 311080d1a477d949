// A simulated cluster: servers, the network between them, their clients' connections, and the
// invariants that are looked at after every turn. What its clients ask, and what goes wrong, is for
// others: a run of `kvorum sim`, or the play of a scenario.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/prng.h"
#include "model/fault.h"
#include "sim/events.h"
#include "sim/failure.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/server.h"
#include "sim/trace.h"
#include "sim/watch.h"
#include "sim/workload.h"

namespace kvorum::sim {

// Who looks on.
class Audience {
 public:
  virtual ~Audience() = default;
  // For clients.
  virtual void reply(std::uint64_t conn, ByteView bytes) = 0;
  virtual void hung_up(std::uint64_t conn) = 0;
  // An answer leaves its node.
  virtual void answered(std::uint64_t, ByteView) {}
  virtual void started(const Server&) {}
  virtual void turned(const Server&) {}
  // By itself, after a stop or for what it found.
  virtual void exited(NodeId, bool /*disk_damaged*/) {}
};

class Cluster final : public Access, private Hosts, private ServerHost {
 public:
  Cluster(const Options& options, const Trace::Sink& sink, Audience& audience);

  // Of clients. Connections are numbered by them, each number once.
  bool connect(NodeId node, std::uint64_t conn) override;
  void request(std::uint64_t conn, Bytes bytes) override;
  void disconnect(std::uint64_t conn) override;

  // Of nodes. Those that are up already stay so, and those that are down.
  void start(NodeId node);
  void kill(NodeId node);
  void stop(NodeId node);  // takes its time: over when it no longer runs
  void freeze(NodeId node, bool on);
  bool running(NodeId node) const override { return servers_.at(node)->running(); }
  void fault(const FaultCommand& command) { network_.fault(command); }

  // The next event. False: none is left, or something broke.
  bool step() { return failure_ == Failure::kNone && events_.step(); }
  Instant now() const { return events_.now(); }
  void at(Instant when, EventQueue::Run run) { events_.at(when, std::move(run)); }

  // Of the newest term that somebody leads.
  std::optional<NodeId> leader(PartitionId partition) const;
  // Why it is not at rest; empty: all nodes run, and those of a group have applied the same.
  std::string unrest() const;

  // Something broke. The first one counts.
  void fail(Failure failure, const char* kind, const std::string& why);
  Failure failure() const { return failure_; }
  const std::string& kind() const { return kind_; }
  const std::string& why() const { return why_; }

  // For the parts of a run.
  const Options& options() const { return options_; }
  EventQueue& events() { return events_; }
  Trace& trace() { return trace_; }
  Network& network() { return network_; }
  std::map<NodeId, std::unique_ptr<Server>>& servers() { return servers_; }
  const Watch& watch() const { return watch_; }

 private:
  // Hosts
  Bytes hello(NodeId node) const override { return servers_.at(node)->hello(); }
  void connected(NodeId node, NodeId peer, Bytes hello) override {
    servers_.at(node)->connected(peer, std::move(hello));
  }
  void disconnected(NodeId node, NodeId peer) override { servers_.at(node)->disconnected(peer); }
  void packet(NodeId from, NodeId to, Bytes frames) override {
    servers_.at(to)->packet(from, std::move(frames));
  }

  // ServerHost
  void on_turn(NodeId node, const node::Output& out) override;
  void send(NodeId from, NodeId to, Bytes frames) override {
    network_.send(from, to, std::move(frames));
  }
  void reset(NodeId from, NodeId to) override { network_.reset(from, to); }
  void reply(ConnId conn, Bytes bytes) override;
  void hang_up(ConnId conn) override;
  void exited(NodeId node, bool disk_damaged) override;

  std::string unrest(PartitionId id) const;

  struct Route {
    NodeId node;
    Prng delays;
    Instant last_in{};  // a connection's bytes never overtake one another
    Instant last_out{};
  };

  const Options options_;
  Audience& audience_;
  EventQueue events_;
  Trace trace_;
  std::map<NodeId, std::unique_ptr<Server>> servers_;
  Network network_;
  Watch watch_;
  std::map<std::uint64_t, Route> routes_;
  Failure failure_ = Failure::kNone;
  std::string kind_;
  std::string why_;
};

}  // namespace kvorum::sim
