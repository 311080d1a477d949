// Leaderless keyspaces over whole nodes: what clients are told, what survives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/test_client.h"

namespace kvorum::node {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Client = TestClient;

TEST(Leaderless, WhatOneNodeTakesAllGive) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client one(cluster, 1), two(cluster, 2), three(cluster, 3);
  EXPECT_EQ(one.ask("SET k v"), "OK");
  EXPECT_EQ(one.ask("GET k"), "\"v\"");
  EXPECT_TRUE(cluster.run_until([&] { return two.ask("GET k") == "\"v\""; }));
  EXPECT_EQ(three.ask("KV.AT quorum GET k"), "\"v\"");
  EXPECT_EQ(three.ask("DEL k none"), "1");
  EXPECT_EQ(two.ask("KV.AT all GET k"), "nil");
  EXPECT_EQ(cluster.ask(1, "GET k"), "nil") << "main is another keyspace";
}

// SETs of a turn are held for one another, and nothing may come before them.
TEST(Leaderless, WhatComesBehindTheSetsOfATurnSeesThem) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client one(cluster, 1), two(cluster, 1);
  std::vector<std::string> lines, replies;
  for (int i = 0; i < 100; ++i) {
    const auto key = "k" + std::to_string(i % 7);
    lines.push_back("SET " + key + " v" + std::to_string(i));
    replies.emplace_back("OK");
    if (i % 10 == 3) {
      lines.push_back("GET " + key);
      replies.push_back("\"v" + std::to_string(i) + '"');
    }
    if (i % 10 == 8) {
      lines.push_back("DEL " + key);
      replies.emplace_back("1");
      lines.push_back("KV.AT quorum GET " + key);
      replies.emplace_back("nil");
    }
  }
  EXPECT_EQ(one.packet(lines), replies);
  one.send("SET a 1");
  two.send("GET a");
  one.send("SET a 2");
  cluster.node(1).node->disconnect(one.conn());
  ASSERT_TRUE(cluster.run_until([&] { return two.last() == "\"1\""; }));
  EXPECT_EQ(two.ask("GET a"), "\"2\"") << "whoever sent it has left";
}

TEST(Leaderless, EveryCommandItServes) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 2);
  EXPECT_EQ(client.ask("MSET a 1 b 22 a 3"), "OK");
  EXPECT_EQ(client.ask("MGET a b c"), "[\"3\" \"22\" nil]");
  EXPECT_EQ(client.ask("EXISTS a b c a"), "3");
  EXPECT_EQ(client.ask("STRLEN b"), "2");
  EXPECT_EQ(client.ask("GETRANGE b 1 -1"), "\"2\"");
  EXPECT_EQ(client.ask("TYPE b"), "string");
  EXPECT_EQ(client.ask("TTL b"), "-1");
  EXPECT_EQ(client.ask("TTL c"), "-2");
  EXPECT_EQ(client.ask("SET t v EX 100"), "OK");
  EXPECT_EQ(client.ask("TTL t"), "100");
  EXPECT_EQ(client.ask("PSETEX u 20 v"), "OK");
  EXPECT_EQ(client.ask("DBSIZE"), "4");
  cluster.run_for(30ms);
  EXPECT_EQ(client.ask("GET u"), "nil");
  EXPECT_EQ(client.ask("DBSIZE"), "3");
  EXPECT_THAT(client.ask("KEYS [ab]"), AllOf(HasSubstr("\"a\""), HasSubstr("\"b\"")));
  EXPECT_EQ(client.ask("UNLINK a b t t"), "3");
  EXPECT_EQ(client.ask("DBSIZE"), "0");
}

