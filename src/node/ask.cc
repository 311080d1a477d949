// What looks at many rows, or at one key's rows on many nodes: KEYS, DBSIZE, SCAN in leaderless
// keyspaces, and KV.SEARCH in all. Rows that this node does not hold are asked of others
// (queries.h). KV.DUMP and KV.DIGEST tell of this node's rows alone: they are for comparing.
#include <algorithm>

#include "base/checksum.h"
#include "kv/kept_reply.h"
#include "node/gather.h"
#include "node/leaderless_reply.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

std::vector<PartitionId> partitions_of(const Keyspace& keyspace) {
  std::vector<PartitionId> all;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    all.emplace_back(keyspace.first_partition.value() + i);
  }
  return all;
}

// Those whose rows the command looks at.
std::vector<PartitionId> partitions_of(const Keyspace& keyspace, const Command& command) {
  if (command.op == Op::kSearch) {
    return {keyspace.partition_of(slot_of(command.args[0]))};
  }
  if (command.op != Op::kScan) {
    return partitions_of(keyspace);
  }
  const auto ordinal = scan_ordinal(command);
  return ordinal < keyspace.partitions
             ? std::vector{PartitionId(keyspace.first_partition.value() + ordinal)}
             : std::vector<PartitionId>();
}

// [node, row, row, ...]; or [node, "down"], [node, "silent"] or why it refused.
void reply_rows_of(NodeId node, const Gather& rows, ReplyWriter& reply) {
  reply.array(1 + rows.elements());
  reply.integer(node.value());
  rows.replay_elements(reply);
}
void reply_refusal_of(NodeId node, ByteView why, ReplyWriter& reply) {
  reply.array(2);
  reply.integer(node.value());
  reply.bulk(why);
}

Error error_of(const Answer& answer) {
  return {answer.refused.value_or(ErrorCode::kGeneric),
          fmt::format("node {}: {}", answer.from.value(),
                      answer.refused ? answer.reply : Bytes("a malformed answer"))};
}

}  // namespace

std::vector<NodeId> Replica::holders(const Keyspace& keyspace, PartitionId partition) const {
  return keyspace.leaderless() ? keyspace.replicas(partition, options_.members) : options_.members;
}

bool Replica::holds(const Keyspace& keyspace, PartitionId partition) const {
  return keyspace.leaderless() ? leaderless_.core().holds(partition) : find(partition) != nullptr;
}

bool Replica::is_up(NodeId node) const {
  const auto peer = peers_.find(node);
  return peer != peers_.end() && peer->second.up;
}

// One replica that is up per partition, as few nodes as the ring's order gives.
Result<void> Replica::ask_partitions(ConnId conn, const Keyspace& keyspace,
                                     const Command& command) {
  std::map<NodeId, std::vector<PartitionId>> parts;
  for (const auto partition : partitions_of(keyspace, command)) {
    if (holds(keyspace, partition)) {
      continue;
    }
    NodeId chosen;
    for (const auto node : holders(keyspace, partition)) {
      if (is_up(node) && (!chosen || (parts.contains(node) && !parts.contains(chosen)))) {
        chosen = node;
      }
    }
    if (!chosen) {
      return fail(ErrorCode::kNoQuorum, "no replica of partition {} is up", partition.value());
    }
    parts[chosen].push_back(partition);
  }
  Bytes encoded;
  encode(command, encoded);
  for (auto& [node, partitions] : parts) {
    queries_.ask(conn, Query{options_.self, node, 0, keyspace.id, std::move(partitions), encoded});
  }
  return {};
}

void Replica::begin_asking(Session& session, Item& item, const Command& command) {
  const auto& keyspace = *keyspace_of(session);
  if (command.op == Op::kDump || command.op == Op::kDigest) {
    return;
  }
  if (command.op != Op::kSearch) {
    if (const auto asked = ask_partitions(session.id, keyspace, command); !asked) {
      item.kind = Item::Kind::kError;
      item.error = asked.error();
      item.asks = item.leaderless = false;
    }
    return;
  }
  Bytes encoded;
  encode(command, encoded);
  const auto partitions = partitions_of(keyspace, command);
  for (const auto node : holders(keyspace, partitions.front())) {
    if (node != options_.self && is_up(node)) {
      queries_.ask(session.id, Query{options_.self, node, 0, keyspace.id, partitions, encoded});
    }
  }
}

