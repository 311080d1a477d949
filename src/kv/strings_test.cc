// Every command of single keys: what it answers and what it leaves, as Redis 7 does.
#include <gtest/gtest.h>

#include "kv/number.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

constexpr std::int64_t kStart = 1'000'000;  // TestLog's clock

struct Step {
  Spec spec;
  std::string reply;
};

struct Case {
  const char* name;
  std::vector<Step> steps;
};

Spec set(Bytes key, Bytes value, int flags = 0, std::int64_t number = 0) {
  return {Op::kSet, {std::move(key), std::move(value)}, flags, number};
}
Spec get(Bytes key) { return {Op::kGet, {std::move(key)}}; }
Spec pttl(Bytes key) { return {Op::kTtl, {std::move(key)}, 0, 1}; }
Spec ttl(Bytes key) { return {Op::kTtl, {std::move(key)}, 0, 1000}; }
Spec expire(int flags, std::int64_t number) { return {Op::kExpire, {"k"}, flags, number}; }
Spec expire_in(std::int64_t ms, int flags = 0) { return expire(flags | kRelativeTtl, ms); }
Spec expire_at(std::int64_t ms, int flags = 0) { return expire(flags | kAbsoluteTtl, ms); }
Spec incr(std::int64_t by) { return {Op::kIncrBy, {"k"}, 0, by}; }
Spec incr_float(Bytes by) { return {Op::kIncrByFloat, {"k", std::move(by)}}; }
Spec get_range(std::int64_t from, std::int64_t to) { return {Op::kGetRange, {"k"}, 0, from, to}; }
Spec set_range(std::int64_t at, Bytes part) {
  return {Op::kSetRange, {"k", std::move(part)}, 0, at};
}
Spec del(std::vector<Bytes> keys) { return {Op::kDel, std::move(keys)}; }
Spec append(Bytes part) { return {Op::kAppend, {"k", std::move(part)}}; }
Spec cas(Bytes expected, Bytes value, int flags = 0, std::int64_t number = 0) {
  return {Op::kCas, {"k", std::move(expected), std::move(value)}, flags, number};
}
Spec get_ex(int flags, std::int64_t number = 0) { return {Op::kGetEx, {"k"}, flags, number}; }

constexpr const char* kBadSet = "-ERR invalid expire time in 'set' command";
constexpr const char* kBadExpire = "-ERR invalid expire time in 'expire' command";
constexpr const char* kBadGetEx = "-ERR invalid expire time in 'getex' command";
constexpr const char* kNoInteger = "-ERR value is not an integer or out of range";
constexpr const char* kNoFloat = "-ERR value is not a valid float";
constexpr const char* kOverflows = "-ERR increment or decrement would overflow";
constexpr const char* kInfinite = "-ERR increment would produce NaN or Infinity";
constexpr const char* kTooLongText =
    "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";

