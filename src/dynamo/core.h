// The leaderless core: all leaderless partitions of one node (DeCandia et al., Dynamo, SOSP 2007).
//
// Pure, like raft/: no clock, thread, lock, socket, file, global or exception; no iteration over
// unordered containers where order shows. One input per call; drain() once per loop turn, so that
// all work of a turn for one peer and partition is one message. What no request waits for (rows of
// writes that are answered, prints) leaves with the next message to that node that one does wait
// for, or a millisecond later, or when it is much.
//
// Any node coordinates. A write: a replica stamps it with its next dot, merges it into its own row,
// sends the whole row to the other replicas and answers once W of the N have it, itself counted
// (when its own disk has it, if the keyspace is fsynced). A read: the rows of R replicas, merged; a
// replica that is asked is told the fingerprint of the asker's own row, and sends its row only if
// that is another one. A node that holds no replica hands a write to one that does. Acks are
// counted per request.
//
// Outcomes. Fewer than W (or R) replicas are up: refused at once, definite, nothing done. Time-out
// after a replica may have it: unknown, "1 of 2 acks". A read's time-out is definite.
//
// Repair, three ways, all by sending whole rows that merge:
//  - read repair: a read that saw rows differ sends the merged row to who lacks it; with R > 1
//    before it answers, so that an answered read is not older than the one before it; behind every
//    other read, prints of what was read go to the other replicas (at most kPrintsPerTurn, a key at
//    most once a second).
//  - hints: a row that a replica which is down should have got: its key is kept (bounded in number
//    and in time) and the row sent when the replica is back. What is dropped, anti-entropy finds.
//  - anti-entropy: each pair of replicas of a partition compares sums of ranges (table.h), level by
//    level, at a throttled pace, and exchanges the rows of what differs.
//
// Who lost data is another replica. A context's entry covers all lower counters of its replica, so
// a replica that no longer has all its own dots must not make more of them: its next one would
// cover what others still have, and bury it (riak_kv#679, #1094). So the host gives another
// incarnation not only to a new data directory, but at every start that may have lost rows which
// the last life had made or sent: an unclean one. Rows that are still on disk are loaded all the
// same. Such a replica refills: until it has finished a round with each other replica that is up,
// its answers to reads count only where no better ones are to be had.
//
// Deletes and the stable cut. A tombstone may be dropped only when every replica has passed it and
// no old message can bring the value back. Each replica keeps, per partition, `known`: dots per
// replica that it has seen without a gap: its own counter, raised by a finished anti-entropy round
// to what the other side knew when the round began. It tells of it what is on its disk, so a crash
// takes nothing back. The cut is the entry-wise least `known` of all replicas of the partition.
//  - A row whose siblings are all tombstones (or long expired) is dropped once the cut covers its
//    context, and once every replica has seen whatever any replica had made when the cut first
//    covered the tombstones: a write that the delete had won over is not on its way any more.
//  - Whatever arrives later with a dot that the cut covers, for a key whose row has not seen it, is
//    old news: it is dropped, and its sender gets a row that has seen it, without it.
//  - A replica that still holds what another one has dropped is told so in the same way, and drops
//    it as well: the first one's reasons were about all replicas.
//  - The cut is persisted with the drop.
// While a replica is silent the cut stands still, and nothing is dropped; a fenced one (long
// silent, by decision of group 0) is not waited for, and must come back without rows, as another
// incarnation. A replica that gave way to another incarnation leaves dots that perhaps nobody has.
// Nothing is dropped until all replicas have closed it: each has waited for `hint_life`, so that no
// stand-in keeps any of its rows, and has then finished a round with each other replica.
//
// Rows colder than memory. The host may let values leave memory of rows that the disk has as they
// are (on_disk(), evict()). Who needs such a value waits for it: a read or a write of ours, a
// message, a hint, a round of anti-entropy; the host asks for what is missing (take_missing()) and
// brings it (restore()). A message that waits is taken up once more as a whole, which does no harm.
// All else goes on, and what changes a row meanwhile makes the fetched value old, and dropped.
//
// Counters and stamps are issued below bounds that are on disk before they are used, so neither is
// used twice after a crash. Request and message numbers begin anywhere (Options::seed), so that an
// answer to an earlier life fits nothing. Only a forwarded write must not be done twice: its number
// is drawn from the counter, and its receiver remembers them; it is for one incarnation of its
// receiver, and does not outlive the link when that one stops in an orderly way and starts again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "dynamo/message.h"
#include "dynamo/version.h"

