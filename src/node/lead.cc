// KV.LEAD: the node asked wants to lead its keyspace's partitions, so that writes sent to it take
// no detour (what textbooks call the local-write protocol). It goes as a question (queries.h) to
// those who lead them.
#include <map>

#include "node/replica.h"

namespace kvorum::node {

// At the front of the queue; nothing behind it begins before it is answered.
void Replica::begin_leading(Session& session, Item& item) {
  item.begun = item.asks = true;
  ++session.begun;
  const auto refuse = [&item](Error error) {
    item.kind = Item::Kind::kError;
    item.error = std::move(error);
    item.asks = false;
  };
  const auto& keyspace = *keyspace_of(session);
  if (keyspace.leaderless()) {
    return refuse({ErrorCode::kRefused, "a leaderless keyspace has no leader"});
  }
  std::map<NodeId, std::vector<PartitionId>> leaders;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    const PartitionId id(keyspace.first_partition.value() + i);
    const auto leader = find(id)->raft().leader();
    if (!leader) {
      return refuse({ErrorCode::kNoLeader, {}});
    }
    if (leader != options_.self) {
      leaders[leader].push_back(id);
    }
  }
  Command command;
  command.op = Op::kLead;
  Bytes encoded;
  encode(command, encoded);
  for (auto& [node, partitions] : leaders) {
    queries_.ask(session.id,
                 Query{options_.self, node, 0, keyspace.id, std::move(partitions), encoded});
  }
}

void Replica::reply_led(Session& session) {
  for (const auto& asked : queries_.take(session.id)) {
    if (!asked.answer || asked.answer->refused) {
      return connections_.reply(session.id)
          .error({ErrorCode::kNoLeader,
                  fmt::format("node {} did not hand over: {}", asked.query.to.value(),
                              asked.answer ? asked.answer->reply : "silent")});
    }
  }
  connections_.reply(session.id).status("OK");
}

// How many of the partitions this node leads, and hands over.
std::int64_t Replica::hand_over(const Query& query) {
  std::int64_t count = 0;
  for (const auto id : query.partitions) {
    auto& raft = find(id)->raft();
    if (raft.role() == raft::Role::kLeader) {
      raft.transfer(query.from, now_);
      ++count;
    }
  }
  return count;
}

}  // namespace kvorum::node