const std::vector<Case> kSetCases = {
    {"SetGet", {{get("k"), "nil"}, {set("k", "v"), "+OK"}, {get("k"), "\"v\""}}},
    {"SetEmpty", {{set("", ""), "+OK"}, {get(""), "\"\""}, {{Op::kDbSize}, ":1"}}},
    {"SetNx",
     {{set("k", "1", kIfAbsent), "+OK"}, {set("k", "2", kIfAbsent), "nil"}, {get("k"), "\"1\""}}},
    {"SetIfVersion",
     {{{Op::kSet, {"k", "1"}, kIfVersion, 0, 7}, "nil"},
      {{Op::kSet, {"k", "1"}, kIfVersion, 0, 0}, "+OK"},
      {{Op::kSet, {"k", "2"}, kIfVersion, 0, 0}, "nil"},
      {{Op::kSearch, {"k"}}, "[[\"1\", :131072, :-1]]"},
      {{Op::kSet, {"k", "3"}, kIfVersion, 0, 131073}, "nil"},
      {{Op::kDel, {"k"}, kIfVersion, 0, 131073}, ":0"},
      {{Op::kSet, {"k", "4"}, kIfVersion, 0, 131072}, "+OK"},
      {get("k"), "\"4\""},
      {{Op::kDel, {"k"}, kIfVersion, 0, 131072}, ":0"},
      {{Op::kDel, {"k"}, kIfVersion, 0, 393216}, ":1"},
      {get("k"), "nil"}}},
    {"SetXx",
     {{set("k", "1", kIfPresent), "nil"},
      {get("k"), "nil"},
      {set("k", "1"), "+OK"},
      {set("k", "2", kIfPresent), "+OK"},
      {get("k"), "\"2\""}}},
    {"SetGetOld",
     {{set("k", "1", kReturnOld), "nil"},
      {set("k", "2", kReturnOld), "\"1\""},
      {get("k"), "\"2\""}}},
    {"SetNxGet",
     {{set("k", "1", kIfAbsent | kReturnOld), "nil"},
      {set("k", "2", kIfAbsent | kReturnOld), "\"1\""},
      {get("k"), "\"1\""}}},
    {"SetXxGet",
     {{set("k", "1", kIfPresent | kReturnOld), "nil"},
      {get("k"), "nil"},
      {set("k", "1"), "+OK"},
      {set("k", "2", kIfPresent | kReturnOld), "\"1\""},
      {get("k"), "\"2\""}}},
    {"SetTtl",
     {{set("k", "v", kRelativeTtl, 1500), "+OK"},
      {pttl("k"), ":1500"},
      {ttl("k"), ":2"},
      {set("k", "v"), "+OK"},
      {pttl("k"), ":-1"}}},
    {"SetKeepTtl",
     {{set("k", "v", kKeepTtl), "+OK"},
      {pttl("k"), ":-1"},
      {set("k", "v", kRelativeTtl, 1500), "+OK"},
      {set("k", "w", kKeepTtl), "+OK"},
      {get("k"), "\"w\""},
      {pttl("k"), ":1500"}}},
    {"SetAt",
     {{set("k", "v", kAbsoluteTtl, kStart + 300), "+OK"},
      {pttl("k"), ":300"},
      {{Op::kExpireTime, {"k"}, 0, 1}, ":1000300"},
      {{Op::kExpireTime, {"k"}, 0, 1000}, ":1000"}}},
    {"SetAtPast",
     {{set("k", "v"), "+OK"},
      {set("k", "w", kAbsoluteTtl, kStart), "+OK"},
      {get("k"), "nil"},
      {{Op::kDbSize}, ":0"},
      {set("k", "w", kAbsoluteTtl, 1), "+OK"},
      {get("k"), "nil"}}},
    {"SetBadTtl",
     {{set("k", "v", kRelativeTtl, 0), kBadSet},
      {set("k", "v", kRelativeTtl, -1), kBadSet},
      {set("k", "v", kAbsoluteTtl, 0), kBadSet},
      {set("k", "v", kRelativeTtl, INT64_MAX), kBadSet},
      {get("k"), "nil"}}},
    {"SetNxCommand",
     {{{Op::kSetNx, {"k", "1"}}, ":1"}, {{Op::kSetNx, {"k", "2"}}, ":0"}, {get("k"), "\"1\""}}},
    {"MSet",
     {{{Op::kMSet, {"a", "1", "b", "2", "a", "3"}}, "+OK"},
      {{Op::kMGet, {"a", "x", "b"}}, "[\"3\", nil, \"2\"]"}}},
    {"MSetNx",
     {{{Op::kMSetNx, {"a", "1", "b", "2", "a", "3"}}, ":1"},
      {{Op::kMSetNx, {"c", "1", "b", "9"}}, ":0"},
      {{Op::kMGet, {"a", "b", "c"}}, "[\"3\", \"2\", nil]"}}},
    {"MSetDropsTtl",
     {{set("k", "v", kRelativeTtl, 100), "+OK"},
      {{Op::kMSet, {"k", "1"}}, "+OK"},
      {pttl("k"), ":-1"}}},
    {"Del",
     {{set("a", "1"), "+OK"},
      {set("b", "1"), "+OK"},
      {del({"a", "a", "x", "b"}), ":2"},
      {{Op::kExists, {"a", "b"}}, ":0"}}},
    {"Exists", {{set("a", "1"), "+OK"}, {{Op::kExists, {"a", "a", "b"}}, ":2"}}},
    {"GetDel",
     {{{Op::kGetDel, {"k"}}, "nil"},
      {set("k", "v"), "+OK"},
      {{Op::kGetDel, {"k"}}, "\"v\""},
      {get("k"), "nil"}}},
    {"Cas",
     {{cas("", "1"), ":0"},
      {cas("", "1", kExpectAbsent), ":1"},
      {cas("", "2", kExpectAbsent), ":0"},
      {cas("2", "3"), ":0"},
      {cas("1", "3"), ":1"},
      {get("k"), "\"3\""}}},
    {"CasTtl",
     {{set("k", "1", kRelativeTtl, 100), "+OK"},
      {cas("1", "2", kKeepTtl), ":1"},
      {pttl("k"), ":100"},
      {cas("2", "3"), ":1"},
      {pttl("k"), ":-1"},
      {cas("3", "4", kRelativeTtl, 70), ":1"},
      {pttl("k"), ":70"},
      {cas("4", "5", kRelativeTtl, -70), "-ERR invalid expire time in 'kv.cas' command"}}},
    {"Noop", {{{Op::kNoop}, "+OK"}}},
    {"Type",
     {{{Op::kType, {"k"}}, "+none"}, {set("k", "v"), "+OK"}, {{Op::kType, {"k"}}, "+string"}}},
};