namespace kvorum::dynamo {

struct Options {
  ReplicaId self;
  std::uint64_t seed = 1;  // another one at each start
  Duration request_timeout = 2s;
  Duration sync_interval = 1s;        // between anti-entropy rounds of a pair that differed
  Duration sync_idle_interval = 10s;  // ... that did not
  // Of sums, prints and rows, both ways, in the rounds that this node begins.
  std::size_t sync_bytes_per_s = std::size_t{4} << 20;
  std::size_t hints = 100'000;                 // keys kept for all peers together
  Duration hint_life = std::chrono::hours(3);  // then anti-entropy must do
  std::int64_t max_clock_skew_ms = 500;
  std::size_t sibling_cap = 64;
  std::size_t ledger = 10'000;  // losers of concurrent writes kept, oldest dropped first
};

struct PartitionConfig {
  PartitionId id;
  Generation generation;
  std::vector<NodeId> replicas;   // in the ring's order; a node may hold none of them
  std::vector<ReplicaId> fenced;  // not waited for by the stable cut; a node whose own it is takes
                                  // no part
  Conflict conflict = Conflict::kLww;
  bool fsync = false;
  Duration interval = 100ms;  // of writes to disk where it is not
};

// What the disk held.
struct Bounds {
  std::uint64_t counter = 0;  // no counter at or above it was issued
  HybridTime stamp;           // no stamp at or above it was issued
  friend bool operator==(const Bounds&, const Bounds&) = default;
};

struct WriteRequest {
  std::uint64_t ticket = 0;  // the caller's name for it
  PartitionId partition;
  Bytes key;
  Bytes value;
  bool deleted = false;
  std::optional<std::int64_t> ttl_ms;  // from the coordinator's stamp
  std::optional<WallMs> deadline;      // absolute
  std::optional<Context> seen;  // what the writer has seen; empty: all that the coordinator has
  std::uint8_t w = 1;
  bool sloppy = false;  // acks of stand-ins count (they keep hints)
};
struct ReadRequest {
  std::uint64_t ticket = 0;
  PartitionId partition;
  Bytes key;
  std::uint8_t r = 1;
};

enum class Ended : std::uint8_t {
  kDone,
  kRefused,  // definite: too few replicas are up, too many siblings, clock too far off, ...
  kTimeout,  // a read's; definite
  kUnknown,  // a write that some replica may have
};
struct Result {
  std::uint64_t ticket = 0;
  Ended ended = Ended::kDone;
  ErrorCode code = ErrorCode::kGeneric;  // not kDone
  std::string why;                       // not kDone: "1 of 2 acks", ...
  std::size_t acks = 0;                  // replicas that answered, in time
  bool stand_ins = false;                // acks of a sloppy quorum are among them
  Row row;               // read: merged and settled. Write: the row at the coordinator
  bool existed = false;  // write: the coordinator's row had a live value before
  Dot dot;               // write
  NodeId coordinator;
};

// One loser of concurrent writes, for KV.CONFLICTS.
struct Loss {
  PartitionId partition;
  Bytes key;
  Sibling lost;
  Dot winner;
  WallMs at;
};

struct RowsWrite {  // an empty row is gone
  PartitionId partition;
  Generation generation;
  RowList rows;
};
struct Missing {  // rows whose values are wanted from the disk
  PartitionId partition;
  Generation generation;
  std::uint64_t id = 0;
  std::vector<Bytes> keys;
};
struct CutWrite {  // persisted with the rows that it let go, and with those that it knows
  PartitionId partition;
  Generation generation;
  Context cut;
  Context known;
  bool refilled = false;
};

struct Output {
  std::uint64_t ticket = 0;  // of the disk batch; 0: nothing to write. Rise by one, in order
  bool must_sync = false;
  std::vector<RowsWrite> rows;
  std::vector<CutWrite> cuts;
  std::optional<Bounds> bounds;
  std::vector<Message> send_now;
  std::vector<Message> send_after_persist;  // acks of fsynced rows
  std::vector<Result> results;
  std::vector<std::string> log;  // worth a line in the node's log
  Instant wake_at = Instant::max();

