// Stories of a whole cluster: real nodes, a network and a clock that the test controls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checksum.h"
#include "node/test_cluster.h"

namespace kvorum::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::uint32_t other_than(std::uint32_t id) { return id == 1 ? 2 : 1; }

TEST(Cluster, AWriteAtAnyNodeIsReadAtEveryNode) {
  TestCluster cluster(3);
  cluster.wait_leader();
  for (std::uint32_t at = 1; at <= 3; ++at) {
    const auto value = "v" + std::to_string(at);
    EXPECT_EQ(cluster.ask(at, "SET k " + value), "OK");
    for (std::uint32_t reader = 1; reader <= 3; ++reader) {
      EXPECT_EQ(cluster.ask(reader, "GET k"), '"' + value + '"') << "node " << reader;
    }
  }
}

TEST(Cluster, APacketOfWritesAndReadsIsAnsweredInOrderAtEveryNodeAndLevel) {
  TestCluster cluster(3);
  cluster.wait_leader();
  for (std::uint32_t at = 1; at <= 3; ++at) {
    for (const auto* level : {"linearizable", "sequential", "prefix"}) {
      const auto conn = cluster.connect(at);
      cluster.send(at, conn, {"KV.LEVEL", level});
      for (const auto* line : {"SET k 1", "GET k", "SET k 2", "GET k", "PING", "GET k"}) {
        cluster.send(at, conn, words(line));
      }
      ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(at, conn).size() == 7; }));
      EXPECT_THAT(cluster.replies(at, conn),
                  ElementsAre("OK", "OK", "\"1\"", "OK", "\"2\"", "PONG", "\"2\""))
          << "node " << at << " " << level;
    }
  }
}

TEST(Cluster, AReadAheadOfAWriteNeverSeesIt) {
  TestCluster cluster(3);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "SET k old"), "OK");
  for (std::uint32_t at = 1; at <= 3; ++at) {
    ASSERT_EQ(cluster.ask(at, "SET k old"), "OK");
    const auto conn = cluster.connect(at);
    cluster.send(at, conn, words("GET k"));
    cluster.send(at, conn, words("SET k new"));
    cluster.send(at, conn, words("GET k"));
    ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(at, conn).size() == 3; }));
    EXPECT_THAT(cluster.replies(at, conn), ElementsAre("\"old\"", "OK", "\"new\""));
  }
}

TEST(Cluster, AcknowledgedWritesSurviveTheLeaderAndARestartOfAll) {
  TestCluster cluster(3);
  auto leader = cluster.wait_leader();
  std::map<std::string, std::string> acknowledged;
  int number = 0;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 20; ++i, ++number) {
      const auto key = "k" + std::to_string(number);
      const auto at = other_than(leader);
      if (cluster.ask(at, "SET " + key + " " + std::to_string(number)) == "OK") {
        acknowledged[key] = '"' + std::to_string(number) + '"';
      }
    }
    const auto dead = leader;
    cluster.crash(dead);
    ASSERT_TRUE(cluster.run_until([&] {
      const auto now_leads = cluster.leader();
      return now_leads != 0 && now_leads != dead;
    }));
    EXPECT_EQ(cluster.ask(cluster.leader(), "SET after " + std::to_string(round)), "OK");
    cluster.start(dead);
    leader = cluster.wait_leader();
  }
  EXPECT_GE(acknowledged.size(), 60u);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster.crash(id);
  }
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster.start(id);
  }
  cluster.wait_leader();
  for (const auto& [key, value] : acknowledged) {
    EXPECT_EQ(cluster.ask(2, "GET " + key), value);
  }
}

TEST(Cluster, ADeposedLeaderRefusesLinearizableReadsAndServesPrefix) {
  TestCluster cluster(3);
  const auto old = cluster.wait_leader();
  ASSERT_EQ(cluster.ask(old, "SET k 1"), "OK");
  cluster.isolate(old);
  const auto rest = other_than(old);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.ask(rest, "SET k 2") == "OK"; }));
  EXPECT_THAT(cluster.ask(old, "GET k"), StartsWith("-NOLEADER"));
  EXPECT_EQ(cluster.ask(old, "KV.AT prefix GET k"), "\"1\"");
  EXPECT_THAT(cluster.ask(old, "SET k 3"), StartsWith("-NOLEADER"));
  cluster.heal();
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(old, "GET k"), "\"2\"");
}

