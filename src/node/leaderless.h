// The node's leaderless half: partitions of dynamo/ as the table of keyspaces wants them, what of
// them is on disk, and the requests of clients that are under way.
//
// One client request may be several of the core's, one per key (MGET, DEL a b): each has a ticket
// of its own, and the request is done when all of them are.
//
// On disk: a record with the replica's incarnation and the bounds, a copy of the table of keyspaces
// (group 0's own may lag behind what the rows need), a record per partition with its cut, and rows.
#pragma once

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dynamo/core.h"
#include "model/command.h"
#include "model/keyspace.h"
#include "model/level.h"
#include "model/reply.h"
#include "node/disk.h"
#include "node/journal.h"
#include "node/options.h"
#include "node/slots.h"
#include "store/store.h"

namespace kvorum::node {

struct Output;

// How many replicas a request waits for.
struct Counts {
  std::uint8_t w = 1;
  std::uint8_t r = 1;
  bool sloppy = false;
};

// Whether a leaderless keyspace serves the command. If not, why: kRefused.
Result<void> check_leaderless(const Command& command);
// What a level word means there (docs/consistency.md): the counts, and what is met. kLevel.
Result<Counts> leaderless_counts(const Keyspace& keyspace, const std::optional<Level>& asked);

// Effects of the core that wait for the disk.
struct LeaderlessFlight {
  std::uint64_t ticket = 0;       // the node's
  std::uint64_t core_ticket = 0;  // 0: none
  std::vector<dynamo::Message> messages;
  std::vector<std::pair<PartitionId, dynamo::KeyPrint>> put;  // rows that it writes
  bool last = false;                                          // of an orderly stop
  bool fresh = false;                                         // of starting over
};

class Leaderless {
 public:
  struct Request {
    ConnId conn;
    bool write = false;
    bool remote = false;   // some key's coordinator is another node
    std::size_t open = 0;  // tickets
    // Once all are there: of each key; of one that a write names twice, once.
    boost::container::small_vector<dynamo::Result, 1> results;

    void begin_anew() {
      conn = ConnId();
      write = remote = false;
      open = 0;
      results.clear();
    }
  };

  // `life` names this start of the node, as no other.
  Leaderless(const Options& options, ClientId life);
  // Reads what the disk holds.
  Result<void> open(const store::Store& store, Now now);

  const KeyspaceTable& table() const { return table_; }
  // A newer table: opens, changes and drops partitions.
  void configure(const KeyspaceTable& table, Now now);
  // Replicas of other nodes that are not waited for, nor listened to.
  void fence(std::vector<ReplicaId> fenced, Now now);
  // This replica was fenced, or its rows are those of the one that was: drops all of them, here and
  // on disk, and goes on as another one, which knows no peer yet. Requests under way end.
  void start_over(Incarnation fenced, Now now);
  // After whose fence it last did so: once is enough.
  Incarnation started_over_from() const { return started_over_from_; }
  // Group 0 is heard of, and this replica not fenced: the disk is told now and then.
  void heard(Now now);
  std::optional<WallMs> heard_at() const { return heard_at_; }  // empty: in no life
  // Takes no part, until it is heard of.
  void pause() { paused_ = true; }
  bool may_start_over() const { return !stopping_; }
  // Not while a crash could bring the dropped rows back.
  bool may_register() const { return !dropping_ && !stopping_; }
  Incarnation replica() const { return self_.incarnation; }
  const dynamo::Core& core() const { return *core_; }

  // A read of one key that this node can answer at once by itself; null: begin() it. Good until the
  // next call. Without `values` it may be cold.
  const dynamo::Row* read_here(PartitionId partition, ByteView key, bool values) {
    return core_->read_here(partition, key, values);
  }
  // A write of one key that this node can do at once by itself; null: begin() it. Good until the
  // next call.
  const dynamo::Result* write_here(PartitionId partition, const Command& command,
                                   const Counts& counts, const std::optional<dynamo::Context>& seen,
                                   Now now);
  // Writes of these keys follow (dynamo/core.h).
  void fetch(std::span<const dynamo::Core::Wanted> rows) const { core_->fetch(rows); }
  // Its number.
  std::uint64_t begin(ConnId conn, const Keyspace& keyspace, const Command& command,
                      const Counts& counts, const std::optional<dynamo::Context>& seen, Now now);
  bool done(std::uint64_t id) const;
  const Request& request(std::uint64_t id) const;
  void forget(std::uint64_t id);

