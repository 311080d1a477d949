#include "node/commands.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "node/command_table.h"

namespace kvorum::node {
namespace {

constexpr std::int64_t kMax = INT64_MAX;

// "SET k v" split at blanks; '' stands for an empty argument.
std::vector<ByteView> words(ByteView line) {
  std::vector<ByteView> out;
  while (!line.empty()) {
    const auto blank = line.find(' ');
    const auto word = line.substr(0, blank);
    out.push_back(word == "''" ? ByteView() : word);
    line = blank == ByteView::npos ? ByteView() : line.substr(blank + 1);
  }
  return out;
}

std::string join(const Command& command) {
  std::string out;
  for (std::size_t i = 0; i < command.args.size(); ++i) {
    out += i == 0 ? "" : " ";
    out += command.args[i].empty() ? ByteView("''") : command.args[i];
  }
  return out;
}

struct Case {
  const char* request;
  Op op;
  const char* args;
  int flags = 0;
  std::int64_t number = 0;
  std::int64_t number2 = 0;
};

class ParsesData : public testing::TestWithParam<Case> {};

TEST_P(ParsesData, AsTheModelEncodesIt) {
  const auto& expected = GetParam();
  const auto args = words(expected.request);
  const auto parsed = parse(args, {});
  ASSERT_TRUE(parsed) << expected.request << ": " << to_string(parsed.error());
  EXPECT_EQ(parsed->verb, Verb::kData) << expected.request;
  const auto& command = parsed->command;
  EXPECT_EQ(command.op, expected.op) << expected.request;
  EXPECT_EQ(join(command), expected.args) << expected.request;
  EXPECT_EQ(command.flags, expected.flags) << expected.request;
  EXPECT_EQ(command.number, expected.number) << expected.request;
  EXPECT_EQ(command.number2, expected.number2) << expected.request;
}

constexpr Case kData[] = {
    {"GET k", Op::kGet, "k"},
    {"gEt k", Op::kGet, "k"},
    {"GET ''", Op::kGet, "''"},
    {"SET k v", Op::kSet, "k v"},
    {"SET k v nx", Op::kSet, "k v", kIfAbsent},
    {"SET k v XX GET", Op::kSet, "k v", kIfPresent | kReturnOld},
    {"SET k v NX GET EX 10", Op::kSet, "k v", kIfAbsent | kReturnOld | kRelativeTtl, 10'000},
    {"SET k v PX 10", Op::kSet, "k v", kRelativeTtl, 10},
    {"SET k v EXAT 10", Op::kSet, "k v", kAbsoluteTtl, 10'000},
    {"SET k v PXAT 9223372036854775807", Op::kSet, "k v", kAbsoluteTtl, kMax},
    {"SET k v KEEPTTL", Op::kSet, "k v", kKeepTtl},
    {"SETNX k v", Op::kSetNx, "k v"},
    {"SETEX k 7 v", Op::kSet, "k v", kRelativeTtl, 7000},
    {"PSETEX k 7 v", Op::kSet, "k v", kRelativeTtl, 7},
    {"GETSET k v", Op::kSet, "k v", kReturnOld},
    {"GETDEL k", Op::kGetDel, "k"},
    {"GETEX k", Op::kGet, "k"},
    {"GETEX k EX 2", Op::kGetEx, "k", kRelativeTtl, 2000},
    {"GETEX k PXAT 2", Op::kGetEx, "k", kAbsoluteTtl, 2},
    {"GETEX k PERSIST", Op::kGetEx, "k", kPersistTtl},
    {"MGET a b c", Op::kMGet, "a b c"},
    {"MSET a 1 b 2", Op::kMSet, "a 1 b 2"},
    {"MSETNX a 1", Op::kMSetNx, "a 1"},
    {"DEL a b", Op::kDel, "a b"},
    {"UNLINK a", Op::kDel, "a"},
    {"EXISTS a a", Op::kExists, "a a"},
    {"APPEND k v", Op::kAppend, "k v"},
    {"STRLEN k", Op::kStrLen, "k"},
    {"GETRANGE k 0 -1", Op::kGetRange, "k", 0, 0, -1},
    {"SUBSTR k 2 5", Op::kGetRange, "k", 0, 2, 5},
    {"SETRANGE k 3 v", Op::kSetRange, "k v", 0, 3},
    {"SETRANGE k 99999999999 ''", Op::kSetRange, "k ''", 0, 99999999999},
    {"INCR k", Op::kIncrBy, "k", 0, 1},
    {"DECR k", Op::kIncrBy, "k", 0, -1},
    {"INCRBY k -9223372036854775808", Op::kIncrBy, "k", 0, INT64_MIN},
    {"DECRBY k 5", Op::kIncrBy, "k", 0, -5},
    {"INCRBYFLOAT k -1.5e3", Op::kIncrByFloat, "k -1.5e3"},
    {"EXPIRE k 5", Op::kExpire, "k", kRelativeTtl, 5000},
    {"EXPIRE k -5 NX", Op::kExpire, "k", kRelativeTtl | kIfAbsent, -5000},
    {"PEXPIRE k 5 xx GT", Op::kExpire, "k", kRelativeTtl | kIfPresent | kIfGreater, 5},
    {"EXPIREAT k 5 LT", Op::kExpire, "k", kAbsoluteTtl | kIfLess, 5000},
    {"PEXPIREAT k 0", Op::kExpire, "k", kAbsoluteTtl, 0},
    {"TTL k", Op::kTtl, "k", 0, 1000},
    {"PTTL k", Op::kTtl, "k", 0, 1},
    {"PERSIST k", Op::kPersist, "k"},
    {"EXPIRETIME k", Op::kExpireTime, "k", 0, 1000},
    {"PEXPIRETIME k", Op::kExpireTime, "k", 0, 1},
    {"TYPE k", Op::kType, "k"},
    {"SCAN 0", Op::kScan, "", 0, 0, 10},
    {"SCAN 17 COUNT 100 MATCH a*", Op::kScan, "a*", 0, 17, 100},
    {"SCAN 0 TYPE string", Op::kScan, "", 0, 0, 10},
    {"SCAN 0 TYPE hash MATCH *", Op::kScan, "[]", 0, 0, 10},
    {"KEYS *", Op::kKeys, "*"},
    {"DBSIZE", Op::kDbSize, ""},
    {"RANDOMKEY", Op::kRandomKey, ""},
    {"FLUSHDB", Op::kFlush, ""},
    {"FLUSHALL async", Op::kFlush, ""},
    {"KV.CAS k old new", Op::kCas, "k old new"},
    {"KV.CAS k old IFABSENT", Op::kCas, "k old IFABSENT"},
    {"KV.CAS k '' new IFABSENT", Op::kCas, "k '' new", kExpectAbsent},
    {"KV.CAS k old new keepttl", Op::kCas, "k old new", kKeepTtl},
    {"KV.DUMP", Op::kDump, ""},
    {"KV.SEARCH k", Op::kSearch, "k"},
    {"KV.DIGEST", Op::kDigest, ""},
};
INSTANTIATE_TEST_SUITE_P(Commands, ParsesData, testing::ValuesIn(kData));

struct Refused {
  const char* request;
  const char* error;
};

class Refuses : public testing::TestWithParam<Refused> {};

TEST_P(Refuses, WithTheTextOfRedis) {
  const auto args = words(GetParam().request);
  const auto parsed = parse(args, {.key_bytes = 8, .value_bytes = 16});
  ASSERT_FALSE(parsed) << GetParam().request;
  EXPECT_EQ(to_string(parsed.error()), GetParam().error) << GetParam().request;
}

constexpr const char* kNotInteger = "ERR value is not an integer or out of range";
constexpr const char* kBadSetTime = "ERR invalid expire time in 'set' command";
constexpr const char* kSyntaxError = "ERR syntax error";
constexpr const char* kTooLongError =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

constexpr Refused kRefused[] = {
    {"foo", "ERR unknown command 'foo', with args beginning with: "},
    {"foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "},
    {"averyveryverylongcommandname",
     "ERR unknown command 'averyveryverylongcommandname', with args beginning with: "},
    {"GET", "ERR wrong number of arguments for 'get' command"},
    {"GET a b", "ERR wrong number of arguments for 'get' command"},
    {"MSET a 1 b", "ERR wrong number of arguments for 'mset' command"},
    {"PING a b", "ERR wrong number of arguments for 'ping' command"},
    {"SET k v foo", kSyntaxError},
    {"SET k v EX", kSyntaxError},
    {"SET k v NX XX", kSyntaxError},
    {"SET k v EX 1 PX 1", kSyntaxError},
    {"SET k v EX 1 KEEPTTL", kSyntaxError},
    {"SET k v KEEPTTL EX 1", kSyntaxError},
    {"SET k v PERSIST", kSyntaxError},
    {"SET k v EX x", kNotInteger},
    {"SET k v EX 0", kBadSetTime},
    {"SET k v EX -1", kBadSetTime},
    {"SET k v EX 9223372036854775807", kBadSetTime},
    {"SET k v PX 9223372036854775807", kBadSetTime},
    {"SET k v EXAT 9223372036854776", "ERR invalid expire time in 'set' command"},
    {"SETEX k 0 v", "ERR invalid expire time in 'setex' command"},
    {"PSETEX k -1 v", "ERR invalid expire time in 'psetex' command"},
    {"GETEX k EX 0", "ERR invalid expire time in 'getex' command"},
    {"GETEX k PERSIST EX 1", kSyntaxError},
    {"GETEX k NX", kSyntaxError},
    {"EXPIRE k 9223372036854775807", "ERR invalid expire time in 'expire' command"},
    {"EXPIRE k -9223372036854775807", "ERR invalid expire time in 'expire' command"},
    {"PEXPIRE k 9223372036854775807", "ERR invalid expire time in 'pexpire' command"},
    {"EXPIRE k 1 FOO", "ERR Unsupported option FOO"},
    {"EXPIRE k 1 NX GT", "ERR NX and XX, GT or LT options at the same time are not compatible"},
    {"EXPIRE k 1 GT LT", "ERR GT and LT options at the same time are not compatible"},
    {"SETRANGE k -1 v", "ERR offset is out of range"},
    {"SETRANGE k x v", kNotInteger},
    {"SETRANGE k 16 v", kTooLongError},
    {"SETRANGE k 9223372036854775807 v", kTooLongError},
    {"GETRANGE k a 1", kNotInteger},
    {"INCRBY k 1.5", kNotInteger},
    {"INCRBY k +1", kNotInteger},
    {"INCRBY k 01", kNotInteger},
    {"INCRBY k -0", kNotInteger},
    {"INCRBY k ''", kNotInteger},
    {"INCRBY k 9223372036854775808", kNotInteger},
    {"DECRBY k -9223372036854775808", "ERR decrement would overflow"},
    {"INCRBYFLOAT k x", "ERR value is not a valid float"},
    {"INCRBYFLOAT k ''", "ERR value is not a valid float"},
    {"INCRBYFLOAT k nan", "ERR value is not a valid float"},
    {"INCRBYFLOAT k 1x", "ERR value is not a valid float"},
    {"INCRBYFLOAT k inf", "ERR increment would produce NaN or Infinity"},
    {"SCAN x", "ERR invalid cursor"},
    {"SCAN -1", "ERR invalid cursor"},
    {"SCAN 0 COUNT 0", kSyntaxError},
    {"SCAN 0 COUNT x", kNotInteger},
    {"SCAN 0 MATCH", kSyntaxError},
    {"FLUSHDB NOW", kSyntaxError},
    {"KV.CAS k a b c", kSyntaxError},
    {"KV.CAS k a b c d", "ERR wrong number of arguments for 'kv.cas' command"},
    {"GET 123456789", "ERR key is too long: 9 bytes, the limit is 8"},
    {"MSET a 1 123456789 2", "ERR key is too long: 9 bytes, the limit is 8"},
    {"SET k 12345678901234567", kTooLongError},
};
INSTANTIATE_TEST_SUITE_P(Commands, Refuses, testing::ValuesIn(kRefused));

TEST(Commands, VerbsOfTheNodeAreNamed) {
  const struct {
    const char* request;
    Verb verb;
  } cases[] = {
      {"PING", Verb::kPing},
      {"ping hi", Verb::kPing},
      {"ECHO x", Verb::kEcho},
      {"HELLO 3", Verb::kHello},
      {"AUTH x", Verb::kAuth},
      {"CLIENT ID", Verb::kClient},
      {"COMMAND", Verb::kCommand},
      {"CONFIG GET *", Verb::kConfig},
      {"INFO", Verb::kInfo},
      {"TIME", Verb::kTime},
      {"SELECT 0", Verb::kSelect},
      {"QUIT", Verb::kQuit},
      {"RESET", Verb::kReset},
      {"KV.AT prefix GET k", Verb::kKvAt},
      {"KV.LEVEL", Verb::kKvLevel},
      {"KV.RECEIPT", Verb::kKvReceipt},
      {"KV.SESSION", Verb::kKvSession},
      {"KV.ONCE 1 2 INCR k", Verb::kKvOnce},
      {"KV.ONCE OPEN", Verb::kKvOnce},
      {"KV.STATUS", Verb::kKvStatus},
      {"KV.WHERE k", Verb::kKvWhere},
      {"KV.KEYSPACE LIST", Verb::kKvKeyspace},
      {"KV.FAULT off", Verb::kKvFault},
  };
  for (const auto& [request, verb] : cases) {
    const auto parsed = parse(words(request), {});
    ASSERT_TRUE(parsed) << request;
    EXPECT_EQ(parsed->verb, verb) << request;
  }
}

TEST(Commands, AnUnknownCommandIsRepeatedShortAndInOneLine) {
  const std::string name(300, 'x'), arg(300, 'y');
  const std::vector<ByteView> args = {name, arg, arg};
  const auto parsed = parse(args, {});
  ASSERT_FALSE(parsed);
  EXPECT_LT(to_string(parsed.error()).size(), 400u);
  const std::vector<ByteView> broken = {"a\r\nb", "c\nd"};
  EXPECT_EQ(to_string(parse(broken, {}).error()),
            "ERR unknown command 'a  b', with args beginning with: 'c d' ");
}

TEST(Commands, EveryRowIsFoundAndAgreesWithEachKey) {
  for (const auto& spec : command_table()) {
    EXPECT_EQ(find_command(spec.name), &spec);
    EXPECT_FALSE(spec.summary.empty()) << spec.name;
    EXPECT_NE(spec.arity, 0) << spec.name;
    if (spec.verb != Verb::kData) {
      continue;
    }
    EXPECT_EQ(is_write(spec.op), (spec.traits & trait::kWrite) != 0) << spec.name;
    EXPECT_NE(is_write(spec.op), (spec.traits & trait::kReadOnly) != 0) << spec.name;
    Command command;
    command.op = spec.op;
    command.args = {"a", "b", "c", "d"};
    std::size_t keys = 0;
    each_key(command, [&](ByteView) { ++keys; });
    const int last = spec.last_key < 0 ? 4 : spec.last_key;
    const int expected = spec.first_key == 0 ? 0 : (last - 1) / spec.key_step + 1;
    EXPECT_EQ(keys, static_cast<std::size_t>(expected)) << spec.name;
  }
}

// Replies as one line of text.
class TextReply final : public ReplyWriter {
 public:
  void status(ByteView text) override { out_ += '+' + std::string(text) + ' '; }
  void integer(std::int64_t value) override { out_ += std::to_string(value) + ' '; }
  void bulk(ByteView bytes) override { out_ += std::string(bytes) + ' '; }
  void nil() override { out_ += "nil "; }
  void error(const Error& error) override { out_ += '-' + to_string(error) + ' '; }
  void array(std::size_t count) override { out_ += '[' + std::to_string(count) + "] "; }
  void map(std::size_t pairs) override { out_ += '{' + std::to_string(pairs) + "} "; }
  const std::string& text() const { return out_; }

 private:
  std::string out_;
};

std::string command_reply(ByteView request) {
  TextReply reply;
  reply_command(words(request), reply);
  return reply.text();
}

TEST(CommandReply, AnswersFromTheTable) {
  const auto count = std::to_string(command_table().size());
  EXPECT_EQ(command_reply("COMMAND COUNT"), count + ' ');
  EXPECT_TRUE(command_reply("COMMAND").starts_with('[' + count + "] [10] get 2 [2] "));
  EXPECT_EQ(command_reply("COMMAND GETKEYS KV.AT one KV.IF 5 SET k v"), "[1] k ");
  EXPECT_EQ(command_reply("COMMAND GETKEYS KV.ONCE 7 1 MSET a 1 b 2"), "[2] a b ");
  EXPECT_EQ(command_reply("COMMAND INFO get nope"),
            "[2] [10] get 2 [2] +readonly +fast 1 1 1 [3] +@read +@string +@fast [0] [0] [0] nil ");
  EXPECT_EQ(command_reply("command docs INCR nope"),
            "{1} incr {4} summary Adds one to the integer at a key since 1.0.0 group string "
            "arguments [1] {2} name key type string ");
  EXPECT_TRUE(command_reply("COMMAND LIST").starts_with('[' + count + "] get set "));
  EXPECT_EQ(command_reply("COMMAND GETKEYS MSET a 1 b 2"), "[2] a b ");
  EXPECT_EQ(command_reply("COMMAND GETKEYS DEL a b c"), "[3] a b c ");
  EXPECT_EQ(command_reply("COMMAND GETKEYS GET a"), "[1] a ");
  EXPECT_EQ(command_reply("COMMAND GETKEYS PING"), "-ERR The command has no key arguments ");
  EXPECT_EQ(command_reply("COMMAND GETKEYS NOPE"), "-ERR Invalid command specified ");
  EXPECT_EQ(command_reply("COMMAND FOO"), "-ERR unknown subcommand 'FOO'. Try COMMAND HELP. ");
}

}  // namespace
}  // namespace kvorum::node
