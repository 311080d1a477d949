// One test per claim of the Raft paper (Ongaro & Ousterhout, USENIX ATC 2014), named by its
// section.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "raft/test_cluster.h"

namespace kvorum::raft::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// ---- 5.1: terms.

TEST(Section51, EveryoneStartsAsFollower) {
  Cluster cluster({});
  for (unsigned id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.raft(id).role(), Role::kFollower);
    EXPECT_EQ(cluster.raft(id).leader(), NodeId());
  }
}

TEST(Section51, AHigherTermIsAdoptedByEveryRole) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate, Role::kLeader}) {
    Cluster cluster({});
    if (role == Role::kLeader) {
      cluster.elect(1);
    } else if (role != Role::kFollower) {
      cluster.campaign(1);
      if (role == Role::kCandidate) {
        cluster.deliver(message(MessageType::kPreVoteReply, 2, 1, 1));
      }
    }
    ASSERT_EQ(cluster.raft(1).role(), role);
    cluster.deliver(message(MessageType::kAppendReply, 2, 1, 9));
    EXPECT_EQ(cluster.raft(1).term(), Term(9));
    EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  }
}

TEST(Section51, AnOldLeaderIsToldTheNewTermAndChangesNothing) {
  Cluster cluster({});
  restart_with(cluster, 1, {1, 2}, 5);
  cluster.deliver(append_to(2, 1, 3, at(2, 2), {3}));
  EXPECT_EQ(cluster.raft(1).last_index(), Index(2));
  EXPECT_EQ(cluster.raft(1).leader(), NodeId());
  EXPECT_THAT(texts(cluster.node(1).last.send_now),
              ElementsAre("n1->n2 heartbeat-reply t5 round 0 refused"));
}

TEST(Section51, ATermIsOnDiskBeforeAVoteOfItLeaves) {
  Cluster cluster({});
  cluster.deliver(ask_vote(2, 1, 3, at(0, 0)));
  const Output& out = cluster.node(1).last;
  EXPECT_THAT(out.send_now, IsEmpty());
  EXPECT_THAT(types(out.send_after_persist), ElementsAre(MessageType::kVoteReply));
  EXPECT_EQ(out.hard_state, (HardState{Term(3), NodeId(2), Index()}));
  EXPECT_TRUE(out.must_sync);
  EXPECT_NE(out.ticket, 0u);
}

// ---- 5.2: elections.

TEST(Section52, AFollowerStandsAfterARandomWaitOfOneToTwoTimeouts) {
  Duration least = 10s;
  Duration most = 0s;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Cluster cluster({.seed = seed});
    const auto wait = cluster.node(1).last.wake_at - cluster.now().mono;
    EXPECT_GE(wait, 300ms);
    EXPECT_LT(wait, 600ms);
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  EXPECT_LT(least, 315ms);
  EXPECT_GT(most, 585ms);
}

TEST(Section52, TheWaitIsDrawnAnewEachTime) {
  Cluster cluster({});
  cluster.isolate(1);
  std::set<Duration> waits;
  for (int i = 0; i < 10; ++i) {
    cluster.campaign(1);
    waits.insert(cluster.node(1).last.wake_at - cluster.now().mono);
  }
  EXPECT_GT(waits.size(), 8u);
}

TEST(Section52, HeartbeatsKeepFollowersQuiet) {
  Cluster cluster({});
  cluster.elect(1);
  const Term term = cluster.raft(1).term();
  cluster.run_for(10s);
  EXPECT_EQ(cluster.leader(), 1u);
  EXPECT_EQ(cluster.raft(2).term(), term);
}

TEST(Section52, ALeaderSendsHeartbeatsToAllOncePerInterval) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.pass(50ms);
  cluster.tick(1);
  EXPECT_THAT(types(cluster.node(1).last.send_now),
              ElementsAre(MessageType::kHeartbeat, MessageType::kHeartbeat));
  cluster.tick(1);
  EXPECT_THAT(cluster.node(1).last.send_now, IsEmpty());
}

