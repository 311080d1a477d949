// Membership, snapshots and clients: sections 6 to 8 of the Raft paper and the chapters of Ongaro's
// thesis (2014) that the core implements. Each test is named by its section.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "raft/test_cluster.h"

namespace kvorum::raft::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

std::size_t count(const std::vector<Message>& messages, MessageType type) {
  const auto all = types(messages);
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), type));
}

// ---- Raft paper, 6; thesis, 4: membership.

TEST(Section6, AConfigurationIsCodedAndNonsenseIsRefused) {
  Config config = config_of({1, 3, 7}, {9});
  config.outgoing = {NodeId(1), NodeId(2)};
  Config back;
  ASSERT_TRUE(decode(encode(config), back));
  EXPECT_EQ(back, config);
  EXPECT_FALSE(decode("", back));
  EXPECT_FALSE(decode(encode(config) + "x", back));
  EXPECT_FALSE(decode(encode(config_of({})), back)) << "no voters";
  EXPECT_FALSE(decode(encode(config_of({2, 1})), back)) << "not ascending";
  EXPECT_FALSE(decode(encode(config_of({1, 1})), back)) << "twice";
  EXPECT_FALSE(decode(encode(config_of({1}, {1})), back)) << "both voter and learner";
  EXPECT_FALSE(decode(encode(config_of({0, 1})), back)) << "no such id";
  const Bytes whole = encode(config);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode(ByteView(whole).substr(0, size), back));
  }
}

TEST(Section6, AConfigurationRulesFromWhenItIsInTheLogAndIsTakenBackWithIt) {
  Cluster cluster({});
  auto append = append_to(2, 1, 1, at(0, 0), {1});
  append.entries.push_back(
      {Term(1), Index(2), EntryType::kConfig, WallMs(1), share(encode(config_of({1, 2, 3}, {4})))});
  cluster.deliver(append);
  EXPECT_EQ(cluster.raft(1).config(), config_of({1, 2, 3}, {4}));
  cluster.deliver(append_to(3, 1, 2, at(1, 1), {2}));
  EXPECT_EQ(cluster.raft(1).config(), config_of({1, 2, 3}));
}

TEST(Section6, AJointDecisionNeedsBothMajorities) {
  Cluster cluster({.voters = {1, 2, 3, 4, 5}});
  for (auto& [id, node] : cluster.nodes()) {
    cluster.crash(id.value());
    node.disk.config = config_of({1, 2, 3});
    node.disk.config.outgoing = {NodeId(1), NodeId(4), NodeId(5)};
    cluster.restart(id.value());
  }
  cluster.isolate(4);
  cluster.isolate(5);
  cluster.campaign(1);
  cluster.settle();
  EXPECT_NE(cluster.raft(1).role(), Role::kLeader) << "no majority of the outgoing half";
  cluster.heal();
  cluster.isolate(5);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader() != 0 && cluster.leader() != 5; }));
  const auto leader = cluster.leader();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.raft(leader).commit() > Index(); }));
  const Index before = cluster.raft(leader).commit();
  cluster.isolate(4);
  cluster.isolate(1);
  ASSERT_TRUE(cluster.propose(leader, "x"));
  cluster.settle();
  EXPECT_EQ(cluster.raft(leader).commit(), before);
}

TEST(Thesis41, OneChangeAtATimeAndOnlyAfterAnEntryOfThisTerm) {
  Cluster cluster({});
  const Config more = config_of({1, 2, 3}, {4});
  EXPECT_FALSE(cluster.propose_config(1, more)) << "not the leader";
  cluster.isolate(1);
  cluster.campaign(1);
  cluster.deliver(message(MessageType::kPreVoteReply, 2, 1, 1));
  cluster.write(1);
  cluster.deliver(message(MessageType::kVoteReply, 2, 1, 1));
  ASSERT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_FALSE(cluster.propose_config(1, more)) << "nothing of this term is committed";
  cluster.heal();
  ASSERT_TRUE(cluster.run_until(
      [&] { return cluster.leader() && cluster.raft(cluster.leader()).commit() > Index(); }));
  const auto leader = cluster.leader();
  EXPECT_FALSE(cluster.propose_config(leader, config_of({1, 2, 3, 4, 5}))) << "two voters at once";
  EXPECT_TRUE(cluster.propose_config(leader, more));
  EXPECT_FALSE(cluster.propose_config(leader, config_of({1, 2, 3}, {5})))
      << "the first is not committed";
  cluster.settle();
  EXPECT_TRUE(cluster.propose_config(leader, config_of({1, 2, 3})));
}

