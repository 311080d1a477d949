// What goes wrong in a run, and when: each kind of fault comes at its own rate and lasts for a
// while. Bounded so that the cluster can recover: disks are lost on a minority of the voters only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

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
          Trace& trace, Start start);

  void begin();
  // Ends every fault and starts every server; no more will come.
  void end();
  // A server went down by itself. It is started again after a while, on an empty disk if its own
  // is damaged.
  void exited(NodeId node, bool disk_damaged);

  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  // One kind of fault. It has a generator of its own, and so has each of its strikes: how much one
  // of them draws changes nothing for those that follow.
  struct Kind {
    Duration mean;
    Prng prng;
    std::function<void(Prng&)> strike;
  };

  void every(std::int64_t mean_ms, const char* name, void (Nemesis::*strike)(Prng&));
  void next(Kind& kind);
  Duration lasts(Prng& prng) const;
  Server& any(Prng& prng);
  Server& victim(Prng& prng);
  bool may_lose_disk(const Server& server) const;
  void count(const char* name, NodeId node);
  void restart_later(NodeId node, Duration after);
  void take_down(Server& server, bool power);
  void crash(Prng& prng);
  void stop(Prng& prng);
  void freeze(Prng& prng);
  void slow(Prng& prng);
  void cut(Prng& prng);
  void clog(Prng& prng);
  void slow_disk(Prng& prng);
  void fail_disk(Prng& prng);
  void lose_disk(Prng& prng);
  void damage_disk(Prng& prng);
  void jump_clock(Prng& prng);

  const Options& options_;
  EventQueue& events_;
  Network& network_;
  Servers& servers_;
  Trace& trace_;
  Start start_;
  std::vector<std::unique_ptr<Kind>> kinds_;
  std::map<NodeId, Prng> restarts_;  // of servers that went down by themselves
  bool over_ = false;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace kvorum::sim
