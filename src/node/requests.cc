// From a client's request to its place in the connection's order: wrappers off, level met or
// refused, keys placed.
#include "base/ascii.h"
#include "base/check.h"
#include "base/checksum.h"
#include "base/mutant.h"
#include "base/parse.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

bool covers_everything(Op op) {
  return op == Op::kKeys || op == Op::kDbSize || op == Op::kRandomKey || op == Op::kFlush ||
         op == Op::kDump || op == Op::kDigest || op == Op::kOpenClient || op == Op::kCloseClient;
}

void pack(std::span<const ByteView> args, Bytes& out) {
  put_varint(out, args.size());
  for (const auto arg : args) {
    put_bytes(out, arg);
  }
}

// Words before a command that take a word of their own.
constexpr ByteView kWrappers[] = {"KV.AT", "KV.CONTEXT", "KV.IF"};

// What `wrapper`, one of them, says about the command behind it.
Result<void> wrap(ByteView wrapper, ByteView word, Item& item) {
  if (wrapper == "KV.AT") {
    const auto level = parse_level(word);
    if (!level) {
      return tl::unexpected(level.error());
    }
    item.asked = *level;
  } else if (wrapper == "KV.CONTEXT") {
    auto context = dynamo::parse_context(word);
    if (!context) {
      return tl::unexpected(context.error());
    }
    item.seen = std::move(*context);
  } else {
    item.if_version = parse_number<std::uint64_t>(word);
    if (!item.if_version) {
      return fail(ErrorCode::kGeneric, "a version is a number, as a receipt has it");
    }
  }
  return {};
}

// Takes KV.AT, KV.CONTEXT, KV.IF and KV.RECEIPT off a command; they nest.
Result<void> unwrap(std::span<const ByteView>& args, Item& item) {
  while (args.size() > 1) {
    if (same_word(args[0], "KV.RECEIPT")) {
      item.with_receipt = true;
      args = args.subspan(1);
      continue;
    }
    const auto* const wrapper =
        std::find_if(std::begin(kWrappers), std::end(kWrappers),
                     [&args](ByteView one) { return same_word(args[0], one); });
    if (wrapper == std::end(kWrappers)) {
      break;
    }
    if (args.size() < 3) {
      return fail(ErrorCode::kGeneric, "wrong number of arguments for '{}' command", *wrapper);
    }
    if (auto wrapped = wrap(*wrapper, args[1], item); !wrapped) {
      return wrapped;
    }
    args = args.subspan(2);
  }
  return {};
}

// Without its arguments: what the answer to a request that is with the leaderless core needs of it.
void encode_for_answer(const Command& command, Bytes& out) {
  Command bare;
  bare.op = command.op;
  bare.flags = command.flags;
  bare.number = command.number;
  bare.number2 = command.number2;
  encode(bare, out);
}

// KV.IF's condition becomes part of the command.
Result<void> condition(const Item& item, Command& command) {
  if (!item.if_version) {
    return {};
  }
  if (command.op != Op::kSet && (command.op != Op::kDel || command.args.size() != 1)) {
    return fail(ErrorCode::kGeneric, "KV.IF goes with SET, or with DEL of one key");
  }
  command.flags |= kIfVersion;
  command.number2 = static_cast<std::int64_t>(*item.if_version);
  return {};
}

}  // namespace

bool is_setting(Verb verb) {
  return verb == Verb::kSelect || verb == Verb::kKvLevel || verb == Verb::kReset;
}

std::vector<ByteView> unpack(ByteView packed) {
  Reader reader(packed);
  std::vector<ByteView> args;
  for (auto left = reader.varint(); left > 0; --left) {
    args.push_back(reader.bytes());
  }
  CHECK(reader.done(), "arguments that the node packed itself");
  return args;
}

const Keyspace* Replica::keyspace_of(const Session& session) const {
  return keyspaces_.find(session.keyspace);
}

