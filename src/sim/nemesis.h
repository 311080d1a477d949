// What goes wrong in a run, and when: each kind of fault comes at its own rate and lasts for a
// while. Bounded so that the cluster can recover: disks are lost on a minority of the voters only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/prng.h"
#include "sim/events.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/server.h"

namespace kvorum::sim {

class Nemesis {
 public:
  using Servers = std::map<NodeId, std::unique_ptr<Server>>;
  using Start = std::function<void(NodeId)>;

  Nemesis(const Options& options, EventQueue& events, Network& network, Servers& servers,
          Trace& trace, Prng prng, Start start);

  void begin();
  // Ends every fault and starts every server; no more will come.
  void end();
  // A server went down by itself. It is started again after a while, on an empty disk if its own
  // is damaged.
  void exited(NodeId node, bool disk_damaged);

  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  void every(std::int64_t mean_ms, const char* name, std::function<void()> strike);
  Duration lasts();
  Server& any();
  Server& victim();
  bool may_lose_disk(const Server& server) const;
  void count(const char* name, NodeId node);
  void restart_later(NodeId node);
  void crash();
  void stop();
  void freeze();
  void slow();
  void cut();
  void clog();
  void slow_disk();
  void fail_disk();
  void lose_disk();
  void jump_clock();

  const Options& options_;
  EventQueue& events_;
  Network& network_;
  Servers& servers_;
  Trace& trace_;
  Prng prng_;
  Start start_;
  bool over_ = false;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvorum::sim
