// What raft.h promises beyond the paper: batching, flow control, durability, trust, notification,
// timers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "raft/test_cluster.h"

namespace kvorum::raft::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Message> of_type(const std::vector<Message>& messages, MessageType type,
                             unsigned to = 0) {
  std::vector<Message> out;
  std::copy_if(messages.begin(), messages.end(), std::back_inserter(out),
               [&](const Message& m) { return m.type == type && (to == 0 || m.to == NodeId(to)); });
  return out;
}

Progress progress_of(Cluster& cluster, unsigned leader, unsigned id) {
  for (const Progress& progress : cluster.raft(leader).progress()) {
    if (progress.node == NodeId(id)) {
      return progress;
    }
  }
  return {};
}

TEST(Batch, ATurnsProposalsAreOneWriteAndOneMessagePerFollower) {
  Cluster cluster({});
  cluster.elect(1);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
  }
  cluster.drain(1);
  const Output& out = cluster.node(1).last;
  EXPECT_EQ(out.append.size(), 100u);
  EXPECT_EQ(out.send_now.size(), 2u);
  EXPECT_EQ(out.send_now[0].entries.size(), 100u);
  EXPECT_EQ(out.send_now[0].entries[5].payload, out.append[5].payload)
      << "bytes are shared, not copied";
}

TEST(Batch, AMessageStaysWithinAppendBytesButCarriesAtLeastOneEntry) {
  ClusterSetup setup;
  setup.options.append_bytes = 250;
  Cluster cluster(setup);
  cluster.elect(1);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::string(60, 'x')));
  }
  ASSERT_TRUE(cluster.propose(1, std::string(1000, 'x')));
  cluster.drain(1);
  std::vector<std::size_t> sizes;
  for (const Message& m : of_type(cluster.node(1).last.send_now, MessageType::kAppend, 2)) {
    sizes.push_back(m.entries.size());
  }
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
}

TEST(Batch, AcksOfATurnAreOne) {
  Cluster cluster({});
  for (std::uint64_t i = 0; i < 5; ++i) {
    cluster.raft(1).step(append_to(2, 1, 1, at(i, i ? 1 : 0), {1}), cluster.now());
  }
  cluster.drain(1);
  EXPECT_THAT(texts(cluster.node(1).last.send_after_persist),
              ElementsAre("n1->n2 append-reply t1 has 5"));
}

TEST(Flow, EntriesGoOutWithoutWaitingForAcksUpToTheBound) {
  ClusterSetup setup;
  setup.options.inflight_messages = 3;
  Cluster cluster(setup);
  cluster.elect(1);
  std::size_t sent = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
    cluster.drain(1);
    sent += of_type(cluster.node(1).last.send_now, MessageType::kAppend, 2).size();
  }
  EXPECT_EQ(sent, 3u);
  cluster.settle();
  EXPECT_EQ(cluster.raft(2).last_index(), Index(11)) << "what waited went out in one more message";
}

TEST(Flow, BytesUnderWayAreBounded) {
  ClusterSetup setup;
  setup.options.inflight_bytes = 1000;
  Cluster cluster(setup);
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::string(600, 'x')));
    cluster.drain(1);
  }
  EXPECT_EQ(
      of_type({cluster.network().begin(), cluster.network().end()}, MessageType::kAppend, 2).size(),
      2u);
}

TEST(Flow, AProbeIsOneMessageUntilItsAnswer) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(2);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.run_for(900ms);
  EXPECT_STREQ(progress_of(cluster, 1, 2).state, "replicate")
      << "nothing is sent again to one that is silent";
  cluster.heal();
  cluster.run_for(60ms);
  EXPECT_EQ(progress_of(cluster, 1, 2).match, Index(2)) << "as soon as it is heard again";
}

TEST(Flow, ProposalsAreRefusedBeyondTheBoundOfUncommittedBytes) {
  ClusterSetup setup;
  setup.options.uncommitted_bytes = 500;
  Cluster cluster(setup);
  cluster.elect(1);
  int taken = 0;
  while (taken < 100 && cluster.propose(1, std::string(100, 'x'))) {
    ++taken;
  }
  EXPECT_EQ(taken, 4);
  cluster.settle();
  EXPECT_TRUE(cluster.propose(1, "x"));
}

