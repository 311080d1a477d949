// What the node answers by itself, when the request reaches the front of its connection's queue.
#include <fmt/compile.h>

#include "base/ascii.h"
#include "base/check.h"
#include "base/checksum.h"
#include "base/parse.h"
#include "kv/glob.h"
#include "node/leaderless_reply.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

void ok(ReplyWriter& reply) { reply.status("OK"); }

void refuse(ReplyWriter& reply, std::string text) {
  reply.error({ErrorCode::kGeneric, std::move(text)});
}

// As lines of CLIENT LIST have it among their words.
Result<void> check_client_name(ByteView name) {
  const bool fits =
      std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
  return fits ? Result<void>()
              : fail(ErrorCode::kGeneric,
                     "Client names cannot contain spaces, newlines or special characters.");
}

constexpr ByteView kNoPassword =
    "AUTH <password> called without any password configured for the default user. Are you sure "
    "your configuration is correct?";

constexpr ByteView kClientWords[] = {"GETNAME", "HELP",    "ID",       "INFO",    "LIST",
                                     "SETNAME", "SETINFO", "NO-EVICT", "NO-TOUCH"};
constexpr ByteView kClientHelp[] = {
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
    "    Return information about the client connections of this node.",
    "SETNAME <name>",
    "    Assign a name to the current connection.",
    "SETINFO <option> <value>",
    "    Accepted, without effect.",
    "NO-EVICT|NO-TOUCH (ON|OFF)",
    "    Accepted, without effect.",
};

}  // namespace

void Replica::run_verb(Session& session, const Item& item) {
  const auto words = unpack(item.body);
  const std::span<const ByteView> args(words);
  auto& reply = connections_.reply(session.id);
  switch (item.verb) {
    case Verb::kPing:
      return args.size() > 1 ? reply.bulk(args[1]) : reply.status("PONG");
    case Verb::kEcho:
      return reply.bulk(args[1]);
    case Verb::kHello:
      return hello(session, args, reply);
    case Verb::kAuth:
      // As in Redis, the user `default` has no password, and any is right.
      return args.size() == 3 && args[1] == "default" ? ok(reply)
                                                      : refuse(reply, std::string(kNoPassword));
    case Verb::kClient:
      return client(session, args, reply);
    case Verb::kCommand:
      return reply_command(args, reply);
    case Verb::kConfig:
      return config(args, reply);
    case Verb::kInfo:
      return reply.bulk(info(args.subspan(1)));
    case Verb::kTime:
      reply.array(2);
      reply.bulk(std::to_string(now_.wall.value() / 1000));
      return reply.bulk(std::to_string(now_.wall.value() % 1000 * 1000));
    case Verb::kSelect:
      return select(session, args, reply);
    case Verb::kQuit:
      ok(reply);
      return connections_.close_after_replies(session.id);
    case Verb::kReset:
      session.name.clear();
      session.keyspace = KeyspaceId();
      session.read_level.reset();
      session.write_level.reset();
      session.protocol = 2;
      connections_.set_protocol(session.id, 2);
      return reply.status("RESET");
    case Verb::kKvLevel:
      return set_level(session, args, reply);
    case Verb::kKvReceipt:
      return reply_receipt(session, reply);
    case Verb::kKvSession:
      return session_token(session, args, reply);
    case Verb::kKvStatus:
      return reply.bulk(status());
    case Verb::kKvWhere:
      return where(session, args, reply);
    case Verb::kKvKeyspace:
      return keyspace(args, reply);
    case Verb::kKvConflicts:
      return conflicts(session, args, reply);
    case Verb::kKvContext:
      return refuse(reply, "wrong number of arguments for 'kv.context' command");
    case Verb::kKvIf:
      return refuse(reply, "wrong number of arguments for 'kv.if' command");
    case Verb::kKvFault:
      return faults_.finish(session.id, reply, now_);
    case Verb::kKvSend:
      return reply_sent(session, item);
    case Verb::kKvLead:
      return reply_led(session);
    case Verb::kKvAt:
      return refuse(reply, "wrong number of arguments for 'kv.at' command");
    default:
      return refuse(reply, "that is no command of its own");
  }
}

// At the front of the queue; nothing behind it begins before it is answered.
void Replica::begin_fault(Session& session, Item& item) {
  item.begun = true;
  ++session.begun;
  const auto words = unpack(item.body);
  faults_.begin(session.id, std::span(words).subspan(1), now_);
}

