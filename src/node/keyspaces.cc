// KV.KEYSPACE, and how the table of keyspaces changes: a node works out the next table from the one
// it knows and has group 0 put it there if the old one still stands; if not, it tries again.
#include <algorithm>

#include "base/ascii.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

constexpr std::size_t kMaxKeyspaces = 256;

}  // namespace

// Null: it only asks.
Result<std::unique_ptr<KeyspaceChange>> Replica::keyspace_change(
    std::span<const ByteView> args) const {
  const auto word = upper(args[1]);
  auto change = std::make_unique<KeyspaceChange>();
  if (word == "CREATE" && args.size() > 2) {
    auto keyspace =
        parse_keyspace(args[2], {args.begin() + 3, args.end()}, options_.members.size());
    if (!keyspace) {
      return tl::unexpected(keyspace.error());
    }
    change->kind = KeyspaceChange::Kind::kCreate;
    change->keyspace = std::move(*keyspace);
    return change;
  }
  if (word == "DROP" && args.size() == 3) {
    change->kind = KeyspaceChange::Kind::kDrop;
    change->keyspace.name = args[2];
    return change;
  }
  return std::unique_ptr<KeyspaceChange>();
}

// KV.KEYSPACE LIST | DESCRIBE <name>
void Replica::keyspace(std::span<const ByteView> args, ReplyWriter& reply) const {
  const auto word = upper(args[1]);
  if (word == "LIST" && args.size() == 2) {
    reply.array(keyspaces_.keyspaces.size());
    for (const auto& keyspace : keyspaces_.keyspaces) {
      reply.bulk(keyspace.name);
    }
    return;
  }
  if (word != "DESCRIBE" || args.size() != 3) {
    return reply.error({ErrorCode::kGeneric,
                        "KV.KEYSPACE LIST | DESCRIBE name | DROP name | CREATE name "
                        "[ordered|leaderless] [n=] [w=] [r=] [conflict=] [partitions=] "
                        "[durability=]"});
  }
  const auto* keyspace = keyspaces_.find(args[2]);
  if (keyspace == nullptr) {
    return reply.error({ErrorCode::kNoKeyspace, {}});
  }
  const auto number = [&](ByteView name, std::int64_t value) {
    reply.bulk(name);
    reply.integer(value);
  };
  const auto text = [&](ByteView name, ByteView value) {
    reply.bulk(name);
    reply.bulk(value);
  };
  reply.map(keyspace->leaderless() ? 10 : 4);
  text("name", keyspace->name);
  number("id", keyspace->id.value());
  text("core", keyspace->leaderless() ? "leaderless" : "ordered");
  number("partitions", keyspace->partitions);
  if (keyspace->leaderless()) {
    number("n", keyspace->n);
    number("w", keyspace->w);
    number("r", keyspace->r);
    text("conflict", to_string(keyspace->conflict));
    text("durability", durability_word(*keyspace));
    number("generation", static_cast<std::int64_t>(keyspace->generation.value()));
  }
}

// The next table. Errors: it can't be so.
Result<KeyspaceTable> Replica::changed(const KeyspaceChange& change) const {
  if (keyspaces_.version == 0) {
    return fail(ErrorCode::kLoading, "the cluster is forming; try again in a moment");
  }
  auto table = keyspaces_;
  ++table.version;
  const auto* found = table.find(ByteView(change.keyspace.name));
  if (change.kind == KeyspaceChange::Kind::kCreate) {
    if (found != nullptr) {
      return fail(ErrorCode::kGeneric, "keyspace '{}' exists", found->name);
    }
    if (table.keyspaces.size() >= kMaxKeyspaces) {
      return fail(ErrorCode::kGeneric, "there are {} keyspaces, which is the most",
                  table.keyspaces.size());
    }
    table.add(change.keyspace);
    return table;
  }
  if (found == nullptr) {
    return fail(ErrorCode::kNoKeyspace);
  }
  const auto id = found->id;
  if (change.kind == KeyspaceChange::Kind::kDrop) {
    if (id == KeyspaceId(0)) {
      return fail(ErrorCode::kGeneric, "keyspace 0 is where connections begin; it stays");
    }
    std::erase_if(table.keyspaces, [id](const Keyspace& keyspace) { return keyspace.id == id; });
    return table;
  }
  for (auto& keyspace : table.keyspaces) {
    if (keyspace.id == id) {
      keyspace.generation = keyspace.generation.next();
    }
  }
  return table;
}

void Replica::begin_change(Session& session, Item& item) {
  const auto table = changed(*item.change);
  if (!table) {
    item.kind = Item::Kind::kError;
    item.error = table.error();
    item.change.reset();
    return wake(session.id);
  }
  item.tag = table->version;
  // Refused, if the row is no longer what this node knows.
  const auto old = encode(keyspaces_);
  const auto next = encode(*table);
  Command command;
  command.op = Op::kCas;
  command.args = {kKeyspacesRowKey, old, next};
  find(kMetaPartition)->outbox().push(command, session.id);
}