TEST(Propose, OnlyALeaderTakesProposals) {
  Cluster cluster({});
  EXPECT_FALSE(cluster.propose(1, "x"));
  cluster.elect(1);
  EXPECT_FALSE(cluster.propose(2, "x"));
  EXPECT_TRUE(cluster.propose(1, "x"));
}

TEST(Propose, StampsNeverGoBackEvenIfTheClockDoes) {
  Cluster cluster({});
  cluster.elect(1);
  Now now = cluster.now();
  now.wall = now.wall + 5000;
  ASSERT_TRUE(cluster.raft(1).propose(EntryType::kCommands, share("a"), NodeId(), now));
  now.wall = now.wall + -9000;
  ASSERT_TRUE(cluster.raft(1).propose(EntryType::kCommands, share("b"), NodeId(), now));
  cluster.run_for(60ms);
  const auto& applied = cluster.node(2).applied;
  EXPECT_EQ(applied.at(1).stamp, applied.at(2).stamp);
  cluster.crash(1);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader() > 1; }));
  cluster.settle();
  EXPECT_GE(cluster.node(cluster.leader()).applied.back().stamp, applied.at(2).stamp)
      << "nor do the next leader's";
}

TEST(Notify, TheFollowerThatWaitsIsToldOfTheCommitAtOnceAndNobodyElse) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.run_for(60ms);
  ASSERT_TRUE(cluster.propose(1, "x", 2));
  std::vector<std::string> beats;
  cluster.on_deliver = [&](const Message& m, bool) {
    if (m.type == MessageType::kHeartbeat) {
      beats.push_back(to_string(m));
    }
  };
  cluster.settle();
  EXPECT_THAT(beats, ElementsAre("n1->n2 heartbeat t1 commit 2 round 0"));
  EXPECT_EQ(cluster.raft(2).commit(), Index(2));
  EXPECT_EQ(cluster.raft(3).commit(), Index(1));
}

TEST(Notify, AnAppendThatTellsOfTheCommitReplacesTheHeartbeat) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x", 2));
  cluster.drain(1);
  cluster.node(1).disk_paused = true;
  cluster.settle();  // n2 and n3 acknowledged: committed and told
  ASSERT_EQ(cluster.raft(1).commit(), Index(2));
  ASSERT_TRUE(cluster.propose(1, "y", 2));
  cluster.drain(1);
  for (unsigned id : {2u, 3u}) {
    auto ack = message(MessageType::kAppendReply, id, 1, 1);
    ack.log_index = Index(3);
    cluster.raft(1).step(ack, cluster.now());
  }
  ASSERT_TRUE(cluster.propose(1, "z"));
  cluster.drain(1);
  EXPECT_THAT(of_type(cluster.node(1).last.send_now, MessageType::kHeartbeat), IsEmpty());
  EXPECT_EQ(of_type(cluster.node(1).last.send_now, MessageType::kAppend, 2).at(0).commit, Index(3));
}

TEST(Notify, AFollowerWhoseOwnAckIsLateIsToldOnceItIsIn) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.node(2).disk_paused = true;
  ASSERT_TRUE(cluster.propose(1, "x", 2));
  cluster.settle();
  ASSERT_EQ(cluster.raft(1).commit(), Index(2));
  EXPECT_EQ(cluster.raft(2).commit(), Index(1));
  cluster.node(2).disk_paused = false;
  cluster.settle();
  EXPECT_EQ(cluster.raft(2).commit(), Index(2));
}

TEST(Disk, ACommitAloneWritesNothing) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  std::size_t writes = 0;
  cluster.on_drain = [&](Node& node) { writes += node.last.ticket != 0; };
  cluster.run_for(1s);
  EXPECT_EQ(cluster.raft(2).commit(), Index(2));
  EXPECT_EQ(writes, 0u);
  ASSERT_TRUE(cluster.propose(1, "y"));
  cluster.settle();
  EXPECT_EQ(cluster.node(2).disk.hard.commit, Index(2)) << "it rode along";
}