// HELLO [2|3] [AUTH user password] [SETNAME name]
void Replica::hello(Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  int protocol = session.protocol;
  if (args.size() > 1) {
    const auto asked = parse_number<int>(args[1]);
    if (!asked) {
      return refuse(reply, "Protocol version is not an integer or out of range");
    }
    if (*asked != 2 && *asked != 3) {
      return reply.error({ErrorCode::kNoProto, {}});
    }
    protocol = *asked;
  }
  std::string name = session.name;
  for (std::size_t i = 2; i < args.size();) {
    const auto word = upper(args[i]);
    if (word == "SETNAME" && i + 1 < args.size()) {
      name = args[i + 1];
      if (const auto fits = check_client_name(name); !fits) {
        return reply.error(fits.error());
      }
      i += 2;
    } else if (word == "AUTH" && i + 2 < args.size()) {
      if (args[i + 1] != "default") {
        return refuse(reply, std::string(kNoPassword));
      }
      i += 3;
    } else {
      return refuse(reply, "Syntax error in HELLO option '" + std::string(args[i]) + "'");
    }
  }
  session.name = name;
  session.protocol = protocol;
  connections_.set_protocol(session.id, protocol);
  auto& out = connections_.reply(session.id);
  out.map(8);
  out.bulk("server");
  out.bulk("redis");
  out.bulk("version");
  out.bulk("7.2.0");
  out.bulk("kvorum_version");
  out.bulk(options_.version);
  out.bulk("proto");
  out.integer(protocol);
  out.bulk("id");
  out.integer(static_cast<std::int64_t>(session.id.value()));
  out.bulk("mode");
  out.bulk("standalone");
  out.bulk("role");
  out.bulk("master");
  out.bulk("modules");
  out.array(0);
}

void Replica::client(Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  const auto word = upper(args[1]);
  const auto count = args.size();
  if (word == "ID" && count == 2) {
    return reply.integer(static_cast<std::int64_t>(session.id.value()));
  }
  if (word == "GETNAME" && count == 2) {
    return session.name.empty() ? reply.nil() : reply.bulk(session.name);
  }
  if (word == "SETNAME" && count == 3) {
    if (const auto fits = check_client_name(args[2]); !fits) {
      return reply.error(fits.error());
    }
    session.name = args[2];
    return ok(reply);
  }
  if (word == "SETINFO" && count == 4) {
    return ok(reply);
  }
  if (word == "INFO" && count == 2) {
    return reply.bulk(client_line(session));
  }
  if (word == "LIST") {
    return client_list(args.subspan(2), reply);
  }
  if ((word == "NO-EVICT" || word == "NO-TOUCH") && count == 3) {
    const auto on = upper(args[2]);
    return on == "ON" || on == "OFF" ? ok(reply) : reply.error({ErrorCode::kSyntax, {}});
  }
  if (word == "HELP" && count == 2) {
    reply.array(std::size(kClientHelp));
    for (const auto line : kClientHelp) {
      reply.status(line);
    }
    return;
  }
  const bool known =
      std::find(std::begin(kClientWords), std::end(kClientWords), word) != std::end(kClientWords);
  refuse(reply, known ? "wrong number of arguments for 'client|" + lower(word) + "' command"
                      : "unknown subcommand '" + std::string(args[1]) + "'. Try CLIENT HELP.");
}

std::string Replica::client_line(const Session& session) {
  return fmt::format("id={} addr={} name={} db={} resp={}\n", session.id.value(), session.address,
                     session.name, session.keyspace.value(), session.protocol);
}

// [TYPE type | ID id ...]: of this node's.
void Replica::client_list(std::span<const ByteView> filter, ReplyWriter& reply) const {
  const auto word = filter.empty() ? std::string() : upper(filter[0]);
  std::vector<ConnId> ids;
  if (word == "ID" && filter.size() > 1) {
    for (const auto text : filter.subspan(1)) {
      const auto id = parse_number<ConnId::rep>(text);
      if (!id || *id == 0) {
        return refuse(reply, "Invalid client ID");
      }
      ids.push_back(ConnId(*id));
    }
  } else if (word == "TYPE" && filter.size() == 2) {
    const auto type = upper(filter[1]);
    if (type == "MASTER" || type == "REPLICA" || type == "SLAVE" || type == "PUBSUB") {
      return reply.bulk({});
    }
    if (type != "NORMAL") {
      return refuse(reply, "Unknown client type '" + std::string(filter[1]) + "'");
    }
  } else if (!filter.empty()) {
    return reply.error({ErrorCode::kSyntax, {}});
  }
  std::map<ConnId, std::string> lines;
  for (const auto& [id, one] : sessions_) {
    if (ids.empty() || std::find(ids.begin(), ids.end(), id) != ids.end()) {
      lines[id] = client_line(*one);
    }
  }
  std::string text;
  for (const auto& [id, line] : lines) {
    text += line;
  }
  reply.bulk(text);
}

