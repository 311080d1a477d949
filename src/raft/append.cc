// Replication (Raft paper, 5.3): the leader's sending and the follower's accepting of entries.
#include <algorithm>

#include "raft/core.h"

namespace kvorum::raft {

bool Raft::Core::propose(EntryType type, SharedBytes payload, NodeId notify, Now now) {
  now_ = now;
  if (role_ != Role::kLeader || transfer_ ||
      log_.uncommitted_bytes() >= options_.uncommitted_bytes) {
    return false;
  }
  CHECK(payload != nullptr, "an entry needs a payload, be it empty");
  if (type == EntryType::kConfig && !may_propose_config(*payload)) {
    return false;
  }
  const Index index = append_own(type, std::move(payload));
  if (notify && notify != options_.self) {
    notify_.emplace_back(index, notify);
  }
  if (type == EntryType::kConfig) {
    refresh_peers();
  }
  return true;
}

Index Raft::Core::append_own(EntryType type, SharedBytes payload) {
  last_stamp_ = std::max(last_stamp_, now_.wall);
  Entry entry{term_, log_.last().next(), type, last_stamp_, std::move(payload)};
  const Index index = entry.index;
  if (type == EntryType::kConfig) {
    note_config(entry);
  }
  log_.append(std::move(entry));
  return index;
}

// ---- The follower.

bool Raft::Core::is_well_formed(const Message& append) const {
  Position at{append.log_index, append.log_term};
  Config config;
  for (const Entry& entry : append.entries) {
    if (entry.index != at.index.next() || entry.term < at.term || entry.term > append.term ||
        (entry.type == EntryType::kConfig && !decode(*entry.payload, config))) {
      return false;
    }
    at = {entry.index, entry.term};
  }
  return true;
}

void Raft::Core::on_append(const Message& message) {
  if (!is_well_formed(message)) {
    trace("drops entries of n{} that make no sense", message.from.value());
    return;
  }
  if (install_ && install_->ticket == 0) {
    return;  // a snapshot restarted the log in this turn; entries would need a batch of their own
  }
  const Index end = message.log_index + message.entries.size();
  const Index commit = log_.commit();
  if (end <= commit) {
    acknowledge(commit);  // what is committed is the same everywhere: an old message, or a leader
                          // that knows little
    return;
  }
  if (message.log_index >= commit) {
    if (log_.term_at(message.log_index) != message.log_term) {
      reject_append(message);
      return;
    }
  } else {
    CHECK_EQ(message.entries[commit - message.log_index - 1].term, *log_.term_at(commit));
  }
  accept_entries(message.entries);
  acknowledge(end);
  follow_commit(std::min(message.commit, end));
}

// Raft paper, 5.3: an entry that conflicts goes, and all behind it; one that is there already
// stays, because this may be an old message and later entries may have been acknowledged.
void Raft::Core::accept_entries(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.index <= log_.commit()) {
      continue;
    }
    if (const auto held = log_.term_at(entry.index)) {
      if (*held == entry.term) {
        continue;
      }
      trace("drops its entries from {}: term {} where the leader has {}", entry.index.value(),
            held->value(), entry.term.value());
      drop_configs_from(entry.index);
      log_.truncate_from(entry.index);
      for (Ticket& ticket : tickets_) {  // what they write behind here is no longer our log
        ticket.last = std::min(ticket.last, entry.index.prev());
      }
    }
    last_stamp_ = std::max(last_stamp_, entry.stamp);
    if (entry.type == EntryType::kConfig) {
      note_config(entry);
    }
    log_.append(entry);
  }
}

// The hint skips what cannot agree: an index past the end, or of a term above the one that the
// leader has there. A rejection claims nothing, so it need not wait for the disk.
void Raft::Core::reject_append(const Message& message) {
  const Index from = std::min(message.log_index, log_.last());
  const Index hint = agree_at_most(from, message.log_term, log_.commit());
  trace("refuses entries behind {} of n{}: they may agree at {}", message.log_index.value(),
        message.from.value(), hint.value());
  Message reply = make(MessageType::kAppendReply, message.from);
  reply.reject = true;
  reply.log_index = message.log_index;
  reply.hint_index = hint;
  reply.hint_term = *log_.term_at(hint);
  send(std::move(reply));
}