TEST(Cluster, AWriteThatMayHaveHappenedIsUnknownNotFailed) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  const auto conn = cluster.connect(leader);
  cluster.send(leader, conn, words("SET k 1"));
  cluster.isolate(leader);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(leader, conn).size() == 1; }));
  EXPECT_THAT(cluster.replies(leader, conn).front(), StartsWith("-UNKNOWN"));
}

TEST(Cluster, IncrementsOverALossyNetworkAreAppliedExactlyOnce) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    TestCluster cluster(3, seed);
    cluster.wait_leader();
    cluster.drop_chance(10);
    int counted = 0, unknown = 0;
    for (int i = 0; i < 60; ++i) {
      const auto reply = cluster.ask(static_cast<std::uint32_t>(i % 3 + 1), "INCR n");
      if (reply.starts_with("-UNKNOWN")) {
        ++unknown;
      } else if (!reply.starts_with("-")) {
        ++counted;
      }
    }
    cluster.drop_chance(0);
    cluster.wait_leader();
    const auto value = cluster.ask(1, "GET n");
    const auto n = std::stoi(value.substr(1));
    EXPECT_GE(n, counted) << "seed " << seed;
    EXPECT_LE(n, counted + unknown) << "seed " << seed;
    EXPECT_GE(counted, 30) << "seed " << seed;
  }
}

TEST(Cluster, ASessionKeepsItsOrderWhenItMovesToAnotherNode) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  const auto behind = other_than(leader);
  const auto writer = cluster.connect(leader);
  cluster.isolate(behind);
  cluster.send(leader, writer, words("SET k new"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(leader, writer).size() == 1; }));
  cluster.send(leader, writer, words("KV.SESSION"));
  auto token = cluster.replies(leader, writer).back();
  token = token.substr(1, token.size() - 2);
  const auto reader = cluster.connect(behind);
  cluster.send(behind, reader, {"KV.SESSION", token});
  cluster.send(behind, reader, words("KV.AT sequential GET k"));
  cluster.run_for(1s);
  EXPECT_THAT(cluster.replies(behind, reader),
              ElementsAre("OK"));  // it waits rather than show the old
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(behind, reader).size() == 2; }));
  EXPECT_EQ(cluster.replies(behind, reader).back(), "\"new\"");
}

// Found by the simulator: a prefix read of another partition took the place of what the session had
// seen, and the next sequential read there was as old as that.
TEST(Cluster, APrefixReadDoesNotForgetWhatTheSessionSaw) {
  TestCluster cluster(3, 1, [](Options& options) { options.main.partitions = 2; });
  const auto leader = cluster.wait_leader();
  const auto behind = other_than(leader);
  const auto writer = cluster.connect(leader);
  cluster.isolate(behind);
  cluster.send(leader, writer, words("SET a new"));  // slot 15495: the second partition
  cluster.send(leader, writer, words("SET b new"));  // slot 3300: the first one
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(leader, writer).size() == 2; }));
  cluster.send(leader, writer, words("KV.SESSION"));
  auto token = cluster.replies(leader, writer).back();
  token = token.substr(1, token.size() - 2);
  const auto reader = cluster.connect(behind);
  cluster.send(behind, reader, {"KV.SESSION", token});
  cluster.send(behind, reader, words("KV.AT prefix GET a"));
  cluster.send(behind, reader, words("KV.AT sequential GET a"));
  cluster.run_for(1s);
  EXPECT_THAT(cluster.replies(behind, reader), ElementsAre("OK", "nil"));
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(behind, reader).size() == 3; }));
  EXPECT_EQ(cluster.replies(behind, reader).back(), "\"new\"");
}

TEST(Cluster, ATokenThatFitsNothingIsRefused) {
  TestCluster cluster(1);
  cluster.wait_leader();
  EXPECT_THAT(cluster.ask(1, "KV.SESSION kv1-99-1-1"), StartsWith("-TOKEN"));
  EXPECT_THAT(cluster.ask(1, "KV.SESSION nonsense"), StartsWith("-TOKEN"));
  const auto conn = cluster.connect(1);
  cluster.send(1, conn, words("KV.SESSION kv1-0000000000000007-1-ffffff"));
  cluster.send(1, conn, words("KV.AT sequential GET k"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(1, conn).size() == 2; }));
  EXPECT_THAT(cluster.replies(1, conn).back(), StartsWith("-STALE"));
}

