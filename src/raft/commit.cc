// What is committed (Raft paper, 5.3 and 5.4.2), and how followers hear of it.
#include <algorithm>

#include "base/mutant.h"
#include "raft/core.h"

namespace kvorum::raft {

// Raft paper, 5.4.2: only an entry of the leader's own term commits by counting; those before it
// commit with it.
void Raft::Core::advance_commit() {
  if (role_ != Role::kLeader) {
    return;
  }
  const Index counted = quorum::reached(voters(), [this](NodeId id) {
    if (!counts(id)) {
      return Index();
    }
    const auto peer = peers_.find(id);
    return peer == peers_.end() ? log_.persisted() : peer->second.match;
  });
  const Index at = KVORUM_MUTANT(kCommitAlone) ? log_.persisted() : counted;
  const bool own_term = KVORUM_MUTANT(kCommitOldTerm) || log_.term_at(at) == term_;
  if (at <= log_.commit() || !own_term) {
    return;
  }
  log_.commit_to(at);
  trace("commits {}", at.value());
  while (!notify_.empty() && notify_.front().first <= at) {
    if (Peer* peer = find_peer(notify_.front().second)) {
      peer->notify = notify_.front().first;
    }
    notify_.pop_front();
  }
}

void Raft::Core::follow_commit(Index index) {
  if (index > log_.last()) {
    trace("LOST DATA: the leader knows entries through {} here, the log ends at {}", index.value(),
          log_.last().value());
  } else if (index > log_.commit()) {
    log_.commit_to(index);
    trace("learns that {} is committed", index.value());
  }
}

// A heartbeat says nothing about the log, so its commit index stays within what the follower
// acknowledged.
void Raft::Core::send_heartbeat(Peer& peer) {
  Message beat = make(MessageType::kHeartbeat, peer.node);
  beat.commit = std::min(peer.match, log_.commit());
  beat.round = read_round_;
  peer.commit_told = std::max(peer.commit_told, beat.commit);
  send(std::move(beat));
}

void Raft::Core::on_heartbeat(const Message& message) {
  follow_commit(message.commit);
  Message reply = make(MessageType::kHeartbeatReply, message.from);
  reply.round = message.round;
  if (message.commit > log_.last()) {
    reply.reject = true;
    reply.hint_index = log_.end().index;
    reply.hint_term = log_.end().term;
  }
  send(std::move(reply));
}

void Raft::Core::on_heartbeat_reply(const Message& message) {
  Peer* peer = find_peer(message.from);
  if (peer == nullptr) {
    return;
  }
  if (message.reject) {
    on_lost_data(*peer, message);
  } else {
    peer->read_round = std::max(peer->read_round, std::min(message.round, read_round_));
  }
}

}  // namespace kvorum::raft