TEST(Section52, ACandidateAsksAndCountsItselfOnlyOnceItsVoteIsOnDisk) {
  Cluster cluster({.voters = {1, 2}});
  cluster.campaign(1);
  cluster.deliver(message(MessageType::kPreVoteReply, 2, 1, 1));
  ASSERT_EQ(cluster.raft(1).role(), Role::kCandidate);
  const Output& out = cluster.node(1).last;
  EXPECT_THAT(out.send_now, IsEmpty());
  EXPECT_THAT(types(out.send_after_persist), ElementsAre(MessageType::kVote));
  EXPECT_EQ(out.hard_state, (HardState{Term(1), NodeId(1), Index()}));
  cluster.deliver(message(MessageType::kVoteReply, 2, 1, 1));
  EXPECT_EQ(cluster.raft(1).role(), Role::kCandidate) << "its own vote is not on disk";
  cluster.write(1);
  EXPECT_EQ(cluster.raft(1).role(), Role::kLeader);
}

TEST(Section52, ASingleVoterElectsItself) {
  Cluster cluster({.voters = {1}});
  cluster.elect(1);
  EXPECT_EQ(cluster.raft(1).commit(), Index(1));
  EXPECT_TRUE(cluster.propose(1, "x"));
  cluster.drain(1);
  EXPECT_EQ(cluster.raft(1).commit(), Index(1));
  cluster.settle();
  EXPECT_EQ(cluster.raft(1).commit(), Index(2));
}

TEST(Section52, AMajorityWinsAMajorityOfRefusalsLoses) {
  struct Case {
    std::vector<unsigned> voters;
    unsigned yes, no;
    Role role;
  };
  const Case cases[] = {
      {{1, 2, 3}, 0, 0, Role::kCandidate},       {{1, 2, 3}, 1, 0, Role::kLeader},
      {{1, 2, 3}, 0, 1, Role::kCandidate},       {{1, 2, 3}, 0, 2, Role::kFollower},
      {{1, 2, 3, 4, 5}, 1, 0, Role::kCandidate}, {{1, 2, 3, 4, 5}, 2, 0, Role::kLeader},
      {{1, 2, 3, 4, 5}, 1, 2, Role::kCandidate}, {{1, 2, 3, 4, 5}, 1, 3, Role::kFollower},
      {{1, 2, 3, 4}, 1, 0, Role::kCandidate},    {{1, 2, 3, 4}, 1, 2, Role::kFollower},
  };
  for (const Case& c : cases) {
    Cluster cluster({.voters = c.voters});
    cluster.campaign(1);
    for (unsigned id = 2; id <= c.voters.size() / 2 + 1; ++id) {
      cluster.deliver(message(MessageType::kPreVoteReply, id, 1, 1));
    }
    cluster.write(1);
    for (unsigned i = 0; i < c.yes + c.no; ++i) {
      auto reply = message(MessageType::kVoteReply, 2 + i, 1, 1);
      reply.reject = i >= c.yes;
      cluster.deliver(reply);
      cluster.deliver(reply);  // a repeat must not count twice
    }
    EXPECT_EQ(cluster.raft(1).role(), c.role)
        << c.yes << " yes, " << c.no << " no of " << c.voters.size();
  }
}

TEST(Section52, OneVotePerTermFirstComeFirstServed) {
  Cluster cluster({});
  cluster.deliver(ask_vote(2, 1, 1, at(0, 0)));
  EXPECT_FALSE(cluster.node(1).last.send_after_persist.at(0).reject);
  cluster.deliver(ask_vote(3, 1, 1, at(0, 0)));
  EXPECT_TRUE(cluster.node(1).last.send_after_persist.at(0).reject);
  cluster.deliver(ask_vote(2, 1, 1, at(0, 0)));
  EXPECT_FALSE(cluster.node(1).last.send_after_persist.at(0).reject) << "the same one again";
}

TEST(Section52, AVoteOutlivesARestart) {
  Cluster cluster({});
  cluster.deliver(ask_vote(2, 1, 1, at(0, 0)));
  cluster.write(1);
  cluster.crash(1);
  cluster.restart(1);
  cluster.deliver(ask_vote(3, 1, 1, at(0, 0)));
  EXPECT_TRUE(cluster.node(1).last.send_after_persist.at(0).reject);
}