void Replica::change_applied(Session& session) {
  wake(session.id);
  if (!change_reply_.took_effect()) {
    session.queue.front().begun = false;
    --session.begun;
    return;
  }
  // A write that begins after the answer must not be of what is gone, or meet nodes that lack what
  // is new: all that are up have heard of it by then.
  auto& item = session.queue.front();
  item.asks = true;
  Command command;
  command.op = Op::kHear;
  command.number = static_cast<std::int64_t>(item.tag);
  Bytes encoded;
  encode(command, encoded);
  for (const auto node : options_.members) {
    if (node != options_.self && is_up(node)) {
      queries_.ask(session.id, Query{options_.self, node, 0, KeyspaceId(), {}, encoded});
    }
  }
}

void Replica::serve_change(Session& session, const Item& item) {
  NodeId silent;
  for (const auto& asked : queries_.take(session.id)) {
    silent = asked.answer->refused == ErrorCode::kTimeout ? asked.query.to : silent;
  }
  auto& receipt = session.receipt;
  receipt = Receipt{};
  receipt.path = Path::kLog;
  receipt.replicas = static_cast<std::uint8_t>(voters_.size() / 2 + 1);
  receipt.durable = options_.durable;
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  if (silent) {
    receipt.outcome = Outcome::kUnknown;
    reply.error({ErrorCode::kUnknown,
                 fmt::format("it is done, but node {} has not said that it knows: what is written "
                             "there before it does is lost",
                             silent.value())});
  } else {
    reply.status("OK");
  }
  if (item.with_receipt) {
    reply_receipt(receipt, reply);
  }
}

// Whether this node can answer; if not, it asks for what it lacks.
bool Replica::has_heard(const Query& query) {
  Reader reader(query.command);
  Command command;
  if (!decode(reader, command) || command.op != Op::kHear ||
      static_cast<std::uint64_t>(command.number) <= keyspaces_.version) {
    return true;
  }
  find(kMetaPartition)->barrier(ConnId());
  return false;
}

void Replica::answer_held(Now now) {
  for (const auto& query : std::exchange(held_queries_, {})) {
    step(query, now);
  }
}

// Partition numbers are never used again, so one that the table has given away and that no keyspace
// has is gone for good.
bool Replica::is_dropped(PartitionId id) const {
  const auto& all = keyspaces_.keyspaces;
  return id != kMetaPartition && id < keyspaces_.next_partition &&
         std::none_of(all.begin(), all.end(),
                      [id](const Keyspace& keyspace) { return keyspace.has(id); });
}

bool Replica::is_leaderless(PartitionId id) const {
  const auto& all = keyspaces_.keyspaces;
  return std::any_of(all.begin(), all.end(), [id](const Keyspace& keyspace) {
    return keyspace.leaderless() && keyspace.has(id);
  });
}

// Between two rounds of a drain, where nobody is inside a partition. What the disk still says about
// one that is gone finds nobody.
void Replica::drop_partitions() {
  std::vector<ConnId> ids;
  for (const auto& [id, session] : sessions_) {
    if (keyspace_of(*session) == nullptr) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  for (const auto id : ids) {
    drop_requests(*sessions_.at(id));
  }
  for (auto at = partitions_.begin(); at != partitions_.end();) {
    if (is_dropped(at->first)) {
      note(LogLevel::kInfo, fmt::format("partition {}: dropped", at->first.value()));
      dropped_.push_back(at->first);
      at = partitions_.erase(at);
    } else {
      ++at;
    }
  }
}

// The session's keyspace is gone: what waits for its partitions is answered. What the leaderless
// core has begun, it ends itself.
void Replica::drop_requests(Session& session) {
  for (auto& item : session.queue) {
    const bool data = item.kind == Item::Kind::kWrite || item.kind == Item::Kind::kRead;
    if (!data || item.change || (item.begun && item.leaderless && !item.asks)) {
      continue;
    }
    const bool unknown = item.begun && item.kind == Item::Kind::kWrite;
    item.kind = Item::Kind::kError;
    item.error =
        unknown ? Error{ErrorCode::kUnknown, "its keyspace was dropped meanwhile"} : no_keyspace();
    item.leaderless = item.asks = false;
  }
  if (session.queue.empty() || !session.queue.front().change) {
    queries_.take(session.id);
  }
  wake(session.id);
}

Error Replica::no_keyspace() const {
  return keyspaces_.version == 0
             ? Error{ErrorCode::kLoading, "the cluster is forming; try again in a moment"}
             : Error{ErrorCode::kNoKeyspace, "this connection's keyspace was dropped; SELECT one"};
}

}  // namespace kvorum::node
