// How entries become commands: runs, go-back-N, log time, versions, damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/prng.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

using ::testing::ElementsAre;

constexpr ClientId kA{1};
constexpr ClientId kB{2};

Spec set(Bytes key, Bytes value) { return {Op::kSet, {std::move(key), std::move(value)}}; }
Spec get(Bytes key) { return {Op::kGet, {std::move(key)}}; }
Spec incr(Bytes key) { return {Op::kIncrBy, {std::move(key)}, 0, 1}; }

class ApplyTest : public ::testing::Test {
 protected:
  Machine machine_{kTestPartition, Options{}};
  TestLog log_{machine_};
};

TEST_F(ApplyTest, MovesIndexTermAndLogTimeWithEveryEntry) {
  log_.apply({}, EntryType::kEmpty);
  log_.apply("some configuration", EntryType::kConfig);
  EXPECT_EQ(machine_.applied(), Index(2));
  EXPECT_EQ(machine_.applied_term(), Term(3));
  EXPECT_EQ(machine_.log_time(), log_.now);
  EXPECT_EQ(machine_.size(), 0U);
}

TEST_F(ApplyTest, LogTimeNeverGoesBack) {
  log_.apply({}, EntryType::kEmpty);
  const auto before = machine_.log_time();
  log_.now = log_.now + -500;
  log_.apply({}, EntryType::kEmpty);
  EXPECT_EQ(machine_.log_time(), before);
}

TEST_F(ApplyTest, VersionsCountTheCommandsOfAnEntryAcrossItsRuns) {
  EXPECT_EQ(log_.apply(run_of(kA, 1, {set("a", "1"), set("b", "2")}) +
                       run_of(kB, 1, {set("c", "3"), set("a", "4")})),
            "+OK +OK +OK +OK");
  EXPECT_EQ(log_.read({Op::kSearch, {"b"}}),
            "[[\"2\", :" + std::to_string(Version::at(Index(1), 1).packed) + ", :-1]]");
  EXPECT_EQ(log_.read({Op::kSearch, {"a"}}),
            "[[\"4\", :" + std::to_string(Version::at(Index(1), 3).packed) + ", :-1]]");
  EXPECT_EQ(log_.last_version, Version::at(Index(1), 3));
  EXPECT_THAT(log_.order, ElementsAre("1/1", "1/2", "2/1", "2/2"));
}

TEST_F(ApplyTest, SkipsWhatARunRepeats) {
  log_.apply(run_of(kA, 1, {incr("n"), incr("n")}));
  log_.order.clear();
  EXPECT_EQ(log_.apply(run_of(kA, 1, {incr("n"), incr("n")})), "");
  EXPECT_EQ(log_.apply(run_of(kA, 2, {incr("n"), incr("n")})), ":3");
  EXPECT_THAT(log_.order, ElementsAre("1/3"));
  EXPECT_EQ(log_.read(get("n")), "\"3\"");
}

TEST_F(ApplyTest, RefusesARunBehindAGap) {
  EXPECT_EQ(log_.apply(run_of(kA, 2, {incr("n")})), "");
  log_.apply(run_of(kA, 1, {incr("n")}));
  EXPECT_EQ(log_.apply(run_of(kA, 3, {incr("n")})), "");
  EXPECT_THAT(log_.order, ElementsAre("refused 1 expects 1", "1/1", "refused 1 expects 2"));
  EXPECT_EQ(log_.read(get("n")), "\"1\"");
}

TEST_F(ApplyTest, AClientsNumbersAreItsOwn) {
  log_.apply(run_of(kA, 1, {incr("n")}) + run_of(kB, 1, {incr("n")}) + run_of(kA, 2, {incr("n")}));
  EXPECT_EQ(log_.read(get("n")), "\"3\"");
}

TEST_F(ApplyTest, ARunWithDamageDoesNothingAndTheNextOneIsApplied) {
  auto bad = run_of(kA, 1, {incr("n"), incr("n")});
  bad.back() = '\x7f';  // a key longer than the rest
  bad[bad.size() - 2] = '\x7f';
  log_.apply(bad + run_of(kB, 1, {incr("n")}));
  EXPECT_THAT(log_.order, ElementsAre("refused 1 expects 1", "2/1"));
  EXPECT_EQ(log_.read(get("n")), "\"1\"");
}

TEST_F(ApplyTest, ARunWhoseCountIsWrongDoesNothing) {
  auto run = run_of(kA, 1, {incr("n"), incr("n")});
  run[16] = 1;
  log_.apply(run);
  run[16] = 3;
  log_.apply(run);
  EXPECT_THAT(log_.order, ElementsAre("refused 1 expects 1", "refused 1 expects 1"));
  EXPECT_EQ(machine_.size(), 0U);
}

