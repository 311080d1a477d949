// The connection over which this node sends to one other node. Dials, greets, sends, and dials
// again when it breaks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "model/forward.h"
#include "net/link_faults.h"
#include "net/log_limit.h"
#include "net/loop.h"
#include "net/out_buffer.h"
#include "net/server.h"
#include "node/node.h"
#include "wire/peer.h"

namespace kvorum::net {

// Why two nodes must not talk, as both see it; empty if they may.
std::string mismatch(const ServerOptions& ours, const PeerHello& theirs);

class PeerLink {
 public:
  PeerLink(Loop& loop, const ServerOptions& options, const Peer& peer);

  NodeId node() const { return peer_.node; }
  const Address& address() const { return peer_.address; }
  void set_address(const Address& address) { peer_.address = address; }

  // `self` makes the hello to send.
  void start(node::Node& node, std::function<PeerHello()> self);
  // The peer was heard of: if the link waits for its next attempt, that is now.
  void nudge();

  // Queue for the end of the turn. Dropped while the link is down or its queue is full: Raft sends
  // again.
  void send(PartitionId partition, const raft::Message& message);
  void send(const Forward& forward);
  void send(const dynamo::Message& message);
  void send(const Query& query);
  void send(const Answer& answer);
  void flush();

  // The rules of KV.FAULT from now on, of all links. Those for what comes from the peer are for its
  // sessions (net/peer_port.h).
  void set_faults(const std::vector<node::FaultRule>& rules);
  LinkFaults& faults() { return faults_; }
  bool cut() const { return faults_.cut(); }

  // Whose bytes may be believed: the incarnation that the peer at our end of the link named last.
  // Empty: none yet.
  std::optional<Incarnation> incarnation() const { return incarnation_; }

 private:
  enum class State : std::uint8_t { kWaiting, kDialling, kGreeting, kUp };
  static constexpr std::size_t kReadBytes = 1024;
  static constexpr std::size_t kKeptOutput = std::size_t{4} << 20;

  void dial();
  void connect(const Tcp::endpoint& endpoint);
  void greet();
  void read();
  void on_read(std::size_t count);
  void on_hello(const PeerHello& hello);
  void fall(const std::string& why);
  void redial_later();
  bool may_queue();
  void queued(std::size_t start);
  void too_long(const char* what);

  Loop& loop_;
  const ServerOptions& options_;
  Peer peer_;
  node::Node* node_ = nullptr;
  std::function<PeerHello()> self_;

  State state_ = State::kWaiting;
  std::uint64_t attempt_ = 0;  // handlers of an older one do nothing
  Socket socket_;
  Resolver resolver_;
  Timer timer_;  // until the next attempt, or the end of this one's patience
  wire::FrameParser parser_{wire::kMaxHelloBytes};
  OutBuffer out_{kKeptOutput};
  LinkFaults faults_;
  bool writing_ = false;   // waiting until the socket takes more
  bool overfull_ = false;  // told once per link that messages are dropped
  std::optional<Incarnation> incarnation_;

  Duration backoff_;
  Prng prng_;
  LogLimit log_limit_;
  std::array<char, kReadBytes> buffer_;
};

}  // namespace kvorum::net
