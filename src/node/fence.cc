// Replicas of leaderless keyspaces as group 0 knows them. Each node registers as which replica it
// makes dots now. One whose link has been down for too long is fenced: the stable cut of the others
// does not wait for it any more (dynamo/core.h), and nobody listens to it until it has started over
// without rows. Then it registers anew, and the fence is gone with the row that held it.
#include "node/replica.h"

namespace kvorum::node {

bool Replica::is_replica_registered() const {
  const auto row = replicas_.find(options_.self);
  return row != replicas_.end() && row->second == ReplicaRow{leaderless_.replica(), false};
}

// A fence that came first makes the compare-and-set fail, whoever this node is by then: rows that
// it loaded from its disk may be those of the fenced replica.
void Replica::tend_replica() {
  if (is_replica_registered() || !leaderless_.may_register()) {
    return;
  }
  const auto key = replica_row_key(options_.self);
  const auto value = encode(ReplicaRow{leaderless_.replica(), false});
  const auto row = replicas_.find(options_.self);
  const auto before = row == replicas_.end() ? Bytes() : encode(row->second);
  Command command;
  if (before.empty()) {
    command.op = Op::kSetNx;
    command.args = {key, value};
  } else {
    command.op = Op::kCas;
    command.args = {key, before, value};
  }
  find(kMetaPartition)->outbox().push(command, ConnId());
}

void Replica::refresh_replicas() {
  const auto& machine = find(kMetaPartition)->machine();
  std::vector<ReplicaId> fenced;
  for (const auto node : options_.members) {
    const auto value = machine.get(replica_row_key(node));
    const auto row = value ? decode_replica(*value) : std::nullopt;
    if (!row) {
      continue;
    }
    replicas_[node] = *row;
    if (row->fenced && node != options_.self) {
      fenced.push_back({node, row->incarnation});
    }
  }
  leaderless_.fence(std::move(fenced), now_);
  const auto own = replicas_.find(options_.self);
  if (own != replicas_.end() && own->second.fenced && leaderless_.may_start_over() &&
      leaderless_.started_over_from() != own->second.incarnation) {
    start_over(own->second.incarnation);
  }
  if (!is_replica_registered()) {
    meta_try_at_ = std::min(meta_try_at_, now_.mono);
  }
}

void Replica::start_over(Incarnation fenced) {
  note(LogLevel::kWarn,
       "this node's replica of the leaderless keyspaces was fenced for its long silence: its rows "
       "are dropped, and it starts over as another one");
  leaderless_.start_over(fenced, now_);
  for (const auto& [node, peer] : peers_) {
    if (peer.up) {
      leaderless_.peer(node, true, peer.replica, -peer.ahead_ms, now_);
    }
  }
  greet_again_ = true;
}

// The leader of group 0 decides, from what it saw of its own links since it started.
void Replica::fence_silent() {
  auto& meta = *find(kMetaPartition);
  if (meta.raft().role() != raft::Role::kLeader || !meta.outbox().runs().empty() ||
      meta.outbox().has_open()) {
    return;
  }
  for (const auto& [node, row] : replicas_) {
    const auto peer = peers_.find(node);
    const bool up = node == options_.self || (peer != peers_.end() && peer->second.up);
    const auto since = peer != peers_.end() ? peer->second.down_since : started_;
    if (up || row.fenced || since + options_.fence_after > now_.mono) {
      continue;
    }
    note(LogLevel::kWarn,
         fmt::format("node {} has been silent for too long: fencing its replica", node.value()));
    const auto key = replica_row_key(node);
    const auto before = encode(row);
    const auto after = encode(ReplicaRow{row.incarnation, true});
    Command command;
    command.op = Op::kCas;
    command.args = {key, before, after};
    meta.outbox().push(command, ConnId());
  }
}

}  // namespace kvorum::node
