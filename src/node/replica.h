// The one Node there is: sessions above, partitions below. node.h has the idea,
// docs/architecture.md the drawing.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "model/meta.h"
#include "node/faults.h"
#include "node/leaderless.h"
#include "node/node.h"
#include "node/partition.h"
#include "node/queries.h"
#include "node/session.h"

namespace kvorum::node {

// What a compare-and-set of the table answered.
class ChangeReply final : public ReplyWriter {
 public:
  bool took_effect() const { return took_effect_; }
  void status(ByteView) override {}
  void integer(std::int64_t value) override { took_effect_ = value != 0; }
  void bulk(ByteView) override {}
  void nil() override {}
  void error(const Error&) override { took_effect_ = false; }
  void array(std::size_t) override {}
  void map(std::size_t) override {}

 private:
  bool took_effect_ = false;
};

// Requests that change what later ones on their connection mean.
bool is_setting(Verb verb);
// Arguments as an Item keeps them; they borrow its bytes.
std::vector<ByteView> unpack(ByteView packed);

class Replica final : public Node, private Partition::Host {
 public:
  Replica(const Options& options, Connections& connections);
  Result<void> restore(const store::Store& store, Now now);

  void connect(ConnId conn, ByteView address, Now now) override;
  void disconnect(ConnId conn) override;
  void request(ConnId conn, std::span<const ByteView> args, Now now) override;
  void reject(ConnId conn, const Error& error, bool close, Now now) override;
  void peer_up(const PeerHello& peer, Now now) override;
  void peer_down(NodeId peer, Now now) override;
  void step(NodeId from, PartitionId partition, const raft::Message& message, Now now) override;
  void step(const Forward& forward, Now now) override;
  void step(dynamo::Message message, Now now) override;
  void step(const Query& query, Now now) override;
  void step(Answer answer, Now now) override;
  Incarnation replica() const override { return leaderless_.replica(); }
  const dynamo::Core* leaderless() const override { return &leaderless_.core(); }
  Result<void> fault(ByteView command, Now now) override;
  void fault_answered(const FaultAnswer& answer, Now now) override;
  void step(DiskDone done, Now now) override;
  void tick(Now now) override;
  void drain(Output& out, Now now) override;
  void begin_shutdown(Now now) override;
  bool idle() const override;
  const raft::Raft* group(PartitionId partition) const override;
  const kv::Machine* machine(PartitionId partition) const override;
  bool writes(PartitionId partition) const override;
  void set_client_count(std::size_t connected) override { clients_ = connected; }
  void add_peer_bytes(std::size_t sent) override { peer_bytes_ += sent; }

 private:
  struct Peer {
    bool up = false;
    Incarnation incarnation;
    Incarnation replica;
    Instant down_since;
    std::int64_t ahead_ms = 0;  // its clock against ours, as of the handshake
  };

  // Partition::Host
  ReplyWriter& before_write(Partition& partition, ConnId conn) override;
  void after_write(Partition& partition, ConnId conn, std::uint64_t seq, Version version) override;
  void write_missed(ConnId conn) override;
  void wake(ConnId conn) override { woken_.push_back(conn); }
  void note(LogLevel level, std::string text) override;
  void each_read(ConnId conn, const std::function<void(const Command&)>& visit) override;
  std::size_t memory_left() const override;

  // memory.cc: values that are on the disk alone
  bool has_values(const Session& session, const Item& item, const Command& command);
  bool has_values(const Session& session, const Item& item);
  bool has_values(const Query& query);
  void fetched(const FetchDone& done);
  void tend_memory(Output& out);
  void evict(Output& out);
  bool is_above_budget() const;
  std::size_t memory_bytes() const;
  std::size_t cold_rows(const Keyspace& keyspace) const;
  static Error too_many_values(std::size_t cold);

  // requests.cc: from a request to its place in the order
  void admit(Session& session, std::span<const ByteView> args, Instant arrived);
  void admit_verb(Session& session, Item&& item, Verb verb, std::span<const ByteView> args);
  void admit_later(Session& session);
  Result<void> place(const Session& session, const Command& command, Item& item);
  Result<void> place_leaderless(const Keyspace& keyspace, const Command& command, Item& item);
  Result<Level> met_by(const Keyspace& keyspace, const std::optional<Level>& asked,
                       bool write) const;
  void enqueue(Session& session, Item&& item, const Command* command);
  void enqueue_now(Session& session, Item&& item, const Command* command);
  Result<Command> number(std::span<const ByteView> args);
  std::int64_t fresh_client();
  Result<Level> met_level(const Level& asked, bool write) const;

