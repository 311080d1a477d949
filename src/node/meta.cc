// The metadata group as this node sees it: members and their incarnations, keyspaces, and what
// follows from them.
#include "model/meta.h"

#include "base/check.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

constexpr Duration kMetaRetry = 200ms;

}  // namespace

raft::Config Replica::configuration() const {
  raft::Config config;
  config.voters = voters_;
  for (const auto node : options_.members) {
    if (std::find(voters_.begin(), voters_.end(), node) == voters_.end()) {
      config.learners.push_back(node);
    }
  }
  return config;
}

Result<void> Replica::add_partition(PartitionId id, const store::Store& store) {
  if (find(id) != nullptr) {
    return {};
  }
  auto partition =
      std::make_unique<Partition>(id, options_, static_cast<Partition::Host&>(*this), client_id_);
  if (auto opened = partition->open(store, configuration(), now_); !opened) {
    return opened;
  }
  partitions_.emplace(id, std::move(partition));
  refresh_trust();
  return {};
}

// Until this node and its replica are registered and the first keyspace exists, asks for all that;
// all are ordinary writes to group 0.
void Replica::tend_meta() {
  auto& meta = *find(kMetaPartition);
  const bool registered = registered_.contains(options_.self);
  if (now_.mono < meta_try_at_) {
    return;
  }
  const bool settled = registered && keyspaces_.version != 0 && is_replica_registered();
  meta_try_at_ = settled ? Instant::max() : now_.mono + kMetaRetry;
  if (!meta.raft().leader() || writes(kMetaPartition)) {
    return;
  }
  tend_replica();
  Command command;
  if (!registered) {
    const auto key = member_row_key(options_.self);
    const auto value = encode(options_.incarnation);
    command.op = Op::kSetNx;
    command.args = {key, value};
    meta.outbox().push(command, ConnId());
  }
  if (keyspaces_.version == 0 && meta.raft().role() == raft::Role::kLeader) {
    KeyspaceTable table;
    table.version = 1;
    table.add(options_.main);
    table.add(*parse_keyspace("fast", {"leaderless"}, options_.members.size()));
    const auto value = encode(table);
    const auto voters = encode(voters_);
    command.op = Op::kMSetNx;
    command.args = {kKeyspacesRowKey, value, kVotersRowKey, voters};
    meta.outbox().push(command, ConnId());
  }
}

void Replica::refresh_meta() {
  const auto& machine = find(kMetaPartition)->machine();
  meta_seen_ = machine.applied();
  if (const auto voters = machine.get(kVotersRowKey)) {
    if (const auto nodes = decode_nodes(*voters)) {
      voters_ = *nodes;
    }
  }
  const auto row = machine.get(kKeyspacesRowKey);
  auto table = row ? decode_keyspaces(*row) : std::nullopt;
  if (table && table->version > keyspaces_.version) {
    keyspaces_ = std::move(*table);
    leaderless_.configure(keyspaces_, now_);
    answer_held(now_);
  }
  for (const auto node : options_.members) {
    const auto value = machine.get(member_row_key(node));
    if (const auto incarnation = value ? decode_incarnation(*value) : std::nullopt) {
      registered_[node] = *incarnation;
    }
  }
  refresh_replicas();
  const auto own = registered_.find(options_.self);
  if (own != registered_.end() && own->second != options_.incarnation && options_.may_vote) {
    options_.may_vote = false;
    note(LogLevel::kWarn,
         "another data directory is registered for this node: it receives and serves prefix reads, "
         "and does not vote");
  }
}

// Opens the partitions that the keyspaces name and that are not here yet.
Result<void> Replica::open_partitions(const store::Store& store) {
  for (const auto& keyspace : keyspaces_.keyspaces) {
    for (std::uint32_t i = 0; i < keyspace.partitions && !keyspace.leaderless(); ++i) {
      const auto added = add_partition(PartitionId(keyspace.first_partition.value() + i), store);
      if (!added) {
        return added;
      }
    }
  }
  refresh_trust();
  return {};
}

// A voter that comes with another incarnation than the registered one has lost its disk: its votes
// and acks don't count.
void Replica::refresh_trust() {
  for (auto& [id, partition] : partitions_) {
    for (const auto& [node, peer] : peers_) {
      const auto registered = registered_.find(node);
      const bool trusted =
          registered == registered_.end() || registered->second == peer.incarnation;
      partition->raft().step(raft::Trust{node, trusted});
    }
    if (!options_.may_vote) {
      partition->raft().step(raft::Trust{options_.self, false});
    }
  }
}

// Log time follows the leader's clock, so a leader far ahead of most others hands over.
void Replica::watch_clock() {
  std::size_t behind = 0;
  for (const auto& [node, peer] : peers_) {
    behind += peer.up && peer.ahead_ms < -options_.max_clock_skew_ms ? 1 : 0;
  }
  if (2 * behind <= options_.members.size()) {
    return;
  }
  for (auto& [id, partition] : partitions_) {
    if (partition->raft().role() == raft::Role::kLeader) {
      note(LogLevel::kError, "this node's clock is ahead of most others: handing leadership over");
      partition->raft().transfer(NodeId(), now_);
    }
  }
}

}  // namespace kvorum::node
