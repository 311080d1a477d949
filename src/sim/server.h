// A simulated machine: a node with its disk, its clock and its clients' connections. Its turns take
// time, so that what arrives meanwhile is one batch, as in net/.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "node/identity.h"
#include "node/node.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/events.h"
#include "sim/options.h"
#include "sim/trace.h"
#include "wire/peer.h"
#include "wire/resp.h"
#include "wire/resp_writer.h"

namespace kvorum::sim {

using node::ConnId;

// Who a server tells what happens.
class ServerHost {
 public:
  virtual ~ServerHost() = default;
  // A turn's effects, before any of them leaves the node.
  virtual void on_turn(NodeId node, const node::Output& out) = 0;
  virtual void send(NodeId from, NodeId to, Bytes frames) = 0;
  virtual void reset(NodeId from, NodeId to) = 0;  // garbage came in on that connection
  virtual void reply(ConnId conn, Bytes bytes) = 0;
  virtual void hang_up(ConnId conn) = 0;                    // the server closes, or died
  virtual void exited(NodeId node, bool disk_damaged) = 0;  // by itself: a fatal error, or a stop
};

class Server final : private node::Connections {
 public:
  Server(NodeId id, const Options& options, EventQueue& events, Trace& trace, ServerHost& host);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void start();
  // With `power` the machine's end, which its clients are not told of; else the process's.
  void crash(bool power);
  void stop();  // hands over what it leads, then exits
  void wipe();  // of a server that is down: an empty disk, which the operator knows to be empty
  // A start, a read or, after so many, a write finds it.
  void damage(Damage part, std::uint64_t writes) { store_->damage(part, writes); }
  void fail_next_write() { store_->fail_next_write(true); }
  void heal_disk() { store_->fail_next_write(false); }
  void slow_disk(std::int64_t factor);
  void freeze(bool on);  // SIGSTOP: no turns, while its clocks run on
  void slow(std::int64_t factor) { factor_ = factor; }
  Clock& clock() { return clock_; }

  NodeId id() const { return id_; }
  bool running() const { return node_ != nullptr; }
  bool frozen() const { return frozen_; }
  bool wiped() const { return lost_ != nullptr; }
  Incarnation incarnation() const { return incarnation_; }
  bool damaged() const { return store_->damaged(); }
  const node::Node& node() const { return *node_; }
  const SimStore& store() const { return *store_; }
  const SimStore* lost_store() const { return lost_.get(); }  // before wipe(); null: never wiped
  Bytes hello() const;

  void connected(NodeId peer, Bytes hello);
  void disconnected(NodeId peer);
  void packet(NodeId from, Bytes frames);
  void connect(ConnId conn);
  void request(ConnId conn, Bytes bytes);
  void disconnect(ConnId conn);

 private:
  struct PeerUp {
    NodeId peer;
    Bytes hello;
  };
  struct PeerDown {
    NodeId peer;
  };
  struct Packet {
    NodeId from;
    Bytes frames;
  };
  struct Connect {
    ConnId conn;
  };
  struct Request {
    ConnId conn;
    Bytes bytes;
  };
  struct Disconnect {
    ConnId conn;
  };
  using Input =
      std::variant<PeerUp, PeerDown, Packet, Connect, Request, Disconnect, node::DiskDone>;

  // One for each purpose, so that more draws for one leave the others alone.
  struct Chances {
    Chances(std::uint64_t seed, NodeId id);
    Prng incarnations, boots, disks, fetches, crashes, turns;
  };

  struct Conn {
    Bytes out;
    wire::RespWriter writer{out};
    wire::RequestParser parser;
    bool closing = false;
  };

  // node::Connections
  ReplyWriter& reply(ConnId conn) override;
  void set_protocol(ConnId conn, int version) override;
  void close_after_replies(ConnId conn) override;
  void pause(bool on) override { hold_clients_ = on; }

  void take(Input input);
  void schedule(Instant when);
  void turn();
  void defer_some(std::vector<Input>& inputs);
  void feed(Input& input, Now now);
  void feed_packet(NodeId from, ByteView frames, Now now);
  void feed_request(ConnId conn, ByteView bytes, Now now);
  void send_messages();
  void flush();
  void exit(bool disk_damaged);

  NodeId id_;
  const Options& options_;
  EventQueue& events_;
  Trace& trace_;
  ServerHost& host_;
  Chances chances_;
  Clock clock_;
  std::unique_ptr<SimStore> store_;
  std::unique_ptr<SimStore> lost_;
  std::unique_ptr<SimDisk> disk_;
  std::unique_ptr<SimDisk> fetcher_;  // on the same store
  std::unique_ptr<node::Node> node_;
  node::Output out_;
  std::vector<Input> inbox_;
  std::vector<Request> held_;  // of clients that are not read from
  std::map<ConnId, std::unique_ptr<Conn>> conns_;
  std::vector<ConnId> touched_;
  std::map<NodeId, Bytes> outgoing_;
  Incarnation incarnation_;
  bool formed_ = false;
  bool frozen_ = false;
  bool thawed_ = false;  // since its last turn, so much has piled up
  bool stopping_ = false;
  bool hold_clients_ = false;
  std::int64_t factor_ = 1;
  std::int64_t disk_factor_ = 1;
  Instant scheduled_ = Instant::max();  // the turn that will happen; others that ring are stale
  Instant busy_until_{};
  Instant wake_at_ = Instant::max();  // true time
  Instant stop_at_ = Instant::max();
  std::uint64_t epoch_ = 0;  // of the process
};

}  // namespace kvorum::sim