// The rows of these partitions, which are here.
void Replica::read_inside(const Keyspace& keyspace, const std::vector<PartitionId>& partitions,
                          const Command& command, ReplyWriter& reply) {
  if (!keyspace.leaderless()) {
    find(partitions.front())->machine().read(command, {now_.wall}, reply);
    return;
  }
  const auto& core = leaderless_.core();
  if (command.op != Op::kSearch) {
    return read_rows(core, keyspace, partitions, command, now_.wall, reply);
  }
  const auto* row = core.table(partitions.front())->find(command.args[0]);
  return row == nullptr ? reply.array(0) : reply_siblings(*row, reply);
}

void Replica::serve_asking(Session& session, const Item& item, const Command& command) {
  const auto asked = queries_.take(session.id);
  const auto& keyspace = *keyspace_of(session);
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  std::optional<Error> failed;
  if (command.op == Op::kSearch) {
    reply_search(keyspace, asked, command, reply);
  } else {
    failed = reply_inside(keyspace, asked, command, reply);
  }
  const bool looks_inside =
      command.op == Op::kDump || command.op == Op::kSearch || command.op == Op::kDigest;
  const auto before = std::pair(session.receipt, session.context);
  auto& receipt = session.receipt;
  receipt = Receipt{};
  receipt.leaderless = keyspace.leaderless();
  receipt.asked = item.asked.value_or(item.met);
  // Of a leaderless keyspace one replica of each partition tells, whatever was asked.
  receipt.met =
      keyspace.leaderless() ? Level{.kind = LevelKind::kQuorum, .w = 1, .r = 1} : item.met;
  receipt.path = asked.empty() ? Path::kLocal : Path::kCoordinator;
  receipt.partition = item.partition;
  receipt.replicas = 1;
  receipt.coordinator = options_.self;
  session.context = {};
  if (failed) {
    receipt.outcome = outcome_of(failed->code);
    receipt.path = Path::kNone;
    reply.error(*failed);
  }
  if (item.with_receipt) {
    reply_receipt(session, reply);
  }
  if (looks_inside) {
    std::tie(session.receipt, session.context) = before;
  }
}

void Replica::reply_search(const Keyspace& keyspace, const std::vector<Queries::Asked>& asked,
                           const Command& command, ReplyWriter& reply) {
  const auto partitions = partitions_of(keyspace, command);
  auto nodes = holders(keyspace, partitions.front());
  std::sort(nodes.begin(), nodes.end());
  reply.array(nodes.size());
  for (const auto node : nodes) {
    Gather rows;
    if (node == options_.self) {
      read_inside(keyspace, partitions, command, rows);
      reply_rows_of(node, rows, reply);
      continue;
    }
    const auto found = std::find_if(asked.begin(), asked.end(), [node](const Queries::Asked& one) {
      return one.query.to == node;
    });
    if (found == asked.end()) {
      reply_refusal_of(node, "down", reply);
    } else if (found->answer->refused) {
      reply_refusal_of(node, found->answer->reply, reply);
    } else if (!kv::replay(found->answer->reply, rows)) {
      reply_refusal_of(node, "a malformed answer", reply);
    } else {
      reply_rows_of(node, rows, reply);
    }
  }
}

