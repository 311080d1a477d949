// One node's sockets, timer and disk thread: moves bytes between them and node::Node, and decides
// nothing.
//
// Order of calls: open() binds the ports; Node::open() gets the server as its Connections; run()
// serves until a signal, stop() or a fatal error. Everything but stop() belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "front/front.h"
#include "node/disk.h"
#include "node/node.h"
#include "wire/resp.h"

namespace kvorum::net {

struct Address {
  std::string host =
      "127.0.0.1";  // a name or an IP address; nothing but the loopback unless told otherwise
  std::uint16_t port = 0;  // 0: any free one
};

struct Peer {
  NodeId node;
  Address address;
};

// A port beside the one for RESP, for clients of another protocol.
struct FrontPort {
  Address address;
  front::Factory make;
  std::string refusal;  // what a client beyond max_clients is sent
};

struct ServerOptions {
  ClusterId cluster;
  NodeId self;
  Incarnation incarnation;
  Address clients;                // where RESP clients connect
  Address peer_listener;          // where the other nodes connect
  std::vector<Peer> peers;        // the other nodes; `self` is skipped if it is among them
  std::vector<FrontPort> fronts;  // at most ClientPort::kMaxPorts - 1

  std::size_t max_clients = 10'000;  // of all ports; above: an error and a closed connection
  wire::RequestLimits requests;
  std::size_t output_pause_bytes = std::size_t{1}
                                   << 20;  // unsent replies; above: that client is not read from
  // Above, a client is cut off: at once when a further reply comes, else when it stays above for so
  // long.
  std::size_t output_limit_bytes = std::size_t{64} << 20;
  Duration output_patience = 10s;
  // Frames from peers may have requests.request_bytes + kMaxEntryBytes + this: room for the longest
  // run.
  static constexpr std::size_t kFrameRoom = std::size_t{1} << 20;
  std::size_t peer_queue_bytes = std::size_t{64}
                                 << 20;  // unsent bytes to one peer; above: messages are dropped
  Duration handshake_timeout = 2s;
  Duration min_redial = 50ms;  // between attempts to reach a peer: doubles, with jitter,
  Duration max_redial = 1s;    // up to this
  Duration shutdown_patience = 2s;
  bool handle_signals = true;  // SIGTERM and SIGINT stop run()
};

class Server final : public node::Connections {
 public:
  // Binds all ports and raises the limit on open files. kConfig, "port 7001 is in use", when one
  // is taken.
  static Result<std::unique_ptr<Server>> open(ServerOptions options);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t client_port() const;
  std::uint16_t peer_port() const;
  std::uint16_t front_port(std::size_t number) const;  // of ServerOptions::fronts

  // Tells where a peer is reached, before run(): for tests, whose ports are not known before they
  // are open.
  void set_peer_address(NodeId peer, Address address);

  // Serves. 0: shut down cleanly; 1: the node reported a fatal error, which was logged. Call it
  // once.
  int run(node::Node& node, node::Disk& disk);

  // Begins the shutdown, as SIGTERM does. From any thread, also before run().
  void stop();

  ReplyWriter& reply(node::ConnId conn) override;
  void set_protocol(node::ConnId conn, int version) override;
  void close_after_replies(node::ConnId conn) override;
  void pause(bool on) override;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kvorum::net