TEST_F(ApplyTest, AnEntryHasNoMoreCommandsThanVersionsHavePositions) {
  const std::vector<Spec> most(65535, Spec{Op::kNoop});
  log_.apply(run_of(kA, 1, most) + run_of(kB, 1, {incr("n"), incr("n")}) +
             run_of(kB, 1, {incr("m")}));
  EXPECT_EQ(log_.last_version, Version::at(Index(1), 65535));
  EXPECT_EQ(log_.read(get("n")), "nil");
  EXPECT_EQ(log_.read(get("m")), "\"1\"");
}

TEST_F(ApplyTest, ACommandThatIsNotWellFormedIsAnsweredAndCounted) {
  EXPECT_EQ(log_.apply({Op::kSet, {"only a key"}}), "-ERR malformed command");
  EXPECT_EQ(log_.apply({static_cast<Op>(63), {"a"}}), "-ERR malformed command");
  EXPECT_EQ(log_.apply({static_cast<Op>(200), {}}), "-ERR malformed command");
  EXPECT_EQ(log_.apply({Op::kMSet, {"a", "1", "b"}}), "-ERR malformed command");
  EXPECT_EQ(log_.read({Op::kSet, {"a", "1"}}), "-ERR malformed command");
  EXPECT_EQ(log_.read({Op::kMGet, {}}), "-ERR malformed command");
  EXPECT_EQ(log_.apply(set("a", "1")), "+OK");
}

// Whatever the bytes, two machines agree and none of them falls over.
TEST_F(ApplyTest, AnyBytesAreApplied) {
  Machine other(kTestPartition, {});
  TestLog other_log(other);
  Prng prng(11);
  std::uint64_t next = 1;
  for (int i = 0; i < 20'000; ++i) {
    Bytes payload;
    if (prng.chance(1, 4)) {
      for (auto n = prng.below(80); n > 0; --n) {
        payload.push_back(static_cast<char>(prng.next()));
      }
    } else {
      // A run whose head is right, around a command with random fields, then damaged in one place.
      Spec spec{static_cast<Op>(prng.below(20)), {}, static_cast<int>(prng.below(1024))};
      spec.number = prng.chance(1, 2) ? static_cast<std::int64_t>(prng.below(100))
                                      : static_cast<std::int64_t>(prng.next());
      spec.number2 = static_cast<std::int64_t>(prng.next());
      for (auto n = prng.below(4); n > 0; --n) {
        spec.args.push_back(Bytes(prng.below(3), static_cast<char>('0' + prng.below(4))));
      }
      if (spec.op == Op::kSetRange && spec.number > (1 << 20)) {
        spec.number = INT64_MAX;  // refused by its offset; a legal one would fill the memory
      }
      payload = run_of(kA, next, {spec});
      if (prng.chance(1, 3)) {
        payload[prng.below(payload.size())] = static_cast<char>(prng.next());
      }
    }
    log_.now = other_log.now = log_.now + static_cast<std::int64_t>(prng.below(50));
    EXPECT_EQ(log_.apply(payload), other_log.apply(payload));
    ASSERT_EQ(machine_.digest(), other.digest());
    log_.order.clear();
    other_log.order.clear();
    // Asks where the machine is by a run that it must refuse.
    log_.apply(run_of(kA, std::uint64_t{1} << 60, {Spec{}}));
    other_log.apply(run_of(kA, std::uint64_t{1} << 60, {Spec{}}));
    ASSERT_EQ(log_.order.size(), 1U);
    next = std::stoull(log_.order[0].substr(log_.order[0].rfind(' ') + 1));
    log_.order.clear();
  }
  EXPECT_GT(machine_.applied(), Index(20'000));
}

TEST(MachineTest, TwoMachinesWithOneLogAgree) {
  Machine a(kTestPartition, {});
  Machine b(kTestPartition, {});
  TestLog log_a(a);
  TestLog log_b(b);
  log_a.apply(set("k", "v"));
  EXPECT_NE(a.digest(), b.digest());
  log_b.apply(set("k", "v"));
  EXPECT_EQ(a.digest(), b.digest());
  // The order of rows does not count, their versions do.
  log_a.apply(set("x", "1"));
  log_b.apply(set("y", "1"));
  EXPECT_NE(a.digest(), b.digest());
}

}  // namespace
}  // namespace kvorum::kv
