// What core.h promises of writes and reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(Write, OneIsAnsweredFromMemoryInItsTurn) {
  Cluster cluster({});
  cluster.settle();
  const auto ticket = cluster.put(1, "k", "v");
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kDone);
  EXPECT_EQ(cluster.result(1, ticket)->acks, 1u);
  EXPECT_EQ(cluster.result(1, ticket)->coordinator, NodeId(1));
  cluster.settle();
  EXPECT_EQ(cluster.at(2, "k"), "v");
  EXPECT_EQ(cluster.at(3, "k"), "v");
}

TEST(Write, WaitsForWReplicasAndNoMore) {
  Cluster cluster({});
  cluster.settle();
  const auto ticket = cluster.put(1, "k", "v", 2);
  EXPECT_EQ(cluster.result(1, ticket), nullptr);
  cluster.isolate(3, false);
  cluster.settle();
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.result(1, ticket)->acks, 2u);
}

TEST(Write, IsRefusedAtOnceWhereTooFewAreUp) {
  Cluster cluster({});
  cluster.settle();
  cluster.isolate(1);
  EXPECT_EQ(cluster.put_now(1, "k", "v", 2), "refused: 1 of 3 replicas are up, w=2");
  EXPECT_EQ(cluster.at(1, "k"), "nothing");
  EXPECT_EQ(cluster.put_now(1, "k", "v", 1), "v");
  EXPECT_EQ(cluster.get_now(1, "k", 2), "refused: 1 of 3 replicas are up, r=2");
  EXPECT_EQ(cluster.get_now(1, "k", 1), "v");
  EXPECT_EQ(cluster.put_now(1, "k", "v", 4), "refused: w=4 of 3 replicas");
  EXPECT_EQ(cluster.put_now(1, "k", "v", 0), "refused: w=0 of 3 replicas");
  EXPECT_EQ(cluster.get_now(1, "k", 4), "refused: r=4 of 3 replicas");
}

TEST(Write, ThatTimesOutIsUnknownAndSaysHowFarItCame) {
  Cluster cluster({});
  cluster.settle();
  cluster.isolate(1, false);
  const auto write = cluster.put(1, "k", "v", 2);
  const auto read = cluster.get(1, "k", 2);
  cluster.run_for(3s);
  ASSERT_NE(cluster.result(1, write), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, write)), "unknown: 1 of 2 acks");
  ASSERT_NE(cluster.result(1, read), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, read)), "timeout: 1 of 2 answers");
}

TEST(Write, LateAndRepeatedAcksCountForNothing) {
  Cluster cluster({});
  cluster.settle();
  const auto ticket = cluster.put(1, "k", "v", 3);
  cluster.cut(1, 3, false);
  while (of_type(cluster.network(), MessageType::kRowsDone, 1).empty()) {
    cluster.deliver_at(0);
  }
  const Message ack = of_type(cluster.network(), MessageType::kRowsDone, 1).front();
  cluster.deliver(ack);
  cluster.deliver(ack);
  cluster.settle();
  EXPECT_EQ(cluster.result(1, ticket), nullptr) << "one replica was counted twice";
  cluster.run_for(3s);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "unknown: 2 of 3 acks");
  cluster.heal();
  cluster.settle();
  EXPECT_THAT(cluster.node(1).results, SizeIs(1));
}

// The older system had one list of acks per key: two requests for a key shared them.
TEST(Write, AcksOfTwoRequestsForOneKeyAreNotMixed) {
  Cluster cluster({});
  cluster.settle();
  const auto first = cluster.put(1, "k", "a", 2);
  cluster.lose(MessageType::kRows, 2);
  cluster.lose(MessageType::kRows, 3);
  const auto second = cluster.put(1, "k", "b", 2);
  cluster.settle();
  EXPECT_EQ(cluster.result(1, first), nullptr);
  EXPECT_NE(cluster.result(1, second), nullptr);
  // Of one turn, in one message, of which the ack is for both.
  cluster.core(1).write({1001, kPartition, "k", "c", false, {}, {}, {}, 2, false}, cluster.now(1));
  cluster.core(1).write({1002, kPartition, "k", "d", false, {}, {}, {}, 3, false}, cluster.now(1));
  cluster.drain(1);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, 2), SizeIs(1));
  cluster.lose(MessageType::kRows, 3);
  cluster.settle();
  EXPECT_NE(cluster.result(1, 1001), nullptr);
  EXPECT_EQ(cluster.result(1, 1002), nullptr);
}