void Replica::config(std::span<const ByteView> args, ReplyWriter& reply) {
  const auto word = upper(args[1]);
  if (word == "RESETSTAT" && args.size() == 2) {
    return ok(reply);
  }
  if (word != "GET" || args.size() < 3) {
    return refuse(reply, "kvorum is configured by cluster.toml and flags; CONFIG knows GET alone");
  }
  const std::pair<ByteView, std::string> known[] = {
      {"appendonly", "yes"},
      {"databases", std::to_string(std::max(keyspaces_.next_id.value(), KeyspaceId::rep{1}))},
      {"maxmemory", "0"},
      {"maxmemory-policy", "noeviction"},
      {"proto-max-bulk-len", std::to_string(options_.kv.max_value_bytes)},
      {"save", ""},
      {"timeout", "0"},
  };
  std::vector<const std::pair<ByteView, std::string>*> found;
  for (const auto& entry : known) {
    for (const auto pattern : args.subspan(2)) {
      if (kv::glob_match(lower(pattern), entry.first)) {
        found.push_back(&entry);
        break;
      }
    }
  }
  reply.map(found.size());
  for (const auto* entry : found) {
    reply.bulk(entry->first);
    reply.bulk(entry->second);
  }
}

void Replica::select(Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  if (const auto* keyspace = keyspaces_.find(args[1])) {
    session.keyspace = keyspace->id;
    return ok(reply);
  }
  if (keyspaces_.version == 0) {
    // `main` is what a connection begins with.
    return args[1] == "0" || args[1] == "main"
               ? ok(reply)
               : reply.error(
                     {ErrorCode::kLoading, "the cluster is forming; try again in a moment"});
  }
  refuse(reply, parse_number<int>(args[1]) ? "DB index is out of range" : "no such keyspace");
}

// KV.LEVEL | KV.LEVEL default | KV.LEVEL <level> | KV.LEVEL [read <level>] [write <level>]
void Replica::set_level(Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  auto read = session.read_level, write = session.write_level;
  for (std::size_t i = 1; i < args.size();) {
    const auto word = upper(args[i]);
    const bool named = word == "READ" || word == "WRITE";
    if (named && i + 1 == args.size()) {
      return reply.error({ErrorCode::kSyntax, {}});
    }
    const auto text = args[named ? i + 1 : i];
    std::optional<Level> asked;
    if (upper(text) != "DEFAULT") {
      const auto level = parse_level(text);
      if (!level) {
        return reply.error(level.error());
      }
      asked = *level;
    }
    (word == "WRITE" ? write : read) = asked;
    if (!named) {
      write = asked;
    }
    i += named ? 2 : 1;
  }
  const auto* keyspace = keyspace_of(session);
  const auto forming = Keyspace();
  const auto met_read = met_by(keyspace == nullptr ? forming : *keyspace, read, false);
  const auto met_write = met_by(keyspace == nullptr ? forming : *keyspace, write, true);
  for (const auto* met : {&met_read, &met_write}) {
    if (!*met) {
      return reply.error(met->error());
    }
  }
  session.read_level = read;
  session.write_level = write;
  if (args.size() > 1) {
    return ok(reply);
  }
  reply.map(2);
  reply.bulk("read");
  reply.bulk(to_string(read.value_or(*met_read)));
  reply.bulk("write");
  reply.bulk(to_string(write.value_or(*met_write)));
}

void Replica::session_token(Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  if (args.size() == 1) {
    return reply.bulk(
        to_string(SessionToken{options_.cluster, session.seen_partition, session.seen_index}));
  }
  const bool fresh = same_word(args[1], "NEW");
  if (args.size() > (fresh ? 3U : 2U)) {
    return refuse(reply, "wrong number of arguments for 'kv.session' command");
  }
  if (fresh && args.size() == 2) {
    session.seen_partition = PartitionId();
    session.seen_index = Index();
    return ok(reply);
  }
  const auto token = parse_token(args.back());
  if (!token) {
    return reply.error(token.error());
  }
  if (token->cluster != options_.cluster) {
    return reply.error({ErrorCode::kToken, "that session token is another cluster's"});
  }
  if (token->index && find(token->partition) == nullptr) {
    return reply.error(
        {ErrorCode::kToken, "that session token names no partition of this cluster"});
  }
  if (fresh || (token->index && (token->partition != session.seen_partition ||
                                 token->index > session.seen_index))) {
    session.seen_partition = token->partition;
    session.seen_index = token->index;
  }
  ok(reply);
}

