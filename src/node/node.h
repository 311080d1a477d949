// One replica's brain: client commands in, replies and peer messages out. It orders writes through
// raft/, serves reads from kv/, keeps each connection's order, and forwards to leaders. No socket,
// clock or thread: net/ moves its bytes, sim/ its simulated ones. One thread calls it.
//
// The idea in four sentences. Every node answers its own clients from its own applied state; a
// leader only orders. A write is encoded once into the node's outbox and goes as part of a numbered
// run to the leader, who makes one entry of a turn's runs. When the node applies an entry that
// holds its own run, it answers each write, and each read that waits around it, at exactly that
// point of the order. A read without such a write waits for a confirmed read index, or, at weaker
// levels, for nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "dynamo/core.h"
#include "kv/machine.h"
#include "model/forward.h"
#include "model/level.h"
#include "model/query.h"
#include "model/reply.h"
#include "node/disk.h"
#include "node/faults.h"
#include "node/options.h"
#include "raft/raft.h"
#include "store/store.h"

namespace kvorum::node {

// The client connections, as the node sees them: where replies go. Implemented by net/ and sim/.
class Connections {
 public:
  virtual ~Connections() = default;
  // Writer into the connection's output. Replies come in the order of its requests, each written
  // whole before the next.
  virtual ReplyWriter& reply(ConnId conn) = 0;
  virtual void set_protocol(ConnId conn, int version) = 0;  // 2 or 3, from the next reply on
  virtual void close_after_replies(ConnId conn) = 0;        // QUIT, protocol errors
  virtual void pause(
      bool on) = 0;  // stop (or go on) reading from all clients: the node's queues are full
};

// One turn's effects. The caller clears and reuses it.
struct Output {
  struct PeerMessage {
    PartitionId partition;
    raft::Message message;  // message.to says where
  };
  std::vector<DiskJob> disk;  // to node::Disk, in order
  std::vector<DiskJob>
      fetches;  // to another node::Disk of the same store, which waits for no write
  std::vector<PeerMessage> messages;
  std::vector<Forward> forwards;
  std::vector<dynamo::Message> leaderless;  // each names its receiver
  std::vector<Query> queries;
  std::vector<Answer> answers;
  std::optional<std::vector<FaultRule>> fault_rules;  // the ones in force from now on
  std::vector<FaultCall> fault_calls;
  bool greet_again = false;  // replica() is another one: peers must shake hands with this node anew
  std::vector<LogLine> log;
  Instant wake_at = Instant::max();
  std::string
      fatal;  // not empty: stop the process with this text; nothing more may be acknowledged

  void clear();
};

class Node {
 public:
  // Reads the store (identity is checked by the caller, node/identity.h) and rebuilds every
  // partition.
  static Result<std::unique_ptr<Node>> open(const Options& options, const store::Store& store,
                                            Connections& connections, Now now);
  virtual ~Node() = default;

  // Clients. `args` and their bytes are borrowed during the call. disconnect() may still reply.
  virtual void connect(ConnId conn, ByteView address, Now now) = 0;
  virtual void disconnect(ConnId conn) = 0;
  virtual void request(ConnId conn, std::span<const ByteView> args, Now now) = 0;
  // A request that the parser refused: its error takes its place in the connection's order.
  virtual void reject(ConnId conn, const Error& error, bool close, Now now) = 0;

  // Peers. A link is the outgoing one; what arrives on incoming ones comes through step().
  virtual Incarnation replica() const = 0;  // for the handshake: who makes this node's dots
  virtual void peer_up(const PeerHello& peer, Now now) = 0;
  virtual void peer_down(NodeId peer, Now now) = 0;
  virtual void step(NodeId from, PartitionId partition, const raft::Message& message, Now now) = 0;
  virtual void step(const Forward& forward, Now now) = 0;
  virtual void step(dynamo::Message message, Now now) = 0;
  virtual void step(const Query& query, Now now) = 0;
  virtual void step(Answer answer, Now now) = 0;

  // KV.FAULT between nodes: another one's command, in force after the next drain(); and the answer
  // to one of our calls.
  virtual Result<void> fault(ByteView command, Now now) = 0;
  virtual void fault_answered(const FaultAnswer& answer, Now now) = 0;

  virtual void step(DiskDone done, Now now) = 0;
  virtual void tick(Now now) = 0;  // at or after Output::wake_at
  virtual void drain(Output& out, Now now) = 0;

  // SIGTERM: hands every leadership over. Done when idle() or the caller's patience ends.
  virtual void begin_shutdown(Now now) = 0;
  virtual bool idle() const = 0;  // leads nothing (or alone) and owes no reply

  // For who watches from outside, like the simulator's invariants; null: that partition is not
  // here.
  virtual const raft::Raft* group(PartitionId partition) const = 0;
  virtual const kv::Machine* machine(PartitionId partition) const = 0;
  virtual const dynamo::Core* leaderless() const = 0;
  virtual bool writes(PartitionId partition) const = 0;  // some of its writes are on their way

  // Counters for INFO that only net/ knows.
  virtual void set_client_count(std::size_t connected) = 0;
  virtual void add_peer_bytes(std::size_t sent) = 0;  // to other nodes, as frames
};

}  // namespace kvorum::node