TEST(Write, ATurnsRowsAreOneMessagePerPeer) {
  Cluster cluster({});
  cluster.settle();
  for (std::uint64_t i = 0; i < 100; ++i) {
    WriteRequest request;
    request.ticket = 1000 + i;
    request.partition = kPartition;
    request.key = fmt::format("k{}", i);
    request.w = 2;
    cluster.core(1).write(request, cluster.now(1));
  }
  cluster.drain(1);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, 2), SizeIs(1));
  EXPECT_THAT(cluster.network().front().rows, SizeIs(100));
  cluster.settle();
  EXPECT_THAT(cluster.node(1).results, SizeIs(100));
}

TEST(Write, AnAckOfAnFsyncedRowWaitsForTheDisk) {
  ClusterSetup setup;
  setup.fsync = true;
  Cluster cluster(setup);
  cluster.settle();
  for (unsigned id = 1; id <= 3; ++id) {
    cluster.node(id).disk_paused = true;
  }
  const auto one = cluster.put(1, "k", "v", 1);
  const auto two = cluster.put(1, "l", "v", 2);
  cluster.settle();
  EXPECT_EQ(cluster.result(1, one), nullptr);
  EXPECT_TRUE(cluster.node(1).queue.front().must_sync);
  cluster.write_disk(1);
  EXPECT_NE(cluster.result(1, one), nullptr);
  cluster.write_disk(1);
  cluster.settle();
  EXPECT_EQ(cluster.result(1, two), nullptr);
  while (!cluster.node(3).queue.empty()) {
    cluster.write_disk(3);
  }
  cluster.settle();
  EXPECT_NE(cluster.result(1, two), nullptr);
}

TEST(Write, OtherRowsGoToTheDiskEveryInterval) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.node(1).disk_paused = true;
  for (int i = 0; i < 10; ++i) {
    cluster.put(1, "k", fmt::format("{}", i));
  }
  const auto& queue = cluster.node(1).queue;
  EXPECT_TRUE(queue.empty() || queue.front().rows.empty());
  cluster.run_for(110ms);
  EXPECT_THAT(queue.back().rows, SizeIs(1)) << "a hot key once";
  EXPECT_FALSE(queue.back().must_sync);
}

TEST(Forward, ANodeWithoutAReplicaHandsWritesOnAndReadsItself) {
  ClusterSetup setup;
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.settle();
  EXPECT_FALSE(cluster.core(4).holds(kPartition));
  EXPECT_EQ(cluster.put_now(4, "k", "v", 3), "v");
  const Result& result = cluster.node(4).results.begin()->second;
  EXPECT_NE(result.coordinator, NodeId(4));
  EXPECT_EQ(result.dot.replica.node, result.coordinator) << "only replicas make dots";
  EXPECT_EQ(result.acks, 3u);
  EXPECT_EQ(cluster.get_now(4, "k", 1), "v");
  EXPECT_EQ(cluster.get_now(4, "k", 3), "v");
  EXPECT_EQ(cluster.core(4).table(kPartition), nullptr);
  cluster.isolate(4);
  EXPECT_EQ(cluster.put_now(4, "k", "w"), "refused: 0 of 3 replicas are up, w=1");
  EXPECT_EQ(cluster.get_now(4, "k"), "refused: 0 of 3 replicas are up, r=1");
}