void Replica::where(const Session& session, std::span<const ByteView> args, ReplyWriter& reply) {
  const auto* keyspace = keyspace_of(session);
  if (keyspace == nullptr) {
    return reply.error(no_keyspace());
  }
  const auto slot = slot_of(args[1]);
  const auto id = keyspace->partition_of(slot);
  const auto nodes = [&reply](const std::vector<NodeId>& all) {
    for (const auto node : all) {
      reply.integer(node.value());
    }
  };
  if (keyspace->leaderless()) {
    const auto replicas = keyspace->replicas(id, options_.members);
    reply.map(3);
    reply.bulk("slot");
    reply.integer(slot.value());
    reply.bulk("partition");
    reply.integer(id.value());
    reply.bulk("nodes");
    reply.array(replicas.size());
    return nodes(replicas);
  }
  const auto& raft = find(id)->raft();
  reply.map(4);
  reply.bulk("slot");
  reply.integer(slot.value());
  reply.bulk("partition");
  reply.integer(id.value());
  reply.bulk("leader");
  reply.integer(raft.leader().value());
  reply.bulk("nodes");
  const auto& config = raft.config();
  reply.array(config.voters.size() + config.learners.size());
  nodes(config.voters);
  nodes(config.learners);
}

// KV.CONFLICTS [key]: losers of concurrent writes that this node knows of, newest first.
void Replica::conflicts(const Session& session, std::span<const ByteView> args,
                        ReplyWriter& reply) const {
  const auto* keyspace = keyspace_of(session);
  if (keyspace == nullptr || !keyspace->leaderless()) {
    return reply.error({ErrorCode::kRefused, "an ordered keyspace has no concurrent writes"});
  }
  std::vector<const dynamo::Loss*> found;
  for (const auto& loss : leaderless_.core().ledger()) {
    if (keyspace->has(loss.partition) && (args.size() < 2 || loss.key == args[1])) {
      found.push_back(&loss);
    }
  }
  reply.array(found.size());
  for (auto at = found.rbegin(); at != found.rend(); ++at) {
    const auto& loss = **at;
    reply.map(6);
    reply.bulk("key");
    reply.bulk(loss.key);
    reply.bulk("lost");
    loss.lost.deleted ? reply.nil() : reply.bulk(loss.lost.value);
    reply.bulk("version");
    reply.bulk(to_string(loss.lost.dot));
    reply.bulk("winner");
    reply.bulk(to_string(loss.winner));
    reply.bulk("written-ms");
    reply.integer(loss.lost.stamp.wall().value());
    reply.bulk("noted-ms");
    reply.integer(loss.at.value());
  }
}

void Replica::reply_receipt(const Session& session, ReplyWriter& reply) const {
  const auto& receipt = session.receipt;
  if (!receipt.leaderless) {
    return reply_receipt(receipt, reply);
  }
  const auto field = [&](ByteView name, ByteView value) {
    reply.bulk(name);
    reply.bulk(value);
  };
  const auto number = [&](ByteView name, std::uint64_t value) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(value));
  };
  const bool versioned = receipt.dot.counter != 0;
  reply.map(13);
  field("asked", to_string(receipt.asked));
  field("met", receipt.path == Path::kNone ? "none" : to_string(receipt.met));
  field("path", to_string(receipt.path));
  number("node", options_.self.value());
  number("coordinator", receipt.coordinator.value());
  number("partition", receipt.partition.value());
  field("version", versioned ? to_string(receipt.dot) : "none");
  field("context", dynamo::to_text(session.context));
  number("siblings", receipt.siblings);
  number("replicas", receipt.replicas);
  field("stand-ins", receipt.stand_ins ? "yes" : "no");
  field("durability", !receipt.wrote     ? "none"
                      : !receipt.durable ? "memory"
                      // A stand-in keeps it in memory.
                      : receipt.replicas > 1 && !receipt.stand_ins ? "disk-quorum"
                                                                   : "disk-one");
  field("outcome", receipt.outcome == Outcome::kDefinite ? "definite" : "unknown");
}

void Replica::reply_receipt(const Receipt& receipt, ReplyWriter& reply) const {
  const auto field = [&](ByteView name, ByteView value) {
    reply.bulk(name);
    reply.bulk(value);
  };
  const auto number = [&](ByteView name, std::uint64_t value) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(value));
  };
  reply.map(13);
  field("asked", to_string(receipt.asked));
  field("met", receipt.path == Path::kNone ? "none" : to_string(receipt.met));
  field("path", to_string(receipt.path));
  number("node", options_.self.value());
  number("partition", receipt.partition.value());
  number("term", receipt.term.value());
  number("index", receipt.index.value());
  number("version", receipt.version.packed);
  number("replicas", receipt.replicas);
  field("age", receipt.path == Path::kLocal ? "unknown" : "0ms");
  field("durability", receipt.path == Path::kNone ? "none"
                      : receipt.durable           ? "disk-quorum"
                                                  : "memory");
  field("request", receipt.seq == 0
                       ? "none"
                       : fmt::format(FMT_COMPILE("{:016x}:{}"), receipt.client, receipt.seq));
  field("outcome", receipt.outcome == Outcome::kDefinite ? "definite" : "unknown");
}

}  // namespace kvorum::node
