// The rules at a node, and how nodes hand KV.FAULT to one another.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "node/fault_table.h"
#include "node/test_cluster.h"

namespace kvorum::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<NodeId> kMembers = {NodeId(1), NodeId(2), NodeId(3)};

FaultCommand parsed(const std::string& line) {
  const auto split = words(line);
  const std::vector<ByteView> views(split.begin(), split.end());
  auto command = parse_fault(views, kMembers);
  EXPECT_TRUE(command) << line;
  return *command;
}

class Table : public testing::Test {
 protected:
  bool put(const std::string& line) { return table_.apply(parsed(line), 99, now_); }
  std::vector<std::string> shown() const { return table_.describe(now_); }

  Instant now_{10s};
  FaultTable table_{NodeId(2), kMembers};
};

TEST_F(Table, ShowsItsRules) {
  EXPECT_TRUE(put("delay 2 1 50ms jitter 10ms seed 7 for 9s"));
  EXPECT_TRUE(put("drop * 2 20% oneway"));
  EXPECT_TRUE(put("cut 3 2"));
  now_ += 800ms;
  EXPECT_THAT(shown(), ElementsAre("delay 1 2 50ms jitter 10ms seed 7 for 8.2s: 0 delayed",
                                   "drop 1 2 20% seed 99 oneway: 0 dropped",
                                   "drop 3 2 20% seed 99 oneway: 0 dropped", "cut 2 3"));
}

TEST_F(Table, ANewerRuleReplacesTheOlderOneInItsDirection) {
  put("delay 1 2 50ms");
  put("delay 1 2 70ms");
  EXPECT_THAT(shown(), ElementsAre("delay 1 2 70ms: 0 delayed"));
  put("delay 1 2 5ms oneway");
  EXPECT_THAT(shown(),
              ElementsAre("delay 2 1 70ms oneway: 0 delayed", "delay 1 2 5ms oneway: 0 delayed"));
}

TEST_F(Table, ReleaseTakesHoldsAndHealTakesAll) {
  put("hold 1 2");
  put("drop 1 2 5% seed 1");
  put("cut 2 3");
  put("release 1 2 oneway");
  EXPECT_THAT(shown(),
              ElementsAre("hold 2 1 oneway: 0 held", "drop 1 2 5% seed 1: 0 dropped", "cut 2 3"));
  put("release * 1");
  EXPECT_THAT(shown(), ElementsAre("drop 1 2 5% seed 1: 0 dropped", "cut 2 3"));
  put("heal 2 1");
  EXPECT_THAT(shown(), ElementsAre("cut 2 3"));
  put("reset");
  EXPECT_THAT(shown(), IsEmpty());
}

TEST_F(Table, ADiskAndAClockAreTheirNodesOwn) {
  EXPECT_TRUE(put("disk 2 50ms"));
  EXPECT_TRUE(put("clock 2 -3s for 9s"));
  EXPECT_FALSE(put("disk 1 50ms"));
  put("cut 2 *");
  EXPECT_THAT(shown(),
              ElementsAre("disk 2 50ms", "clock 2 -3000ms for 9.0s", "cut 1 2", "cut 2 3"));
  put("disk 2 7ms");
  put("heal 2 1");
  EXPECT_THAT(shown(), ElementsAre("clock 2 -3000ms for 9.0s", "cut 2 3", "disk 2 7ms"));
  put("heal 2 *");
  EXPECT_THAT(shown(), IsEmpty());
}

TEST_F(Table, RulesOfOtherLinksAreNotTaken) {
  EXPECT_FALSE(put("cut 1 3"));
  EXPECT_THAT(shown(), IsEmpty());
}

TEST_F(Table, RulesExpire) {
  put("cut 1 2 for 2s");
  put("hold 2 3");
  EXPECT_EQ(table_.next_expiry(), now_ + 2s);
  EXPECT_FALSE(table_.expire(now_ + 1s));
  EXPECT_TRUE(table_.expire(now_ + 2s));
  EXPECT_THAT(shown(), ElementsAre("hold 2 3: 0 held"));
  EXPECT_EQ(table_.next_expiry(), Instant::max());
}

// Node 1 of three with --faults; the test is its network.
class Asked : public testing::Test {
 protected:
  void SetUp() override { conn_ = cluster_.connect(1); }

  // What is handed to other nodes: "2: cut 2 3".
  std::vector<std::string> ask(const std::string& line) {
    cluster_.send(1, conn_, words(line));
    return calls();
  }
  std::vector<std::string> calls() {
    Output out;
    node().drain(out, cluster_.now());
    std::vector<std::string> said;
    for (const auto& call : out.fault_calls) {
      last_ = call.id;
      said.push_back(std::to_string(call.to.value()) + ": " + call.text);
    }
    if (out.fault_rules) {
      rules_ = out.fault_rules->size();
    }
    return said;
  }
  std::vector<std::string> answer(FaultAnswer::Kind kind, std::uint64_t back = 0) {
    node().fault_answered({last_ - back, kind, "why"}, cluster_.now());
    return calls();
  }
  const std::vector<std::string>& replies() { return cluster_.replies(1, conn_); }
  Node& node() { return *cluster_.node(1).node; }

