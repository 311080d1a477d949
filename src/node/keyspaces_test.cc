// Ordered keyspaces that come and go while the cluster runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/test_client.h"

namespace kvorum::node {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

void restart_all(TestCluster& cluster, std::uint32_t nodes) {
  for (std::uint32_t id = 1; id <= nodes; ++id) {
    cluster.crash(id);
  }
  for (std::uint32_t id = 1; id <= nodes; ++id) {
    cluster.start(id);
  }
  cluster.wait_leader();
}

// Whether no node's disk has a partition from `first` on.
bool none_from(TestCluster& cluster, std::uint32_t nodes, std::uint32_t first) {
  for (std::uint32_t id = 1; id <= nodes; ++id) {
    const auto stored = *cluster.node(id).store->partitions();
    if (!stored.empty() && stored.back().value() >= first) {
      return false;
    }
  }
  return true;
}

constexpr std::uint32_t kFirst = 14;  // behind those of main and fast

TEST(OrderedKeyspace, ServesEverythingThatMainServes) {
  TestCluster cluster(3);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(2, "KV.KEYSPACE CREATE four ordered partitions=4"), "OK");
  TestClient one(cluster, 1, "four"), three(cluster, 3, "four");
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(one.ask("SET key" + std::to_string(i) + " v"), "OK");
  }
  for (const auto* level : {"linearizable", "sequential", "prefix"}) {
    EXPECT_THAT(three.ask(std::string("KV.AT ") + level + " GET key7"), AnyOf("\"v\"", "nil"));
  }
  EXPECT_EQ(three.ask("GET key7"), "\"v\"");
  EXPECT_EQ(three.ask("DBSIZE"), "40");
  EXPECT_EQ(three.ask("INCR n"), "1");
  EXPECT_THAT(three.ask("MSET a 1 b 2 c 3"), StartsWith("-CROSSSLOT"));
  EXPECT_EQ(three.ask("MSET {t}a 1 {t}b 2"), "OK");
  EXPECT_EQ(three.ask("KV.AT quorum GET n"), "\"1\"");
  EXPECT_THAT(three.ask("KV.AT all GET n"), StartsWith("-LEVEL"));
  EXPECT_EQ(three.ask("SET t v PX 50"), "OK");
  cluster.run_for(100ms);
  EXPECT_EQ(one.ask("GET t"), "nil");
  EXPECT_THAT(one.ask("KV.WHERE key7"), HasSubstr("\"partition\" 1"));
  EXPECT_THAT(one.ask("KV.SEARCH key7"), HasSubstr("[3 [\"v\" "));
  EXPECT_EQ(cluster.ask(1, "GET key7"), "nil") << "main is another keyspace";
  restart_all(cluster, 3);
  EXPECT_EQ(TestClient(cluster, 2, "four").ask("DBSIZE"), "43");
  EXPECT_EQ(TestClient(cluster, 2, "four").ask("FLUSHDB"), "OK");
  EXPECT_EQ(TestClient(cluster, 1, "four").ask("DBSIZE"), "0");
}

TEST(OrderedKeyspace, ADropAnswersWhatIsUnderWayAndLeavesNothing) {
  TestCluster cluster(3);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE two partitions=2"), "OK");
  std::vector<TestClient> clients;
  for (std::uint32_t at = 1; at <= 3; ++at) {
    clients.emplace_back(cluster, at, "two");
  }
  for (const auto* key : {"a", "b", "c", "d"}) {
    ASSERT_EQ(clients[0].ask(std::string("SET ") + key + " 1"), "OK");
  }
  const std::vector<std::string> lines{"INCR a", "GET a",  "INCR b",   "GET b",    "KEYS *",
                                       "INCR c", "DBSIZE", "FLUSHDB",  "INCR d",   "KV.SEARCH a",
                                       "GET d",  "SCAN 0", "KV.LEVEL", "SELECT 0", "PING"};
  const auto before = clients[0].count();
  const auto dropper = cluster.connect(2);
  cluster.send(2, dropper, {"KV.KEYSPACE", "DROP", "two"});
  for (auto& client : clients) {
    for (const auto& line : lines) {
      client.send(line);
    }
  }
  ASSERT_TRUE(cluster.run_until([&] { return !cluster.replies(2, dropper).empty(); }));
  EXPECT_EQ(cluster.replies(2, dropper).back(), "OK");
  cluster.run_for(1s);
  EXPECT_EQ(clients[0].count(), before + lines.size());
  for (auto& client : clients) {
    EXPECT_EQ(client.last(), "PONG") << "all is answered, in its place";
  }
  EXPECT_TRUE(none_from(cluster, 3, kFirst));
  restart_all(cluster, 3);
  EXPECT_TRUE(none_from(cluster, 3, kFirst));
  ASSERT_EQ(cluster.ask(3, "KV.KEYSPACE CREATE two partitions=2"), "OK");
  EXPECT_EQ(TestClient(cluster, 1, "two").ask("DBSIZE"), "0");
  EXPECT_EQ(TestClient(cluster, 2, "two").ask("INCR a"), "1");
}