// The last index, at most `index` and at least `floor`, whose term is not above `term`, as far as
// the window tells.
Index Raft::Core::agree_at_most(Index index, Term term, Index floor) const {
  while (index > floor) {
    const auto held = log_.term_at(index);
    if (!held || *held <= term) {
      break;
    }
    index = index.prev();
  }
  return index;
}

// ---- The leader.

void Raft::Core::replicate(Peer& peer) {
  while (peer.next <= log_.last() && peer.may_send(options_) && send_entries(peer)) {
  }
}

bool Raft::Core::send_entries(Peer& peer) {
  const Index prev = peer.next.prev();
  const auto term = log_.term_at(prev);
  if (!term) {
    ask_for_older(peer);
    return false;
  }
  Message message = make(MessageType::kAppend, peer.node);
  message.log_index = prev;
  message.log_term = *term;
  const auto bytes = log_.copy(peer.next, log_.last(), options_.append_bytes, message.entries);
  send_append(peer, std::move(message), bytes);
  return true;
}

void Raft::Core::ask_for_older(Peer& peer) {
  const Index prev = peer.next.prev();
  if (peer.next < log_.disk_first()) {
    begin_snapshot(peer);
    return;
  }
  peer.load_prev = prev;
  loads_.push_back({peer.node, prev, log_.base().index, options_.append_bytes});
}

void Raft::Core::step(Loaded loaded, Now now) {
  now_ = now;
  Peer* peer = find_peer(loaded.to);
  if (peer == nullptr || peer->load_prev != loaded.prev_index) {
    return;  // asked for in an earlier leadership, or no longer needed
  }
  peer->load_prev.reset();
  if (loaded.entries.empty()) {
    begin_snapshot(*peer);
    return;
  }
  CHECK_EQ(loaded.entries.front().index, peer->next);
  CHECK_EQ(loaded.prev_index.next(), peer->next);
  CHECK_LE(loaded.entries.back().index, log_.commit());
  Message message = make(MessageType::kAppend, peer->node);
  message.log_index = loaded.prev_index;
  message.log_term = loaded.prev_term;
  message.entries = std::move(loaded.entries);
  std::size_t bytes = 0;
  for (const Entry& entry : message.entries) {
    bytes += entry.byte_size();
  }
  send_append(*peer, std::move(message), bytes);
}

void Raft::Core::send_append(Peer& peer, Message message, std::size_t bytes) {
  const Index last = message.entries.back().index;
  message.commit = log_.commit();
  peer.commit_told = std::max(peer.commit_told, std::min(last, message.commit));
  peer.sent(last, bytes);
  if (peer.retry_at == Instant::max()) {
    arm_retry(peer);
  }
  send(std::move(message));
}

void Raft::Core::on_append_reply(const Message& message) {
  Peer* peer = find_peer(message.from);
  if (peer == nullptr) {
    return;
  }
  if (message.reject) {
    on_reject(*peer, message);
  } else if (message.log_index > log_.last()) {
    trace("drops an ack of n{} for {}, which does not exist", message.from.value(),
          message.log_index.value());
  } else {
    on_ack(*peer, message.log_index);
  }
}

