// The port that other nodes dial, and what they send over it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/listener.h"
#include "net/log_limit.h"
#include "net/loop.h"
#include "net/server.h"
#include "node/node.h"
#include "wire/peer.h"

namespace kvorum::net {

class PeerLink;
class PeerPort;

// One incoming connection. It owes a hello first; what follows goes to the node, frame by frame.
class PeerSession : public std::enable_shared_from_this<PeerSession> {
 public:
  PeerSession(PeerPort& port, Socket socket);
  void start();
  void close();
  NodeId node() const { return node_; }  // 0 before its hello

 private:
  static constexpr std::size_t kReadBytes = std::size_t{64} << 10;

  void read();
  void on_read(std::size_t count);
  // False: the connection was closed.
  bool on_frame(wire::Frame& frame, std::size_t bytes);
  void deliver(wire::Frame frame);
  bool on_fault(const FaultFrame& frame);
  void answer_fault(const Result<void>& done);
  bool on_hello(const PeerHello& hello);
  bool from_peer(NodeId from, NodeId to);
  void answer_hello();
  void refuse(const std::string& why);

  PeerPort& port_;
  Socket socket_;
  Timer timer_;  // the hello's
  std::string address_;
  NodeId node_;
  Incarnation incarnation_;
  wire::FrameParser parser_{wire::kMaxHelloBytes};
  std::array<char, kReadBytes> buffer_;
};

class PeerPort {
 public:
  PeerPort(Loop& loop, const ServerOptions& options)
      : loop_(loop), options_(options), listener_(loop) {}

  Result<void> open() { return listener_.open(options_.peer_listener); }
  std::uint16_t port() const { return listener_.port(); }
  void start(node::Node& node, std::function<PeerHello()> self,
             std::function<PeerLink*(NodeId)> link);

  // For sessions.
  Loop& loop() { return loop_; }
  const ServerOptions& options() const { return options_; }
  node::Node& node() { return *node_; }
  PeerHello self() const { return self_(); }
  PeerLink* link(NodeId node) const { return link_(node); }
  LogLimit& log_limit() { return log_limit_; }
  void replace_older(const PeerSession& session);
  void close_all();  // they dial and greet anew
  void close_cut();  // what comes from peers whose link is cut
  void forget(const PeerSession& session);

 private:
  static constexpr std::size_t kMaxSessions = 256;

  void accept(Socket socket);

  Loop& loop_;
  const ServerOptions& options_;
  Listener listener_;
  node::Node* node_ = nullptr;
  std::function<PeerHello()> self_;
  std::function<PeerLink*(NodeId)> link_;
  LogLimit log_limit_;
  std::vector<std::shared_ptr<PeerSession>> sessions_;
};

}  // namespace kvorum::net