TEST(Thesis421, LearnersReceiveAllAndNeitherVoteNorCountNorStand) {
  Cluster cluster({.voters = {1, 2, 3}, .learners = {4}});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.run_for(100ms);
  EXPECT_EQ(cluster.node(4).machine.applied, Index(2));
  cluster.isolate(2);
  cluster.isolate(3);
  ASSERT_TRUE(cluster.propose(1, "y"));
  cluster.settle();
  EXPECT_EQ(cluster.raft(4).last_index(), Index(3));
  EXPECT_EQ(cluster.raft(1).commit(), Index(2)) << "the learner's ack does not count";
  cluster.crash(1);
  cluster.pass(10s);
  cluster.tick(4);
  EXPECT_EQ(cluster.raft(4).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(4).leader(), NodeId());
  cluster.deliver(ask_vote(2, 4, 9, at(9, 9)));
  EXPECT_TRUE(cluster.node(4).last.send_after_persist.at(0).reject);
}

TEST(Thesis421, ALearnerThatIsAddedCatchesUpAndMayThenVote) {
  Cluster cluster({.voters = {1, 2, 3}, .learners = {4}});
  for (unsigned id = 1; id <= 4; ++id) {
    cluster.crash(id);
    cluster.node(id).disk.config = config_of({1, 2, 3});
    cluster.restart(id);
  }
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  EXPECT_EQ(cluster.raft(4).last_index(), Index()) << "a stranger";
  ASSERT_TRUE(cluster.propose_config(1, config_of({1, 2, 3}, {4})));
  cluster.run_for(100ms);
  EXPECT_EQ(cluster.node(4).machine.applied, Index(3));
  ASSERT_TRUE(cluster.propose_config(1, config_of({1, 2, 3, 4})));
  cluster.run_for(100ms);
  cluster.crash(1);
  cluster.isolate(2);
  EXPECT_FALSE(cluster.run_until([&] { return cluster.leader() != 0; }, 3s)) << "two of four";
  cluster.heal();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader() != 0; }));
}

// ---- Raft paper, 7: snapshots.

// Brings node 3 so far behind that it needs a snapshot, and stops before anything reaches it.
void fall_behind(Cluster& cluster) {
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(cluster.propose(1, std::to_string(i)));
    cluster.settle();
  }
  cluster.run_for(100ms);
  cluster.checkpoint(1);
  cluster.compact(1, Index(18));
  cluster.heal();
}

ClusterSetup no_window() {
  ClusterSetup setup;
  setup.options.window_bytes = 0;
  return setup;
}

TEST(Section7, AFollowerTooFarBehindGetsASnapshotInChunksAndGoesOnFromThere) {
  Cluster cluster(no_window());
  fall_behind(cluster);
  std::vector<std::uint64_t> chunks;
  std::size_t outstanding = 0;
  cluster.on_deliver = [&](const Message& m, bool) {
    if (m.type == MessageType::kSnapshot) {
      chunks.push_back(m.chunk);
      EXPECT_EQ(++outstanding, 1u);
    }
    outstanding -= m.type == MessageType::kSnapshotReply ? 1 : 0;
  };
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).machine.applied == Index(21); }));
  EXPECT_THAT(chunks, ElementsAre(0, 1, 2));
  EXPECT_EQ(cluster.node(3).machine.digest, cluster.node(1).machine.digest);
  ASSERT_TRUE(cluster.propose(1, "next"));
  cluster.run_for(60ms);
  EXPECT_EQ(cluster.node(3).machine.applied, Index(22));
}

TEST(Section7, ALostChunkOrReplyIsSentAgain) {
  for (const MessageType lost : {MessageType::kSnapshot, MessageType::kSnapshotReply}) {
    for (std::uint64_t chunk = 0; chunk < 3; ++chunk) {
      Cluster cluster(no_window());
      fall_behind(cluster);
      bool done = false;
      cluster.on_drain = [&](Node&) {
        std::erase_if(cluster.network(), [&](const Message& m) {
          const bool hit = !done && m.type == lost && m.chunk == chunk;
          done = done || hit;
          return hit;
        });
      };
      ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).machine.applied == Index(21); }));
      EXPECT_TRUE(done);
    }
  }
}