const std::vector<Case> kValueCases = {
    {"Append",
     {{append("ab"), ":2"},
      {append(""), ":2"},
      {append("cd"), ":4"},
      {get("k"), "\"abcd\""},
      {{Op::kStrLen, {"k"}}, ":4"},
      {{Op::kStrLen, {"x"}}, ":0"}}},
    {"AppendEmptyMakesTheRow", {{append(""), ":0"}, {{Op::kExists, {"k"}}, ":1"}}},
    {"AppendKeepsTtl",
     {{set("k", "v", kRelativeTtl, 100), "+OK"}, {append("w"), ":2"}, {pttl("k"), ":100"}}},
    {"AppendTooLong",
     {{append(Bytes(60, 'x')), ":60"}, {append("12345"), kTooLongText}, {append("1234"), ":64"}}},
    {"SetRange",
     {{set_range(0, ""), ":0"},
      {{Op::kExists, {"k"}}, ":0"},
      {set_range(2, "cd"), ":4"},
      {get("k"), std::string("\"\0\0cd\"", 6)},
      {set_range(0, "ab"), ":4"},
      {set_range(1, "X"), ":4"},
      {set_range(900, ""), ":4"},
      {get("k"), "\"aXcd\""},
      {set_range(3, "123"), ":6"},
      {get("k"), "\"aXc123\""}}},
    {"SetRangeErrors",
     {{set_range(-1, "x"), "-ERR offset is out of range"},
      {set_range(64, "x"), kTooLongText},
      {set_range(INT64_MAX, "x"), kTooLongText},
      {{Op::kExists, {"k"}}, ":0"},
      {set_range(63, "x"), ":64"}}},
    {"GetRange",
     {{get_range(0, -1), "\"\""},
      {set("k", "This is a string"), "+OK"},
      {get_range(0, 3), "\"This\""},
      {get_range(-3, -1), "\"ing\""},
      {get_range(0, -1), "\"This is a string\""},
      {get_range(10, 100), "\"string\""},
      {get_range(-100, 1), "\"Th\""},
      {get_range(5, 3), "\"\""},
      {get_range(-1, -5), "\"\""},
      {get_range(16, 20), "\"\""},
      {get_range(-100, -100), "\"T\""},
      {get_range(0, -100), "\"T\""},
      {get_range(INT64_MIN, INT64_MAX), "\"This is a string\""},
      {set("k", ""), "+OK"},
      {get_range(0, -1), "\"\""}}},
    {"Incr",
     {{incr(1), ":1"},
      {incr(-3), ":-2"},
      {get("k"), "\"-2\""},
      {set("k", "9223372036854775806"), "+OK"},
      {incr(1), ":9223372036854775807"},
      {incr(1), kOverflows},
      {get("k"), "\"9223372036854775807\""},
      {set("k", "-9223372036854775808"), "+OK"},
      {incr(-1), kOverflows},
      {incr(INT64_MAX), ":-1"},
      {incr(INT64_MIN), kOverflows}}},
    {"IncrNotANumber",
     {{set("k", ""), "+OK"},
      {incr(1), kNoInteger},
      {set("k", " 1"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "1 "), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "01"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "+1"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "-0"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "-"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "1.0"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "9223372036854775808"), "+OK"},
      {incr(1), kNoInteger},
      {set("k", "0"), "+OK"},
      {incr(5), ":5"}}},
    {"IncrKeepsTtl",
     {{set("k", "1", kRelativeTtl, 100), "+OK"}, {incr(1), ":2"}, {pttl("k"), ":100"}}},
    {"IncrByFloat",
     {{incr_float("10.5"), "\"10.5\""},
      {incr_float("0.1"), "\"10.6\""},
      {incr_float("-5"), "\"5.6\""},
      {set("k", "5.0e3"), "+OK"},
      {incr_float("2.0e2"), "\"5200\""},
      {set("k", "3"), "+OK"},
      {incr_float("1.00000000000000001"), "\"4.00000000000000001\""},
      {set("k", "0"), "+OK"},
      {incr_float("-0.0"), "\"0\""}}},
    {"IncrByFloatErrors",
     {{incr_float("x"), kNoFloat},
      {incr_float(""), kNoFloat},
      {incr_float(" 1"), kNoFloat},
      {incr_float("1 "), kNoFloat},
      {incr_float("nan"), kNoFloat},
      {incr_float("1e5000"), kNoFloat},
      {incr_float("inf"), kInfinite},
      {{Op::kExists, {"k"}}, ":0"},
      {set("k", "abc"), "+OK"},
      {incr_float("1"), kNoFloat}}},
};