  // order.cc: what may begin, what may be answered
  bool waits_for_nothing(const Session& session, const Item& item);
  bool may_begin(const Session& session, const Item& item) const;
  bool may_follow(const Session& session, const Item& ahead, const Item& item) const;
  void begin(Session& session, Item& item, const Command& command);
  void begin_read(Session& session, Item& item);
  bool servable(const Session& session, const Item& item);
  void serve(Session& session, Item& item);
  void serve_read(Session& session, const Item& item, const Command& command);
  void advance(Session& session);
  void pop(Session& session);
  void expire(Session& session);
  void sweep(Now now);
  Error timeout_error(Session& session, const Item& item);

  // leaderless_order.cc: the same for requests of leaderless keyspaces
  bool serve_at_once(Session& session, const Item& item, const Command& command);
  static bool may_hold(const Item& item, const Command& command);
  void hold(const Session& session, Item&& item, const Command& command);
  void settle();
  bool write_at_once(Session& session, const Item& item, const Command& command);
  void begin_leaderless(Session& session, Item& item, const Command& command);
  void serve_leaderless(Session& session, const Item& item, const Command& command);
  void leaderless_done(ConnId conn, std::uint64_t id);
  void leaderless_receipt(Session& session, const Item& item,
                          std::span<const dynamo::Result> results, const Keyspace& keyspace);

  // ask.cc: what looks at rows of other nodes, too
  std::vector<NodeId> holders(const Keyspace& keyspace, PartitionId partition) const;
  bool holds(const Keyspace& keyspace, PartitionId partition) const;
  bool is_up(NodeId node) const;
  void begin_asking(Session& session, Item& item, const Command& command);
  Result<void> ask_partitions(ConnId conn, const Keyspace& keyspace, const Command& command);
  void serve_asking(Session& session, const Item& item, const Command& command);
  void reply_search(const Keyspace& keyspace, const std::vector<Queries::Asked>& asked,
                    const Command& command, ReplyWriter& reply);
  std::optional<Error> reply_inside(const Keyspace& keyspace,
                                    const std::vector<Queries::Asked>& asked,
                                    const Command& command, ReplyWriter& reply);
  void read_inside(const Keyspace& keyspace, const std::vector<PartitionId>& partitions,
                   const Command& command, ReplyWriter& reply);
  Result<Bytes> look_inside(const Query& query);

  // lead.cc: leadership on request
  void begin_leading(Session& session, Item& item);
  void reply_led(Session& session);
  std::int64_t hand_over(const Query& query);
  // tell.cc: texts for other nodes' logs
  Result<std::vector<NodeId>> receivers(std::span<const ByteView> args) const;
  void begin_sending(Session& session, Item& item);
  void reply_sent(Session& session, const Item& item);
  void note_text(NodeId from, const Command& command);

