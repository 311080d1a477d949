// A node that obeys its clients' test commands, a server that runs it, a client that talks to it,
// and the log.
#pragma once

#include <cstddef>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/server.h"
#include "store/store.h"
#include "wire/peer.h"
#include "wire/reply_parser.h"

namespace kvorum::net {

// Commands (answered in drain() but for PING and QUIT):
//   PING | QUIT | HELLO 3 | ECHO x | BIG n (n bytes) | HOLD and RELEASE (answers wait in between)
//   PAUSE (all clients, for 20 ms) | DISK (answered when a write came back) | LATER (after 20 ms) |
//   FATAL SEND node text (as a snapshot chunk) | FORWARD node text | LONG node bytes | RECEIVED |
//   LAST | PEERS
//   FAULT words | FAULTS (this node's rules) | CALL node words (a fault command for that node)
//   ("node:incarnation ...") REQUESTS (so far) | MOST (of one connection in one turn) | CONNECTIONS
//   | SENT (bytes to other nodes)
class TestNode final : public node::Node {
 public:
  TestNode(node::Connections& connections, NodeId self);

  void connect(node::ConnId conn, ByteView address, Now now) override;
  void disconnect(node::ConnId conn) override;
  void request(node::ConnId conn, std::span<const ByteView> args, Now now) override;
  void reject(node::ConnId conn, const Error& error, bool close, Now now) override;
  void peer_up(const PeerHello& peer, Now now) override;
  void peer_down(NodeId peer, Now now) override;
  void step(NodeId from, PartitionId partition, const raft::Message& message, Now now) override;
  void step(const Forward& forward, Now now) override;
  void step(dynamo::Message message, Now now) override;
  void step(const Query& query, Now now) override;
  void step(Answer answer, Now now) override;
  Incarnation replica() const override { return Incarnation(1); }
  const dynamo::Core* leaderless() const override { return nullptr; }
  Result<void> fault(ByteView command, Now now) override;
  void fault_answered(const node::FaultAnswer& answer, Now now) override;
  void step(node::DiskDone done, Now now) override;
  void tick(Now now) override;
  void drain(node::Output& out, Now now) override;
  void begin_shutdown(Now now) override;
  const raft::Raft* group(PartitionId) const override { return nullptr; }
  const kv::Machine* machine(PartitionId) const override { return nullptr; }
  bool writes(PartitionId) const override { return false; }
  bool idle() const override { return waiting_.empty(); }
  void set_client_count(std::size_t connected) override { clients_ = connected; }
  void add_peer_bytes(std::size_t sent) override { peer_bytes_ += sent; }

 private:
  struct Waiting {
    node::ConnId conn;
    std::vector<Bytes> args;
    std::optional<Error> error;
    bool close = false;
  };

  void answer(const Waiting& waiting, node::Output& out, Now now);
  void answer_count(const Waiting& waiting, ReplyWriter& reply);
  void send(const Waiting& waiting, node::Output& out);
  void answer_fault(const Waiting& waiting, node::Output& out, Now now);

  node::Connections& connections_;
  NodeId self_;
  std::deque<Waiting> waiting_;
  std::map<node::ConnId, std::size_t> this_turn_;
  std::vector<Bytes> received_;
  node::FaultTable faults_;
  bool faults_changed_ = false;
  std::map<NodeId, Incarnation> peers_;
  std::vector<node::ConnId> on_disk_;
  std::vector<node::ConnId> later_;
  Instant wake_at_ = Instant::max();
  std::uint64_t ticket_ = 0;
  std::size_t clients_ = 0;
  std::size_t peer_bytes_ = 0;
  std::size_t requests_ = 0;
  std::size_t most_ = 0;
  bool held_ = false;
  bool paused_ = false;
};

// Options on the loopback, any free port, with short time-outs.
ServerOptions test_options(std::uint64_t cluster = 7, std::uint32_t self = 1);

// Runs a server with a TestNode on a thread of its own.
class TestServer {
 public:
  explicit TestServer(const ServerOptions& options);
  ~TestServer();  // stops it
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  Server& server() { return *server_; }
  std::uint16_t client_port() const { return server_->client_port(); }
  std::uint16_t peer_port() const { return server_->peer_port(); }
  void start();
  int join();  // waits for run() to return, and gives its exit code

 private:
  std::unique_ptr<Server> server_;
  std::unique_ptr<TestNode> node_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<node::Disk> disk_;
  std::thread thread_;
  int exit_code_ = -1;
};

// Servers 1 and 2 of the given clusters, each told where the other one is.
struct Pair {
  explicit Pair(std::uint64_t cluster1 = 7, std::uint64_t cluster2 = 7)
      : Pair(options(cluster1, 1), options(cluster2, 2)) {}
  Pair(const ServerOptions& first, const ServerOptions& second) : one(first), two(second) {
    one.server().set_peer_address(NodeId(2), {"127.0.0.1", two.peer_port()});
    two.server().set_peer_address(NodeId(1), {"localhost", one.peer_port()});
  }

  static ServerOptions options(std::uint64_t cluster, std::uint32_t self) {
    auto made = test_options(cluster, self);
    made.peers = {{NodeId(1), {}}, {NodeId(2), {}}};
    return made;
  }

  void start() {
    one.start();
    two.start();
  }

  TestServer one;
  TestServer two;
};

// A blocking socket. Every wait has a deadline that fails the test.
class TestClient {
 public:
  explicit TestClient(std::uint16_t port, int receive_buffer = 0);
  ~TestClient();
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  void send(ByteView bytes);
  void shutdown_write();
  wire::Reply receive();
  wire::Reply call(std::initializer_list<Bytes> args);
  Bytes text(std::initializer_list<Bytes> args) { return call(args).text; }
  // Everything until the server closes; adds "[timeout]" if it does not, "[reset]" if it does so
  // rudely.
  Bytes read_to_end();

 private:
  int socket_ = -1;
  wire::ReplyParser parser_;
};

Bytes command(std::initializer_list<Bytes> args);

// Asks until the answer is `want`, or the deadline passes; gives the last answer.
Bytes ask_until(TestClient& client, std::initializer_list<Bytes> args, ByteView want);

// Collects what is logged while it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // The first line that holds `part`; empty if none comes in time.
  std::string wait_for(std::string_view part);
  std::size_t count(std::string_view part);

 private:
  struct Sink;
  std::shared_ptr<Sink> sink_;
};

}  // namespace kvorum::net