TEST(Section52, ACandidateYieldsToTheLeaderOfItsTerm) {
  Cluster cluster({});
  cluster.campaign(1);
  cluster.deliver(message(MessageType::kPreVoteReply, 2, 1, 1));
  ASSERT_EQ(cluster.raft(1).role(), Role::kCandidate);
  cluster.deliver(message(MessageType::kHeartbeat, 3, 1, 1));
  EXPECT_EQ(cluster.raft(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.raft(1).leader(), NodeId(3));
}

TEST(Section52, ASplitVoteEndsInANewElection) {
  Cluster cluster({.voters = {1, 2, 3, 4}});
  for (unsigned id : {1u, 2u}) {
    cluster.campaign(id);
  }
  for (const auto& [candidate, friendly] : {std::pair(1u, 3u), std::pair(2u, 4u)}) {
    for (unsigned voter : {3u, 4u}) {
      cluster.deliver(message(MessageType::kPreVoteReply, voter, candidate, 1));
    }
    cluster.write(candidate);
    cluster.deliver(message(MessageType::kVoteReply, friendly, candidate, 1));
    EXPECT_EQ(cluster.raft(candidate).role(), Role::kCandidate);
  }
  cluster.network().clear();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader() != 0; }));
  EXPECT_GT(cluster.raft(1).term(), Term(1));
}

TEST(Section52DeathTest, TwoLeadersInATermAreABug) {
  Cluster cluster({});
  cluster.deliver(message(MessageType::kHeartbeat, 2, 1, 1));
  EXPECT_DEATH(cluster.deliver(message(MessageType::kHeartbeat, 3, 1, 1)), "two leaders");
}

// ---- 5.3: replication.

TEST(Section53, AnEntryIsCommittedOnceAMajorityHasIt) {
  Cluster cluster({.voters = {1, 2, 3, 4, 5}});
  cluster.elect(1);
  cluster.isolate(4);
  cluster.isolate(5);
  cluster.node(3).disk_paused = true;
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  EXPECT_EQ(cluster.raft(1).commit(), Index(1)) << "two of five";
  cluster.node(3).disk_paused = false;
  cluster.settle();
  EXPECT_EQ(cluster.raft(1).commit(), Index(2)) << "three of five";
  EXPECT_EQ(*cluster.node(1).applied.back().payload, "x");
}

TEST(Section53, TheLeaderCountsItselfOnlyOnceOnDiskAndOthersMayCommitWithoutIt) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.node(1).disk_paused = true;
  cluster.isolate(3);
  ASSERT_TRUE(cluster.propose(1, "x"));
  cluster.settle();
  EXPECT_EQ(cluster.raft(1).commit(), Index(1)) << "only n2 has it on disk";
  cluster.heal();
  cluster.run_for(1s);
  EXPECT_EQ(cluster.raft(1).commit(), Index(2))
      << "n2 and n3 have it, the leader's disk still writes";
  EXPECT_EQ(cluster.node(1).disk.last(), Index(1));
}

TEST(Section53, AFollowerAcknowledgesOnlyWhatIsOnDisk) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1}));
  const Output& out = cluster.node(1).last;
  EXPECT_THAT(out.send_now, IsEmpty());
  EXPECT_THAT(texts(out.send_after_persist), ElementsAre("n1->n2 append-reply t1 has 2"));
  EXPECT_EQ(out.append.size(), 2u);
  const auto ticket = out.ticket;
  // The same again while the disk still writes: the ack must wait for that write, and nothing is
  // written twice.
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1}));
  EXPECT_THAT(texts(out.send_after_persist), ElementsAre("n1->n2 append-reply t1 has 2"));
  EXPECT_THAT(out.append, IsEmpty());
  EXPECT_EQ(out.ticket, ticket + 1);
}