void Raft::Core::on_ack(Peer& peer, Index through) {
  const bool news = through > peer.match;
  peer.match = std::max(peer.match, through);
  if (peer.lost_below && peer.match >= *peer.lost_below) {
    trace("n{} has caught up to where it was: it counts again", peer.node.value());
    peer.lost_below.reset();
  }
  // A snapshot that it is past already would never be taken; nor is it needed where the log
  // suffices.
  const bool needs_snapshot = peer.snapshot && peer.match < log_.base().index &&
                              peer.match.next() < log_.disk_first() &&
                              !(peer.snapshot->meta && peer.snapshot->meta->index <= peer.match);
  if (peer.state == PeerState::kProbe || (peer.state == PeerState::kSnapshot && !needs_snapshot)) {
    peer.replicate_after_match();
  } else if (peer.state == PeerState::kReplicate) {
    peer.inflight.acknowledged(peer.match);
    peer.next = std::max(peer.next, peer.match.next());
    if (peer.load_prev && *peer.load_prev != peer.next.prev()) {
      peer.load_prev.reset();
    }
  }
  if (news) {
    peer.retry_wait = Duration::zero();
    peer.retry_at = Instant::max();
    if (peer.waits()) {
      arm_retry(peer);
    }
    advance_commit();
  }
}

void Raft::Core::on_reject(Peer& peer, const Message& message) {
  const Index at = message.log_index;
  const bool stale = at < peer.match || at >= peer.next || !at ||
                     (peer.state == PeerState::kProbe && at != peer.next.prev());
  if (peer.state == PeerState::kSnapshot || stale) {
    return;
  }
  if (message.hint_index < peer.match) {
    // (A rejection that was overtaken by a later ack looks the same. Not to count the voter for a
    // moment does no harm.)
    on_lost_data(peer, message);
    return;
  }
  const Index hint = std::min(message.hint_index, at.prev());
  peer.retry_wait = Duration::zero();
  peer.probe_from(agree_at_most(hint, message.hint_term, peer.match).next());
}

// It had acknowledged more than it holds now. A disk that forgets entries may have forgotten a vote
// as well, so nothing that it says counts until it has them again.
void Raft::Core::on_lost_data(Peer& peer, const Message& message) {
  trace("n{} LOST DATA: it acknowledged {} and now holds {}", peer.node.value(), peer.match.value(),
        message.hint_index.value());
  peer.lost_below = std::max(peer.lost_below.value_or(Index()), peer.match);
  peer.match = Index();
  peer.read_round = 0;
  peer.commit_told = Index();
  peer.retry_wait = Duration::zero();
  const Index hint = std::min(message.hint_index, log_.last().prev());
  peer.probe_from(agree_at_most(hint, message.hint_term, Index()).next());
}

// ---- What gets lost on the way.

bool Raft::Core::is_silent(const Peer& peer) const {
  return now_.mono - peer.last_heard >= options_.election_timeout;
}

void Raft::Core::arm_retry(Peer& peer) {
  peer.retry_wait = std::max(peer.retry_wait, options_.election_timeout);
  peer.retry_at = now_.mono + peer.retry_wait;
}

// A peer that is back from silence need not wait for its retry.
void Raft::Core::on_peer_heard(Peer& peer) {
  const bool back = is_silent(peer);
  peer.last_heard = now_.mono;
  if (back && peer.waits()) {
    peer.retry_wait = Duration::zero();
    send_again(peer);
  }
}

// Peers that don't answer at all get heartbeats only; on_peer_heard goes on with them.
void Raft::Core::on_retry(Peer& peer) {
  peer.retry_at = Instant::max();
  if (!is_silent(peer)) {
    peer.retry_wait = std::min(2 * peer.retry_wait, 8 * options_.election_timeout);
    send_again(peer);
  }
}

void Raft::Core::send_again(Peer& peer) {
  peer.retry_at = Instant::max();
  if (peer.state == PeerState::kReplicate) {
    trace("sends to n{} again from {}", peer.node.value(), peer.match.next().value());
    peer.probe_from(peer.match.next());
  } else if (peer.state == PeerState::kProbe) {
    peer.probe_sent = false;
  } else if (peer.snapshot->outstanding) {
    trace("sends chunk {} to n{} again", peer.snapshot->chunk, peer.node.value());
    send(Message(*peer.snapshot->outstanding));
    arm_retry(peer);
  } else if (!peer.snapshot->reading) {
    begin_snapshot(peer);
  }
}

}  // namespace kvorum::raft