TEST(Forward, ARepeatedWriteIsDoneOnce) {
  ClusterSetup setup;
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.settle();
  const auto ticket = cluster.put(4, "k", "v");
  const Message copy = cluster.network().back();
  ASSERT_EQ(copy.type, MessageType::kWrite);
  cluster.settle();
  ASSERT_NE(cluster.result(4, ticket), nullptr);
  EXPECT_EQ(cluster.del_now(4, "k"), "-");
  cluster.deliver(copy);
  cluster.settle();
  EXPECT_EQ(cluster.at(1, "k"), "-") << "an old copy undid the delete";
  // Not by another life of its receiver, either.
  const unsigned receiver = copy.to.value();
  cluster.crash(receiver);
  cluster.start(receiver);
  cluster.settle();
  cluster.deliver(copy);
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(1, "k"), "-");
}

TEST(Company, WhatNobodyWaitsForLeavesAMillisecondLaterAtTheLatest) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put(1, "a", "v");
  cluster.put(1, "b", "v");
  EXPECT_THAT(cluster.network(), IsEmpty());
  EXPECT_LE(cluster.node(1).wake_at, cluster.now(1).mono + 1ms);
  cluster.pass(1ms);
  cluster.drain(1);
  for (const unsigned id : {2, 3}) {
    const auto rows = of_type(cluster.network(), MessageType::kRows, id);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_THAT(rows.front().rows, SizeIs(2));
    EXPECT_EQ(rows.front().id, 0u) << "nobody waits for an answer";
  }
  cluster.network().clear();
  cluster.drain(1);
  EXPECT_THAT(cluster.network(), IsEmpty()) << "it left twice";
}

TEST(Company, ComesWithTheNextMessageThatSomebodyWaitsFor) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put(1, "a", "v");
  cluster.get(1, "k", 2);
  const auto asked = of_type(cluster.network(), MessageType::kRead);
  ASSERT_THAT(asked, SizeIs(1));
  const auto to = asked.front().to.value();
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, to), SizeIs(1));
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, 5 - to), IsEmpty());
  cluster.network().clear();
  cluster.put(1, "b", "v", 2);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, to).front().rows, SizeIs(1));
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows, 5 - to).front().rows, SizeIs(2));
}

// Who holds no replica reads from any of them, and ought to find what it wrote.
TEST(Company, IsNotWaitedForByAForwardedWrite) {
  ClusterSetup setup;
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.run_for(2s);
  const auto ticket = cluster.put(4, "k", "v");
  ASSERT_THAT(cluster.network(), SizeIs(1));
  cluster.deliver_at(0);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows), SizeIs(2));
  EXPECT_THAT(of_type(cluster.network(), MessageType::kWriteDone, 4), SizeIs(1));
  cluster.settle();
  EXPECT_EQ(cluster.show(4, *cluster.result(4, ticket)), "v");
}

TEST(Company, IsNotWaitedForByMuchNorAtTheEnd) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put(1, "a", std::string(100'000, 'v'));
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows), SizeIs(2));
  cluster.network().clear();
  cluster.put(1, "b", "v");
  EXPECT_THAT(cluster.network(), IsEmpty());
  cluster.core(1).flush();
  cluster.drain(1);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRows), SizeIs(2));
}

TEST(Read, RAnswersMergedAndWrittenBackBeforeTheAnswer) {
  Cluster cluster({});
  cluster.settle();
  cluster.cut(1, 2, false);
  cluster.cut(1, 3, false);
  cluster.put(1, "k", "v");
  cluster.settle();
  cluster.heal();
  ASSERT_EQ(cluster.at(2, "k"), "nothing");
  const auto ticket = cluster.get(2, "k", 3);
  while (of_type(cluster.network(), MessageType::kRows, 3).empty()) {
    cluster.deliver_at(0);
  }
  EXPECT_EQ(cluster.result(2, ticket), nullptr) << "answered before it was written back";
  cluster.settle();
  ASSERT_NE(cluster.result(2, ticket), nullptr);
  EXPECT_EQ(cluster.show(2, *cluster.result(2, ticket)), "v");
  EXPECT_EQ(cluster.at(2, "k"), "v");
  EXPECT_EQ(cluster.at(3, "k"), "v");
  EXPECT_EQ(cluster.core(2).stats().read_repairs, 2u);
}