  TestCluster cluster_{3, 1, [](Options& options) { options.faults = true; }};
  ConnId conn_;
  std::uint64_t last_ = 0;
  std::size_t rules_ = 0;
};

using Kind = FaultAnswer::Kind;

TEST_F(Asked, ItsOwnLinkIsFaultyAtOnce) {
  EXPECT_THAT(ask("KV.FAULT cut 2 1"), IsEmpty());
  EXPECT_THAT(replies(), ElementsAre("OK"));
  EXPECT_EQ(rules_, 1u);
  ask("KV.FAULT status");
  EXPECT_EQ(replies().back(), "[\"cut 1 2\"]");
  ask("KV.FAULT hold 1 *");
  EXPECT_EQ(rules_, 3u);
}

TEST_F(Asked, BadInputChangesNothing) {
  EXPECT_THAT(ask("KV.FAULT cut 1 7"), IsEmpty());
  EXPECT_THAT(replies(), ElementsAre("-ERR KV.FAULT: node 7 is not in the cluster"));
  EXPECT_EQ(rules_, 0u);
}

TEST_F(Asked, OthersLinksAreHandedToTheFirstEndThatAnswers) {
  EXPECT_THAT(ask("KV.FAULT cut 3 2"), ElementsAre("3: cut 3 2"));
  EXPECT_THAT(ask("PING"), IsEmpty());
  EXPECT_THAT(replies(), IsEmpty());
  EXPECT_THAT(answer(Kind::kAbsent), ElementsAre("2: cut 3 2"));
  EXPECT_THAT(answer(Kind::kDone), IsEmpty());
  EXPECT_THAT(replies(), ElementsAre("OK", "PONG"));
  EXPECT_EQ(rules_, 0u);
}

TEST_F(Asked, AFailureSaysWhatMayHaveHappened) {
  ask("KV.FAULT cut 3 *");
  answer(Kind::kUnreached);
  EXPECT_EQ(replies().back(), "-ERR KV.FAULT: node 3 was not reached (why); nothing was done");
  ask("KV.FAULT cut 3 2");
  answer(Kind::kUnknown);
  EXPECT_EQ(replies().back(),
            "-UNKNOWN node 3 did not answer (why): the rule may be in force there");
  ask("KV.FAULT cut 3 2");
  answer(Kind::kRefused);
  EXPECT_EQ(replies().back(), "-ERR why");
}

TEST_F(Asked, HealingGoesToAllThatMayHaveTheRule) {
  ask("KV.FAULT cut 1 2");
  EXPECT_THAT(ask("KV.FAULT heal 1 2"), ElementsAre("2: heal 1 2"));
  EXPECT_EQ(rules_, 0u);
  answer(Kind::kAbsent);
  EXPECT_THAT(replies(), ElementsAre("OK", "OK"));
  EXPECT_THAT(ask("KV.FAULT heal 2 *"), ElementsAre("2: heal 2 *", "3: heal 2 *"));
  answer(Kind::kDone, 1);
  answer(Kind::kDone);
  EXPECT_EQ(replies().size(), 3u);
  EXPECT_THAT(ask("KV.FAULT reset"), ElementsAre("2: reset", "3: reset"));
  answer(Kind::kUnknown, 1);
  answer(Kind::kDone);
  EXPECT_EQ(replies().back(),
            "-UNKNOWN node 2 was not heard (why): its rules may still be in force");
}

TEST_F(Asked, AnAnswerThatNobodyWaitsForIsNoMatter) {
  ask("KV.FAULT cut 2 3");
  ask("SET behind it");
  cluster_.run_for(6s);
  ASSERT_EQ(replies().size(), 2u);
  EXPECT_TRUE(replies()[0].starts_with("-UNKNOWN other nodes did not answer")) << replies()[0];
  answer(Kind::kDone);
  ask("KV.FAULT cut 2 3");
  node().disconnect(conn_);
  answer(Kind::kDone);
}

TEST_F(Asked, ARuleOfAnotherNodesClientIsTaken) {
  EXPECT_TRUE(node().fault("cut 1 3 for 1s", cluster_.now()));
  EXPECT_THAT(calls(), IsEmpty());
  EXPECT_EQ(rules_, 1u);
  EXPECT_FALSE(node().fault("cut 2 3", cluster_.now()));
  EXPECT_FALSE(node().fault("status", cluster_.now()));
  EXPECT_FALSE(node().fault("", cluster_.now()));
  cluster_.run_for(2s);
  ask("KV.FAULT status");
  EXPECT_EQ(replies().back(), "[]");
}

TEST(Faults, AreRefusedWithoutTheFlag) {
  TestCluster cluster(1);
  EXPECT_TRUE(cluster.ask(1, "KV.FAULT status").starts_with("-ERR KV.FAULT is refused"));
  EXPECT_FALSE(cluster.node(1).node->fault("reset", cluster.now()));
}

}  // namespace
}  // namespace kvorum::node