void Replica::admit(Session& session, std::span<const ByteView> args, Instant arrived) {
  Item item;
  item.arrived = arrived;
  if (session.settings > 0) {
    item.kind = Item::Kind::kLater;
    pack(args, item.body);
    session.queue.push_back(std::move(item));
    return;
  }
  const auto refuse = [&](const Error& error) {
    item.kind = Item::Kind::kError;
    item.error = error;
    enqueue(session, std::move(item), nullptr);
  };
  const auto whole = args.size();
  if (const auto unwrapped = unwrap(args, item); !unwrapped) {
    return refuse(unwrapped.error());
  }
  auto parsed = parse(args, Limits{65536, options_.kv.max_value_bytes});
  if (!parsed) {
    return refuse(parsed.error());
  }
  if (parsed->verb == Verb::kKvOnce) {
    auto command = number(args);
    if (!command) {
      return refuse(command.error());
    }
    parsed->verb = Verb::kData;
    parsed->command = std::move(*command);
  } else if (parsed->verb != Verb::kData) {
    return args.size() < whole
               ? refuse({ErrorCode::kGeneric,
                         "KV.AT, KV.CONTEXT, KV.IF and KV.RECEIPT take a command on data"})
               : admit_verb(session, std::move(item), parsed->verb, args);
  }
  if (const auto conditioned = condition(item, parsed->command); !conditioned) {
    return refuse(conditioned.error());
  }
  const bool write = is_write(parsed->command.op);
  item.kind = write ? Item::Kind::kWrite : Item::Kind::kRead;
  if (!item.asked) {
    item.asked = write ? session.write_level : session.read_level;
  }
  if (const auto placed = place(session, parsed->command, item); !placed) {
    return refuse(placed.error());
  }
  enqueue(session, std::move(item), &parsed->command);
}

void Replica::admit_verb(Session& session, Item&& item, Verb verb, std::span<const ByteView> args) {
  if (verb == Verb::kKvKeyspace) {
    auto change = keyspace_change(args);
    if (!change) {
      item.kind = Item::Kind::kError;
      item.error = change.error();
      return enqueue(session, std::move(item), nullptr);
    }
    if (*change != nullptr) {
      item.kind = Item::Kind::kWrite;
      item.change = std::move(*change);
      item.everywhere = true;
      item.partition = kMetaPartition;
      const Command none;
      return enqueue(session, std::move(item), &none);
    }
  }
  item.verb = verb;
  pack(args, item.body);
  session.settings += is_setting(verb) ? 1 : 0;
  enqueue(session, std::move(item), nullptr);
}

// KV.ONCE OPEN | CLOSE <client-id> | <client-id> <seq>[:<answered-below>] <command...>
Result<Command> Replica::number(std::span<const ByteView> args) {
  Command command;
  if (args.size() >= 2 && same_word(args[1], "OPEN") && args.size() <= 3) {
    const auto id = args.size() == 3 ? parse_number<std::int64_t>(args[2])
                                     : std::optional<std::int64_t>(fresh_client());
    if (!id || *id <= 0) {
      return fail(ErrorCode::kGeneric, "a client id is a number from 1 to 2^63 - 1");
    }
    command.op = Op::kOpenClient;
    command.number = *id;
    return command;
  }
  if (args.size() == 3 && same_word(args[1], "CLOSE")) {
    const auto id = parse_number<std::int64_t>(args[2]);
    if (!id || *id <= 0) {
      return fail(ErrorCode::kGeneric, "a client id is a number from 1 to 2^63 - 1");
    }
    command.op = Op::kCloseClient;
    command.number = *id;
    return command;
  }
  if (args.size() < 4) {
    return fail(ErrorCode::kGeneric, "wrong number of arguments for 'kv.once' command");
  }
  const auto colon = args[2].find(':');
  const auto id = parse_number<std::int64_t>(args[1]);
  const auto seq = parse_number<std::int64_t>(args[2].substr(0, colon));
  const auto mark = colon == ByteView::npos ? args[2] : args[2].substr(colon + 1);
  const auto answered = parse_number<std::int64_t>(mark);
  if (!id || !seq || !answered || *id <= 0 || *seq <= 0 || *answered < 0 || *answered > *seq) {
    return fail(ErrorCode::kGeneric,
                "KV.ONCE <client-id> <seq>[:<answered-below>] <command...>: numbers from 1, and "
                "answered-below is not above seq");
  }
  auto inner = parse(args.subspan(3), Limits{65536, options_.kv.max_value_bytes});
  if (!inner) {
    return tl::unexpected(inner.error());
  }
  if (inner->verb != Verb::kData || !is_write(inner->command.op) ||
      covers_everything(inner->command.op)) {
    return fail(ErrorCode::kGeneric, "KV.ONCE numbers writes to keys of one partition");
  }
  inner_.clear();
  encode(inner->command, inner_);
  answered_ = mark;
  command.op = Op::kOnce;
  command.number = *id;
  command.number2 = *seq;
  command.args = {inner_, answered_};
  return command;
}