TEST(Cluster, LevelsAreHonouredOrRefused) {
  TestCluster cluster(3);
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(1, "KV.AT quorum SET k 1"), "OK");
  EXPECT_EQ(cluster.ask(2, "KV.AT r=2 GET k"), "\"1\"");
  for (const auto* level : {"all", "9", "w=3", "r=3"}) {
    EXPECT_THAT(cluster.ask(1, std::string("KV.AT ") + level + " GET k"), StartsWith("-LEVEL"));
  }
  EXPECT_THAT(cluster.ask(1, "KV.AT strong GET k"), StartsWith("-LEVEL"));
  const auto receipt = cluster.ask(1, "KV.RECEIPT KV.AT sequential GET k");
  EXPECT_THAT(receipt,
              HasSubstr("\"asked\" \"sequential\" \"met\" \"sequential\" \"path\" \"local\""));
  EXPECT_THAT(cluster.ask(3, "KV.RECEIPT GET k"), HasSubstr("\"path\" \"readindex\""));
  EXPECT_THAT(cluster.ask(3, "KV.RECEIPT SET k 2"), HasSubstr("\"path\" \"log\""));
}

TEST(Cluster, ManyKeysAreAtomicInOnePartitionAndRefusedOverSeveral) {
  TestCluster cluster(3, 1, [](Options& options) { options.main.partitions = 4; });
  cluster.wait_leader();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.ask(1, "DBSIZE") == "0"; }));
  EXPECT_EQ(cluster.ask(1, "MSET {t}a 1 {t}b 2"), "OK");
  EXPECT_EQ(cluster.ask(2, "MGET {t}a {t}b"), "[\"1\" \"2\"]");
  EXPECT_THAT(cluster.ask(1, "MSET a 1 b 2 c 3 d 4 e 5"), StartsWith("-CROSSSLOT"));
  EXPECT_EQ(cluster.ask(2, "DBSIZE"), "2");
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(cluster.ask(1, "SET key" + std::to_string(i) + " v"), "OK");
  }
  EXPECT_EQ(cluster.ask(3, "DBSIZE"), "42");
  std::set<std::string> seen;
  std::string cursor = "0";
  do {
    const auto page = cluster.ask(2, "SCAN " + cursor + " COUNT 5");
    cursor = page.substr(2, page.find('"', 2) - 2);
    for (auto& word : words(page.substr(page.rfind('[') + 1))) {
      seen.insert(word.substr(0, word.find_last_of('"') + 1));
    }
  } while (cursor != "0");
  seen.erase("");
  EXPECT_EQ(seen.size(), 42u);
  EXPECT_EQ(cluster.ask(1, "KV.DIGEST"), cluster.ask(2, "KV.DIGEST"));
  EXPECT_EQ(cluster.ask(1, "FLUSHDB"), "OK");
  EXPECT_EQ(cluster.ask(3, "DBSIZE"), "0");
}

TEST(Cluster, OneConnectionKeepsItsOrderOverPartitions) {
  TestCluster cluster(3, 1, [](Options& options) { options.main.partitions = 4; });
  cluster.wait_leader();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.ask(1, "DBSIZE") == "0"; }));
  const auto conn = cluster.connect(2);
  for (const auto* line : {"SET a 1", "SET b 1", "GET a", "SET c 1", "KV.AT sequential GET b",
                           "KV.AT prefix GET c", "DBSIZE"}) {
    cluster.send(2, conn, words(line));
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(2, conn).size() == 7; }));
  EXPECT_THAT(cluster.replies(2, conn),
              ElementsAre("OK", "OK", "\"1\"", "OK", "\"1\"", "\"1\"", "3"));
}

