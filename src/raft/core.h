// The state behind Raft: every file of this folder implements the part of it that its name says.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "quorum/quorum.h"
#include "raft/log.h"
#include "raft/progress.h"
#include "raft/raft.h"

namespace kvorum::raft {

class Raft::Core {
 public:
  Core(const Options& options, Restored restored, Now now);

  // raft.cc
  void step(const Message& message, Now now);
  void step(const Persisted& persisted, Now now);
  void tick(Now now);
  void drain(Output& out, Now now);
  // append.cc
  void step(Loaded loaded, Now now);
  bool propose(EntryType type, SharedBytes payload, NodeId notify, Now now);
  // snapshot.cc
  void step(SnapshotChunk chunk, Now now);
  void step(const Compacted& compacted);
  // member.cc
  void step(const Trust& trust);
  // read.cc
  void read_barrier(std::uint64_t tag, Now now);
  // elect.cc
  void transfer(NodeId target, Now now);

  void set_tracing(bool on) { tracing_ = on; }
  Role role() const { return role_; }
  Term term() const { return term_; }
  NodeId leader() const { return leader_; }
  const Log& log() const { return log_; }
  const Config& config() const { return configs_.back().second; }
  std::vector<Progress> progress() const;

 private:
  // A batch given to the disk: what is durable once its ticket comes back.
  struct Ticket {
    std::uint64_t number = 0;
    Index last;  // of the log, as far as it was not truncated since
    Term term;
    NodeId vote;
  };
  // A read barrier: our own, under the caller's tag, or a follower's batch.
  struct Read {
    NodeId from;
    std::uint64_t tag = 0;
  };
  struct ReadRound {
    std::uint64_t round = 0;
    Index index;
    std::vector<Read> reads;
  };
  struct ReadBatch {  // asked of the leader
    std::uint64_t number = 0;
    Instant deadline;
    std::vector<std::uint64_t> tags;
  };
  struct Transfer {
    NodeId target;
    Instant deadline;
    bool told = false;
  };
  struct Incoming {  // a snapshot that is being received
    NodeId from;
    Term term;
    std::uint64_t stream = 0;
    SnapshotMeta meta;
    std::uint64_t next = 0;
  };
  struct Install {  // a whole snapshot on its way to the disk
    SnapshotMeta meta;
    std::uint64_t ticket = 0;  // 0: not yet drained
  };

  // raft.cc: dispatch and effects.
  bool admit(const Message& message);
  void meet_higher_term(const Message& message);
  void answer_old_term(const Message& message);
  void dispatch(const Message& message);
  Message make(MessageType type, NodeId to) const;
  void send(Message message) { send_now_.push_back(std::move(message)); }
  void send_persisted(Message message) { send_persisted_.push_back(std::move(message)); }
  void drain_persist(Output& out);
  void drain_apply(Output& out);
  Instant wake_at() const;
  template <class... Args>
  void trace(fmt::format_string<Args...> text, Args&&... args) {
    if (tracing_) {
      trace_line(fmt::format(text, std::forward<Args>(args)...));
    }
  }
  void trace_line(const std::string& text);

  // elect.cc
  bool can_stand() const;
  bool leader_is_alive() const;
  void arm_election_timer();
  void on_election_timeout();
  void become_follower(Term term, NodeId leader);
  void become_pre_candidate();
  void become_candidate(bool forced);
  void become_leader();
  void ask_for_votes(MessageType type, Term term, bool forced);
  void count_votes();
  void heard_leader(NodeId from);
  void on_pre_vote(const Message& message);
  void on_vote(const Message& message);
  void on_vote_reply(const Message& message);
  void on_timeout_now(const Message& message);
  void check_quorum();
  Instant quorum_lost_at() const;
  void advance_transfer();
  bool log_is_as_good(const Message& message) const;