std::int64_t Replica::fresh_client() { return static_cast<std::int64_t>(prng_.next() >> 1) | 1; }

// What an ordered keyspace serves for a level word (docs/consistency.md, "the other core's words").
Result<Level> Replica::met_level(const Level& asked, bool write) const {
  const auto voters = voters_.size();
  const auto most = voters / 2 + 1;
  const bool counted = asked.kind == LevelKind::kQuorum;
  if (asked.kind == LevelKind::kAll || (counted && (asked.w > most || asked.r > most))) {
    return fail(ErrorCode::kLevel,
                "an ordered keyspace commits on a majority ({} of {}); '{}' would wait for more",
                most, voters, to_string(asked));
  }
  if (write) {
    return Level{.kind = LevelKind::kLinearizable};
  }
  switch (asked.kind) {
    case LevelKind::kSession:
    case LevelKind::kCausal:
    case LevelKind::kSequential:
      return Level{.kind = LevelKind::kSequential};
    case LevelKind::kEventual:
    case LevelKind::kPrefix:
      return Level{.kind = LevelKind::kPrefix};
    case LevelKind::kQuorum:
      return Level{.kind = asked.r == 1 ? LevelKind::kPrefix : LevelKind::kLinearizable};
    default:  // a bound is kept by reading the newest state
      return Level{.kind = LevelKind::kLinearizable};
  }
}

Result<Level> Replica::met_by(const Keyspace& keyspace, const std::optional<Level>& asked,
                              bool write) const {
  if (!keyspace.leaderless()) {
    return met_level(asked.value_or(write ? Level{} : options_.read_level), write);
  }
  const auto counts = leaderless_counts(keyspace, asked);
  if (!counts) {
    return tl::unexpected(counts.error());
  }
  return Level{
      .kind = LevelKind::kQuorum, .w = counts->w, .r = counts->r, .sloppy = counts->sloppy};
}

Result<void> Replica::place_leaderless(const Keyspace& keyspace, const Command& command,
                                       Item& item) {
  if (auto allowed = check_leaderless(command); !allowed) {
    return allowed;
  }
  if (auto sure = check_doubt(); !sure && command.op != Op::kFlush) {
    return sure;
  }
  item.partition = keyspace.first_partition;
  if (item.seen && command.op != Op::kSet && (command.op != Op::kDel || command.args.size() != 1)) {
    return fail(ErrorCode::kGeneric, "KV.CONTEXT goes with SET, or with DEL of one key");
  }
  if (command.op == Op::kFlush) {
    item.change = std::make_unique<KeyspaceChange>();
    item.change->keyspace.name = keyspace.name;
    item.everywhere = true;
    item.partition = kMetaPartition;
    return {};
  }
  item.leaderless = true;
  item.everywhere = true;
  each_key(command, [&](ByteView key) {
    // Of several keys the first one's, which a receipt tells of.
    item.partition = item.everywhere ? keyspace.partition_of(slot_of(key)) : item.partition;
    item.everywhere = false;
  });
  item.everywhere = item.everywhere || command.op == Op::kSearch;
  item.asks = item.everywhere;
  return {};
}