TEST(Leaderless, WhatIsWrittenAfterAFlushStays) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client one(cluster, 1), two(cluster, 2), three(cluster, 3);
  for (int i = 0; i < 10; ++i) {
    const auto value = std::to_string(i);
    ASSERT_EQ(one.ask("FLUSHDB"), "OK");
    ASSERT_EQ(two.ask("KV.AT quorum GET k"), "nil") << i;
    ASSERT_EQ(two.ask("KV.AT quorum SET k " + value), "OK");
    cluster.run_for(200ms);
    ASSERT_EQ(three.ask("KV.AT all GET k"), '"' + value + '"');
  }
}

TEST(Leaderless, AKeyspaceIsKnownEverywhereWhenItsMakerIsTold) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client one(cluster, 1), two(cluster, 2);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(one.ask("KV.KEYSPACE CREATE x leaderless"), "OK");
    ASSERT_EQ(two.ask("SELECT x"), "OK");
    ASSERT_EQ(two.ask("SET k v"), "OK");
    ASSERT_EQ(two.ask("KV.KEYSPACE DROP x"), "OK") << "its own";
    ASSERT_EQ(one.ask("SELECT x"), "-ERR no such keyspace") << i;
  }
}

TEST(Leaderless, ReceiptsOfWhatLooksAtManyRowsTellOfOneReplica) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 2);
  EXPECT_THAT(
      client.ask("KV.RECEIPT KV.AT all KEYS *"),
      AllOf(HasSubstr("\"asked\" \"all\" \"met\" \"one\""), HasSubstr("\"coordinator\" 2")));
  EXPECT_THAT(client.ask("KV.AT w=4 GET k"), HasSubstr("LEVEL"));
  EXPECT_THAT(client.ask("KV.AT r=4 SET k v"), HasSubstr("LEVEL"));
  cluster.cut(1, 2);
  cluster.cut(2, 3);
  EXPECT_THAT(client.ask("KV.RECEIPT KV.AT quorum SET k v"),
              AllOf(HasSubstr("UNKNOWN 1 of 2 acks"), HasSubstr("\"met\" \"none\"")));
}

TEST(Leaderless, AKeyThatAWriteNamesTwiceCountsOnceInItsReceipt) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 2);
  for (const auto* write : {"MSET a 1 a 2", "DEL a a"}) {
    EXPECT_THAT(client.ask(fmt::format("KV.RECEIPT KV.AT all {}", write)),
                AllOf(HasSubstr("\"coordinator\" 2"), HasSubstr("\"replicas\" 3"),
                      HasSubstr("\"version\" \"n2:")))
        << write;
  }
}

TEST(Leaderless, WhatNeedsAgreementIsRefusedWithTheReason) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  for (const auto* line :
       {"INCR k", "APPEND k v", "SETNX k v", "SET k v NX", "SET k v XX", "SET k v GET",
        "SET k v KEEPTTL", "KV.CAS k a b", "EXPIRE k 1", "PERSIST k", "GETDEL k", "GETEX k EX 5",
        "MSETNX k v", "SETRANGE k 1 v", "KV.ONCE OPEN", "RANDOMKEY"}) {
    EXPECT_THAT(client.ask(line), StartsWith("-REFUSED")) << line;
  }
  for (const auto* level :
       {"linearizable", "sequential", "prefix", "bounded:5ms", "w=4", "causal"}) {
    EXPECT_THAT(client.ask(std::string("KV.AT ") + level + " SET k v"), StartsWith("-LEVEL"))
        << level;
  }
  EXPECT_THAT(client.ask("KV.LEVEL sequential"), StartsWith("-LEVEL"));
  EXPECT_EQ(client.ask("GET k"), "nil") << "nothing was done";
  EXPECT_EQ(client.ask("KV.LEVEL quorum"), "OK");
  EXPECT_EQ(client.ask("KV.LEVEL"), "[\"read\" \"quorum\" \"write\" \"quorum\"]");
  EXPECT_EQ(client.ask("KV.LEVEL default"), "OK");
}