  // append.cc
  Index append_own(EntryType type, SharedBytes payload);
  void on_append(const Message& message);
  void on_append_reply(const Message& message);
  void reject_append(const Message& message);
  bool is_well_formed(const Message& append) const;
  void accept_entries(const std::vector<Entry>& entries);
  void acknowledge(Index through) { ack_ = std::max(ack_.value_or(Index()), through); }
  void on_ack(Peer& peer, Index through);
  void on_reject(Peer& peer, const Message& message);
  void on_lost_data(Peer& peer, const Message& message);
  Index agree_at_most(Index index, Term term, Index floor) const;
  void replicate(Peer& peer);
  bool send_entries(Peer& peer);
  void ask_for_older(Peer& peer);
  void send_append(Peer& peer, Message message, std::size_t bytes);
  bool is_silent(const Peer& peer) const;
  void on_peer_heard(Peer& peer);
  void on_retry(Peer& peer);
  void send_again(Peer& peer);
  void arm_retry(Peer& peer);

  // commit.cc
  void advance_commit();
  void follow_commit(Index index);
  void on_heartbeat(const Message& message);
  void on_heartbeat_reply(const Message& message);
  void send_heartbeat(Peer& peer);

  // read.cc
  void on_read_index(const Message& message);
  void on_read_index_reply(const Message& message);
  bool open_read_round();
  void confirm_reads();
  void answer_read(const Read& read, Index index);
  void ask_leader_for_reads();
  void fail_own_reads();
  void fail_read_batches();
  void expire_read_batches();

  // snapshot.cc
  void begin_snapshot(Peer& peer);
  void read_chunk(Peer& peer, std::uint64_t chunk);
  void on_snapshot(const Message& message);
  void on_snapshot_reply(const Message& message);
  void install(const SnapshotMeta& meta);

  // member.cc
  bool is_member(NodeId id) const;
  bool is_voter(NodeId id) const;
  bool counts(NodeId id) const;
  quorum::Joint voters() const { return {config().voters, config().outgoing}; }
  bool may_propose_config(ByteView payload) const;
  void note_config(const Entry& entry);
  void drop_configs_from(Index index);
  void prune_configs();
  void refresh_peers();
  Peer* find_peer(NodeId id);

  const Options options_;
  Now now_;
  Prng prng_;
  bool tracing_ = false;

  // Persistent state (Raft paper, figure 2), in memory ahead of the disk.
  Term term_;
  NodeId vote_;
  Log log_;
  WallMs last_stamp_;
  std::vector<std::pair<Index, Config>>
      configs_;  // by the index they took effect at; the last one rules

  // What the disk was given, and what it has.
  HardState given_;  // newest one in a drained Output
  std::deque<Ticket> tickets_;
  std::uint64_t last_ticket_ = 0;
  Term voted_in_;  // our vote for ourselves in this term is on disk

  // Role.
  Role role_ = Role::kFollower;
  NodeId leader_;
  Instant heard_at_ = Instant::min();  // from the leader
  Instant election_at_ = Instant::max();
  std::map<NodeId, bool> votes_;
  std::set<NodeId> untrusted_;

  // Leader. Peers by id, so that they are always visited in the same order.
  std::map<NodeId, Peer> peers_;
  Instant led_since_;
  Instant heartbeat_at_;
  Index first_own_;  // our term's first entry
  std::optional<Transfer> transfer_;
  std::deque<std::pair<Index, NodeId>> notify_;
  std::uint64_t snapshot_stream_ = 0;
  std::map<NodeId, std::size_t>
      chunk_reads_;  // asked of the host and not answered, earlier leaderships included

  // Reads.
  std::vector<Read> reads_;  // no round or batch yet
  std::deque<ReadRound> rounds_;
  std::uint64_t read_round_ = 0;
  std::deque<ReadBatch> batches_;
  std::uint64_t read_batch_ = 0;

  // Follower.
  std::optional<Index> ack_;  // the turn's acks are cumulative: one goes out
  std::optional<Incoming> incoming_;
  std::optional<Install> install_;

  // The turn's effects.
  std::vector<Message> send_now_;
  std::vector<Message> send_persisted_;
  std::vector<SnapshotWrite> snapshot_writes_;
  std::vector<ReadReady> reads_ready_;
  std::vector<std::uint64_t> failed_reads_;
  std::vector<LoadRequest> loads_;
  std::vector<SnapshotRead> snapshot_reads_;
  std::optional<SnapshotMeta> installed_;
  std::vector<std::string> trace_;
  std::tuple<Role, NodeId, Term> shown_;  // at the last drain
};

}  // namespace kvorum::raft