TEST(Section53, FollowersHearOfTheCommitAndApplyInOrder) {
  Cluster cluster({});
  cluster.elect(1);
  for (const char* payload : {"a", "b", "c"}) {
    ASSERT_TRUE(cluster.propose(1, payload));
  }
  cluster.run_for(60ms);
  for (unsigned id = 1; id <= 3; ++id) {
    ASSERT_EQ(cluster.node(id).applied.size(), 4u) << id;
    EXPECT_EQ(cluster.node(id).applied[0].type, EntryType::kEmpty);
    EXPECT_EQ(*cluster.node(id).applied[1].payload, "a");
    EXPECT_EQ(*cluster.node(id).applied[3].payload, "c");
  }
}

TEST(Section53, CommittingAnEntryCommitsAllBeforeItOfOlderTermsToo) {
  Cluster cluster({});
  for (unsigned id = 1; id <= 3; ++id) {
    restart_with(cluster, id, {1, 2, 2}, 2);
  }
  cluster.elect(1);
  EXPECT_EQ(cluster.raft(1).commit(), Index(4));
  EXPECT_EQ(cluster.node(1).applied.size(), 4u);
}

TEST(Section53, AFollowerRefusesWhatDoesNotFollowItsLog) {
  struct Case {
    Position prev;
    bool fits;
    Index hint;
  };
  // The follower holds terms 1 2 2.
  const Case cases[] = {{at(0, 0), true, {}},        {at(1, 1), true, {}},
                        {at(2, 2), true, {}},        {at(3, 2), true, {}},
                        {at(3, 3), false, Index(3)}, {at(2, 1), false, Index(1)},
                        {at(4, 3), false, Index(3)}, {at(9, 1), false, Index(1)}};
  for (const Case& c : cases) {
    Cluster cluster({});
    restart_with(cluster, 1, {1, 2, 2}, 3);
    cluster.deliver(append_to(2, 1, 3, c.prev, {3}));
    const Output& out = cluster.node(1).last;
    if (c.fits) {
      EXPECT_EQ(out.send_after_persist.at(0).log_index, c.prev.index.next());
      continue;
    }
    ASSERT_THAT(types(out.send_now), ElementsAre(MessageType::kAppendReply));
    EXPECT_TRUE(out.send_now[0].reject);
    EXPECT_EQ(out.send_now[0].log_index, c.prev.index);
    EXPECT_EQ(out.send_now[0].hint_index, c.hint);
  }
}

TEST(Section53, ConflictingEntriesAreReplacedEqualOnesStay) {
  struct Case {
    Position prev;
    std::vector<unsigned> sent, after;
  };
  const Case cases[] = {
      {at(2, 2), {3}, {1, 2, 3}},         {at(1, 1), {3, 3}, {1, 3, 3}}, {at(0, 0), {3}, {3}},
      {at(0, 0), {1, 2}, {1, 2, 2}},      {at(3, 2), {3}, {1, 2, 2, 3}}, {at(1, 1), {2}, {1, 2, 2}},
      {at(1, 1), {2, 2, 3}, {1, 2, 2, 3}}};
  for (const Case& c : cases) {
    Cluster cluster({});
    restart_with(cluster, 1, {1, 2, 2}, 3);
    cluster.deliver(append_to(2, 1, 3, c.prev, c.sent));
    cluster.write(1);
    EXPECT_EQ(terms_on_disk(cluster, 1), c.after);
  }
}

TEST(Section53, AnOldMessageDoesNotCutOffWhatANewerOneBrought) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1, 1}));
  cluster.write(1);
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1}));
  EXPECT_EQ(cluster.raft(1).last_index(), Index(3));
}

TEST(Section53, AppendedAndTruncatedInOneTurnNeverReachesTheDisk) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1}));
  cluster.write(1);
  // Two messages in one turn: entry 3 of term 1, then its replacement and entry 2's by the leader
  // of term 2.
  cluster.raft(1).step(append_to(2, 1, 1, at(2, 1), {1, 1}), cluster.now());
  cluster.raft(1).step(append_to(3, 1, 2, at(1, 1), {2}), cluster.now());
  cluster.drain(1);
  const Output& out = cluster.node(1).last;
  EXPECT_EQ(out.truncate_from, Index(2));
  ASSERT_EQ(out.append.size(), 1u);
  EXPECT_EQ(out.append[0].term, Term(2));
  EXPECT_THAT(texts(out.send_after_persist), ElementsAre("n1->n3 append-reply t2 has 2"))
      << "the old leader must not be told of entries that are gone";
}

