// The outer shell, then what happens to every input and at every drain.
#include "raft/raft.h"

#include <algorithm>

#include "base/mutant.h"
#include "raft/core.h"

namespace kvorum::raft {

const char* to_string(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  return "?";
}

void Output::clear() {
  ticket = 0;
  hard_state.reset();
  must_sync = false;
  truncate_from.reset();
  append.clear();
  snapshot_writes.clear();
  send_now.clear();
  send_after_persist.clear();
  apply.clear();
  installed.reset();
  reads.clear();
  failed_reads.clear();
  loads.clear();
  snapshot_reads.clear();
  role_changed = false;
  wake_at = Instant::max();
  trace.clear();
}

Raft::Raft(const Options& options, Restored restored, Now now)
    : core_(std::make_unique<Core>(options, std::move(restored), now)) {}
Raft::~Raft() = default;
void Raft::step(const Message& message, Now now) { core_->step(message, now); }
void Raft::step(const Persisted& persisted, Now now) { core_->step(persisted, now); }
void Raft::step(Loaded loaded, Now now) { core_->step(std::move(loaded), now); }
void Raft::step(SnapshotChunk chunk, Now now) { core_->step(std::move(chunk), now); }
void Raft::step(const Compacted& compacted) { core_->step(compacted); }
void Raft::step(const Trust& trust) { core_->step(trust); }
void Raft::tick(Now now) { core_->tick(now); }
bool Raft::propose(EntryType type, SharedBytes payload, NodeId notify, Now now) {
  return core_->propose(type, std::move(payload), notify, now);
}
void Raft::read_barrier(std::uint64_t tag, Now now) { core_->read_barrier(tag, now); }
void Raft::transfer(NodeId target, Now now) { core_->transfer(target, now); }
void Raft::drain(Output& out, Now now) { core_->drain(out, now); }
void Raft::set_tracing(bool on) { core_->set_tracing(on); }
Role Raft::role() const { return core_->role(); }
Term Raft::term() const { return core_->term(); }
NodeId Raft::leader() const { return core_->leader(); }
Index Raft::commit() const { return core_->log().commit(); }
Index Raft::last_index() const { return core_->log().last(); }
Index Raft::applied() const { return core_->log().applied(); }
const Config& Raft::config() const { return core_->config(); }
std::vector<Progress> Raft::progress() const { return core_->progress(); }

namespace {

bool is_from_leader(MessageType type) {
  return type == MessageType::kAppend || type == MessageType::kHeartbeat ||
         type == MessageType::kSnapshot;
}

// Entries may begin before `applied`; without any, the log ends at `applied`.
Position base_of(const Restored& restored) {
  return {restored.entries.empty() ? restored.applied : restored.entries.front().index.prev(),
          restored.before_entries};
}

}  // namespace

Raft::Core::Core(const Options& options, Restored restored, Now now)
    : options_(options),
      now_(now),
      prng_(options.seed),
      term_(restored.hard.term),
      vote_(restored.hard.vote),
      log_(base_of(restored), restored.entries, restored.first_index,
           std::max(restored.hard.commit, restored.applied), restored.applied),
      last_stamp_(restored.last_stamp),
      given_(restored.hard) {
  CHECK(options_.self, "a node needs an id");
  CHECK_GT(options_.election_timeout, options_.heartbeat);
  CHECK_GE(restored.applied, restored.base.index);
  CHECK_GE(term_, log_.end().term);
  configs_.emplace_back(restored.applied, std::move(restored.config));
  for (const Entry& entry : restored.entries) {
    last_stamp_ = std::max(last_stamp_, entry.stamp);
    if (entry.type == EntryType::kConfig && entry.index > restored.applied) {
      note_config(entry);
    }
  }
  // An answer to the batch of an earlier life must not look like one to ours, even under an equal
  // seed.
  Prng numbers(options_.seed ^ static_cast<std::uint64_t>(now.wall.value()) * 0x9e3779b97f4a7c15 ^
               static_cast<std::uint64_t>(now.mono.time_since_epoch().count()));
  read_batch_ = numbers.next();
  shown_ = {role_, leader_, term_};
  arm_election_timer();
}

Message Raft::Core::make(MessageType type, NodeId to) const {
  Message message;
  message.type = type;
  message.from = options_.self;
  message.to = to;
  message.term = term_;
  return message;
}

void Raft::Core::trace_line(const std::string& text) {
  trace_.push_back(
      fmt::format("n{} t{} {}: {}", options_.self.value(), term_.value(), to_string(role_), text));
}

void Raft::Core::step(const Message& message, Now now) {
  now_ = now;
  if (admit(message)) {
    dispatch(message);
  }
}

// Raft paper, 5.1: a higher term is adopted, a lower one is refused. Thesis, 4.2.3 and 9.6: but for
// those who only ask what would be, and for those who disturb a leader that lives.
bool Raft::Core::admit(const Message& message) {
  if (message.to != options_.self || message.from == options_.self) {
    trace("drops a message from n{} to n{}", message.from.value(), message.to.value());
    return false;
  }
  // A leader proves itself by its term; its configuration may be ahead of ours (Raft paper, section
  // 6).
  if (!is_member(message.from) && !is_from_leader(message.type)) {
    trace("drops a message from the stranger n{}", message.from.value());
    return false;
  }
  if (message.type == MessageType::kVote || message.type == MessageType::kPreVote) {
    if (!message.force && leader_is_alive()) {
      trace("ignores n{}, which would stand for term {}: the leader lives", message.from.value(),
            message.term.value());
      return false;
    }
    if (untrusted_.contains(message.from) && !KVORUM_MUTANT(kVoteWithoutDisk)) {
      trace("refuses n{}, which is not trusted", message.from.value());
      return false;
    }
  }
  if (message.term < term_) {
    answer_old_term(message);
    return false;
  }
  if (message.term > term_) {
    meet_higher_term(message);
  }
  return true;
}

void Raft::Core::meet_higher_term(const Message& message) {
  const bool only_asked = message.type == MessageType::kPreVote ||
                          (message.type == MessageType::kPreVoteReply && !message.reject);
  if (!only_asked) {
    trace("meets term {} of n{}", message.term.value(), message.from.value());
    become_follower(message.term, is_from_leader(message.type) ? message.from : NodeId());
  }
}

// A leader or candidate of an old term must learn that it is one: it may be unable to hear of it
// otherwise, for instance when this node came back with a higher term and everyone else refuses its
// votes.
void Raft::Core::answer_old_term(const Message& message) {
  Message reply;
  if (is_from_leader(message.type)) {
    reply = make(MessageType::kHeartbeatReply, message.from);
  } else if (message.type == MessageType::kPreVote) {
    reply = make(MessageType::kPreVoteReply, message.from);
  } else if (message.type == MessageType::kVote) {
    reply = make(MessageType::kVoteReply, message.from);
    reply.reject = true;
    send_persisted(std::move(reply));
    return;
  } else {
    return;
  }
  reply.reject = true;
  send(std::move(reply));
}

void Raft::Core::dispatch(const Message& message) {
  if (is_from_leader(message.type)) {
    heard_leader(message.from);
  }
  if (Peer* peer = find_peer(message.from); peer != nullptr && message.term == term_) {
    on_peer_heard(*peer);
  }
  switch (message.type) {
    case MessageType::kPreVote:
      return on_pre_vote(message);
    case MessageType::kVote:
      return on_vote(message);
    case MessageType::kPreVoteReply:
    case MessageType::kVoteReply:
      return on_vote_reply(message);
    case MessageType::kAppend:
      return on_append(message);
    case MessageType::kAppendReply:
      return on_append_reply(message);
    case MessageType::kHeartbeat:
      return on_heartbeat(message);
    case MessageType::kHeartbeatReply:
      return on_heartbeat_reply(message);
    case MessageType::kReadIndex:
      return on_read_index(message);
    case MessageType::kReadIndexReply:
      return on_read_index_reply(message);
    case MessageType::kSnapshot:
      return on_snapshot(message);
    case MessageType::kSnapshotReply:
      return on_snapshot_reply(message);
    case MessageType::kTimeoutNow:
      return on_timeout_now(message);
  }
  trace("drops a message of unknown type {}", static_cast<int>(message.type));
}

void Raft::Core::step(const Persisted& persisted, Now now) {
  now_ = now;
  CHECK_LE(persisted.ticket, last_ticket_);
  Ticket done;
  while (!tickets_.empty() && tickets_.front().number <= persisted.ticket) {
    done = tickets_.front();
    tickets_.pop_front();
  }
  if (done.number == 0) {
    return;  // known already
  }
  log_.persisted_to(done.last);
  if (install_ && install_->ticket != 0 && install_->ticket <= done.number) {
    trace("installed the snapshot at {}", install_->meta.index.value());
    log_.applied_to(install_->meta.index);
    installed_ = std::move(install_->meta);
    install_.reset();
  }
  if (done.vote == options_.self) {
    voted_in_ = std::max(voted_in_, done.term);
    count_votes();
  }
  advance_commit();
}

void Raft::Core::tick(Now now) {
  now_ = now;
  expire_read_batches();
  if (role_ != Role::kLeader) {
    if (now.mono >= election_at_) {
      on_election_timeout();
    }
    return;
  }
  check_quorum();
  if (role_ != Role::kLeader) {
    return;
  }
  if (transfer_ && now.mono >= transfer_->deadline) {
    trace("gives up handing over to n{}", transfer_->target.value());
    transfer_.reset();
  }
  for (auto& [id, peer] : peers_) {
    if (now.mono >= peer.retry_at) {
      on_retry(peer);
    }
  }
}

void Raft::Core::drain(Output& out, Now now) {
  now_ = now;
  if (role_ == Role::kLeader) {
    const bool round = open_read_round();
    confirm_reads();
    for (auto& [id, peer] : peers_) {
      replicate(peer);
      const bool asked = round && is_voter(id);
      const bool waiting =
          peer.notify > peer.commit_told && std::min(peer.match, log_.commit()) >= peer.notify;
      if (asked || waiting || now.mono >= heartbeat_at_) {
        send_heartbeat(peer);
      }
    }
    if (now.mono >= heartbeat_at_) {
      heartbeat_at_ = now.mono + options_.heartbeat;
    }
    advance_transfer();
  } else {
    ask_leader_for_reads();
  }
  if (ack_) {
    Message reply = make(MessageType::kAppendReply, leader_);
    reply.log_index = *std::exchange(ack_, std::nullopt);
    send_persisted(std::move(reply));
  }
  drain_persist(out);
  out.send_now.swap(send_now_);
  out.reads.swap(reads_ready_);
  out.failed_reads.swap(failed_reads_);
  out.loads.swap(loads_);
  out.snapshot_reads.swap(snapshot_reads_);
  drain_apply(out);
  log_.trim(options_.window_bytes);
  const auto shown = std::tuple(role_, leader_, term_);
  out.role_changed = std::exchange(shown_, shown) != shown;
  out.wake_at = wake_at();
  out.trace.swap(trace_);
}

// One batch for the disk. A commit index alone never asks for one: it rides along.
void Raft::Core::drain_persist(Output& out) {
  const HardState hard{term_, vote_, log_.commit()};
  const bool voted = hard.term != given_.term || hard.vote != given_.vote;
  const bool writes = voted || log_.dirty() || !snapshot_writes_.empty();
  if (!writes && send_persisted_.empty()) {
    return;
  }
  out.ticket = ++last_ticket_;
  if (writes && hard != given_) {
    out.hard_state = given_ = hard;
  }
  out.must_sync = voted || log_.dirty();
  out.truncate_from = log_.pending_truncate();
  log_.copy_pending(out.append);
  log_.handed_over();
  out.snapshot_writes.swap(snapshot_writes_);
  out.send_after_persist.swap(send_persisted_);
  tickets_.push_back({last_ticket_, log_.last(), term_, vote_});
  if (install_ && install_->ticket == 0) {
    install_->ticket = last_ticket_;
    out.must_sync = true;
  }
}

void Raft::Core::drain_apply(Output& out) {
  out.installed.swap(installed_);
  const bool dirty = KVORUM_MUTANT(kDirtyRead) && role_ == Role::kLeader;
  const Index last = dirty ? log_.last() : log_.commit();
  if (install_ || log_.applied() >= last) {
    return;  // behind the snapshot there is nothing to apply before it is there
  }
  log_.copy(log_.applied().next(), last, std::size_t(-1), out.apply);
  log_.applied_to(last);
  prune_configs();
}

Instant Raft::Core::wake_at() const {
  Instant at = Instant::max();
  if (!batches_.empty()) {
    at = batches_.front().deadline;
  }
  if (role_ != Role::kLeader) {
    return std::min(at, election_at_);
  }
  at = std::min({at, heartbeat_at_, quorum_lost_at()});
  if (transfer_) {
    at = std::min(at, transfer_->deadline);
  }
  for (const auto& [id, peer] : peers_) {
    at = std::min(at, peer.retry_at);
  }
  return at;
}

}  // namespace kvorum::raft