// What is here and what others answered, as one. An error: nothing was replied.
std::optional<Error> Replica::reply_inside(const Keyspace& keyspace,
                                           const std::vector<Queries::Asked>& asked,
                                           const Command& command, ReplyWriter& reply) {
  for (const auto& one : asked) {
    if (one.answer->refused) {
      return error_of(*one.answer);
    }
  }
  Gather gather;
  for (const auto& one : asked) {
    if (!kv::replay(one.answer->reply, gather)) {
      return error_of(*one.answer);
    }
  }
  if (const auto cold = command.op == Op::kDump ? cold_rows(keyspace) : 0; cold > 0) {
    return too_many_values(cold);
  }
  if (asked.empty()) {
    read_inside(keyspace, partitions_of(keyspace, command), command, reply);
    return std::nullopt;
  }
  if (command.op == Op::kScan) {
    kv::replay(asked.front().answer->reply, reply);
    return std::nullopt;
  }
  auto here = partitions_of(keyspace);
  std::erase_if(here, [&](PartitionId partition) {
    return std::any_of(asked.begin(), asked.end(), [partition](const Queries::Asked& one) {
      const auto& elsewhere = one.query.partitions;
      return std::find(elsewhere.begin(), elsewhere.end(), partition) != elsewhere.end();
    });
  });
  read_inside(keyspace, here, command, gather);
  if (command.op == Op::kDbSize) {
    reply.integer(gather.sum());
  } else {
    gather.replay_as_one(reply);
  }
  return std::nullopt;
}

// The answer to another node's question.
Result<Bytes> Replica::look_inside(const Query& query) {
  Reader reader(query.command);
  Command command;
  const bool decoded = decode(reader, command) && reader.done();
  const bool one_key = decoded && command.op == Op::kSearch && command.args.size() == 1;
  Bytes recorded;
  kv::ReplyRecorder recorder(recorded);
  if (decoded && command.op == Op::kTell && command.args.size() == 1) {
    note_text(query.from, command);
    recorder.integer(now_.wall.value());
    return recorded;
  }
  if (decoded && command.op == Op::kHear) {
    recorder.integer(static_cast<std::int64_t>(keyspaces_.version));
    return recorded;
  }
  const auto* keyspace = keyspaces_.find(query.keyspace);
  if (keyspace == nullptr) {
    return fail(ErrorCode::kLoading, "it does not know that keyspace yet");
  }
  const bool walks =
      decoded && keyspace->leaderless() &&
      (command.op == Op::kKeys || command.op == Op::kDbSize || command.op == Op::kScan);
  const bool leads = decoded && !keyspace->leaderless() && command.op == Op::kLead;
  if (!walks && !one_key && !leads) {
    return fail(ErrorCode::kRefused, "it does not answer that");
  }
  if (!leads && query.partitions.size() != 1 && command.op != Op::kKeys &&
      command.op != Op::kDbSize) {
    return fail(ErrorCode::kRefused, "it does not answer that");
  }
  if (const auto sure = check_doubt(); !sure && walks) {
    return tl::unexpected(sure.error());
  }
  for (const auto partition : query.partitions) {
    if (!keyspace->has(partition) || !holds(*keyspace, partition)) {
      return fail(ErrorCode::kNoQuorum, "it does not hold partition {}", partition.value());
    }
  }
  if (leads) {
    recorder.integer(hand_over(query));
    return recorded;
  }
  read_inside(*keyspace, query.partitions, command, recorder);
  if (recorded.size() > Answer::kMaxBytes) {
    return fail(ErrorCode::kTooLong, "the answer would have {} bytes, and {} is the most",
                recorded.size(), Answer::kMaxBytes);
  }
  return recorded;
}

void Replica::step(const Query& query, Now now) {
  now_ = now;
  if (!has_values(query) || !has_heard(query)) {
    return held_queries_.push_back(query);
  }
  auto reply = look_inside(query);
  Answer answer{options_.self, query.from, query.id, std::nullopt, Bytes()};
  if (reply) {
    answer.reply = std::move(*reply);
  } else {
    answer.refused = reply.error().code;
    answer.reply = reply.error().detail;
  }
  queries_.reply(std::move(answer));
}

void Replica::step(Answer answer, Now now) {
  now_ = now;
  if (const auto conn = queries_.answered(std::move(answer))) {
    wake(*conn);
  }
}

}  // namespace kvorum::node
