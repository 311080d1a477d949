// Snapshots for followers that need entries which are gone (Raft paper, section 7), chunk by chunk.
#include <algorithm>

#include "raft/core.h"

namespace kvorum::raft {

// ---- The leader.

void Raft::Core::begin_snapshot(Peer& peer) {
  peer.probe_from(std::max(peer.next, peer.match.next()));
  peer.state = PeerState::kSnapshot;
  peer.snapshot.emplace();
  peer.snapshot->stream = ++snapshot_stream_;
  trace("begins a snapshot for n{}", peer.node.value());
  read_chunk(peer, 0);
}

void Raft::Core::read_chunk(Peer& peer, std::uint64_t chunk) {
  peer.snapshot->chunk = chunk;
  peer.snapshot->reading = true;
  peer.snapshot->outstanding.reset();
  peer.retry_at = Instant::max();
  snapshot_reads_.push_back({peer.node, chunk});
  ++chunk_reads_[peer.node];
}

void Raft::Core::step(SnapshotChunk chunk, Now now) {
  now_ = now;
  // The host answers in order, so only the answer to the newest question is about this stream.
  auto& asked = chunk_reads_[chunk.to];
  CHECK_GT(asked, 0u);
  Peer* peer = find_peer(chunk.to);
  if (--asked > 0 || peer == nullptr || !peer->snapshot || !peer->snapshot->reading) {
    return;
  }
  SnapshotSend& stream = *peer->snapshot;
  stream.reading = false;
  if (!chunk.meta) {
    trace("has no snapshot for n{} yet", chunk.to.value());
    arm_retry(*peer);
    return;
  }
  CHECK_EQ(chunk.chunk, stream.chunk);
  CHECK_LE(chunk.meta->index, log_.commit());
  if (stream.meta && *stream.meta != *chunk.meta) {
    begin_snapshot(*peer);
    return;
  }
  stream.meta = chunk.meta;
  Message message = make(MessageType::kSnapshot, peer->node);
  message.snapshot = std::move(*chunk.meta);
  message.tag = stream.stream;
  message.chunk = chunk.chunk;
  message.last_chunk = chunk.last;
  message.data = std::move(chunk.data);
  stream.outstanding = message;
  arm_retry(*peer);
  send(std::move(message));
}

void Raft::Core::on_snapshot_reply(const Message& message) {
  Peer* peer = find_peer(message.from);
  if (peer == nullptr || !peer->snapshot || peer->snapshot->stream != message.tag ||
      !peer->snapshot->outstanding || peer->snapshot->chunk != message.chunk) {
    return;
  }
  SnapshotSend& stream = *peer->snapshot;
  peer->retry_wait = Duration::zero();
  if (message.reject) {
    trace("n{} wants the snapshot from its beginning", peer->node.value());
    begin_snapshot(*peer);
  } else if (stream.outstanding->last_chunk) {
    trace("n{} has the snapshot at {}", peer->node.value(), stream.meta->index.value());
    on_ack(*peer, stream.meta->index);
  } else {
    read_chunk(*peer, stream.chunk + 1);
  }
}

void Raft::Core::step(const Compacted& compacted) { log_.compacted_to(compacted.first_index); }

// ---- The follower.

void Raft::Core::on_snapshot(const Message& message) {
  const SnapshotMeta& meta = message.snapshot;
  if (install_) {
    return;  // one at a time: the leader sends it again
  }
  if (meta.index <= log_.commit() || log_.term_at(meta.index) == meta.term) {
    // Raft paper, section 7: what the snapshot tells is known already. An equal entry vouches for
    // all before it.
    follow_commit(std::max(meta.index, log_.commit()));
    incoming_.reset();
    acknowledge(log_.commit());
    return;
  }
  const bool same = incoming_ && incoming_->from == message.from &&
                    incoming_->term == message.term && incoming_->stream == message.tag &&
                    incoming_->meta == meta;
  if (!same && message.chunk == 0) {
    incoming_ = Incoming{message.from, message.term, message.tag, meta, 0};
  }
  Message reply = make(MessageType::kSnapshotReply, message.from);
  reply.log_index = meta.index;
  reply.tag = message.tag;
  reply.chunk = message.chunk;
  reply.last_chunk = message.last_chunk;
  if ((!same && message.chunk != 0) || message.chunk > incoming_->next) {
    trace("cannot use chunk {} of n{}", message.chunk, message.from.value());
    reply.reject = true;
    send(std::move(reply));
    return;
  }
  if (message.chunk == incoming_->next) {
    ++incoming_->next;
    snapshot_writes_.push_back({meta, message.chunk, message.last_chunk, message.data});
    if (message.last_chunk) {
      install(meta);
    }
  }
  send_persisted(std::move(reply));
}

void Raft::Core::install(const SnapshotMeta& meta) {
  trace("has received the snapshot at {}", meta.index.value());
  ack_.reset();
  log_.reset({meta.index, meta.term});
  for (Ticket& ticket : tickets_) {
    ticket.last = Index();  // what they wrote is gone
  }
  configs_.assign(1, {meta.index, meta.config});
  incoming_.reset();
  install_ = Install{meta, 0};
}

}  // namespace kvorum::raft