TEST(Section53, AnUnfinishedWriteOfReplacedEntriesCountsForNothing) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.isolate(1);
  cluster.node(1).disk_paused = true;
  ASSERT_TRUE(cluster.propose(1, "old"));
  cluster.settle();
  cluster.deliver(append_to(2, 1, 2, at(1, 1), {2}));
  cluster.write(1);  // of the old entry 2
  EXPECT_THAT(cluster.node(1).last.send_now, IsEmpty());
  cluster.write(1);
  EXPECT_EQ(terms_on_disk(cluster, 1), (std::vector<unsigned>{1, 2}));
}

TEST(Section53, FollowersOfFigure7AreBroughtInLine) {
  const std::vector<unsigned> leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<unsigned>> followers = {
      {1, 1, 1, 4, 4, 5, 5, 6, 6},           // a: misses one
      {1, 1, 1, 4},                          // b: misses many
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},     // c: one too many
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},  // d: a term that failed
      {1, 1, 1, 4, 4, 4, 4},                 // e
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},     // f
  };
  for (const auto& follower : followers) {
    Cluster cluster({});
    restart_with(cluster, 1, leader, 7);
    restart_with(cluster, 2, follower, 7);
    restart_with(cluster, 3, leader, 7);
    int probes = 0;
    cluster.on_deliver = [&](const Message& m, bool) {
      probes += m.type == MessageType::kAppendReply && m.reject;
    };
    cluster.cut(1, 2);
    cluster.elect(1);
    cluster.heal();
    cluster.run_for(2s);
    auto expected = leader;
    expected.push_back(8);
    EXPECT_EQ(terms_on_disk(cluster, 2), expected);
    EXPECT_LE(probes, 4) << "terms are skipped, not entries";
  }
}

TEST(Section53, TheHintSkipsAWholeTermOfConflicts) {
  Cluster cluster({});
  std::vector<unsigned> follower(200, 2);
  follower[0] = 1;
  std::vector<unsigned> leader(150, 3);
  leader[0] = 1;
  restart_with(cluster, 1, leader, 3);
  restart_with(cluster, 2, follower, 3);
  restart_with(cluster, 3, leader, 3);
  int rejects = 0;
  cluster.on_deliver = [&](const Message& m, bool) {
    rejects += m.type == MessageType::kAppendReply && m.reject;
  };
  cluster.elect(1);
  EXPECT_EQ(cluster.raft(2).last_index(), Index(151));
  EXPECT_LE(rejects, 2);
}

// ---- 5.4: safety.

TEST(Section541, AVoteGoesOnlyToALogAtLeastAsGood) {
  struct Case {
    std::uint64_t index, term;
    bool granted;
  };
  // The voter's log ends at 3, in term 2.
  for (const Case& c : {Case{3, 2, true}, Case{4, 2, true}, Case{2, 2, false}, Case{1, 3, true},
                        Case{9, 1, false}}) {
    Cluster cluster({});
    restart_with(cluster, 1, {1, 2, 2}, 3);
    cluster.deliver(ask_vote(2, 1, 4, at(c.index, c.term)));
    EXPECT_EQ(!cluster.node(1).last.send_after_persist.at(0).reject, c.granted)
        << c.index << "/" << c.term;
    Message pre = ask_vote(3, 1, 5, at(c.index, c.term));
    pre.type = MessageType::kPreVote;
    cluster.deliver(pre);
    EXPECT_EQ(!cluster.node(1).last.send_now.at(0).reject, c.granted) << "pre-vote";
  }
}

