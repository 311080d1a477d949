// The reads that walk many rows, and the order they walk in.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/checksum.h"
#include "base/prng.h"
#include "kv/glob.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

Spec set(Bytes key, Bytes value = "v") { return {Op::kSet, {std::move(key), std::move(value)}}; }
Spec del(Bytes key) { return {Op::kDel, {std::move(key)}}; }

// Takes SCAN's answer apart.
class ScanReply final : public ReplyWriter {
 public:
  void status(ByteView) override { ADD_FAILURE(); }
  void integer(std::int64_t) override { ADD_FAILURE(); }
  void bulk(ByteView bytes) override {
    if (first_) {
      cursor = std::stoull(Bytes(bytes));
      first_ = false;
    } else {
      keys.emplace_back(bytes);
    }
  }
  void nil() override { ADD_FAILURE(); }
  void error(const Error&) override { ADD_FAILURE(); }
  void array(std::size_t) override {}
  void map(std::size_t) override { ADD_FAILURE(); }

  std::uint64_t cursor = 0;
  std::vector<Bytes> keys;

 private:
  bool first_ = true;
};

ScanReply scan(const Machine& machine, std::uint64_t cursor, std::int64_t count,
               std::vector<Bytes> pattern = {}) {
  ScanReply reply;
  machine.read(
      Spec{Op::kScan, std::move(pattern), 0, static_cast<std::int64_t>(cursor), count}.command(),
      {}, reply);
  return reply;
}

std::vector<Bytes> scan_all(const Machine& machine, std::int64_t count,
                            const std::vector<Bytes>& pattern = {}) {
  std::vector<Bytes> keys;
  std::uint64_t cursor = 0;
  do {
    auto reply = scan(machine, cursor, count, pattern);
    keys.insert(keys.end(), reply.keys.begin(), reply.keys.end());
    cursor = reply.cursor;
  } while (cursor != 0);
  return keys;
}

std::uint64_t order_of(const Bytes& key) {
  return std::uint64_t{slot_of(key).value()} << 48 | checksum(key) >> 16;
}

// Half of them in one slot, so that one slot's table grows too.
Bytes key_of(std::uint64_t n) { return (n % 2 == 0 ? "{tag}" : "key") + std::to_string(n); }

class ScanTest : public ::testing::Test {
 protected:
  Machine machine_{kTestPartition, Options{}};
  TestLog log_{machine_};
};

TEST_F(ScanTest, AnEmptyTableIsDoneAtOnce) {
  const auto reply = scan(machine_, 0, 10);
  EXPECT_EQ(reply.cursor, 0U);
  EXPECT_TRUE(reply.keys.empty());
}

TEST_F(ScanTest, EveryKeyOnceInOrderWhateverTheCount) {
  std::set<Bytes> expected;
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    log_.apply(set(key_of(i)));
    expected.insert(key_of(i));
  }
  for (const std::int64_t count : {-1, 1, 7, 10, 100'000}) {
    const auto keys = scan_all(machine_, count);
    EXPECT_EQ(keys.size(), expected.size());
    EXPECT_EQ(std::set<Bytes>(keys.begin(), keys.end()), expected);
    if (count <= 1) {
      // Answers are in order; within one, rows of a bucket are not.
      for (std::size_t i = 0; i + 16 < keys.size(); i += 16) {
        EXPECT_LT(order_of(keys[i]), order_of(keys[i + 16]));
      }
    }
  }
}

TEST_F(ScanTest, AnAnswerIsAboutAsLongAsAskedFor) {
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    log_.apply(set(key_of(i)));
  }
  for (std::uint64_t cursor = 0;;) {
    const auto reply = scan(machine_, cursor, 10);
    EXPECT_LE(reply.keys.size(), 20U);
    cursor = reply.cursor;
    if (cursor == 0) {
      break;
    }
    EXPECT_GE(reply.keys.size(), 10U);
    for (const auto& key : reply.keys) {
      EXPECT_LT(order_of(key), cursor);
    }
  }
}

TEST_F(ScanTest, CursorsFromAnywhereAreSafe) {
  log_.apply(set("a"));
  Prng prng(1);
  for (int i = 0; i < 1000; ++i) {
    scan(machine_, prng.next(), 10);
  }
  EXPECT_EQ(scan(machine_, ~std::uint64_t{0}, 10).cursor, 0U);
  EXPECT_TRUE(scan(machine_, std::uint64_t{1} << 62, 10).keys.empty());
}

TEST_F(ScanTest, MatchFiltersTheAnswerNotTheWalk) {
  for (std::uint64_t i = 0; i < 500; ++i) {
    log_.apply(set(key_of(i)));
  }
  EXPECT_EQ(scan_all(machine_, 10, {"key*"}).size(), 250U);
  EXPECT_EQ(scan_all(machine_, 10, {"key1"}), std::vector<Bytes>{"key1"});
  EXPECT_EQ(scan_all(machine_, 10, {"*"}).size(), 500U);
  EXPECT_TRUE(scan_all(machine_, 10, {"none"}).empty());
}