  // verbs.cc: what the node answers by itself
  void run_verb(Session& session, const Item& item);
  void begin_fault(Session& session, Item& item);
  void hello(Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  void client(Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  static std::string client_line(const Session& session);
  void client_list(std::span<const ByteView> filter, ReplyWriter& reply) const;
  void config(std::span<const ByteView> args, ReplyWriter& reply);
  void select(Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  void set_level(Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  void session_token(Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  void where(const Session& session, std::span<const ByteView> args, ReplyWriter& reply);
  void conflicts(const Session& session, std::span<const ByteView> args, ReplyWriter& reply) const;
  void reply_receipt(const Session& session, ReplyWriter& reply) const;
  void reply_receipt(const Receipt& receipt, ReplyWriter& reply) const;

  // info.cc
  std::string info(std::span<const ByteView> sections) const;
  std::string status() const;
  std::size_t keys_of(const Keyspace& keyspace) const;

  // keyspaces.cc: KV.KEYSPACE, and changes of the table
  void keyspace(std::span<const ByteView> args, ReplyWriter& reply) const;
  Result<std::unique_ptr<KeyspaceChange>> keyspace_change(std::span<const ByteView> args) const;
  Result<KeyspaceTable> changed(const KeyspaceChange& change) const;
  void begin_change(Session& session, Item& item);
  void change_applied(Session& session);
  void serve_change(Session& session, const Item& item);
  bool has_heard(const Query& query);
  void answer_held(Now now);
  bool is_dropped(PartitionId id) const;
  bool is_leaderless(PartitionId id) const;
  void drop_partitions();
  void drop_requests(Session& session);
  Error no_keyspace() const;

  // gather.cc: KEYS, DBSIZE and the like over every partition of a keyspace
  void read_everywhere(const Keyspace& keyspace, const Command& command, ReplyWriter& reply);
  void scan(const Keyspace& keyspace, const Partition& partition, const Command& command,
            ReplyWriter& reply);

  // meta.cc: members, keyspaces, trust
  void tend_meta();
  void refresh_meta();
  Result<void> open_partitions(const store::Store& store);
  void refresh_trust();
  void hand_to_disk(store::Batch batch, Output& out);
  Result<void> add_partition(PartitionId id, const store::Store& store);
  raft::Config configuration() const;
  void watch_clock();

  // fence.cc: replicas of leaderless keyspaces as group 0 knows them
  bool is_replica_registered() const;
  void doubt();
  void doubt_last_life();
  void heard();
  void begin_doubt();
  Result<void> check_doubt() const;
  void tend_replica();
  void refresh_replicas();
  void fence_silent();
  void start_over(Incarnation fenced);

  Partition* find(PartitionId id);
  const Partition* find(PartitionId id) const;
  Session* find(ConnId id);
  const Keyspace* keyspace_of(const Session& session) const;
  std::size_t outbox_bytes() const;

  Options options_;
  Connections& connections_;
  Now now_;
  ClientId client_id_;
  Prng prng_;
  std::map<PartitionId, std::unique_ptr<Partition>> partitions_;
  boost::unordered_flat_map<ConnId, std::unique_ptr<Session>> sessions_;
  std::map<NodeId, Peer> peers_;
  KeyspaceTable keyspaces_;
  std::vector<PartitionId> dropped_;  // still on disk
  Leaderless leaderless_;
  std::vector<std::pair<ConnId, std::uint64_t>> leaderless_done_;
  struct Held {
    ConnId conn;
    Item item;
    Bytes command;  // keeps its memory
  };
  std::array<Held, dynamo::Table::kFetch> held_;  // requests that wait for others of their turn
  std::size_t held_count_ = 0;
  ChangeReply change_reply_;
  std::vector<NodeId> voters_;  // of data partitions
  std::map<NodeId, Incarnation> registered_;
  std::map<NodeId, ReplicaRow> replicas_;
  bool greet_again_ = false;
  Instant heard_;                  // of group 0's leader
  std::optional<WallMs> checked_;  // in doubt: what the check of this node's row says
  std::pair<Term, Instant> led_;   // the term, and since when this node knows that it leads
  Index meta_seen_;                // group 0's applied index at the last refresh
  Instant meta_try_at_;
  std::vector<ConnId> woken_;
  std::vector<Query> held_queries_;     // until the value, or the table, that they ask for is there
  std::optional<Instant> above_since_;  // rows take more than the memory budget
  bool told_above_ = false;
  std::vector<LogLine> log_;
  std::uint64_t next_ticket_ = 1;
  bool disk_low_ = false;
  Instant disk_retry_at_ = Instant::max();
  bool paused_ = false;
  std::string fatal_;
  Instant sweep_at_;
  Instant watch_at_;
  Instant started_;
  std::size_t clients_ = 0;
  std::uint64_t commands_ = 0;
  std::uint64_t messages_sent_ = 0;  // to other nodes
  std::uint64_t peer_bytes_ = 0;     // that the sockets took for them
  std::uint64_t syncs_ = 0;          // batches that the disk was to sync; it may do several at once
  Faults faults_;
  Queries queries_;
  NoReply no_reply_;
  Bytes inner_;     // scratch: KV.ONCE's encoded inner command
  Bytes answered_;  // and its answered-below mark
};

}  // namespace kvorum::node
