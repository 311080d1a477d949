// Reads that one other node's word ends, and what makes them reads like any other.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

// What of one type is under way comes, and nothing else.
void deliver_all(Cluster& cluster, MessageType type) {
  for (std::size_t at = 0; at < cluster.network().size();) {
    if (cluster.network()[at].type == type) {
      cluster.deliver_at(at);
      at = 0;
    } else {
      ++at;
    }
  }
}

std::uint64_t asked_of(Cluster& cluster, unsigned id) {
  return of_type(cluster.network(), MessageType::kRead, id).empty() ? 0 : id;
}

// Node 1 asks for k and its message is under way; whom it asks.
unsigned ask(Cluster& cluster, std::uint64_t& ticket) {
  ticket = cluster.get(1, "k", 2);
  return static_cast<unsigned>(asked_of(cluster, 2) + asked_of(cluster, 3));
}

TEST(Light, OneWordEndsIt) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  for (const std::string key : {"k", "nothing"}) {
    const auto ticket = cluster.get(1, key, 2);
    ASSERT_EQ(cluster.result(1, ticket), nullptr);
    ASSERT_THAT(of_type(cluster.network(), MessageType::kRead), SizeIs(1));
    deliver_all(cluster, MessageType::kRead);
    deliver_all(cluster, MessageType::kReadDone);
    ASSERT_NE(cluster.result(1, ticket), nullptr);
    EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), key == "k" ? "v" : "-");
    EXPECT_EQ(cluster.result(1, ticket)->acks, 2u);
    EXPECT_EQ(cluster.result(1, ticket)->coordinator, NodeId(1));
    cluster.settle();
  }
}

// What only this node has must not be told before another one has it, too: the next read could
// find less.
TEST(Light, WhatWasWrittenHereMeanwhileIsToldWhenAnotherOneHasIt) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "old", 3);
  std::uint64_t ticket = 0;
  const auto other = ask(cluster, ticket);
  cluster.put(1, "k", "new");
  cluster.depart();
  for (const unsigned id : {2, 3}) {
    ASSERT_THAT(of_type(cluster.network(), MessageType::kRows, id), SizeIs(1));
    cluster.lose(MessageType::kRows, id);
  }
  deliver_all(cluster, MessageType::kRead);
  deliver_all(cluster, MessageType::kReadDone);
  ASSERT_EQ(cluster.result(1, ticket), nullptr);
  while (cluster.result(1, ticket) == nullptr && !cluster.network().empty()) {
    cluster.deliver_at(0);
  }
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "new");
  EXPECT_TRUE(cluster.at(other, "k") == "new" || cluster.at(5 - other, "k") == "new");
}

TEST(Light, ARowThatDiffersIsMergedFromTheSameAnswer) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "old", 3);
  cluster.isolate(1, false);
  cluster.put_now(2, "k", "new", 2);
  cluster.heal();
  ASSERT_EQ(cluster.at(1, "k"), "old");
  std::uint64_t ticket = 0;
  ask(cluster, ticket);
  deliver_all(cluster, MessageType::kRead);
  deliver_all(cluster, MessageType::kReadDone);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRead), IsEmpty()) << "asked twice";
  cluster.settle();
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "new");
  EXPECT_EQ(cluster.at(1, "k"), "new");
}

TEST(Light, WhoIsSilentIsNotWaitedForAndTheTimeIsUpWhenItAlwaysWas) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  std::uint64_t ticket = 0;
  const auto other = ask(cluster, ticket);
  cluster.cut(1, other, false);
  cluster.run_for(510ms);
  cluster.settle();
  ASSERT_NE(cluster.result(1, ticket), nullptr) << "the third one was not asked";
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "v");
  cluster.isolate(1, false);
  ticket = cluster.get(1, "k", 2);
  cluster.run_for(1990ms);
  EXPECT_EQ(cluster.result(1, ticket), nullptr);
  cluster.run_for(20ms);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kTimeout);
  EXPECT_EQ(cluster.result(1, ticket)->why, "1 of 2 answers");
}

TEST(Light, AnAnswerThatComesLateStillCounts) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  std::uint64_t ticket = 0;
  ask(cluster, ticket);
  const Message late = of_type(cluster.network(), MessageType::kRead).front();
  cluster.network().clear();
  std::set<NodeId> asked;
  cluster.loses = [&asked](const Message& message) {
    if (message.type == MessageType::kRead) {
      asked.insert(message.to);
    }
    return message.type == MessageType::kRead;
  };
  cluster.run_for(600ms);
  cluster.loses = nullptr;
  EXPECT_THAT(asked, SizeIs(2)) << "by now everybody is asked";
  ASSERT_EQ(cluster.result(1, ticket), nullptr);
  cluster.deliver(late);
  deliver_all(cluster, MessageType::kReadDone);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "v");
}

