// The ordered core: one Raft group on one node (Ongaro & Ousterhout, USENIX ATC 2014; Ongaro's
// thesis, 2014).
//
// Pure: no clock, thread, lock, socket, file, global or exception. One input per step(); drain()
// once per loop turn collects the turn's effects, so all proposals and reads of a turn travel as
// one batch. Single-threaded; the caller owns everything that it hands in and gets out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "model/entry.h"
#include "raft/message.h"

namespace kvorum::raft {

struct Options {
  NodeId self;
  std::uint64_t seed = 1;             // of the election jitter
  Duration election_timeout = 300ms;  // drawn anew from [1, 2) times this for each wait
  Duration heartbeat = 50ms;
  std::size_t append_bytes =
      std::size_t{1} << 20;  // one kAppend carries no more than this, but at least one entry
  std::size_t inflight_bytes = std::size_t{16} << 20;  // per follower, sent and not acknowledged
  std::size_t inflight_messages = 64;                  // per follower
  std::size_t window_bytes = std::size_t{64} << 20;  // applied entries kept in memory for followers
  std::size_t uncommitted_bytes = std::size_t{64} << 20;  // beyond: propose() refuses
  bool may_vote = true;  // false: this node lost its disk; it receives, and neither votes nor
                         // stands nor counts itself
};

// What the disk held at start.
struct Restored {
  HardState hard;
  SnapshotMeta base;  // the log begins behind base.index; base.config is the configuration there
  Index first_index;  // oldest entry on disk, base.index + 1 if none: entries [first_index, ...]
                      // can be loaded
  std::vector<Entry>
      entries;          // contiguous, from applied + 1 (or first_index) to the last one on disk
  Term before_entries;  // term of the entry right before entries.front()
  Config config;        // latest configuration at or before `applied`
  Index applied;        // what the state machine already has
  WallMs last_stamp;    // of the newest entry known, applied ones included
};

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
const char* to_string(Role role);

struct Persisted {  // every batch up to and including this ticket is on disk
  std::uint64_t ticket = 0;
};
struct Loaded {  // answer to LoadRequest; empty entries: they are gone (compacted), send a snapshot
  NodeId to;
  Index prev_index;
  Term prev_term;
  std::vector<Entry> entries;
};
struct SnapshotChunk {  // answer to SnapshotRead; empty optional meta: no snapshot can be had now,
                        // ask again later
  NodeId to;
  std::optional<SnapshotMeta> meta;
  std::uint64_t chunk = 0;
  bool last = false;
  Bytes data;
};
struct Compacted {  // the log on disk now begins at first_index; base is the entry before it
  Index first_index;
  Term before_first;
};
struct Trust {  // whether the peer's incarnation is the registered one; an untrusted voter's votes
                // and acks don't count
  NodeId peer;
  bool trusted = true;
};

struct LoadRequest {  // read entries [prev_index + 1, ...] up to max_bytes, with the term of
                      // prev_index
  NodeId to;
  Index prev_index;
  Index last_index;  // no further than this
  std::size_t max_bytes = 0;
};
struct SnapshotRead {  // chunk 0 opens a new snapshot for this follower
  NodeId to;
  std::uint64_t chunk = 0;
};
struct SnapshotWrite {  // a received chunk. With `last`, install: switch rows and restart the log
                        // behind meta.index
  SnapshotMeta meta;
  std::uint64_t chunk = 0;
  bool last = false;
  Bytes data;
};
struct ReadReady {  // reads with this tag may be served once applied >= index
  std::uint64_t tag = 0;
  Index index;
};

// The effects of one turn. The caller clears and reuses it. Order of work: hand `persist` to the
// disk under `ticket`; send send_now; hold send_after_persist until the disk reports the ticket;
// then apply, reads, loads. Entries are handed out for apply once a quorum has them, which may be
// before our own disk does.
struct Output {
  // Persist. ticket 0: nothing to write and nothing waits. Tickets rise by one and complete in
  // order. A ticket with nothing to write marks a place in the queue: its messages wait for what
  // was written before.
  std::uint64_t ticket = 0;
  std::optional<HardState> hard_state;
  bool must_sync =
      false;  // term, vote, entries or a snapshot: needs an fsync. A lone commit index does not.
  std::optional<Index> truncate_from;  // drop entries at and after this index first
  std::vector<Entry> append;
  std::vector<SnapshotWrite>
      snapshot_writes;  // never together with `append` when one of them has `last`

  std::vector<Message> send_now;
  // Votes, and acks that claim entries or snapshot chunks, exist only here: the type carries the
  // durability rule.
  std::vector<Message> send_after_persist;

  std::vector<Entry> apply;  // committed, in order, each exactly once
  std::optional<SnapshotMeta>
      installed;  // a whole snapshot is on disk: switch the state machine before `apply`
  std::vector<ReadReady> reads;
  std::vector<std::uint64_t> failed_reads;  // tags; ask again (leadership moved)
  std::vector<LoadRequest> loads;
  std::vector<SnapshotRead> snapshot_reads;
  bool role_changed = false;  // role, leader or term is another than at the last drain
  Instant wake_at = Instant::max();
  std::vector<std::string> trace;  // one line per event, only when tracing is on

  void clear();
};

// Follower's progress as its leader sees it, for KV.STATUS.
struct Progress {
  NodeId node;
  Index match;
  Index next;
  const char* state = "";  // "probe", "replicate", "snapshot"
  bool voter = false;
  bool trusted = true;
  bool lost_data =
      false;  // its log ended below what it had acknowledged: not counted until it caught up again
  Instant last_heard;
};

class Raft {
 public:
  Raft(const Options& options, Restored restored, Now now);
  ~Raft();
  Raft(const Raft&) = delete;
  Raft& operator=(const Raft&) = delete;

  // Inputs. Messages of an old term, of strangers or for somebody else are dropped (strangers:
  // traced).
  void step(const Message& message, Now now);
  void step(const Persisted& persisted, Now now);
  void step(Loaded loaded, Now now);
  void step(SnapshotChunk chunk, Now now);
  void step(const Compacted& compacted);
  void step(const Trust& trust);
  void tick(Now now);  // call at or after Output::wake_at; harmless at any time

  // Leader: appends an entry of this type in this turn. False, and nothing happened, when not the
  // leader, while a transfer runs, or when uncommitted bytes are over their bound. stamp =
  // max(now.wall, last stamp). `notify`: a follower that waits for this entry's commit and is told
  // at once (0: nobody).
  bool propose(EntryType type, SharedBytes payload, NodeId notify, Now now);

  // A barrier for every read the caller holds under `tag`: comes back in Output::reads or
  // failed_reads. At a follower it asks the leader. Never before the leader committed an entry of
  // its own term; never with a confirmation round that began before this call (thesis, 6.4).
  void read_barrier(std::uint64_t tag, Now now);

  // Leader: hand over to a voter, or to the most up-to-date one (target 0). Gives up after one
  // election time-out.
  void transfer(NodeId target, Now now);

  void drain(Output& out, Now now);
  void set_tracing(bool on);

  Role role() const;
  Term term() const;
  NodeId leader() const;  // 0: none known
  Index commit() const;
  Index last_index() const;
  Index applied() const;  // handed out through Output::apply
  const Config& config() const;
  std::vector<Progress> progress() const;  // empty unless leader

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace kvorum::raft
