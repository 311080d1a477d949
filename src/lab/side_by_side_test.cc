#include "lab/side_by_side.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_history.h"
#include "lab/dialect.h"

namespace kvorum::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds kBudget(10);

RunRecord record_of(std::string_view operations) {
  RunRecord record;
  record.history = check::small_records(operations);
  return record;
}

std::optional<std::size_t> lost(std::string_view operations) {
  return lost_writes(record_of(operations), kBudget);
}

TEST(LostWrites, None) {
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put x 2 20-30; 9 get x 2 90-91 final"), 0);
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put x 2 20-30 err; 9 get x 1 90-91 final"), 0);
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put x 2 20-?; 9 get x 1 90-91 final"), 0);
  EXPECT_EQ(lost("0 put x 1 0-10; 1 put x 2 5-15; 9 get x 1 90-91 final"), 0) << "at once";
}

TEST(LostWrites, TheLatest) {
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put x 2 20-30; 0 put x 3 40-50; 9 get x 1 90-91 final"), 2);
  EXPECT_EQ(lost("0 put x 1 0-10; 0 delete x 20-30; 9 get x 1 90-91 final"), 1);
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put x 2 20-30; 9 get x - 90-91 final"), 2);
}

TEST(LostWrites, OneInTheMiddle) {
  EXPECT_EQ(lost("0 append x a 0-10; 0 append x b 20-30; 0 append x c 40-50;"
                 "9 get x ac 90-91 final"),
            1);
}

TEST(LostWrites, Counts) {
  EXPECT_EQ(lost("0 incr x +1=1 0-10; 0 incr x +1=2 20-30; 0 incr x +1=3 40-50;"
                 "9 get x 1 90-91 final"),
            2);
}

TEST(LostWrites, OfEachKey) {
  EXPECT_EQ(lost("0 put x 1 0-10; 0 put y 1 20-30; 9 get x - 90-91 final; 9 get y - 90-91 final"),
            2);
}

TEST(SideBySide, Table) {
  const auto bad = record_of(
      "0 put x 1 0-1000000; 0 put x 2 2000000-4000000; 1 get x 1 5000000-5500000;"
      "9 get x 1 9000000-9000001 final");
  const auto good = record_of("0 put x 1 0-1000000; 9 get x 1 9000000-9000001 final");
  Side theirs;
  theirs.system = "target";
  add_play(bad, kBudget, theirs);
  add_play(good, kBudget, theirs);
  Side ours;
  ours.system = "kvorum, linearizable";
  add_play(good, kBudget, ours);
  const auto table = side_by_side({theirs, ours});
  EXPECT_THAT(table, HasSubstr("plays as expected         2 of 2"));
  EXPECT_THAT(table, HasSubstr("linearizable              violation in 1 of 2  ok\n"));
  EXPECT_THAT(table, HasSubstr("acknowledged writes lost  1                    0\n"));
  EXPECT_THAT(table, HasSubstr("put: p50 / p99 ms         1.000 / 2.000        1.000 / 1.000\n"));
  EXPECT_THAT(table, HasSubstr("get: p50 / p99 ms         0.500 / 0.500        -\n"));
  EXPECT_THAT(table, Not(HasSubstr("incr")));
}

TEST(RedisDialect, PlainWords) {
  const RedisDialect dialect(0, false);
  ScenarioClient who;
  who.number = 7;
  who.level = parse_level("quorum").value();
  Operation operation;
  operation.key = "k";
  const auto get = dialect.request(operation, who, {});
  EXPECT_THAT(get.args, ElementsAre("GET", "k"));
  EXPECT_EQ(get.record.level, "");
  EXPECT_EQ(get.record.client, 7);
  operation.op = HistoryOp::kCas;
  operation.value = "2";
  EXPECT_THAT(dialect.request(operation, who, {}).args, ElementsAre("SETNX", "k", "2"));
  operation.expect = "1";
  EXPECT_THAT(dialect.request(operation, who, {}).args,
              ElementsAre("EVAL", HasSubstr("redis.call"), "1", "k", "1", "2"));
}

TEST(RedisDialect, WhereClientsGo) {
  EXPECT_EQ(RedisDialect(0, false).first(HistoryOp::kGet, NodeId(3)), NodeId(1));
  EXPECT_EQ(RedisDialect(0, true).first(HistoryOp::kGet, NodeId(3)), NodeId(3));
  EXPECT_EQ(RedisDialect(0, true).first(HistoryOp::kPut, NodeId(3)), NodeId(1));
}

}  // namespace
}  // namespace kvorum::lab