TEST(Section7, AFollowerThatRestartsMidwayGetsTheSnapshotFromItsBeginning) {
  Cluster cluster(no_window());
  fall_behind(cluster);
  bool restarted = false;
  cluster.on_deliver = [&](const Message& m, bool) {
    if (m.type == MessageType::kSnapshot && m.chunk == 1 && !restarted) {
      restarted = true;
      cluster.crash(3);
      cluster.restart(3);
    }
  };
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).machine.applied == Index(21); }));
  EXPECT_TRUE(restarted);
}

TEST(Section7, ACrashBeforeTheLastChunkIsOnDiskLeavesTheOldState) {
  Cluster cluster(no_window());
  fall_behind(cluster);
  const Index before = cluster.node(3).disk.last();
  cluster.on_drain = [&](Node& node) {
    for (const auto& chunk : node.last.snapshot_writes) {
      node.disk_paused = chunk.last;
    }
  };
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).disk_paused; }));
  cluster.run_for(1s);
  EXPECT_FALSE(cluster.node(3).last.installed);
  cluster.crash(3);
  EXPECT_EQ(cluster.node(3).disk.last(), before);
  cluster.on_drain = nullptr;
  cluster.node(3).disk_paused = false;
  cluster.restart(3);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).machine.applied == Index(21); }));
}

TEST(Section7, NothingIsAppliedBehindASnapshotBeforeItIsOnDisk) {
  Cluster cluster({});
  Message chunk = message(MessageType::kSnapshot, 2, 1, 3);
  chunk.snapshot = {Index(10), Term(2), config_of({1, 2, 3}, {4})};
  chunk.last_chunk = true;
  chunk.data = "10/77/0";
  cluster.deliver(chunk);
  const Output& out = cluster.node(1).last;
  EXPECT_TRUE(out.must_sync);
  EXPECT_THAT(types(out.send_after_persist), ElementsAre(MessageType::kSnapshotReply));
  EXPECT_FALSE(out.installed);
  EXPECT_EQ(cluster.raft(1).config(), config_of({1, 2, 3}, {4})) << "a snapshot carries it";
  cluster.deliver(append_to(2, 1, 3, at(10, 2), {3}, 11));
  EXPECT_EQ(cluster.raft(1).commit(), Index(11));
  EXPECT_THAT(out.apply, IsEmpty());
  cluster.write(1);
  ASSERT_TRUE(out.installed);
  EXPECT_EQ(out.installed->index, Index(10));
  EXPECT_EQ(out.apply.size(), 1u);
}

TEST(Section7, AnUnfinishedWriteOfEntriesThatASnapshotReplacedCountsForNothing) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1, 1, 1, 1}));
  Message chunk = message(MessageType::kSnapshot, 3, 1, 2);
  chunk.snapshot = {Index(3), Term(2), config_of({1, 2, 3})};
  chunk.last_chunk = true;
  chunk.data = "3/77/0";
  cluster.raft(1).step(chunk, cluster.now());
  cluster.drain(1);
  const auto& writes = cluster.node(1).writes;
  ASSERT_EQ(writes.size(), 2u);
  cluster.raft(1).step(Persisted{writes[0].ticket},
                       cluster.now());  // entries 1 to 5, of which 4 and 5 are no more
  cluster.drain(1);
  EXPECT_FALSE(cluster.node(1).last.installed);
  cluster.raft(1).step(Persisted{writes[1].ticket}, cluster.now());
  EXPECT_EQ(cluster.raft(1).last_index(), Index(3));
  EXPECT_EQ(cluster.raft(1).applied(), Index(3));
}