// Figure 8: an entry of an old term on a majority may still be replaced, so counting must not
// commit it.
TEST(Section542, OldTermsAreNotCommittedByCounting) {
  Cluster cluster({.voters = {1, 2, 3, 4, 5}});
  for (unsigned id = 1; id <= 5; ++id) {
    restart_with(cluster, id, {1, 2}, 2);
  }
  cluster.campaign(1);
  for (unsigned id = 2; id <= 5; ++id) {
    cluster.deliver(message(MessageType::kPreVoteReply, id, 1, 3));
  }
  cluster.write(1);
  for (unsigned id = 2; id <= 5; ++id) {
    cluster.deliver(message(MessageType::kVoteReply, id, 1, 3));
  }
  ASSERT_EQ(cluster.raft(1).role(), Role::kLeader);
  const auto acknowledge = [&](unsigned id, std::uint64_t index) {
    auto ack = message(MessageType::kAppendReply, id, 1, 3);
    ack.log_index = Index(index);
    cluster.deliver(ack);
  };
  for (unsigned id = 2; id <= 5; ++id) {
    acknowledge(id, 2);
  }
  cluster.write(1);
  EXPECT_EQ(cluster.raft(1).commit(), Index()) << "all five have entry 2, of term 2";
  acknowledge(2, 3);
  acknowledge(3, 3);
  EXPECT_EQ(cluster.raft(1).commit(), Index(3)) << "entry 3 is of its own term, and takes 2 along";
}

TEST(Section54DeathTest, ACommittedEntryIsNeverCutOff) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1}, 2));
  ASSERT_EQ(cluster.raft(1).commit(), Index(2));
  EXPECT_DEATH(cluster.deliver(append_to(3, 1, 2, at(1, 1), {2, 2})), "broken invariant");
}

TEST(Section54, TheCommitIndexNeverGoesBack) {
  Cluster cluster({});
  cluster.deliver(append_to(2, 1, 1, at(0, 0), {1, 1}, 2));
  cluster.deliver(append_to(2, 1, 1, at(2, 1), {1}, 1));
  EXPECT_EQ(cluster.raft(1).commit(), Index(2));
}

TEST(Section54, AFollowerCommitsNoFurtherThanTheMessageVouchesFor) {
  Cluster cluster({});
  restart_with(cluster, 1, {1, 1, 1, 1}, 1);
  // Entries 3 and 4 are unknown to this leader's message: they may be other ones.
  cluster.deliver(append_to(2, 1, 2, at(1, 1), {1}, 4));
  EXPECT_EQ(cluster.raft(1).commit(), Index(2));
}

// ---- 5.5: crashes.

TEST(Section55, MessagesMayArriveTwice) {
  Cluster cluster({});
  cluster.elect(1);
  cluster.on_deliver = [&](const Message& m, bool arrives) {
    if (arrives) {
      cluster.deliver(m);
    }
  };
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::to_string(i)));
  }
  cluster.run_for(1s);
  EXPECT_EQ(cluster.node(2).applied.size(), 21u);
  EXPECT_EQ(cluster.node(2).machine.digest, cluster.node(1).machine.digest);
}

TEST(Section55, LostEntriesAreSentAgain) {
  Cluster cluster({});
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::to_string(i)));
    cluster.drain(1);
    if (i % 2 == 0) {
      cluster.network().clear();
    } else {
      cluster.settle();
    }
  }
  cluster.run_for(2s);
  for (unsigned id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.node(id).machine.applied, Index(11));
  }
}

TEST(Section55, EverythingAcknowledgedSurvivesTheCrashOfAll) {
  Cluster cluster({});
  cluster.elect(1);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(cluster.propose(1, std::to_string(i)));
    cluster.settle();
  }
  ASSERT_EQ(cluster.raft(1).commit(), Index(11));
  for (unsigned id = 1; id <= 3; ++id) {
    cluster.crash(id);
  }
  for (unsigned id = 1; id <= 3; ++id) {
    cluster.restart(id);
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(2).machine.applied >= Index(12); }));
  EXPECT_EQ(*cluster.node(2).applied[10].payload, "9");
}

}  // namespace
}  // namespace kvorum::raft::test