TEST(Read, BehindAReadOfOneTheOthersAreRepaired) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.cut(1, 2, false);
  cluster.cut(1, 3, false);
  cluster.put(1, "k", "v");
  cluster.settle();
  cluster.heal();
  EXPECT_EQ(cluster.get_now(2, "k"), "-") << "one replica's word is what was asked for";
  EXPECT_EQ(cluster.at(2, "k"), "v");
  EXPECT_EQ(cluster.get_now(2, "k"), "v");
  const auto before = of_type(cluster.network(), MessageType::kPrints).size();
  cluster.get(2, "k");
  EXPECT_EQ(of_type(cluster.network(), MessageType::kPrints).size(), before)
      << "a key is looked after once a second";
}

TEST(Read, AsksAsManyAsItNeedsThenAll) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  const auto ticket = cluster.get(1, "k", 2);
  EXPECT_THAT(of_type(cluster.network(), MessageType::kRead), SizeIs(1));
  cluster.network().clear();
  cluster.run_for(600ms);
  ASSERT_NE(cluster.result(1, ticket), nullptr) << "a lost message cost the read";
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "v");
}

TEST(Read, ARowThatTheAskerHasDoesNotTravel) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  std::vector<Message> answers;
  cluster.on_send = [&](const Message& message) {
    if (message.type == MessageType::kReadDone) {
      answers.push_back(message);
    }
  };
  for (const std::string key : {"k", "nothing"}) {
    const auto ticket = cluster.get(1, key, 3);
    cluster.settle();
    ASSERT_NE(cluster.result(1, ticket), nullptr);
    EXPECT_EQ(cluster.result(1, ticket)->acks, 3u);
    EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), key == "k" ? "v" : "-");
  }
  ASSERT_THAT(answers, SizeIs(4));
  for (const Message& answer : answers) {
    EXPECT_TRUE(answer.rows.empty());
  }
  cluster.cut(1, 2, false);
  cluster.cut(1, 3, false);
  cluster.put(1, "k", "w");
  cluster.settle();
  cluster.heal();
  EXPECT_EQ(cluster.get_now(1, "k", 3), "w");
  ASSERT_THAT(answers, SizeIs(6));
  EXPECT_THAT(answers[4].rows, SizeIs(1));
  EXPECT_THAT(answers[5].rows, SizeIs(1));
  EXPECT_EQ(cluster.at(2, "k"), "w");
}

// Two replicas answer alike, and not like the asker: what one of them has dropped is dead all the
// same, and what it has is what was written since.
TEST(Read, OfTwoRowsThatDifferTheNewerOneIsTold) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put_now(1, "k", "old", 3);
  cluster.isolate(1, false);
  cluster.put_now(2, "k", "new", 2);
  cluster.heal();
  ASSERT_EQ(cluster.at(1, "k"), "old");
  EXPECT_EQ(cluster.get_now(1, "k", 3), "new");
  EXPECT_EQ(cluster.at(1, "k"), "new");
}