TEST(Section7, ASnapshotThatTellsNothingNewIsAcknowledgedLikeEntries) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1, 1, 1}, 2));
  Message chunk = message(MessageType::kSnapshot, 2, 1, 1);
  for (const std::uint64_t index :
       {1u, 3u}) {  // below the commit index; equal to an entry that it holds
    chunk.snapshot = {Index(index), Term(1), config_of({1, 2, 3})};
    cluster.deliver(chunk);
    EXPECT_THAT(cluster.node(1).last.snapshot_writes, IsEmpty());
    EXPECT_THAT(texts(cluster.node(1).last.send_after_persist),
                ElementsAre(fmt::format("n1->n2 append-reply t1 has {}", index == 1 ? 2 : 3)));
  }
  EXPECT_EQ(cluster.raft(1).last_index(), Index(4)) << "what follows it stays";
}

TEST(Section7, EntriesOutsideTheWindowAreLoadedFromDisk) {
  Cluster cluster(no_window());
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::to_string(i)));
    cluster.settle();
  }
  cluster.heal();
  std::size_t loads = 0;
  cluster.on_drain = [&](Node& node) { loads += node.last.loads.size(); };
  cluster.on_deliver = [&](const Message& m, bool) { EXPECT_NE(m.type, MessageType::kSnapshot); };
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).machine.applied == Index(21); }));
  EXPECT_GT(loads, 0u);
}

// ---- Raft paper, 8; thesis, 6: clients and reads.

TEST(Section8, ANewLeaderAppendsAnEmptyEntryAtOnce) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_EQ(cluster.node(1).applied.size(), 1u);
  EXPECT_EQ(cluster.node(1).applied[0].type, EntryType::kEmpty);
}

TEST(Thesis64, AReadIsAnsweredAfterARoundOfHeartbeatsThatBeganAfterIt) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.read(1, 7);
  cluster.drain(1);
  EXPECT_THAT(types(cluster.node(1).last.send_now), Each(MessageType::kHeartbeat));
  EXPECT_THAT(cluster.node(1).reads, IsEmpty());
  cluster.deliver_at(0);
  cluster.network().erase(cluster.network().begin());
  cluster.deliver_at(0);
  EXPECT_EQ(cluster.node(1).reads.at(7), Index(1));
}

TEST(Thesis64, AllReadsOfATurnShareOneRound) {
  Cluster cluster({});
  cluster.elect(1);
  for (std::uint64_t tag = 1; tag <= 100; ++tag) {
    cluster.read(1, tag);
  }
  cluster.drain(1);
  EXPECT_EQ(cluster.node(1).last.send_now.size(), 2u);
  cluster.settle();
  EXPECT_EQ(cluster.node(1).reads.size(), 100u);
}

TEST(Thesis64, SeveralRoundsMayBeUnderWayAndALaterReplyConfirmsEarlierOnes) {
  Cluster cluster({});
  cluster.elect(1);
  for (std::uint64_t tag = 1; tag <= 3; ++tag) {
    cluster.read(1, tag);
    cluster.drain(1);
  }
  ASSERT_EQ(cluster.network().size(), 6u);
  Message last = cluster.network().back();
  cluster.network().clear();
  cluster.deliver(last);
  cluster.settle();
  EXPECT_EQ(cluster.node(1).reads.size(), 3u);
}

TEST(Thesis64, AnOlderConfirmationIsNeverReused) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.read(1, 1);
  cluster.drain(1);
  cluster.deliver_at(0);
  const Message reply = cluster.network().back();
  ASSERT_EQ(reply.type, MessageType::kHeartbeatReply);
  cluster.network().clear();
  cluster.read(1, 2);
  cluster.drain(1);
  cluster.deliver(reply);
  EXPECT_EQ(cluster.node(1).reads.count(1), 1u);
  EXPECT_EQ(cluster.node(1).reads.count(2), 0u);
}

TEST(Thesis64, ANewLeaderAnswersNoReadBeforeAnEntryOfItsTermIsCommitted) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();  // committed at the leader; the others have not heard
  ASSERT_EQ(cluster.raft(1).commit(), Index(2));
  ASSERT_EQ(cluster.raft(2).commit(), Index(1));
  cluster.crash(1);
  bool asked = false;
  cluster.on_drain = [&](Node& node) {
    if (!asked && node.raft->role() == Role::kLeader) {
      asked = true;
      EXPECT_EQ(node.raft->commit(), Index(1));
      node.raft->read_barrier(5, cluster.now());
    }
    if (node.reads.contains(5)) {
      EXPECT_GE(node.raft->commit(), Index(3));
    }
  };
  ASSERT_TRUE(cluster.run_until(
      [&] { return cluster.leader() && cluster.node(cluster.leader()).reads.contains(5); }));
  EXPECT_TRUE(asked);
  EXPECT_EQ(cluster.node(cluster.leader()).reads.at(5), Index(3)) << "at its first entry";
}

