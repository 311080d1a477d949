// KV.KEYSPACE, and how the table of keyspaces changes: a node works out the next table from the one
// it knows and has group 0 put it there if the old one still stands; if not, it tries again.
#include <algorithm>

#include "node/replica.h"

namespace kvorum::node {
namespace {

constexpr std::size_t kMaxKeyspaces = 256;

std::string upper(ByteView word) {
  std::string out(word);
  for (auto& c : out) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

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
  connections_.reply(session.id).status("OK");
  session.receipt = Receipt{};
  pop(session);
}

}  // namespace kvorum::node