TEST(Leaderless, APacketIsAnsweredInOrderAtEveryLevel) {
  TestCluster cluster(4);
  cluster.wait_leader();
  for (std::uint32_t at = 1; at <= 4; ++at) {
    for (const auto* level : {"one", "quorum", "all"}) {
      for (const auto* key : {"a", "b", "c", "d", "e"}) {  // of some, this node holds no replica
        Client client(cluster, at);
        ASSERT_EQ(client.ask(std::string("KV.LEVEL ") + level), "OK");
        const auto get = std::string("GET ") + key, set = std::string("SET ") + key;
        EXPECT_THAT(
            client.packet({set + " 1", get, set + " 2", get, "PING", set + " 3", set + " 4", get}),
            ElementsAre("OK", "\"1\"", "OK", "\"2\"", "PONG", "OK", "OK", "\"4\""))
            << at << ' ' << level << ' ' << key;
      }
    }
  }
}

TEST(Leaderless, CommandsOfBothCoresKeepTheirOrder) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 3);
  EXPECT_THAT(client.packet({"SET k fast", "SELECT 0", "SET k main", "GET k", "SELECT 1", "GET k",
                             "SET k new", "SELECT main", "GET k"}),
              ElementsAre("OK", "OK", "OK", "\"main\"", "OK", "\"fast\"", "OK", "OK", "\"main\""));
}

TEST(Leaderless, AKeyspaceIsSelectedBehindAWriteThatTimesOut) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  cluster.crash(2);
  cluster.crash(3);
  EXPECT_THAT(client.packet({"SELECT main", "SET k v", "SELECT fast", "SET k fast", "GET k"}),
              ElementsAre("OK", AnyOf(StartsWith("-UNKNOWN"), StartsWith("-NOLEADER")), "OK", "OK",
                          "\"fast\""));
  EXPECT_EQ(client.ask("GET k"), "\"fast\"");
}

TEST(Leaderless, TooFewReplicasAreRefusedAtOnceAndOneIsEnoughForOne) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  ASSERT_EQ(client.ask("SET k v"), "OK");
  cluster.crash(2);
  cluster.crash(3);
  const auto turns = cluster.turns();
  EXPECT_EQ(client.ask("KV.AT w=2 SET k new"), "-NOQUORUM 1 of 3 replicas are up, w=2");
  EXPECT_EQ(client.ask("KV.AT r=2 GET k"), "-NOQUORUM 1 of 3 replicas are up, r=2");
  EXPECT_LT(cluster.turns(), turns + 20) << "at once";
  EXPECT_EQ(client.ask("GET k"), "\"v\"") << "nothing was done";
  EXPECT_EQ(client.ask("SET k alone"), "OK");
  EXPECT_EQ(client.ask("GET k"), "\"alone\"");
}

TEST(Leaderless, SilentReplicasMakeAWriteUnknownAndAReadDefinite) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  ASSERT_EQ(client.ask("KV.AT all SET k v"), "OK");
  cluster.drop_chance(100);
  EXPECT_EQ(client.ask("KV.AT quorum SET k new"), "-UNKNOWN 1 of 2 acks");
  EXPECT_EQ(client.ask("KV.AT quorum GET k"), "-TIMEOUT 1 of 2 answers");
  EXPECT_THAT(client.ask("KV.RECEIPT KV.AT quorum SET k new"),
              HasSubstr("\"outcome\" \"unknown\""));
}

TEST(Leaderless, ANodeThatWasDownConvergesWithoutAnyRead) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  ASSERT_EQ(client.ask("KV.AT all SET gone v"), "OK");
  cluster.crash(3);
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(client.ask("SET key" + std::to_string(i) + " v"), "OK");
  }
  ASSERT_EQ(client.ask("DEL gone"), "1");
  cluster.start(3);
  EXPECT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3); }, 60s));
  Client back(cluster, 3);
  EXPECT_EQ(back.ask("DBSIZE"), "200");
  EXPECT_EQ(back.ask("GET gone"), "nil");
}