TEST(Thesis64, ADeposedLeaderAnswersNoRead) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(1);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader() > 1; }));
  cluster.read(1, 9);
  cluster.drain(1);
  cluster.run_for(2s);
  EXPECT_THAT(cluster.node(1).reads, IsEmpty());
}

TEST(Thesis64, ALeaderThatStepsDownFailsItsReads) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(1);
  cluster.read(1, 9);
  cluster.drain(1);
  cluster.deliver(message(MessageType::kHeartbeat, 2, 1, 5));
  EXPECT_EQ(cluster.node(1).failed.count(9), 1u);
}

TEST(Thesis64, ASingleVoterAnswersAtOnce) {
  Cluster cluster({.voters = {1}});
  cluster.elect(1);
  cluster.read(1, 1);
  cluster.drain(1);
  EXPECT_EQ(cluster.node(1).reads.at(1), Index(1));
}

TEST(Thesis64, AFollowerAsksTheLeaderOncePerTurn) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  for (std::uint64_t tag = 1; tag <= 10; ++tag) {
    cluster.read(2, tag);
  }
  cluster.drain(2);
  EXPECT_THAT(types(cluster.node(2).last.send_now), ElementsAre(MessageType::kReadIndex));
  cluster.settle();
  EXPECT_EQ(cluster.node(2).reads.size(), 10u);
  EXPECT_EQ(cluster.node(2).reads.at(10), Index(2));
  EXPECT_EQ(cluster.node(2).machine.applied, Index(2)) << "without waiting for a heartbeat";
}

TEST(Thesis64, AFollowersReadWaitsForALeaderAndFailsWhenTheLeaderChanges) {
  Cluster cluster({});
  cluster.read(2, 1);
  cluster.drain(2);
  EXPECT_THAT(cluster.node(2).last.send_now, IsEmpty());
  cluster.elect(1);
  cluster.settle();
  EXPECT_EQ(cluster.node(2).reads.count(1), 1u);
  cluster.isolate(1);
  cluster.read(2, 2);
  cluster.drain(2);
  cluster.deliver(message(MessageType::kHeartbeat, 3, 2, 7));
  EXPECT_EQ(cluster.node(2).failed.count(2), 1u);
}

TEST(Thesis64, AFollowersReadFailsWhenNoAnswerComes) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.read(2, 3);
  cluster.drain(2);
  cluster.network().clear();
  cluster.run_for(400ms);
  EXPECT_EQ(cluster.node(2).failed.count(3), 1u);
}

TEST(Thesis64, AnAnswerToAnEarlierLifeIsNoAnswer) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.read(2, 1);
  cluster.drain(2);
  while (cluster.network().front().type != MessageType::kReadIndexReply) {
    cluster.deliver_at(0);
  }
  const Message answer = cluster.network().front();
  cluster.network().clear();
  cluster.crash(2);
  cluster.restart(2);
  cluster.deliver(message(MessageType::kHeartbeat, 1, 2, 1));
  cluster.read(2, 1);
  cluster.drain(2);
  cluster.deliver(answer);
  EXPECT_THAT(cluster.node(2).reads, IsEmpty()) << "the first batch of both lives";
  cluster.settle();
  EXPECT_EQ(cluster.node(2).reads.count(1), 1u);
}

// ---- Thesis, 3.10: transfer of leadership.