// Which partition, and at which level.
Result<void> Replica::place(const Session& session, const Command& command, Item& item) {
  const auto* keyspace = keyspace_of(session);
  if (keyspace == nullptr) {
    return tl::unexpected(no_keyspace());
  }
  const auto met = met_by(*keyspace, item.asked, item.kind == Item::Kind::kWrite);
  if (!met) {
    return tl::unexpected(met.error());
  }
  item.met = *met;
  if (item.kind == Item::Kind::kWrite && disk_low_) {
    return fail(ErrorCode::kDiskFull);
  }
  if (keyspace->leaderless()) {
    return place_leaderless(*keyspace, command, item);
  }
  if (item.seen) {
    return fail(ErrorCode::kGeneric, "KV.CONTEXT is for leaderless keyspaces");
  }
  if (covers_everything(command.op)) {
    item.partition = keyspace->first_partition;
    item.everywhere = keyspace->partitions > 1;
    return {};
  }
  if (command.op == Op::kSearch) {
    item.partition = keyspace->partition_of(slot_of(command.args[0]));
    item.everywhere = item.asks = true;
    return {};
  }
  if (command.op == Op::kScan) {
    // The upper bits of a cursor are its slot (kv/machine.h).
    const auto slot = static_cast<std::uint64_t>(command.number) >> 48;
    if (slot >= kSlotCount) {
      return fail(ErrorCode::kInvalidCursor);
    }
    item.partition = keyspace->partition_of(Slot(static_cast<std::uint16_t>(slot)));
    return {};
  }
  Command inner;
  const Command* keyed = &command;
  if (command.op == Op::kOnce) {
    Reader reader(command.args[0]);
    CHECK(decode(reader, inner), "an inner command that was just encoded");
    keyed = &inner;
  }
  std::optional<PartitionId> partition;
  bool crossed = false;
  each_key(*keyed, [&](ByteView key) {
    const auto at = keyspace->partition_of(slot_of(key));
    crossed = crossed || (partition && *partition != at);
    partition = at;
  });
  if (crossed) {
    return fail(ErrorCode::kCrossSlot);
  }
  item.partition = partition.value_or(keyspace->first_partition);
  return {};
}

// Puts the item at the end of the order; begins it if it may, and answers it at once if nothing is
// ahead of it.
void Replica::enqueue(Session& session, Item&& item, const Command* command) {
  if (command != nullptr && may_hold(item, *command)) {
    return hold(session, std::move(item), *command);
  }
  if (held_count_ > 0) {
    settle();
  }
  enqueue_now(session, std::move(item), command);
}

void Replica::enqueue_now(Session& session, Item&& item, const Command* command) {
  const bool first = session.queue.empty();
  const bool data = item.kind == Item::Kind::kWrite || item.kind == Item::Kind::kRead;
  if (first && item.leaderless && serve_at_once(session, item, *command)) {
    return;
  }
  const bool reads = item.kind == Item::Kind::kRead && !item.leaderless;
  const bool overruns = KVORUM_MUTANT(kOverrunOrder) && reads;
  if (overruns ||
      (first && reads && waits_for_nothing(session, item) && has_values(session, item, *command))) {
    return serve_read(session, item, *command);  // needs no place in a queue
  }
  const bool begins = data && may_begin(session, item);
  if (data && !item.change && (item.kind == Item::Kind::kRead || item.leaderless || !begins)) {
    const bool with_core = begins && item.leaderless && !item.asks;
    with_core ? encode_for_answer(*command, item.body) : encode(*command, item.body);
  }
  session.queue.push_back(std::move(item));
  if (begins) {
    begin(session, session.queue.back(), *command);
  }
  if (first) {
    advance(session);
  }
}

}  // namespace kvorum::node