  void clear();
};

// For KV.STATUS, and for tests.
struct Stats {
  std::uint64_t hints = 0;
  std::uint64_t hints_dropped = 0;
  std::uint64_t read_repairs = 0;
  std::uint64_t sync_rounds = 0;
  std::uint64_t sync_rows_sent = 0;
  std::uint64_t sync_bytes_sent = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t tombstones_dropped = 0;
  std::uint64_t conflicts = 0;  // losers ever
  std::uint64_t old_news = 0;   // siblings that the cut covered
  std::uint64_t rows = 0;
  std::uint64_t refilling = 0;  // partitions of ours whose rows may not all be here yet
  std::uint64_t cold = 0;       // rows whose values are on the disk alone
  std::uint64_t fetches = 0;    // rows asked of the disk
};

class Core {
 public:
  Core(const Options& options, const Bounds& bounds, Now now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Adds a partition, or changes it. A new generation starts with no rows. Before any input for it.
  void configure(const PartitionConfig& config, Now now);
  void remove(PartitionId partition);
  // What the disk held, before the first input; an empty value: the row is gone. False: malformed.
  // `on_disk`, `cold`: table.h.
  bool load_row(PartitionId partition, ByteView key, ByteView value, bool on_disk, bool cold);
  bool load_cut(const CutWrite& cut);

  // A link's handshake: who is there, and how far this node's clock is ahead of his. Or its end.
  void peer(NodeId node, bool up, Incarnation incarnation, std::int64_t ahead_ms, Now now);
  void write(WriteRequest request, Now now);
  void read(const ReadRequest& request, Now now);
  // A read with R = 1 on a node that holds the key, without a ticket: settled row, or null if there
  // is none, or if read() must be asked. Good until the next call.
  // Without `values` it may be cold.
  const Row* read_here(PartitionId partition, ByteView key, bool values);
  // A write with W = 1 on a node that holds the key, without a ticket, where no disk is waited for:
  // done, or null if write() must be asked. Good until the next input.
  const Result* write_here(const WriteRequest& request, Now now);
  // Asks memory for the rows of writes that follow (table.h): kFetch at a time.
  struct Wanted {
    PartitionId partition;
    ByteView key;
  };
  void fetch(std::span<const Wanted> rows) const;
  // Whether writes wait for bounds on disk or for the clock: a read would overtake them.
  bool writes_wait() const;
  void step(Message message, Now now);
  void persisted(std::uint64_t ticket, Now now);  // every batch up to and including this one
  void tick(Now now);  // call at or after Output::wake_at; harmless at any time
  // Before an orderly stop: the next drain writes and syncs everything. Then no more requests.
  void flush();
  void drain(Output& out, Now now);

  // Rows colder than memory (table.h).
  std::size_t memory_bytes() const;
  void on_disk(PartitionId partition, const KeyPrint& row);
  // Looks at about so many rows of it. False: none can leave at present.
  bool evict(PartitionId partition, std::size_t rows);
  // For who looks at a row from outside. False: its value is fetched.
  bool has_values(PartitionId partition, ByteView key);
  // What is missing, one fetch of a partition at a time; after drain(), and after has_values().
  std::vector<Missing> take_missing();
  // What the disk has of each of its keys; empty: no such row. False: damage, a row is not what it
  // was.
  bool restore(const Missing& missing, const std::vector<std::optional<Bytes>>& rows, Now now);

  bool holds(PartitionId partition) const;  // whether this node is one of its replicas
  bool refilled(PartitionId partition) const;
  // Rows of this replica, tombstones included, cold ones without their values. Deterministic order.
  void each(PartitionId partition,
            const std::function<bool(ByteView key, const Row& row)>& visit) const;
  const Table* table(PartitionId partition) const;  // null: not here
  Table* table(PartitionId partition);              // for Table::take_unput() alone
  const std::deque<Loss>& ledger() const;
  Stats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvorum::dynamo