  void peer(NodeId node, bool up, Incarnation replica, std::int64_t ahead_ms, Now now);
  void step(dynamo::Message message, Now now);
  void tick(Now now) { core_->tick(now); }
  // Effects; whose requests are done is appended to `done`.
  void drain(Output& out, store::Batch& batch, std::vector<std::pair<ConnId, std::uint64_t>>& done,
             Now now);
  bool waits_for_disk() const { return pending_.has_value(); }
  void ticketed(std::uint64_t ticket);
  void persisted(std::uint64_t ticket, Now now);
  Instant wake_at() const { return wake_at_; }

  // Rows colder than memory. Whether that key's value is here; if not, it is fetched, and `conn`
  // woken when it is there.
  bool has_values(PartitionId partition, ByteView key, ConnId conn);
  void fetch(Output& out);
  // Rows that the disk had; who waits for one is appended to `woken`. False: damage.
  bool fetched(const FetchDone& done, Now now, std::vector<ConnId>& woken);
  // Looks at so many rows of each partition for values that may leave memory. What only the journal
  // has cannot, so its checkpoint is hurried. True: there is more to do.
  bool evict(std::size_t rows);
  std::size_t memory_bytes() const { return core_->memory_bytes(); }
  std::size_t partitions() const;

  // For an orderly stop: everything to disk. Nothing is served afterwards.
  void stop();
  bool stopped() const { return !stopping_ || stopped_; }

 private:
  Result<bool> read_record(const store::Store& store);
  Result<void> load_rows(const store::Store& store, const Keyspace& keyspace);
  void configure(const Keyspace& keyspace, Now now);
  void write(store::Batch& batch);
  void hurry(store::Batch& batch);
  bool writes_rows() const;
  void each_partition(const std::function<void(PartitionId partition)>& visit) const;
  void put_record(store::Batch& batch) const;
  bool write_start(store::Batch& batch);
  void end_requests();
  void take_result(dynamo::Result&& result, std::vector<std::pair<ConnId, std::uint64_t>>& done);

  const Options& options_;
  ReplicaId self_;
  dynamo::Bounds bounds_;
  std::unique_ptr<dynamo::Core> core_;
  dynamo::Output turn_;
  KeyspaceTable table_;
  bool table_dirty_ = false;
  struct Dropped {  // to be taken off the disk
    PartitionId partition;
    Generation generation;
    bool whole = false;  // the partition, not only its rows
  };
  std::vector<Dropped> dropped_;
  Journal journal_;

  Slots<Request> requests_;
  // Tickets of further keys are above all requests' numbers, which are the tickets of first ones.
  static constexpr std::uint64_t kPart = std::uint64_t{1} << 63;
  struct Part {
    std::uint64_t request = 0;
    std::size_t key = 0;
  };
  std::uint64_t next_part_ = kPart;
  boost::unordered_flat_map<std::uint64_t, Part> parts_;  // by ticket

  dynamo::WriteRequest here_;            // scratch: what write_here() asks for
  dynamo::ReadRequest read_;             // scratch: what begin() asks for
  std::vector<dynamo::Result> refused_;  // not by the core
  std::vector<ReplicaId> fenced_;
  Incarnation started_over_from_;
  std::optional<WallMs> heard_at_;
  Instant record_at_;  // when heard_at_ is to be written
  bool record_due_ = false;
  bool paused_ = false;
  bool start_dirty_ = false;  // the disk is to be told of starting over
  bool dropping_ = false;     // ... and has not said that it was

  std::vector<ConnId> value_waiters_;    // to be woken by any fetch
  std::vector<PartitionId> in_a_hurry_;  // whose rows are to be put on the disk early
  std::size_t hurried_rows_ = 0;         // of each of them

  std::optional<LeaderlessFlight> pending_;
  std::deque<LeaderlessFlight> flights_;
  std::vector<dynamo::Message> persisted_sends_;
  Instant wake_at_ = Instant::max();
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace kvorum::node