TEST(Leaderless, RowsSurviveARestartOfAllAndAWipedNodeRefills) {
  TestCluster cluster(3);
  cluster.wait_leader();
  {
    Client client(cluster, 1);
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(client.ask("KV.AT all SET key" + std::to_string(i) + " v"), "OK");
    }
  }
  cluster.run_for(500ms);  // the interval of writes to disk
  const auto before = cluster.node(1).node->replica();
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster.crash(id);
  }
  cluster.wipe(2);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster.start(id, id != 2);
  }
  EXPECT_NE(cluster.node(1).node->replica(), before) << "it may have lost rows";
  EXPECT_TRUE(cluster.run_until(
      [&] { return Client(cluster, 2).ask("DBSIZE") == "50" && same_digests(cluster, 3); }, 60s));
}

TEST(Leaderless, AnOrderlyStopKeepsTheReplicaAndLosesNothing) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client client(cluster, 1);
  ASSERT_EQ(client.ask("SET k v"), "OK");
  const auto before = cluster.node(1).node->replica();
  cluster.node(1).node->begin_shutdown(cluster.now());
  EXPECT_THAT(client.ask("SET k late"), StartsWith("-NOQUORUM"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.node(1).node->idle(); }));
  cluster.crash(1);
  cluster.start(1);
  EXPECT_EQ(cluster.node(1).node->replica(), before);
  cluster.isolate(1);
  EXPECT_EQ(Client(cluster, 1).ask("GET k"), "\"v\"");
}

TEST(Leaderless, ConcurrentWritesConflictAndSuccessiveOnesDoNot) {
  TestCluster cluster(3);
  cluster.wait_leader();
  Client one(cluster, 1), two(cluster, 2);
  ASSERT_EQ(one.ask("SET fruit apple"), "OK");
  ASSERT_EQ(one.ask("SET fruit banana"), "OK");
  ASSERT_TRUE(cluster.run_until([&] { return two.ask("GET fruit") == "\"banana\""; }));
  EXPECT_EQ(two.ask("KV.CONFLICTS"), "[]");
  cluster.cut(1, 2);
  cluster.cut(1, 3);
  ASSERT_EQ(one.ask("SET fruit cherry"), "OK");
  ASSERT_EQ(two.ask("SET fruit date"), "OK");
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3); }, 60s));
  EXPECT_EQ(one.ask("GET fruit"), two.ask("GET fruit"));
  EXPECT_THAT(one.ask("KV.CONFLICTS fruit"), HasSubstr("\"key\" \"fruit\" \"lost\""));
  EXPECT_EQ(one.ask("KV.CONFLICTS other"), "[]");
}

TEST(Leaderless, SiblingsStandUntilAWriteThatHasSeenThem) {
  TestCluster cluster(3);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE cart leaderless conflict=siblings w=1 r=1"), "OK");
  Client one(cluster, 1, "cart"), two(cluster, 2, "cart");
  cluster.cut(1, 2);
  cluster.cut(1, 3);
  ASSERT_EQ(one.ask("SET k left"), "OK");
  ASSERT_EQ(two.ask("SET k right"), "OK");
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3, "cart"); }, 60s));
  EXPECT_THAT(one.ask("GET k"), AllOf(HasSubstr("\"left\""), HasSubstr("\"right\"")));
  const auto receipt = one.ask("KV.RECEIPT");
  EXPECT_THAT(receipt, HasSubstr("\"siblings\" 2"));
  const std::string mark = "\"context\" \"";
  const auto from = receipt.find(mark) + mark.size();
  const auto context = receipt.substr(from, receipt.find('"', from) - from);
  EXPECT_EQ(two.ask("KV.CONTEXT " + context + " SET k merged"), "OK");
  EXPECT_EQ(two.ask("GET k"), "\"merged\"");
  EXPECT_TRUE(cluster.run_until([&] { return one.ask("GET k") == "\"merged\""; }));
  EXPECT_THAT(one.ask("KV.CONTEXT nonsense SET k v"), StartsWith("-ERR"));
}