// Who leads a group, as node 1 sees it.
std::uint32_t leader_of(TestCluster& cluster, std::uint32_t partition) {
  const auto* group = cluster.node(1).node->group(PartitionId(partition));
  return group == nullptr ? 0 : group->leader().value();
}

// The keyspace's leader cannot be reached, group 0's can.
TEST(OrderedKeyspace, WritesThatHaveBegunAreUnknownAndTheRestIsRefused) {
  bool met = false;
  for (std::uint64_t seed = 1; seed <= 20 && !met; ++seed) {
    TestCluster cluster(3, seed);
    cluster.wait_leader();
    ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE other"), "OK");
    ASSERT_EQ(TestClient(cluster, 1, "other").ask("SET a 1"), "OK");
    const auto meta = leader_of(cluster, 0), leader = leader_of(cluster, kFirst);
    if (meta == leader || meta == 0) {
      continue;
    }
    met = true;
    const auto at = 6 - meta - leader;
    TestClient writer(cluster, at, "other"), reader(cluster, at, "other");
    TestClient mixed(cluster, at, "other");
    ASSERT_EQ(writer.ask("SET a 2"), "OK");
    cluster.cut(at, leader);
    writer.send("SET a 3");
    reader.send("GET a");
    mixed.send("GET a");
    mixed.send("SET a 4");
    mixed.send("PING");
    mixed.send("SET a 5");
    cluster.run_for(50ms);
    const auto dropper = cluster.connect(meta);
    cluster.send(meta, dropper, {"KV.KEYSPACE", "DROP", "other"});
    ASSERT_TRUE(cluster.run_until([&] { return mixed.last().starts_with("-NOKEYSPACE"); }, 2s));
    EXPECT_EQ(writer.last(), "-UNKNOWN its keyspace was dropped meanwhile");
    EXPECT_THAT(reader.last(), StartsWith("-NOKEYSPACE"));
    const auto& all = cluster.replies(at, mixed.conn());
    EXPECT_THAT(std::vector(all.end() - 4, all.end()),
                ElementsAre(StartsWith("-NOKEYSPACE"), StartsWith("-UNKNOWN"), "PONG",
                            StartsWith("-NOKEYSPACE")));
  }
  EXPECT_TRUE(met);
}

TEST(OrderedKeyspace, ADropAtAnyMomentSurvivesCrashes) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    TestCluster cluster(3, seed, [](Options& options) {
      options.checkpoint_interval = 20ms;
      options.log_keep_bytes = 1;
    });
    cluster.wait_leader();
    ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE two partitions=2"), "OK");
    {
      TestClient client(cluster, 1, "two");
      for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(client.ask("SET key" + std::to_string(i) + " " + std::string(100, 'v')), "OK");
      }
    }
    cluster.crash(3);  // it comes back while the others have cut their logs, or dropped it all
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(TestClient(cluster, 2, "two").ask("INCR n"), std::to_string(i + 1));
    }
    cluster.run_for(100ms);
    cluster.start(3);
    const auto dropper = cluster.connect(1);
    cluster.run_for(std::chrono::milliseconds(seed));
    cluster.send(1, dropper, {"KV.KEYSPACE", "DROP", "two"});
    cluster.run_for(std::chrono::microseconds(100 * seed));
    restart_all(cluster, 3);
    const auto dropped = cluster.ask(2, "KV.KEYSPACE DROP two");
    EXPECT_THAT(dropped, AnyOf("OK", StartsWith("-NOKEYSPACE")));
    ASSERT_TRUE(cluster.run_until([&] { return none_from(cluster, 3, kFirst); })) << seed;
    ASSERT_EQ(cluster.ask(3, "KV.KEYSPACE CREATE two partitions=2"), "OK");
    EXPECT_EQ(TestClient(cluster, 1, "two").ask("DBSIZE"), "0");
    EXPECT_EQ(TestClient(cluster, 2, "two").ask("SET k v"), "OK");
    EXPECT_EQ(TestClient(cluster, 3, "two").ask("GET k"), "\"v\"");
  }
}

}  // namespace
}  // namespace kvorum::node
