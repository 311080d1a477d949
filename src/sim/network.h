// The network between nodes: packets of whole frames, each with its own delay and fate, over
// directed connections that come up with a handshake and break like TCP's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/prng.h"
#include "sim/events.h"
#include "sim/link_faults.h"
#include "sim/options.h"

namespace kvorum::sim {

// The nodes, as the network sees them.
class Hosts {
 public:
  virtual ~Hosts() = default;
  virtual bool running(NodeId node) const = 0;
  virtual Bytes hello(NodeId node) const = 0;  // its handshake frame
  virtual void connected(NodeId node, NodeId peer, Bytes hello) = 0;
  virtual void disconnected(NodeId node, NodeId peer) = 0;
  virtual void packet(NodeId from, NodeId to, Bytes frames) = 0;
};

class Network {
 public:
  Network(EventQueue& events, Hosts& hosts, const Options& options);

  void send(NodeId from, NodeId to, Bytes frames);
  // One direction. What is on its way when it is cut is lost.
  void cut(NodeId from, NodeId to);
  void heal(NodeId from, NodeId to);
  bool is_cut(NodeId from, NodeId to) const {
    return cuts_.contains({from, to}) || faults_.is_cut(from, to);
  }
  // Packets on this link take this much longer.
  void clog(NodeId from, NodeId to, Duration extra);
  // KV.FAULT. Both ends of a link that it cuts know at once.
  void fault(const FaultCommand& command);
  // The node came up: its connections are made.
  void started(NodeId node);
  // The node is gone. A process that ends closes its connections, and its peers hear of it at once.
  // Without power nobody is told: peers send into silence until their patience ends, or until the
  // machine is up again and knows nothing of the connection.
  void crashed(NodeId node, bool power);
  // The receiver found garbage: the connection is closed and made anew.
  void reset(NodeId from, NodeId to);
  // Ends every fault of the network for good.
  void calm();

  std::uint64_t packets() const { return packets_; }
  std::uint64_t lost() const { return lost_; }

 private:
  struct Link {
    Link(std::uint64_t seed, NodeId from, NodeId to);

    bool up = false;
    std::uint64_t epoch = 0;  // of the connection; packets of an older one are lost
    bool trying = false;
    bool silent = false;  // the machine at its other end lost power since it came up
    Instant last_arrival{};
    Duration clogged{};
    Prng delays, losses, duplicates, disorder, damages, dials, notices;
  };

  void try_link(NodeId from, NodeId to);
  void break_link(NodeId from, NodeId to, bool tell);
  void notice_later(NodeId from, NodeId to);
  void refuse(NodeId from, NodeId to);
  void transmit(NodeId from, NodeId to, Bytes frames);
  void deliver(NodeId from, NodeId to, Duration takes, Bytes frames);
  void arrive(NodeId from, NodeId to, std::uint64_t epoch, Bytes frames);
  bool chance(Prng& prng, std::int64_t ppm) const {
    return !calm_ && ppm > 0 && prng.chance(static_cast<std::uint64_t>(ppm), 1'000'000);
  }
  Duration delay(Prng& prng) const;

  EventQueue& events_;
  Hosts& hosts_;
  const Options& options_;
  std::map<std::pair<NodeId, NodeId>, Link> links_;
  std::set<std::pair<NodeId, NodeId>> cuts_;
  LinkFaults faults_;
  bool calm_ = false;
  std::uint64_t packets_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace kvorum::sim
