#include "node/command_table.h"

#include <array>
#include <cstddef>
#include <iterator>

#include "base/ascii.h"

namespace kvorum::node {
namespace {

constexpr std::uint8_t kW = trait::kWrite | trait::kDenyOom;
constexpr std::uint8_t kWf = kW | trait::kFast;
constexpr std::uint8_t kDf = trait::kWrite | trait::kFast;  // writes that need no space
constexpr std::uint8_t kR = trait::kReadOnly;
constexpr std::uint8_t kRf = trait::kReadOnly | trait::kFast;
constexpr std::uint8_t kV = trait::kLoading | trait::kFast;
constexpr std::uint8_t kMk = trait::kMovableKeys;

constexpr auto kData = Verb::kData;
constexpr auto kStr = Group::kString;
constexpr auto kGen = Group::kGeneric;
constexpr auto kCon = Group::kConnection;
constexpr auto kSrv = Group::kServer;
constexpr auto kKv = Group::kKvorum;

constexpr ByteView kExpireSyntax = "key seconds [NX|XX|GT|LT]";
constexpr ByteView kPExpireSyntax = "key milliseconds [NX|XX|GT|LT]";
constexpr ByteView kExpireAtSyntax = "key unix-time-seconds [NX|XX|GT|LT]";
constexpr ByteView kPExpireAtSyntax = "key unix-time-milliseconds [NX|XX|GT|LT]";

// name, syntax, summary, group, verb, arity, traits, first key, last key, step, op, decode, preset
// flags and number
constexpr CommandSpec kTable[] = {
    {"get", "key", "Gives the value of a key", kStr, kData, 2, kRf, 1, 1, 1, Op::kGet},
    {"set", "key value [NX|XX] [GET] [EX s|PX ms|EXAT s|PXAT ms|KEEPTTL]",
     "Sets the value of a key", kStr, kData, -3, kW, 1, 1, 1, Op::kSet, Decode::kSet},
    {"setnx", "key value", "Sets the value of a key that does not exist", kStr, kData, 3, kWf, 1, 1,
     1, Op::kSetNx},
    {"setex", "key seconds value", "Sets the value and the time to live of a key", kStr, kData, 4,
     kW, 1, 1, 1, Op::kSet, Decode::kSetEx, kRelativeTtl, 1000},
    {"psetex", "key milliseconds value",
     "Sets the value and the time to live of a key, in milliseconds", kStr, kData, 4, kW, 1, 1, 1,
     Op::kSet, Decode::kSetEx, kRelativeTtl, 1},
    {"getset", "key value", "Sets the value of a key and gives the old one", kStr, kData, 3, kWf, 1,
     1, 1, Op::kSet, Decode::kPlain, kReturnOld},
    {"getdel", "key", "Gives the value of a key and deletes it", kStr, kData, 2, kDf, 1, 1, 1,
     Op::kGetDel},
    {"getex", "key [EX s|PX ms|EXAT s|PXAT ms|PERSIST]",
     "Gives the value of a key and changes its time to live", kStr, kData, -2, kDf, 1, 1, 1,
     Op::kGetEx, Decode::kGetEx},
    {"mget", "key [key ...]", "Gives the values of several keys at one moment", kStr, kData, -2,
     kRf, 1, -1, 1, Op::kMGet},
    {"mset", "key value [key value ...]", "Sets several keys at once", kStr, kData, -3, kW, 1, -1,
     2, Op::kMSet, Decode::kPairs},
    {"msetnx", "key value [key value ...]", "Sets several keys at once if none of them exists",
     kStr, kData, -3, kW, 1, -1, 2, Op::kMSetNx, Decode::kPairs},
    {"append", "key value", "Appends to the value of a key", kStr, kData, 3, kWf, 1, 1, 1,
     Op::kAppend},
    {"strlen", "key", "Gives the length of a value", kStr, kData, 2, kRf, 1, 1, 1, Op::kStrLen},
    {"getrange", "key start end", "Gives a part of a value", kStr, kData, 4, kR, 1, 1, 1,
     Op::kGetRange, Decode::kGetRange},
    {"substr", "key start end", "Gives a part of a value (old name of GETRANGE)", kStr, kData, 4,
     kR, 1, 1, 1, Op::kGetRange, Decode::kGetRange},
    {"setrange", "key offset value", "Overwrites a part of a value", kStr, kData, 4, kW, 1, 1, 1,
     Op::kSetRange, Decode::kSetRange},
    {"incr", "key", "Adds one to the integer at a key", kStr, kData, 2, kWf, 1, 1, 1, Op::kIncrBy,
     Decode::kPlain, 0, 1},
    {"decr", "key", "Takes one from the integer at a key", kStr, kData, 2, kWf, 1, 1, 1,
     Op::kIncrBy, Decode::kPlain, 0, -1},
    {"incrby", "key increment", "Adds to the integer at a key", kStr, kData, 3, kWf, 1, 1, 1,
     Op::kIncrBy, Decode::kDelta, 0, 1},
    {"decrby", "key decrement", "Takes from the integer at a key", kStr, kData, 3, kWf, 1, 1, 1,
     Op::kIncrBy, Decode::kDelta, 0, -1},
    {"incrbyfloat", "key increment", "Adds to the floating point number at a key", kStr, kData, 3,
     kWf, 1, 1, 1, Op::kIncrByFloat, Decode::kFloatDelta},

    {"del", "key [key ...]", "Deletes keys", kGen, kData, -2, trait::kWrite, 1, -1, 1, Op::kDel},
    {"unlink", "key [key ...]", "Deletes keys (same as DEL)", kGen, kData, -2, kDf, 1, -1, 1,
     Op::kDel},
    {"exists", "key [key ...]", "Counts the keys that exist", kGen, kData, -2, kRf, 1, -1, 1,
     Op::kExists},
    {"expire", kExpireSyntax, "Sets the time to live of a key", kGen, kData, -3, kDf, 1, 1, 1,
     Op::kExpire, Decode::kExpire, kRelativeTtl, 1000},
    {"pexpire", kPExpireSyntax, "Sets the time to live of a key, in milliseconds", kGen, kData, -3,
     kDf, 1, 1, 1, Op::kExpire, Decode::kExpire, kRelativeTtl, 1},
    {"expireat", kExpireAtSyntax, "Sets the moment at which a key expires", kGen, kData, -3, kDf, 1,
     1, 1, Op::kExpire, Decode::kExpire, kAbsoluteTtl, 1000},
    {"pexpireat", kPExpireAtSyntax, "Sets the moment at which a key expires, in milliseconds", kGen,
     kData, -3, kDf, 1, 1, 1, Op::kExpire, Decode::kExpire, kAbsoluteTtl, 1},
    {"ttl", "key", "Gives the time to live of a key in seconds", kGen, kData, 2, kRf, 1, 1, 1,
     Op::kTtl, Decode::kPlain, 0, 1000},
    {"pttl", "key", "Gives the time to live of a key in milliseconds", kGen, kData, 2, kRf, 1, 1, 1,
     Op::kTtl, Decode::kPlain, 0, 1},
    {"persist", "key", "Takes the time to live off a key", kGen, kData, 2, kDf, 1, 1, 1,
     Op::kPersist},
    {"expiretime", "key", "Gives the moment at which a key expires, in seconds", kGen, kData, 2,
     kRf, 1, 1, 1, Op::kExpireTime, Decode::kPlain, 0, 1000},
    {"pexpiretime", "key", "Gives the moment at which a key expires, in milliseconds", kGen, kData,
     2, kRf, 1, 1, 1, Op::kExpireTime, Decode::kPlain, 0, 1},
    {"type", "key", "Gives the type of a value", kGen, kData, 2, kRf, 1, 1, 1, Op::kType},
    {"scan", "cursor [MATCH pattern] [COUNT count] [TYPE type]", "Walks over the keys", kGen, kData,
     -2, kR, 0, 0, 0, Op::kScan, Decode::kScan},
    {"keys", "pattern", "Lists the keys that match a pattern", kGen, kData, 2, kR, 0, 0, 0,
     Op::kKeys},
    {"randomkey", "", "Gives some key", kGen, kData, 1, kR, 0, 0, 0, Op::kRandomKey},

    {"ping", "[message]", "Answers PONG, or the message", kCon, Verb::kPing, -1, kV, 0, 0, 0,
     Op::kNoop, Decode::kAtMostOne},
    {"echo", "message", "Answers the message", kCon, Verb::kEcho, 2, kV},
    {"hello", "[protover [AUTH username password] [SETNAME name]]",
     "Chooses RESP2 or RESP3 and introduces the server", kCon, Verb::kHello, -1, kV},
    {"auth", "[username] password", "Is refused: no password is set", kCon, Verb::kAuth, -2, kV},
    {"client", "ID|INFO|LIST|GETNAME|SETNAME name|...", "Tells about and names this connection",
     kCon, Verb::kClient, -2, kV},
    {"select", "keyspace", "Chooses a keyspace by its number or name", kCon, Verb::kSelect, 2, kV},
    {"quit", "", "Closes the connection", kCon, Verb::kQuit, -1, kV},
    {"reset", "", "Puts the connection back to its first state", kCon, Verb::kReset, 1, kV},

    {"command", "[COUNT|DOCS|GETKEYS|INFO|LIST]", "Tells about commands", kSrv, Verb::kCommand, -1,
     trait::kLoading},
    {"config", "GET pattern [pattern ...]", "Tells the settings", kSrv, Verb::kConfig, -2,
     trait::kLoading | trait::kAdmin},
    {"info", "[section ...]", "Tells about the server", kSrv, Verb::kInfo, -1, trait::kLoading},
    {"time", "", "Gives the server's time", kSrv, Verb::kTime, 1, kV},
    {"dbsize", "", "Counts the keys", kSrv, kData, 1, kRf, 0, 0, 0, Op::kDbSize},
    {"flushdb", "[ASYNC|SYNC]", "Deletes every key of the keyspace", kSrv, kData, -1, trait::kWrite,
     0, 0, 0, Op::kFlush, Decode::kFlush},
    {"flushall", "[ASYNC|SYNC]", "Is FLUSHDB: other keyspaces stay", kSrv, kData, -1, trait::kWrite,
     0, 0, 0, Op::kFlush, Decode::kFlush},

    {"kv.cas", "key expected new [IFABSENT|KEEPTTL]",
     "Sets a key to new if its value is the expected one, and keeps its time to live with KEEPTTL; "
     "with IFABSENT if the key does not exist, and expected is ignored",
     kKv, kData, -4, kWf, 1, 1, 1, Op::kCas, Decode::kCas},
    {"kv.at", "level command [argument ...]", "Runs one command at a level", kKv, Verb::kKvAt, -3,
     kMk},
    {"kv.context", "context command [argument ...]",
     "Runs SET or DEL as one that has seen what a receipt's context names", kKv, Verb::kKvContext,
     -3, kMk},
    {"kv.if", "version command [argument ...]",
     "Runs SET or DEL if the key has that version; 0: if it does not exist", kKv, Verb::kKvIf, -3,
     kMk},
    {"kv.conflicts", "[key]", "Lists losers of concurrent writes", kKv, Verb::kKvConflicts, -1, kV,
     0, 0, 0, Op::kNoop, Decode::kAtMostOne},
    {"kv.level", "[level | [READ level] [WRITE level]]", "Sets or tells the connection's levels",
     kKv, Verb::kKvLevel, -1, kV},
    {"kv.receipt", "[command [argument ...]]",
     "Tells what the last request got, or runs a command and tells what it got", kKv,
     Verb::kKvReceipt, -1, kMk},
    {"kv.session", "[[NEW] token|NEW]",
     "Hands out this session's token, or resumes one; NEW: after forgetting what it has seen", kKv,
     Verb::kKvSession, -1, kV},
    {"kv.once",
     "OPEN | CLOSE client-id | client-id sequence[:answered-below] command [argument ...]",
     "Runs a numbered command exactly once", kKv, Verb::kKvOnce, -2, kMk},
    {"kv.status", "", "Tells about this node, its partitions and its peers", kKv, Verb::kKvStatus,
     1, trait::kLoading},
    {"kv.where", "key", "Tells slot, partition and leader of a key", kKv, Verb::kKvWhere, 2,
     trait::kLoading | trait::kFast, 1, 1, 1},
    {"kv.dump", "", "Lists every row with version and deadline", kKv, kData, 1, kR, 0, 0, 0,
     Op::kDump},
    {"kv.search", "key", "Gives value, version and deadline of a key", kKv, kData, 2, kRf, 1, 1, 1,
     Op::kSearch},
    {"kv.digest", "", "Gives a fingerprint of every row", kKv, kData, 1, kR, 0, 0, 0, Op::kDigest},
    {"kv.keyspace",
     "LIST | DESCRIBE name | DROP name | CREATE name [ordered|leaderless] [n=] [w=] [r=] "
     "[conflict=] "
     "[partitions=] [durability=]",
     "Tells about, makes and drops keyspaces", kKv, Verb::kKvKeyspace, -2, trait::kAdmin},
    {"kv.fault",
     "CUT a b [ONEWAY] [FOR time] | HOLD a b [ONEWAY] [FOR time] | DELAY a b time [JITTER time] "
     "[UNORDERED] [ONEWAY] [SEED n] [FOR time] | DROP a b percent% [ONEWAY] [SEED n] [FOR time] | "
     "DISK a time [FOR time] | CLOCK a [-]time [FOR time] | RELEASE a b [ONEWAY] | HEAL [a b] | "
     "RESET | STATUS",
     "Puts faults on the links between nodes; only for servers started with --faults", kKv,
     Verb::kKvFault, -2, trait::kAdmin | trait::kLoading},
    {"kv.send", "node|* text", "Writes a text into the log of a node, or of all, and tells when",
     kKv, Verb::kKvSend, 3, trait::kLoading},
    {"kv.lead", "", "Has the leaders of this keyspace hand over to the node asked", kKv,
     Verb::kKvLead, 1, trait::kAdmin},
};

constexpr std::size_t kSlots = 256;  // a power of two, some four times the table
constexpr std::size_t kLongestName = 16;
static_assert(std::size(kTable) < kSlots / 2);

// FNV-1a over the lower-case name.
constexpr std::size_t hash_of(ByteView name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(lower(c))) * 16777619u;
  }
  return (hash ^ (hash >> 15)) % kSlots;
}

