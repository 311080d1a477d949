// Elections: time-outs, pre-vote, votes, check-quorum and the transfer of leadership.
#include <algorithm>

#include "base/mutant.h"
#include "raft/core.h"

namespace kvorum::raft {

bool Raft::Core::can_stand() const { return is_voter(options_.self) && counts(options_.self); }

// Thesis, 4.2.3: within the least election time-out of hearing from a leader nobody helps to
// replace it.
bool Raft::Core::leader_is_alive() const {
  return role_ == Role::kLeader || (leader_ && now_.mono < heard_at_ + options_.election_timeout);
}

// Raft paper, 5.2: drawn anew each time, so that split votes are rare.
void Raft::Core::arm_election_timer() {
  const auto spread = static_cast<std::uint64_t>(options_.election_timeout.count());
  election_at_ = now_.mono + options_.election_timeout +
                 Duration(static_cast<Duration::rep>(prng_.below(spread)));
}

void Raft::Core::on_election_timeout() {
  if (can_stand()) {
    become_pre_candidate();
    return;
  }
  trace("hears no leader");
  become_follower(term_, NodeId());
  election_at_ = Instant::max();  // until a leader speaks up there is nothing to wait for
}

void Raft::Core::become_follower(Term term, NodeId leader) {
  CHECK_GE(term, term_);
  const bool led = role_ == Role::kLeader;
  const bool waited = role_ != Role::kFollower;
  if (led) {
    trace("steps down");
    fail_own_reads();
    peers_.clear();
    transfer_.reset();
    notify_.clear();
  }
  if (term > term_ || leader != leader_) {
    fail_read_batches();
  }
  if (term > term_) {
    term_ = term;
    vote_ = NodeId();
    // What these entries were is the old leader's story; the new one may replace them in this very
    // turn.
    ack_.reset();
  }
  role_ = Role::kFollower;
  leader_ = leader;
  votes_.clear();
  if (waited) {
    arm_election_timer();
  }
}

// Thesis, 9.6: asks first, under the next term, and changes nothing yet.
void Raft::Core::become_pre_candidate() {
  become_follower(term_, NodeId());
  role_ = Role::kPreCandidate;
  arm_election_timer();
  trace("asks who would vote for it in term {}", term_.next().value());
  votes_[options_.self] = true;
  ask_for_votes(MessageType::kPreVote, term_.next(), false);
  count_votes();
}

// Raft paper, 5.2. The vote for itself counts, and the others are asked, once it is on disk.
void Raft::Core::become_candidate(bool forced) {
  become_follower(term_.next(), NodeId());
  role_ = Role::kCandidate;
  vote_ = options_.self;
  arm_election_timer();
  trace("stands for election");
  ask_for_votes(MessageType::kVote, term_, forced);
}

void Raft::Core::ask_for_votes(MessageType type, Term term, bool forced) {
  std::set<NodeId> asked(config().voters.begin(), config().voters.end());
  asked.insert(config().outgoing.begin(), config().outgoing.end());
  asked.erase(options_.self);
  for (const NodeId id : asked) {
    Message ask = make(type, id);
    ask.term = term;
    ask.log_index = log_.end().index;
    ask.log_term = log_.end().term;
    ask.force = forced;
    if (type == MessageType::kVote) {
      send_persisted(std::move(ask));
    } else {
      send(std::move(ask));
    }
  }
}

void Raft::Core::count_votes() {
  if (role_ == Role::kCandidate && voted_in_ == term_) {
    votes_[options_.self] = true;
  } else if (role_ != Role::kPreCandidate && role_ != Role::kCandidate) {
    return;
  }
  const auto verdict = quorum::tally(voters(), [this](NodeId id) -> std::optional<bool> {
    const auto vote = votes_.find(id);
    return vote != votes_.end() && counts(id) ? std::optional(vote->second) : std::nullopt;
  });
  if (verdict == quorum::Verdict::kLost) {
    trace("is refused by a majority");
    become_follower(term_, NodeId());
  } else if (verdict == quorum::Verdict::kWon) {
    if (role_ == Role::kPreCandidate) {
      become_candidate(false);
    } else {
      become_leader();
    }
  }
}

void Raft::Core::become_leader() {
  CHECK(role_ == Role::kCandidate, "only a candidate becomes leader");
  role_ = Role::kLeader;
  leader_ = options_.self;
  votes_.clear();
  incoming_.reset();
  led_since_ = now_.mono;
  heartbeat_at_ = now_.mono + options_.heartbeat;  // the first entry goes out at once
  // Raft paper, section 8: entries of earlier terms commit with the first one of this term, and so
  // do reads begin.
  first_own_ = append_own(EntryType::kEmpty, share({}));
  peers_.clear();
  refresh_peers();
  trace("leads from {}", first_own_.value());
}

void Raft::Core::heard_leader(NodeId from) {
  CHECK(role_ != Role::kLeader, "term {} has two leaders: n{} and this node", term_.value(),
        from.value());
  CHECK(!leader_ || leader_ == from, "term {} has two leaders: n{} and n{}", term_.value(),
        leader_.value(), from.value());
  if (role_ != Role::kFollower || leader_ != from) {
    become_follower(term_, from);
    trace("follows n{}", from.value());
  }
  heard_at_ = now_.mono;
  arm_election_timer();
}

// Raft paper, 5.4.1.
bool Raft::Core::log_is_as_good(const Message& message) const {
  const Position end = log_.end();
  return KVORUM_MUTANT(kVoteBlindly) || message.log_term > end.term ||
         (message.log_term == end.term && message.log_index >= end.index);
}

void Raft::Core::on_pre_vote(const Message& message) {
  // In this very term we may have voted already; in a higher one certainly not.
  const bool free = message.term > term_ || !vote_ || vote_ == message.from;
  const bool grant = can_stand() && is_voter(message.from) && free && log_is_as_good(message);
  trace("{} n{} for term {}", grant ? "would vote for" : "would not vote for", message.from.value(),
        message.term.value());
  Message reply = make(MessageType::kPreVoteReply, message.from);
  reply.term = grant ? message.term : term_;
  reply.reject = !grant;
  send(std::move(reply));
}

// Raft paper, 5.2 and 5.4.1: one vote per term, first come, and only for a log at least as good.
void Raft::Core::on_vote(const Message& message) {
  const bool free = KVORUM_MUTANT(kVoteTwice) || (vote_ ? vote_ == message.from : !leader_);
  const bool grant = can_stand() && is_voter(message.from) && free && log_is_as_good(message);
  trace("{} n{}", grant ? "votes for" : "does not vote for", message.from.value());
  if (grant) {
    vote_ = message.from;
    arm_election_timer();
  }
  Message reply = make(MessageType::kVoteReply, message.from);
  reply.reject = !grant;
  send_persisted(std::move(reply));
}

void Raft::Core::on_vote_reply(const Message& message) {
  const bool pre = message.type == MessageType::kPreVoteReply;
  if (role_ != (pre ? Role::kPreCandidate : Role::kCandidate) ||
      (!message.reject && message.term != (pre ? term_.next() : term_))) {
    return;
  }
  votes_.emplace(message.from, !message.reject);
  count_votes();
}

// Thesis, 3.10: the leader asked for it, so nobody needs to be spared and no pre-vote is held.
void Raft::Core::on_timeout_now(const Message& message) {
  if (role_ == Role::kFollower && leader_ == message.from && can_stand()) {
    trace("is asked to take over by n{}", message.from.value());
    become_candidate(true);
  }
}

// Thesis, 6.2: a leader that a quorum has not answered for an election time-out steps down, so that
// its clients look elsewhere.
void Raft::Core::check_quorum() {
  if (now_.mono >= quorum_lost_at()) {
    trace("has not heard a quorum");
    become_follower(term_, NodeId());
  }
}

Instant Raft::Core::quorum_lost_at() const {
  const auto heard = quorum::reached(voters(), [this](NodeId id) {
    if (!counts(id)) {
      return led_since_;
    }
    const auto peer = peers_.find(id);
    return peer == peers_.end() ? Instant::max() - options_.election_timeout
                                : peer->second.last_heard;
  });
  return heard + options_.election_timeout;
}

void Raft::Core::transfer(NodeId target, Now now) {
  now_ = now;
  if (role_ != Role::kLeader || transfer_) {
    return;
  }
  const Peer* best = nullptr;
  for (const auto& [id, peer] : peers_) {
    const bool fits = is_voter(id) && counts(id) && (!target || id == target);
    if (fits && (best == nullptr || peer.match > best->match)) {
      best = &peer;
    }
  }
  if (best == nullptr) {
    trace("has nobody to hand over to");
    return;
  }
  trace("hands over to n{}", best->node.value());
  transfer_ = Transfer{best->node, now.mono + options_.election_timeout};
}

// Thesis, 3.10: once the target's log is complete (no proposal is taken meanwhile) it is told to
// stand at once.
void Raft::Core::advance_transfer() {
  if (!transfer_ || transfer_->told) {
    return;
  }
  const Peer* peer = find_peer(transfer_->target);
  if (peer == nullptr) {
    transfer_.reset();
  } else if (peer->match == log_.last()) {
    transfer_->told = true;
    send(make(MessageType::kTimeoutNow, peer->node));
  }
}

}  // namespace kvorum::raft
