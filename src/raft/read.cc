// Reads without log entries: ReadIndex (thesis, 6.4), one confirmation round for all reads of a
// turn.
#include <algorithm>

#include "base/mutant.h"
#include "raft/core.h"

namespace kvorum::raft {

void Raft::Core::read_barrier(std::uint64_t tag, Now now) {
  now_ = now;
  reads_.push_back({options_.self, tag});
}

// ---- The leader.

void Raft::Core::on_read_index(const Message& message) {
  if (role_ == Role::kLeader) {
    reads_.push_back({message.from, message.tag});
    return;
  }
  Message reply = make(MessageType::kReadIndexReply, message.from);
  reply.tag = message.tag;
  reply.reject = true;
  send(std::move(reply));
}

// The round begins after every read that it confirms, and after its index was taken: the
// confirmation can only be newer. Before an entry of its own term is committed a leader does not
// know what is (thesis, 6.4, step 1).
bool Raft::Core::open_read_round() {
  const bool ready = KVORUM_MUTANT(kReadBeforeOwnEntry) || log_.commit() >= first_own_;
  if (reads_.empty() || !ready) {
    return false;
  }
  read_round_ += KVORUM_MUTANT(kReuseConfirmation) && read_round_ > 0 ? 0 : 1;
  rounds_.push_back({read_round_, log_.commit(), std::move(reads_)});
  reads_.clear();
  trace("opens read round {} at {}", read_round_, log_.commit().value());
  return true;
}

void Raft::Core::confirm_reads() {
  if (rounds_.empty()) {
    return;
  }
  const auto confirmed = quorum::reached(voters(), [this](NodeId id) -> std::uint64_t {
    if (!counts(id)) {
      return 0;
    }
    const auto peer = peers_.find(id);
    return peer == peers_.end() ? read_round_ : peer->second.read_round;
  });
  while (!rounds_.empty() &&
         (rounds_.front().round <= confirmed || KVORUM_MUTANT(kReadWithoutQuorum))) {
    trace("read round {} is confirmed at {}", rounds_.front().round, rounds_.front().index.value());
    for (const Read& read : rounds_.front().reads) {
      answer_read(read, rounds_.front().index);
    }
    rounds_.pop_front();
  }
}

void Raft::Core::answer_read(const Read& read, Index index) {
  if (read.from == options_.self) {
    reads_ready_.push_back({read.tag, index});
    return;
  }
  Peer* peer = find_peer(read.from);
  if (peer == nullptr) {
    return;
  }
  Message reply = make(MessageType::kReadIndexReply, read.from);
  reply.tag = read.tag;
  reply.log_index = index;
  reply.commit = std::min(peer->match, log_.commit());
  peer->commit_told = std::max(peer->commit_told, reply.commit);
  peer->notify =
      std::max(peer->notify, index);  // it must not wait for the next heartbeat to apply that far
  send(std::move(reply));
}

// Followers' reads are forgotten: they fail them themselves when they see the term or the leader
// change.
void Raft::Core::fail_own_reads() {
  for (const Read& read : reads_) {
    if (read.from == options_.self) {
      failed_reads_.push_back(read.tag);
    }
  }
  reads_.clear();
  for (const ReadRound& round : rounds_) {
    for (const Read& read : round.reads) {
      if (read.from == options_.self) {
        failed_reads_.push_back(read.tag);
      }
    }
  }
  rounds_.clear();
}

// ---- The follower.

// One message for all reads of the turn. Without a leader they wait for one.
void Raft::Core::ask_leader_for_reads() {
  if (reads_.empty() || !leader_) {
    return;
  }
  ReadBatch batch{++read_batch_, now_.mono + options_.election_timeout, {}};
  for (const Read& read : reads_) {
    batch.tags.push_back(read.tag);
  }
  reads_.clear();
  Message ask = make(MessageType::kReadIndex, leader_);
  ask.tag = batch.number;
  send(std::move(ask));
  batches_.push_back(std::move(batch));
}

void Raft::Core::on_read_index_reply(const Message& message) {
  const auto batch = std::find_if(batches_.begin(), batches_.end(),
                                  [&](const ReadBatch& b) { return b.number == message.tag; });
  if (batch == batches_.end()) {
    return;  // given up, or a repeat
  }
  for (const std::uint64_t tag : batch->tags) {
    if (message.reject) {
      failed_reads_.push_back(tag);
    } else {
      reads_ready_.push_back({tag, message.log_index});
    }
  }
  batches_.erase(batch);
  if (!message.reject) {
    follow_commit(message.commit);
  }
}

void Raft::Core::fail_read_batches() {
  for (const ReadBatch& batch : batches_) {
    failed_reads_.insert(failed_reads_.end(), batch.tags.begin(), batch.tags.end());
  }
  batches_.clear();
}

// The question or its answer was lost, or the leader is cut off.
void Raft::Core::expire_read_batches() {
  while (!batches_.empty() && batches_.front().deadline <= now_.mono) {
    const auto& tags = batches_.front().tags;
    failed_reads_.insert(failed_reads_.end(), tags.begin(), tags.end());
    batches_.pop_front();
  }
}

}  // namespace kvorum::raft