TEST(Cluster, ANodeThatAsksForItLeads) {
  TestCluster cluster(3, 1, [](Options& options) { options.main.partitions = 4; });
  const auto leader = cluster.wait_leader();
  const auto asked = other_than(leader);
  ASSERT_EQ(cluster.ask(leader, "SET k 1"), "OK");
  ASSERT_TRUE(cluster.run_until([&] { return cluster.ask(asked, "KV.LEAD") == "OK"; }));
  ASSERT_TRUE(cluster.run_until([&] {
    const auto status = cluster.ask(asked, "KV.STATUS");
    for (const auto* partition : {"1", "2", "3", "4"}) {
      const auto led = fmt::format("partition:{} leader:{} ", partition, asked);
      if (status.find(led) == std::string::npos) {
        return false;
      }
    }
    return true;
  }));
  EXPECT_EQ(cluster.ask(asked, "KV.LEAD"), "OK");
  EXPECT_EQ(cluster.ask(leader, "SET k 2"), "OK");
  const auto conn = cluster.connect(asked);
  cluster.send(asked, conn, words("SELECT 1"));
  cluster.send(asked, conn, words("KV.LEAD"));
  EXPECT_THAT(cluster.replies(asked, conn).back(), StartsWith("-REFUSED"));
}

TEST(Cluster, AWipedNodeReturnsAsALearnerAndNothingIsLost) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  const auto wiped = other_than(leader);
  ASSERT_EQ(cluster.ask(leader, "SET k 1"), "OK");
  cluster.run_for(3s);  // so that every incarnation is registered
  cluster.wipe(wiped);
  ASSERT_EQ(cluster.ask(leader, "SET k 2"), "OK");
  cluster.start(wiped, false);
  ASSERT_TRUE(
      cluster.run_until([&] { return cluster.ask(wiped, "KV.AT prefix GET k") == "\"2\""; }));
  EXPECT_THAT(cluster.ask(wiped, "KV.STATUS"), HasSubstr("role:learner"));
  // Its ack does not count: with the third node gone too, nothing commits.
  const auto third = 6 - leader - wiped;
  cluster.crash(third);
  EXPECT_THAT(cluster.ask(leader, "SET k 3"), StartsWith("-"));
}

TEST(Cluster, ANodeThatWasAwayCatchesUpByLogOrBySnapshot) {
  for (const std::uint64_t keep : {std::uint64_t{1} << 30, std::uint64_t{1} << 10}) {
    TestCluster cluster(3, 1, [&](Options& options) {
      options.log_keep_bytes = keep;
      options.checkpoint_interval = 1s;
    });
    const auto leader = cluster.wait_leader();
    const auto away = other_than(leader);
    cluster.isolate(away);
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(cluster.ask(leader, "SET key" + std::to_string(i) + " " + std::string(100, 'x')),
                "OK");
      if (i % 50 == 49) {
        cluster.run_for(2s);  // checkpoints, and cuts of the log
      }
    }
    cluster.heal();
    cluster.wait_leader();
    EXPECT_EQ(cluster.ask(away, "DBSIZE"), "200");
    const bool by_snapshot =
        cluster.node(away).notes.find("installed a snapshot") != std::string::npos;
    EXPECT_EQ(by_snapshot, keep < 1'000'000);
    EXPECT_EQ(cluster.ask(away, "KV.DIGEST"), cluster.ask(leader, "KV.DIGEST"));
    cluster.run_for(5s);
    cluster.crash(away);
    cluster.start(away);
    cluster.wait_leader();
    EXPECT_EQ(cluster.ask(away, "KV.DIGEST"), cluster.ask(leader, "KV.DIGEST"));
    EXPECT_EQ(cluster.ask(away, "SET more 1"), "OK");
  }
}

// Cut off at any moment of the write's way: it may be committed without its node knowing, and then
// what others write is acknowledged before the read is sent.
TEST(Cluster, AReadBehindAWriteIsNotOlderThanItself) {
  for (int turns = 0; turns < 12; ++turns) {
    TestCluster cluster(3);
    const auto leader = cluster.wait_leader();
    const auto asked = other_than(leader);
    const auto conn = cluster.connect(asked);
    cluster.send(asked, conn, words("SET a 1"));
    const auto until = cluster.turns() + static_cast<std::uint64_t>(turns);
    cluster.run_until([&] { return cluster.turns() == until; });
    cluster.isolate(asked);
    ASSERT_EQ(cluster.ask(leader, "SET b 2"), "OK");
    cluster.send(asked, conn, words("GET b"));
    cluster.heal();
    ASSERT_TRUE(cluster.run_until([&] { return cluster.replies(asked, conn).size() == 2; }));
    EXPECT_EQ(cluster.replies(asked, conn).back(), "\"2\"") << "cut off after " << turns;
  }
}