// ... but not for a row that was written here since it was asked for.
TEST(Light, AnAnswerThatComesLateSaysNothingOfANewerRow) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "old", 3);
  std::uint64_t ticket = 0;
  ask(cluster, ticket);
  const Message late = of_type(cluster.network(), MessageType::kRead).front();
  cluster.network().clear();
  cluster.loses = [](const Message& message) {
    return message.type == MessageType::kRead || message.type == MessageType::kRows;
  };
  cluster.put(1, "k", "new");
  cluster.run_for(600ms);
  cluster.loses = nullptr;
  cluster.deliver(late);
  deliver_all(cluster, MessageType::kReadDone);
  EXPECT_EQ(cluster.result(1, ticket), nullptr) << "nobody else has it";
  cluster.run_for(600ms);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "new");
}

TEST(Light, AFlushOvertakesWhatWasAsked) {
  for (const bool sent : {false, true}) {
    Cluster cluster({});
    cluster.run_for(2s);
    cluster.put_now(1, "k", "old", 3);
    cluster.core(1).read({77, kPartition, "k", 2}, cluster.now(1));
    if (sent) {
      cluster.drain(1);
    }
    cluster.config().generation = cluster.config().generation.next();
    cluster.configure();
    cluster.drain(1);
    cluster.settle();
    ASSERT_NE(cluster.result(1, 77), nullptr) << sent;
    EXPECT_EQ(cluster.show(1, *cluster.result(1, 77)), "-");
  }
}

TEST(Light, APartitionThatGoesRefusesThem) {
  for (const bool sent : {false, true}) {
    Cluster cluster({});
    cluster.run_for(2s);
    cluster.put_now(1, "k", "v", 3);
    cluster.core(1).read({77, kPartition, "k", 2}, cluster.now(1));
    if (sent) {
      cluster.drain(1);
    }
    cluster.core(1).remove(kPartition);
    cluster.settle();
    cluster.drain(1);
    ASSERT_NE(cluster.result(1, 77), nullptr) << sent;
    EXPECT_EQ(cluster.result(1, 77)->code, ErrorCode::kNoKeyspace);
    cluster.run_for(3s);
  }
}

// Its own word may lack what it had before it lost data.
TEST(Light, WhoRefillsDoesNotEndIt) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  for (int i = 0; i < 10; ++i) {
    std::uint64_t ticket = 0;
    const auto other = ask(cluster, ticket);
    deliver_all(cluster, MessageType::kRead);
    for (Message& message : cluster.network()) {
      message.refilling = message.refilling || (message.type == MessageType::kReadDone);
    }
    deliver_all(cluster, MessageType::kReadDone);
    ASSERT_EQ(cluster.result(1, ticket), nullptr) << "the word of node " << other;
    cluster.settle();
    ASSERT_NE(cluster.result(1, ticket), nullptr);
    EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "v");
  }
}

TEST(Light, AValueThatLeftMemoryMeanwhileIsFetched) {
  ClusterSetup setup;
  setup.cold = true;
  Cluster cluster(setup);
  cluster.run_for(2s);
  const std::string value(200, 'v');
  cluster.put(1, "k", value, 3);
  ASSERT_TRUE(cluster.run_until(
      [&] { return cluster.at(2, "k") == value && cluster.at(3, "k") == value; }, 20ms));
  std::uint64_t ticket = 0;
  ask(cluster, ticket);
  const Message held = of_type(cluster.network(), MessageType::kRead).front();
  cluster.loses = [](const Message& message) { return message.type == MessageType::kRead; };
  ASSERT_TRUE(cluster.run_until([&] { return cluster.core(1).stats().cold > 0; }, 400ms));
  cluster.loses = nullptr;
  cluster.deliver(held);
  deliver_all(cluster, MessageType::kReadDone);
  ASSERT_EQ(cluster.result(1, ticket), nullptr);
  cluster.settle();
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), value);
  EXPECT_EQ(cluster.core(1).stats().fetches, 1u);
}

}  // namespace
}  // namespace kvorum::dynamo::test