const std::vector<Case> kTimeCases = {
    {"TtlOfNothing",
     {{ttl("k"), ":-2"},
      {pttl("k"), ":-2"},
      {{Op::kExpireTime, {"k"}, 0, 1}, ":-2"},
      {set("k", "v"), "+OK"},
      {ttl("k"), ":-1"},
      {{Op::kExpireTime, {"k"}, 0, 1000}, ":-1"}}},
    {"Expire",
     {{expire_in(100), ":0"},
      {set("k", "v"), "+OK"},
      {expire_in(100), ":1"},
      {pttl("k"), ":100"},
      {expire_at(kStart + 70), ":1"},
      {pttl("k"), ":70"}}},
    {"ExpireNow",
     {{set("k", "v"), "+OK"},
      {expire_in(0), ":1"},
      {get("k"), "nil"},
      {set("k", "v"), "+OK"},
      {expire_in(-5), ":1"},
      {get("k"), "nil"},
      {set("k", "v"), "+OK"},
      {expire_at(kStart), ":1"},
      {get("k"), "nil"}}},
    {"ExpireNx",
     {{set("k", "v"), "+OK"},
      {expire_in(100, kIfAbsent), ":1"},
      {expire_in(200, kIfAbsent), ":0"},
      {pttl("k"), ":100"}}},
    {"ExpireXx",
     {{set("k", "v"), "+OK"},
      {expire_in(100, kIfPresent), ":0"},
      {expire_in(100), ":1"},
      {expire_in(200, kIfPresent), ":1"},
      {pttl("k"), ":200"}}},
    {"ExpireGt",
     {{set("k", "v"), "+OK"},
      {expire_in(100, kIfGreater), ":0"},
      {expire_in(100), ":1"},
      {expire_in(100, kIfGreater), ":0"},
      {expire_in(101, kIfGreater), ":1"},
      {expire_in(50, kIfGreater | kIfPresent), ":0"},
      {pttl("k"), ":101"}}},
    {"ExpireLt",
     {{set("k", "v"), "+OK"},
      {expire_in(100, kIfLess), ":1"},
      {expire_in(100, kIfLess), ":0"},
      {expire_in(99, kIfLess), ":1"},
      {pttl("k"), ":99"},
      {expire_in(-1, kIfLess), ":1"},
      {get("k"), "nil"}}},
    {"ExpireOverflow",
     {{set("k", "v"), "+OK"},
      {expire_in(INT64_MAX), kBadExpire},
      {expire(0, 5), kBadExpire},
      {pttl("k"), ":-1"}}},
    {"Persist",
     {{{Op::kPersist, {"k"}}, ":0"},
      {set("k", "v"), "+OK"},
      {{Op::kPersist, {"k"}}, ":0"},
      {expire_in(100), ":1"},
      {{Op::kPersist, {"k"}}, ":1"},
      {pttl("k"), ":-1"},
      {expire_in(100), ":1"},
      {pttl("k"), ":100"}}},
    {"GetEx",
     {{get_ex(kRelativeTtl, 5), "nil"},
      {set("k", "v"), "+OK"},
      {get_ex(0), "\"v\""},
      {pttl("k"), ":-1"},
      {get_ex(kRelativeTtl, 100), "\"v\""},
      {pttl("k"), ":100"},
      {get_ex(kAbsoluteTtl, kStart + 50), "\"v\""},
      {pttl("k"), ":50"},
      {get_ex(0), "\"v\""},
      {pttl("k"), ":50"},
      {get_ex(kPersistTtl), "\"v\""},
      {pttl("k"), ":-1"},
      {get_ex(kRelativeTtl, 0), kBadGetEx},
      {get_ex(kAbsoluteTtl, kStart), "\"v\""},
      {get("k"), "nil"}}},
};