TEST(Read, RowsThatDoNotFitIntoAnAnswerAreAskedForAgain) {
  ClusterSetup setup;
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.run_for(2s);
  const std::string a(700'000, 'a');
  const std::string b(700'000, 'b');
  cluster.put_now(1, "a", a, 3);
  cluster.put_now(1, "b", b, 3);
  cluster.core(4).read({1001, kPartition, "a", 1}, cluster.now(4));
  cluster.core(4).read({1002, kPartition, "b", 1}, cluster.now(4));
  cluster.core(4).read({1003, kPartition, "c", 1}, cluster.now(4));
  cluster.settle();
  for (const std::uint64_t ticket : {1001, 1002, 1003}) {
    ASSERT_NE(cluster.result(4, ticket), nullptr);
    EXPECT_EQ(cluster.result(4, ticket)->ended, Ended::kDone);
  }
  EXPECT_EQ(cluster.show(4, *cluster.result(4, 1001)), a);
  EXPECT_EQ(cluster.show(4, *cluster.result(4, 1002)), b);
  EXPECT_EQ(cluster.show(4, *cluster.result(4, 1003)), "-");
}

TEST(Read, AFlushOvertakesWhatItFoundBefore) {
  for (const bool answered : {false, true}) {
    Cluster cluster(quick());
    cluster.put_now(1, "k", "old", 3);
    cluster.put_now(1, "other", "old", 3);
    const auto ticket = cluster.get(1, "k", 3);
    if (answered) {  // by one of two
      for (int i = 0; i < 3 && !cluster.network().empty(); ++i) {
        cluster.deliver_at(0);
      }
    }
    ASSERT_EQ(cluster.result(1, ticket), nullptr);
    cluster.config().generation = cluster.config().generation.next();
    cluster.configure();
    cluster.run_for(5s);
    ASSERT_NE(cluster.result(1, ticket), nullptr);
    EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "-");
    for (const unsigned id : {1, 2, 3}) {
      EXPECT_EQ(cluster.at(id, "k"), "nothing") << id;
    }
  }
}

TEST(Read, HereIsTheRowWithoutARequest) {
  Cluster cluster({});
  cluster.run_for(2s);
  EXPECT_EQ(cluster.core(1).read_here(kPartition, "k", true), nullptr);
  cluster.put(1, "k", "v");
  const Row* row = cluster.core(1).read_here(kPartition, "k", true);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(cluster.show(1, *row), "v");
}

TEST(Batch, RequestsThatAreDoneDoNotWakeTheNodeWhenTheirTimeComes) {
  Cluster cluster({});
  cluster.run_for(2s);
  for (int i = 0; i < 300; ++i) {
    cluster.put(1, fmt::format("k{}", i), "v", 2);
    cluster.get(1, fmt::format("k{}", i), 2);
    cluster.settle();
    cluster.pass(1ms);
  }
  int drains = 0;
  cluster.on_drain = [&](const Node& node) { drains += node.id == NodeId(1) ? 1 : 0; };
  cluster.run_for(2s);
  EXPECT_LT(drains, 200);
}

TEST(Batch, ReadsOfATurnAskOneReplicaAndThoseOfOthersTheOther) {
  Cluster cluster({});
  cluster.run_for(2s);
  std::set<NodeId> asked;
  for (std::uint64_t turn = 0; turn < 20; ++turn) {
    for (std::uint64_t i = 0; i < 30; ++i) {
      cluster.core(1).read({1000 * turn + i + 1, kPartition, fmt::format("k{}", i), 2},
                           cluster.now(1));
    }
    cluster.drain(1);
    const auto messages = of_type(cluster.network(), MessageType::kRead);
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages.front().keys.size(), 30u);
    asked.insert(messages.front().to);
    cluster.settle();
  }
  EXPECT_THAT(asked, SizeIs(2));
}

TEST(Batch, MoreReadsThanAMessageHoldsGoInSeveral) {
  Cluster cluster({});
  cluster.run_for(2s);
  fill(cluster, 1, 0, 600);
  cluster.settle();
  for (std::uint64_t i = 0; i < 600; ++i) {
    cluster.core(1).read({1000 + i, kPartition, fmt::format("key{}", i), 2}, cluster.now(1));
  }
  cluster.drain(1);
  const auto messages = of_type(cluster.network(), MessageType::kRead);
  ASSERT_THAT(messages, SizeIs(3));
  for (const Message& message : messages) {
    EXPECT_LE(message.keys.size(), 256u);
    EXPECT_EQ(message.keys.size(), message.prints.size());
  }
  cluster.settle();
  for (std::uint64_t i = 0; i < 600; ++i) {
    const Result* result = cluster.result(1, 1000 + i);
    ASSERT_NE(result, nullptr);
    EXPECT_NE(cluster.show(1, *result), "-") << i;
  }
}

TEST(Batch, RequestsBeyondTheBoundAreRefused) {
  Cluster cluster({});
  cluster.settle();
  for (std::uint64_t i = 0; i <= 100'000; ++i) {
    cluster.core(1).read({10 + i, kPartition, "k", 2}, cluster.now(1));
  }
  cluster.drain(1);
  ASSERT_THAT(cluster.node(1).results, SizeIs(1));
  EXPECT_EQ(cluster.node(1).results.begin()->second.code, ErrorCode::kBusy);
}

}  // namespace
}  // namespace kvorum::dynamo::test
