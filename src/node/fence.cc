// Replicas of leaderless keyspaces as group 0 knows them. Each node registers as which replica it
// makes dots now. One whose link has been down for too long is fenced: the stable cut of the others
// does not wait for it any more (dynamo/core.h), and nobody listens to it until it has started over
// without rows. Then it registers anew, and the fence is gone with the row that held it.
//
// A node that has not heard of group 0's leader for nearly as long may have been fenced without
// knowing, so what it acknowledges may be dropped: it is in doubt, and its leaderless half does
// nothing, until its check of its own row has been applied.
#include <fmt/format.h>

#include <algorithm>

#include "base/mutant.h"
#include "node/replica.h"

namespace kvorum::node {

bool Replica::is_replica_registered() const {
  const auto row = replicas_.find(options_.self);
  return row != replicas_.end() && row->second.incarnation == leaderless_.replica() &&
         !row->second.fenced && (!checked_ || row->second.checked == *checked_);
}

// Group 0's leader goes by what its links tell, this node by what its own clock told when it last
// noted that it heard of it. An eighth is for what the two may differ by.
void Replica::doubt() {
  if (checked_) {
    return;
  }
  if (find(kMetaPartition)->raft().leader()) {
    heard();
  } else if (heard_ + (options_.fence_after - options_.fence_after / 8) <= now_.mono) {
    begin_doubt();
  }
}

void Replica::doubt_last_life() {
  heard_ = now_.mono;
  const auto away = now_.wall - leaderless_.heard_at().value_or(now_.wall);
  if (std::chrono::milliseconds(away) >= options_.fence_after - options_.fence_after / 8) {
    begin_doubt();
  }
}

void Replica::heard() {
  heard_ = now_.mono;
  leaderless_.heard(now_);
}

void Replica::begin_doubt() {
  checked_ = now_.wall;
  leaderless_.pause();
  meta_try_at_ = now_.mono;
  note(LogLevel::kWarn,
       "group 0 was not heard of for so long that this node's leaderless rows may have been given "
       "up: nothing is done with them until that is known");
}

Result<void> Replica::check_doubt() const {
  if (checked_) {
    return fail(ErrorCode::kNoQuorum,
                "this node was away for so long that its rows may have been given up, and group 0 "
                "has not yet said otherwise");
  }
  return {};
}

// A fence that came first makes the compare-and-set fail, whoever this node is by then: rows that
// it loaded from its disk may be those of the fenced replica.
void Replica::tend_replica() {
  if (is_replica_registered() || !leaderless_.may_register()) {
    return;
  }
  const auto key = replica_row_key(options_.self);
  const auto value = encode(ReplicaRow{leaderless_.replica(), checked_.value_or(WallMs()), false});
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
  if (!KVORUM_MUTANT(kKeepFenced) && own != replicas_.end() && own->second.fenced &&
      leaderless_.may_start_over() && leaderless_.started_over_from() != own->second.incarnation) {
    start_over(own->second.incarnation);
  }
  if (!is_replica_registered()) {
    meta_try_at_ = std::min(meta_try_at_, now_.mono);
  } else if (checked_) {
    checked_.reset();
    heard();
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

// The leader of group 0 decides, from what it saw of its own links while it led: a node may have
// heard of the leader before it.
void Replica::fence_silent() {
  auto& meta = *find(kMetaPartition);
  if (meta.raft().role() != raft::Role::kLeader || led_.first != meta.raft().term()) {
    led_ = {meta.raft().term(), now_.mono};
    return;
  }
  if (writes(kMetaPartition)) {
    return;
  }
  for (const auto& [node, row] : replicas_) {
    const auto peer = peers_.find(node);
    const bool up = node == options_.self || (peer != peers_.end() && peer->second.up);
    const auto since = peer != peers_.end() ? peer->second.down_since : started_;
    if (up || row.fenced || std::max(since, led_.second) + options_.fence_after > now_.mono) {
      continue;
    }
    note(LogLevel::kWarn,
         fmt::format("node {} has been silent for too long: fencing its replica", node.value()));
    const auto key = replica_row_key(node);
    const auto before = encode(row);
    const auto after = encode(ReplicaRow{row.incarnation, row.checked, true});
    Command command;
    command.op = Op::kCas;
    command.args = {key, before, after};
    meta.outbox().push(command, ConnId());
  }
}

}  // namespace kvorum::node