TEST(Keyspaces, NoneIsMadeBeforeTheClusterHasFormed) {
  TestCluster cluster(3);
  EXPECT_THAT(cluster.ask(1, "KV.KEYSPACE CREATE early leaderless"), StartsWith("-LOADING"));
  cluster.wait_leader();
  EXPECT_EQ(Client(cluster, 1).ask("KV.KEYSPACE LIST"), "[\"main\" \"fast\"]");
}

TEST(Keyspaces, AreMadeDescribedFlushedAndDroppedEverywhere) {
  TestCluster cluster(3);
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(1, "KV.KEYSPACE LIST"), "[\"main\" \"fast\"]");
  EXPECT_EQ(cluster.ask(2, "KV.KEYSPACE CREATE more leaderless n=2 w=2 durability=fsync"), "OK");
  EXPECT_THAT(cluster.ask(2, "KV.KEYSPACE CREATE more"), StartsWith("-ERR keyspace 'more' exists"));
  EXPECT_THAT(cluster.ask(2, "KV.KEYSPACE CREATE bad n=9"), StartsWith("-ERR"));
  EXPECT_EQ(cluster.ask(2, "KV.KEYSPACE DESCRIBE more"),
            "[\"name\" \"more\" \"id\" 2 \"core\" \"leaderless\" \"partitions\" 12 \"n\" 2 \"w\" 2 "
            "\"r\" 1 \"conflict\" \"lww\" \"durability\" \"fsync\" \"generation\" 1]");
  Client one(cluster, 1, "more"), three(cluster, 3, "2");
  EXPECT_EQ(one.ask("SET k v"), "OK");
  EXPECT_TRUE(cluster.run_until([&] { return three.ask("KV.AT all GET k") == "\"v\""; }));
  EXPECT_EQ(three.ask("FLUSHDB"), "OK");
  EXPECT_TRUE(cluster.run_until([&] { return one.ask("GET k") == "nil"; }));
  EXPECT_EQ(one.ask("SET k v"), "OK");
  EXPECT_EQ(cluster.ask(3, "KV.KEYSPACE DROP more"), "OK");
  EXPECT_THAT(cluster.ask(3, "KV.KEYSPACE DROP more"), StartsWith("-NOKEYSPACE"));
  EXPECT_THAT(cluster.ask(3, "KV.KEYSPACE DROP main"), StartsWith("-ERR"));
  EXPECT_TRUE(cluster.run_until([&] { return one.ask("GET k").starts_with("-NOKEYSPACE"); }));
  EXPECT_EQ(one.ask("SELECT fast"), "OK");
  EXPECT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE more leaderless"), "OK");
  EXPECT_EQ(Client(cluster, 1, "3").ask("GET k"), "nil") << "numbers are not used again";
}

TEST(Keyspaces, TwoNodesThatChangeTheTableAtOnceBothSucceed) {
  TestCluster cluster(3);
  cluster.wait_leader();
  std::vector<ConnId> conns;
  for (std::uint32_t at = 1; at <= 3; ++at) {
    conns.push_back(cluster.connect(at));
    cluster.send(at, conns.back(), {"KV.KEYSPACE", "CREATE", "k" + std::to_string(at)});
  }
  ASSERT_TRUE(cluster.run_until([&] {
    bool all = true;
    for (std::uint32_t at = 1; at <= 3; ++at) {
      all = all && !cluster.replies(at, conns[at - 1]).empty();
    }
    return all;
  }));
  for (std::uint32_t at = 1; at <= 3; ++at) {
    EXPECT_THAT(cluster.replies(at, conns[at - 1]), ElementsAre("OK"));
  }
  EXPECT_EQ(Client(cluster, 1, "k3").ask("SET k v"), "OK");
  EXPECT_EQ(Client(cluster, 2, "k3").ask("GET k"), "\"v\"");
}

}  // namespace
}  // namespace kvorum::node