void play(const Case& c) {
  SCOPED_TRACE(c.name);
  Options options;
  options.max_value_bytes = 64;
  Machine machine(kTestPartition, options);
  TestLog log(machine);
  for (std::size_t i = 0; i < c.steps.size(); ++i) {
    EXPECT_EQ(log.run(c.steps[i].spec), c.steps[i].reply) << "step " << i;
  }
}

TEST(StringsTest, Rows) {
  for (const auto& c : kSetCases) {
    play(c);
  }
}

TEST(StringsTest, Values) {
  for (const auto& c : kValueCases) {
    play(c);
  }
}

TEST(StringsTest, Times) {
  for (const auto& c : kTimeCases) {
    play(c);
  }
}

TEST(StringsTest, RowsGoWhenLogTimeReachesTheirDeadline) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  log.apply(set("a", "v", kRelativeTtl, 100));
  log.apply(set("b", "v", kRelativeTtl, 50));
  log.apply(set("c", "v"));
  EXPECT_EQ(machine.next_deadline(), log.now + 50);
  log.pass(49);
  EXPECT_EQ(log.read(get("b")), "\"v\"");
  log.pass(1);
  EXPECT_EQ(log.read(get("b")), "nil");
  EXPECT_EQ(machine.size(), 2U);
  EXPECT_EQ(machine.next_deadline(), log.now + 50);
  // The row is due in the very entry that would write to it: it is gone before.
  log.now = log.now + 50;
  EXPECT_EQ(log.apply({Op::kAppend, {"a", "x"}}), ":1");
  EXPECT_EQ(machine.next_deadline(), std::nullopt);
  EXPECT_EQ(log.read({Op::kTtl, {"a"}, 0, 1}), ":-1");
}

TEST(StringsTest, ReadsCountDownByTheNodesClockButRowsGoByLogTime) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  log.apply(set("a", "v", kRelativeTtl, 1000));
  log.wall = log.now + 400;
  EXPECT_EQ(log.read(pttl("a")), ":600");
  log.wall = log.now + 4000;
  EXPECT_EQ(log.read(pttl("a")), ":0");
  EXPECT_EQ(log.read(get("a")), "\"v\"");
  log.wall = log.now + -4000;
  EXPECT_EQ(log.read(pttl("a")), ":1000");
}

TEST(StringsTest, AFailedWriteLeavesTheVersion) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  log.apply(set("k", "v"));
  const auto before = machine.digest();
  log.apply(set("k", "w", kIfAbsent));
  log.apply({Op::kIncrBy, {"k"}, 0, 1});
  log.apply(cas("x", "y"));
  log.apply(get_ex(0));
  log.apply({Op::kPersist, {"k"}});
  EXPECT_EQ(machine.digest(), before);
  log.apply(set("k", "v"));
  EXPECT_NE(machine.digest(), before);  // the same value, written anew
}

TEST(StringsTest, TheDirectLookSeesLiveRowsOnly) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  log.apply(set("a", "1"));
  log.apply(set("b", "2", kRelativeTtl, 10));
  EXPECT_EQ(machine.get("b"), "2");
  log.pass(10);
  EXPECT_EQ(machine.get("b"), std::nullopt);
  std::string seen;
  machine.each(
      [&](ByteView key, ByteView value) { seen += Bytes(key) + "=" + Bytes(value) + " "; });
  EXPECT_EQ(seen, "a=1 ");
}

TEST(NumberTest, FloatsAreWrittenAsRedisWritesThem) {
  EXPECT_EQ(format_float(0.0L), "0");
  EXPECT_EQ(format_float(-0.0L), "0");
  EXPECT_EQ(format_float(3.0L), "3");
  EXPECT_EQ(format_float(100.0L), "100");
  EXPECT_EQ(format_float(0.1L), "0.1");
  EXPECT_EQ(format_float(1e20L), "100000000000000000000");
  EXPECT_EQ(format_float(-1.25L), "-1.25");
  EXPECT_EQ(parse_float("0x10"), 16.0L);
  EXPECT_EQ(parse_float(Bytes("1\0", 2)), std::nullopt);
  EXPECT_EQ(parse_float(Bytes(6000, '1')), std::nullopt);
}

}  // namespace
}  // namespace kvorum::kv