TEST(Cluster, RowsExpireEverywhereByLogTime) {
  TestCluster cluster(3);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "SET k v PX 500"), "OK");
  EXPECT_EQ(cluster.ask(2, "GET k"), "\"v\"");
  cluster.run_for(1s);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.ask(id, "KV.AT prefix GET k"), "nil");
    EXPECT_EQ(cluster.ask(id, "DBSIZE"), "0");
  }
}

TEST(Cluster, ANumberedRequestIsAppliedOnceAndAnsweredAlike) {
  TestCluster cluster(3);
  cluster.wait_leader();
  EXPECT_THAT(cluster.ask(1, "KV.ONCE 42 1 INCR n"), StartsWith("-UNKNOWN"));
  EXPECT_EQ(cluster.ask(1, "GET n"), "nil");
  EXPECT_EQ(cluster.ask(1, "KV.ONCE OPEN 42"), "42");
  EXPECT_EQ(cluster.ask(1, "KV.ONCE 42 1 INCR n"), "1");
  EXPECT_EQ(cluster.ask(2, "KV.ONCE 42 1 INCR n"), "1");
  EXPECT_EQ(cluster.ask(3, "KV.ONCE 42 2 INCR n"), "2");
  EXPECT_EQ(cluster.ask(3, "GET n"), "\"2\"");
  EXPECT_THAT(cluster.ask(3, "KV.ONCE 42 2 GET n"), StartsWith("-ERR"));
}

TEST(Cluster, ALeaderShutDownHandsOverFirst) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  cluster.node(leader).node->begin_shutdown(cluster.now());
  EXPECT_TRUE(cluster.run_until([&] { return cluster.node(leader).node->idle(); }, 1s));
}

TEST(Cluster, NobodyWakesWithoutAReason) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  const auto conn = cluster.connect(leader);
  cluster.send(leader, conn, words("SET k 1"));
  cluster.isolate(leader);  // and its write stays unanswered until the time-out
  const auto before = cluster.turns();
  cluster.run_for(10s);
  EXPECT_LT(cluster.turns() - before, 10'000u);  // a busy turn takes 100 us of simulated time
}

TEST(Cluster, ALeaderWhoseClockIsAheadOfMostHandsOver) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  for (std::uint32_t id = 1; id <= 3; ++id) {
    if (id != leader) {
      const PeerHello behind{ClusterId(7),
                             NodeId(id),
                             cluster.node(id).incarnation,
                             cluster.now().wall.value() - 1000,
                             0,
                             cluster.node(id).node->replica()};
      cluster.node(leader).node->peer_up(behind, cluster.now());
    }
  }
  EXPECT_TRUE(cluster.run_until([&] {
    const auto now_leads = cluster.leader();
    return now_leads != 0 && now_leads != leader;
  }));
}

TEST(Cluster, InfoTellsTheProcessorTimeThatItsSourceTells) {
  TestCluster without(1);
  without.wait_leader();
  EXPECT_EQ(without.ask(1, "INFO cpu"), "\"\"");
  TestCluster with(1, 1, [](Options& options) {
    options.cpu_time = [] { return CpuTime{1500ms, std::chrono::microseconds(25)}; };
  });
  with.wait_leader();
  EXPECT_THAT(with.ask(1, "INFO cpu"), HasSubstr("used_cpu_sys:0.000025\r\nused_cpu_user:1.5"));
  EXPECT_THAT(with.ask(1, "INFO"), HasSubstr("# CPU"));
}

TEST(Cluster, InfoTellsTheBytesThatWereSentToOtherNodes) {
  TestCluster cluster(1);
  cluster.wait_leader();
  EXPECT_THAT(cluster.ask(1, "INFO stats"), HasSubstr("peer_bytes_sent:0\r\n"));
  cluster.node(1).node->add_peer_bytes(40);
  cluster.node(1).node->add_peer_bytes(2);
  EXPECT_THAT(cluster.ask(1, "INFO stats"), HasSubstr("peer_bytes_sent:42\r\n"));
}

TEST(Cluster, ASingleNodeServesAlone) {
  TestCluster cluster(1);
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(1, "SET k v"), "OK");
  EXPECT_EQ(cluster.ask(1, "GET k"), "\"v\"");
  cluster.crash(1);
  cluster.start(1);
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(1, "GET k"), "\"v\"");
}

}  // namespace
}  // namespace kvorum::node