TEST(Thesis310, TheTargetTakesOverAtOnceAndNoProposalIsTakenMeanwhile) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.node(2).disk_paused = true;
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  cluster.raft(1).transfer(NodeId(2), cluster.now());
  cluster.drain(1);
  EXPECT_EQ(count(cluster.node(1).last.send_now, MessageType::kTimeoutNow), 0u)
      << "n2 lacks an entry";
  EXPECT_FALSE(cluster.propose(1, "y"));
  cluster.node(2).disk_paused = false;
  const auto before = cluster.now().mono;
  cluster.settle();
  EXPECT_EQ(cluster.now().mono, before);
  EXPECT_EQ(cluster.raft(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
}

TEST(Thesis310, WithoutATargetTheMostUpToDateVoterIsTaken) {
  Cluster cluster({.voters = {1, 2, 3}, .learners = {4}});
  cluster.elect(1);
  cluster.isolate(2);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  cluster.raft(1).transfer(NodeId(), cluster.now());
  cluster.heal();
  cluster.settle();
  EXPECT_EQ(cluster.raft(3).role(), Role::kLeader);
}

TEST(Thesis310, ATransferIsGivenUpAfterAnElectionTimeout) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(2);
  cluster.raft(1).transfer(NodeId(2), cluster.now());
  cluster.settle();
  EXPECT_FALSE(cluster.propose(1, "x"));
  cluster.run_for(350ms);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
  EXPECT_TRUE(cluster.propose(1, "x"));
}

TEST(Thesis310, OnlyAVoterCanTakeOver) {
  Cluster cluster({.voters = {1, 2, 3}, .learners = {4}});
  cluster.elect(1);
  for (const unsigned target : {1u, 4u, 9u}) {
    cluster.raft(1).transfer(NodeId(target), cluster.now());
    EXPECT_TRUE(cluster.propose(1, "x")) << target;
  }
}

// ---- Thesis, 4.2.3, 6.2 and 9.6: leaders that work are left alone, those that don't step down.

TEST(Thesis423, NoVoteWhileALeaderWasHeardWithinTheElectionTimeout) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.raft(2).term();
  cluster.deliver(ask_vote(3, 2, 9, at(9, 9)));
  EXPECT_EQ(cluster.raft(2).term(), term);
  EXPECT_THAT(cluster.node(2).last.send_after_persist, IsEmpty());
  cluster.deliver(ask_vote(3, 1, 9, at(9, 9)));
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader) << "nor does the leader give way";
  Message forced = ask_vote(3, 2, 9, at(9, 9));
  forced.force = true;
  cluster.deliver(forced);
  EXPECT_EQ(cluster.node(2).last.send_after_persist.size(), 1u) << "the leader itself asked for it";
}

TEST(Thesis423, OnceTheLeaderIsSilentLongEnoughVotesAreGiven) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.pass(300ms);
  cluster.deliver(ask_vote(3, 2, 9, at(9, 9)));
  ASSERT_EQ(cluster.node(2).last.send_after_persist.size(), 1u);
  EXPECT_FALSE(cluster.node(2).last.send_after_persist[0].reject);
}

TEST(Thesis62, ALeaderWithoutAQuorumStepsDown) {
  Cluster cluster({.voters = {1, 2, 3, 4, 5}});
  cluster.elect(1);
  cluster.isolate(4);
  cluster.isolate(5);
  cluster.run_for(2s);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader) << "three of five answer";
  cluster.isolate(3);
  cluster.run_for(400ms);
  EXPECT_NE(cluster.raft(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.leader(), 0u);
}

TEST(Thesis96, ACutOffNodeDoesNotRaiseItsTermAndDisturbsNobodyWhenItReturns) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.raft(1).term();
  cluster.isolate(3);
  cluster.run_for(10s);
  EXPECT_EQ(cluster.raft(3).term(), term);
  EXPECT_EQ(cluster.raft(3).role(), Role::kPreCandidate);
  cluster.heal();
  cluster.run_for(2s);
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster.raft(1).term(), term);
  EXPECT_EQ(cluster.raft(3).leader(), NodeId(1));
}

TEST(Thesis96, ANodeThatComesBackWithAHigherTermIsTakenIn) {
  Cluster cluster({});
  cluster.elect(1);
  restart_with(cluster, 3, {1}, 50);
  ASSERT_TRUE(cluster.run_until(
      [&] { return cluster.leader() && cluster.raft(cluster.leader()).term() > Term(50); }));
  cluster.run_for(1s);
  EXPECT_EQ(cluster.raft(3).leader().value(), cluster.leader());
}

TEST(Thesis96, APartialPartitionDoesNotDeposeALeaderWithAQuorum) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.cut(1, 3);  // n3 still reaches n2, which hears the leader
  cluster.run_for(10s);
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster.raft(1).term(), Term(1));
}

}  // namespace
}  // namespace kvorum::raft::test