// Open addressing, filled by the compiler: place in kTable plus one, 0 = free.
constexpr std::array<std::uint8_t, kSlots> make_index() {
  std::array<std::uint8_t, kSlots> index{};
  for (std::size_t i = 0; i < std::size(kTable); ++i) {
    auto slot = hash_of(kTable[i].name);
    while (index[slot] != 0) {
      slot = (slot + 1) % kSlots;
    }
    index[slot] = static_cast<std::uint8_t>(i + 1);
  }
  return index;
}

constexpr auto kIndex = make_index();

}  // namespace

std::span<const CommandSpec> command_table() { return kTable; }

const CommandSpec* find_command(ByteView name) {
  if (name.size() > kLongestName) {
    return nullptr;
  }
  for (auto slot = hash_of(name); kIndex[slot] != 0; slot = (slot + 1) % kSlots) {
    const auto& spec = kTable[kIndex[slot] - 1];
    if (same_word(spec.name, name)) {
      return &spec;
    }
  }
  return nullptr;
}

std::size_t wrapper_words(std::span<const ByteView> args) {
  const auto* spec = args.empty() ? nullptr : find_command(args[0]);
  switch (spec == nullptr ? Verb::kData : spec->verb) {
    case Verb::kKvReceipt:
      return 1;
    case Verb::kKvAt:
    case Verb::kKvContext:
    case Verb::kKvIf:
      return 2;
    default:
      return 0;
  }
}

std::span<const ByteView> unwrapped(std::span<const ByteView> args) {
  for (auto words = wrapper_words(args); words != 0 && words < args.size();
       words = wrapper_words(args)) {
    args = args.subspan(words);
  }
  return args;
}

const char* to_string(Group group) {
  switch (group) {
    case Group::kString:
      return "string";
    case Group::kGeneric:
      return "generic";
    case Group::kConnection:
      return "connection";
    case Group::kServer:
      return "server";
    case Group::kKvorum:
      return "kvorum";
  }
  return "?";
}

}  // namespace kvorum::node
