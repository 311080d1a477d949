// KV.STATUS and INFO: the node as text.
#include <fmt/format.h>

#include "base/ascii.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

std::int64_t seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

// First this node's own line, then one per partition, then one per peer. Words are key:value.
std::string Replica::status() const {
  const auto* data = find(PartitionId(1));
  const auto& shown = data == nullptr ? *find(kMetaPartition) : *data;
  const auto& raft = shown.raft();
  const char* role = options_.may_vote ? raft::to_string(raft.role()) : "learner";
  std::string text = fmt::format(
      "node:{} role:{} term:{} leader:{} commit:{} applied:{} keys:{} partitions:{} "
      "version:{}{}{}{}\n",
      options_.self.value(), role, raft.term().value(), raft.leader().value(),
      raft.commit().value(), shown.machine().applied().value(), shown.machine().size(),
      partitions_.size() - 1, options_.version,
      options_.may_vote ? "" : " reason:disk-lost levels:prefix", disk_low_ ? " disk:full" : "",
      is_above_budget() ? " memory:above-budget" : "");
  for (const auto& [id, partition] : partitions_) {
    const auto& group = partition->raft();
    text += fmt::format(
        "partition:{} leader:{} term:{} commit:{} applied:{} last:{} keys:{} digest:{:016x}\n",
        id.value(), group.leader().value(), group.term().value(), group.commit().value(),
        partition->machine().applied().value(), group.last_index().value(),
        partition->machine().size(), partition->machine().digest());
  }
  const auto stats = leaderless_.core().stats();
  text += fmt::format(
      "leaderless: rows:{} tombstones:{} tombstones-dropped:{} conflicts:{} hints:{} "
      "hints-dropped:{} read-repairs:{} sync-rounds:{} sync-rows:{} sync-bytes:{} old-news:{} "
      "refilling:{}{}\n",
      stats.rows, stats.tombstones, stats.tombstones_dropped, stats.conflicts, stats.hints,
      stats.hints_dropped, stats.read_repairs, stats.sync_rounds, stats.sync_rows_sent,
      stats.sync_bytes_sent, stats.old_news, stats.refilling, checked_ ? " in-doubt:yes" : "");
  const auto progress = raft.progress();
  for (const auto node : options_.members) {
    if (node == options_.self) {
      continue;
    }
    const auto peer = peers_.find(node);
    text += fmt::format("peer:{} link:{}", node.value(),
                        peer != peers_.end() && peer->second.up ? "up" : "down");
    const auto replica = replicas_.find(node);
    text += replica != replicas_.end() && replica->second.fenced ? " fenced:yes" : "";
    for (const auto& one : progress) {
      if (one.node == node) {
        const auto lag = raft.last_index().value() - std::min(one.match, raft.last_index()).value();
        text += fmt::format(" state:{} match:{} lag:{}{}{}{}", one.state, one.match.value(), lag,
                            one.voter ? "" : " learner:yes", one.trusted ? "" : " counted:no",
                            one.lost_data ? " lost-data:yes" : "");
      }
    }
    text += '\n';
  }
  return text;
}

// Tombstones are no keys; what has expired is one until it is forgotten.
std::size_t Replica::keys_of(const Keyspace& keyspace) const {
  std::size_t keys = 0;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    const PartitionId id(keyspace.first_partition.value() + i);
    if (!keyspace.leaderless()) {
      keys += find(id)->machine().size();
    } else if (const auto* table = leaderless_.core().table(id)) {
      keys += table->rows() - table->tombstones();
    }
  }
  return keys;
}

// All sections, if none is named.
std::string Replica::info(std::span<const ByteView> sections) const {
  std::string text;
  const auto wanted = [&](ByteView name) {
    const bool is =
        sections.empty() || std::any_of(sections.begin(), sections.end(), [name](ByteView section) {
          return same_word(section, "ALL") || same_word(section, "DEFAULT") ||
                 same_word(section, "EVERYTHING") || same_word(section, name);
        });
    text += is && !text.empty() ? "\r\n" : "";
    return is;
  };
  if (wanted("SERVER")) {
    text += fmt::format(
        "# Server\r\nredis_version:7.2.0\r\nkvorum_version:{}\r\nredis_mode:standalone\r\n"
        "tcp_port:{}\r\nuptime_in_seconds:{}\r\n",
        options_.version, options_.resp_port, seconds(now_.mono - started_));
  }
  if (wanted("CLIENTS")) {
    text += fmt::format("# Clients\r\nconnected_clients:{}\r\n", clients_);
  }
  if (wanted("MEMORY")) {
    const auto leaderless = leaderless_.core().stats();
    auto cold = leaderless.cold;
    auto fetches = leaderless.fetches;
    for (const auto& [id, partition] : partitions_) {
      cold += partition->machine().cold();
      fetches += partition->fetches();
    }
    text += fmt::format(
        "# Memory\r\nused_memory_dataset:{}\r\nmemory_budget:{}\r\ncold_rows:{}\r\n"
        "cold_row_fetches:{}\r\nmemory_above_budget:{:d}\r\n",
        memory_bytes(), options_.memory_budget, cold, fetches, is_above_budget());
  }
  if (wanted("PERSISTENCE")) {
    text += "# Persistence\r\nloading:0\r\naof_enabled:1\r\n";
  }
  if (wanted("STATS")) {
    text += fmt::format(
        "# Stats\r\ntotal_commands_processed:{}\r\npeer_messages_sent:{}\r\n"
        "peer_bytes_sent:{}\r\ndisk_syncs:{}\r\n",
        commands_, messages_sent_, peer_bytes_, syncs_);
  }
  if (options_.cpu_time && wanted("CPU")) {
    const auto used = options_.cpu_time();
    text += fmt::format("# CPU\r\nused_cpu_sys:{:.6f}\r\nused_cpu_user:{:.6f}\r\n",
                        std::chrono::duration<double>(used.system).count(),
                        std::chrono::duration<double>(used.user).count());
  }
  if (wanted("REPLICATION")) {
    text += fmt::format("# Replication\r\nrole:master\r\nconnected_slaves:{}\r\n",
                        options_.members.size() - 1);
  }
  if (wanted("KEYSPACE")) {
    text += "# Keyspace\r\n";
    for (const auto& keyspace : keyspaces_.keyspaces) {
      if (const auto keys = keys_of(keyspace); keys > 0) {
        text += fmt::format("db{}:keys={}\r\n", keyspace.id.value(), keys);
      }
    }
  }
  return text;
}

}  // namespace kvorum::node