// Between calls rows come and go, tables grow and shrink, batches are taken, and the walk goes on
// in another machine that was loaded from disk. What is there from first to last call must be
// returned.
TEST_F(ScanTest, WhatIsThereThroughoutIsReturned) {
  auto store = store::open_mem();
  Prng prng(3);
  for (int round = 0; round < 30; ++round) {
    Machine machine(kTestPartition, {});
    TestLog log(machine);
    std::set<Bytes> stable;
    for (std::uint64_t i = 0; i < 400; ++i) {
      log.apply(set(key_of(i)));
      stable.insert(key_of(i));
    }
    std::set<Bytes> seen;
    std::uint64_t cursor = 0;
    do {
      const auto reply = scan(machine, cursor, 1 + static_cast<std::int64_t>(prng.below(40)));
      seen.insert(reply.keys.begin(), reply.keys.end());
      cursor = reply.cursor;
      for (auto n = prng.below(100); n > 0; --n) {
        const auto key = key_of(prng.below(3'000));
        if (prng.chance(1, 2)) {
          log.apply(set(key));
        } else {
          log.apply(del(key));
          stable.erase(key);
        }
      }
      if (prng.chance(1, 3)) {
        checkpoint(machine, *store);
        machine = reload(*store, {});
      }
    } while (cursor != 0);
    for (const auto& key : stable) {
      EXPECT_TRUE(seen.contains(key)) << key;
    }
    store = store::open_mem();
  }
}

TEST_F(ScanTest, KeysTakesAPattern) {
  for (const auto* key : {"one", "two", "three", "four"}) {
    log_.apply(set(key));
  }
  log_.apply(del("four"));
  EXPECT_EQ(log_.read({Op::kKeys, {"o*"}}), "[\"one\"]");
  EXPECT_EQ(log_.read({Op::kKeys, {"t[^h]?"}}), "[\"two\"]");
  EXPECT_EQ(log_.read({Op::kKeys, {"f*"}}), "[]");
  EXPECT_EQ(log_.read({Op::kDbSize}), ":3");
}

TEST_F(ScanTest, DumpShowsEveryRowInKeyOrder) {
  log_.apply(set("b", "2"));
  log_.apply({Op::kSet, {"a", "1"}, kRelativeTtl, 5});
  EXPECT_EQ(log_.read({Op::kDump}),
            "[[\"a\", \"1\", :131072, :1000005], [\"b\", \"2\", :65536, :-1]]");
  EXPECT_EQ(log_.read({Op::kSearch, {"a"}}), "[[\"1\", :131072, :1000005]]");
  EXPECT_EQ(log_.read({Op::kSearch, {"x"}}), "[]");
}

TEST_F(ScanTest, DigestIsSixteenHexDigits) {
  EXPECT_EQ(log_.read({Op::kDigest}), "\"0000000000000000\"");
  log_.apply(set("a"));
  EXPECT_EQ(log_.read({Op::kDigest}).size(), 18U);
  log_.apply(del("a"));
  EXPECT_EQ(log_.read({Op::kDigest}), "\"0000000000000000\"");
}

TEST_F(ScanTest, RandomKeyReachesEveryLiveKeyAndNoOther) {
  EXPECT_EQ(log_.read({Op::kRandomKey}), "nil");
  for (std::uint64_t i = 0; i < 60; ++i) {
    log_.apply(set(key_of(i)));
  }
  for (std::uint64_t i = 40; i < 60; ++i) {
    log_.apply(del(key_of(i)));
  }
  Prng prng(9);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 8'000; ++i) {
    ++drawn[log_.read({Op::kRandomKey, {}, 0, static_cast<std::int64_t>(prng.next())})];
  }
  EXPECT_EQ(drawn.size(), 40U);
  for (const auto& [key, times] : drawn) {
    EXPECT_GT(times, 40) << key;  // 200 on average; a bucket's rows share its chance
    EXPECT_FALSE(key.ends_with("55\""));
  }
}

TEST(GlobTest, MatchesAsRedisDoes) {
  struct Row {
    const char* pattern;
    const char* text;
    bool match;
  };
  const Row rows[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "abc", true},
      {"**", "abc", true},
      {"a*c", "abc", true},
      {"a*c", "abcd", false},
      {"a*b*c", "aXbYbZc", true},
      {"*ab", "aab", true},
      {"*a*b*", "xbxa", false},
      {"h?llo", "hello", true},
      {"h?llo", "hllo", false},
      {"?", "", false},
      {"h[ae]llo", "hallo", true},
      {"h[ae]llo", "hillo", false},
      {"h[^e]llo", "hallo", true},
      {"h[^e]llo", "hello", false},
      {"h[a-b]llo", "hbllo", true},
      {"h[b-a]llo", "hallo", true},
      {"h[a-b]llo", "hcllo", false},
      {"[a-", "-", true},
      {"[abc", "c", true},
      {"[abc", "d", false},
      {"[]", "]", false},
      {"[^]", "]", true},
      {"[\\]]", "]", true},
      {"[a\\-z]", "b", false},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\", "a\\", true},
      {"\\[a", "[a", true},
      {"A", "a", false},
      {"[\xc0-\xff]", "\xe1", true},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(glob_match(row.pattern, row.text), row.match) << row.pattern << " " << row.text;
  }
}

TEST(GlobTest, ManyStarsTakeNoMoreThanTheProductOfTheLengths) {
  Bytes pattern;
  for (int i = 0; i < 1'000; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(glob_match(pattern + "b", Bytes(5'000, 'a')));
}

}  // namespace
}  // namespace kvorum::kv