TEST(Disk, TicketsRiseByOneAndMayBeReportedTogether) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.node(1).disk_paused = true;
  cluster.isolate(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
    cluster.drain(1);
  }
  const auto& writes = cluster.node(1).writes;
  ASSERT_EQ(writes.size(), 3u);
  EXPECT_EQ(writes[1].ticket, writes[0].ticket + 1);
  EXPECT_EQ(writes[2].ticket, writes[0].ticket + 2);
  auto ack = message(MessageType::kAppendReply, 2, 1, 1);
  ack.log_index = Index(4);
  cluster.deliver(ack);
  EXPECT_EQ(cluster.raft(1).commit(), Index(1));
  cluster.raft(1).step(Persisted{writes[2].ticket}, cluster.now());
  EXPECT_EQ(cluster.raft(1).commit(), Index(4));
}

TEST(Trust, AnUntrustedVotersAcksRepliesAndVotesDoNotCount) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.raft(1).step(Trust{NodeId(2), false});
  cluster.isolate(3);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.read(1, 1);
  cluster.settle();
  EXPECT_EQ(cluster.raft(2).last_index(), Index(2)) << "it still gets entries";
  EXPECT_EQ(cluster.raft(1).commit(), Index(1));
  EXPECT_THAT(cluster.node(1).reads, IsEmpty());
  EXPECT_FALSE(progress_of(cluster, 1, 2).trusted);
  cluster.run_for(700ms);
  EXPECT_NE(cluster.raft(1).role(), Role::kLeader) << "the quorum is gone";
  cluster.run_for(3s);
  EXPECT_NE(cluster.raft(1).role(), Role::kLeader) << "nor does its vote elect";
  cluster.raft(1).step(Trust{NodeId(2), true});
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader() != 0; }));
}

TEST(Trust, AnUntrustedCandidateIsRefused) {
  Cluster cluster({});
  cluster.raft(1).step(Trust{NodeId(2), false});
  cluster.deliver(ask_vote(2, 1, 5, at(9, 4)));
  EXPECT_EQ(cluster.raft(1).term(), Term());
  EXPECT_THAT(cluster.node(1).last.send_after_persist, IsEmpty());
}

TEST(Trust, ANodeThatLostItsDiskReceivesAndNeitherVotesNorStands) {
  Cluster cluster({});
  cluster.elect(1);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  cluster.crash(3);
  cluster.node(3).disk = Disk{};
  cluster.node(3).disk.config = cluster.node(3).disk.base.config = config_of({1, 2, 3});
  cluster.node(3).options.may_vote = false;
  cluster.restart(3);
  cluster.run_for(1s);
  EXPECT_EQ(cluster.node(3).machine.applied, Index(2));
  cluster.pass(1s);
  cluster.tick(3);
  EXPECT_EQ(cluster.raft(3).role(), Role::kFollower);
  cluster.deliver(ask_vote(2, 3, 9, at(9, 9)));
  EXPECT_TRUE(cluster.node(3).last.send_after_persist.at(0).reject);
}

TEST(Trust, AVoterThatLostAcknowledgedEntriesIsNotCountedUntilItHasThemAgain) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(3);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(cluster.propose(1, "x"));
    cluster.settle();
  }
  ASSERT_EQ(cluster.raft(1).commit(), Index(6));
  cluster.crash(2);
  cluster.node(2).disk.entries.resize(2);
  cluster.node(2).disk.hard.commit = Index(1);
  cluster.restart(2);
  ASSERT_TRUE(cluster.propose(1, "y"));
  bool seen = false;
  cluster.on_drain = [&](Node& node) {
    if (node.id == NodeId(1) && progress_of(cluster, 1, 2).lost_data) {
      seen = true;
      EXPECT_LT(progress_of(cluster, 1, 2).match, Index(6));
      EXPECT_EQ(node.raft->commit(), Index(6));
    }
  };
  cluster.settle();
  EXPECT_TRUE(seen);
  EXPECT_FALSE(progress_of(cluster, 1, 2).lost_data);
  EXPECT_EQ(cluster.raft(1).commit(), Index(7)) << "caught up, so it counts again";
}

TEST(Messages, StrangersAndMessagesForOthersAreDropped) {
  Cluster cluster({});
  cluster.deliver(ask_vote(9, 1, 5, at(9, 9)));
  EXPECT_EQ(cluster.raft(1).term(), Term());
  Message astray = ask_vote(2, 3, 5, at(0, 0));
  cluster.raft(1).step(astray, cluster.now());
  cluster.drain(1);
  EXPECT_EQ(cluster.raft(1).term(), Term());
  EXPECT_EQ(cluster.node(1).last.trace.size(), 1u);
}

TEST(Messages, EntriesThatMakeNoSenseAreDropped) {
  Cluster cluster({});
  const auto good = append_to(2, 1, 3, at(0, 0), {1, 2, 3});
  for (int kind = 0; kind < 4; ++kind) {
    auto bad = good;
    switch (kind) {
      case 0:
        bad.entries[1].index = Index(7);  // a gap
        break;
      case 1:
        bad.entries[2].term = Term(1);  // back in time
        break;
      case 2:
        bad.entries[2].term = Term(4);  // above the leader's own
        break;
      default:
        bad.entries[1].type = EntryType::kConfig;  // with a payload that is none
    }
    cluster.deliver(bad);
    EXPECT_EQ(cluster.raft(1).last_index(), Index()) << kind;
  }
  cluster.deliver(good);
  EXPECT_EQ(cluster.raft(1).last_index(), Index(3));
}

TEST(Messages, AnAckForWhatDoesNotExistIsDropped) {
  Cluster cluster({});
  cluster.elect(1);
  auto ack = message(MessageType::kAppendReply, 2, 1, 1);
  ack.log_index = Index(99);
  cluster.deliver(ack);
  EXPECT_EQ(progress_of(cluster, 1, 2).match, Index(1));
}

TEST(Timers, ALeadersWakeUpIsItsHeartbeatAndAFollowersItsElection) {
  Cluster cluster({});
  cluster.elect(1);
  EXPECT_EQ(cluster.node(1).last.wake_at, cluster.now().mono + 50ms);
  EXPECT_GE(cluster.node(2).last.wake_at, cluster.now().mono + 300ms);
  cluster.read(2, 1);
  cluster.drain(2);
  EXPECT_EQ(cluster.node(2).last.wake_at, cluster.now().mono + 300ms) << "the read's own time-out";
}

TEST(Timers, AnEarlyTickDoesNothing) {
  Cluster cluster({});
  const auto wake = cluster.node(1).last.wake_at;
  for (int i = 0; i < 100; ++i) {
    cluster.tick(1);
  }
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.node(1).last.wake_at, wake);
}

TEST(Timers, RoleChangesAreReportedOnce) {
  Cluster cluster({.voters = {1}});
  cluster.campaign(1);
  EXPECT_TRUE(cluster.node(1).last.role_changed);
  cluster.write(1);
  EXPECT_TRUE(cluster.node(1).last.role_changed);
  cluster.drain(1);
  EXPECT_FALSE(cluster.node(1).last.role_changed);
}

TEST(Determinism, EqualInputsGiveEqualTraces) {
  const auto run = [] {
    std::vector<std::string> lines;
    Cluster cluster({.voters = {1, 2, 3, 4, 5}, .seed = 42});
    cluster.on_drain = [&](Node& node) {
      lines.insert(lines.end(), node.last.trace.begin(), node.last.trace.end());
    };
    cluster.on_deliver = [&](const Message& m, bool) { lines.push_back(to_string(m)); };
    cluster.run_for(3s);
    cluster.crash(cluster.leader());
    cluster.run_for(3s);
    return lines;
  };
  const auto first = run();
  EXPECT_GT(first.size(), 100u);
  EXPECT_EQ(first, run());
}

}  // namespace
}  // namespace kvorum::raft::test
