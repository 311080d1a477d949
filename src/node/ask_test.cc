// What looks at rows that other nodes hold: KEYS, DBSIZE, SCAN of leaderless keyspaces, KV.SEARCH.
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
using testing::UnorderedElementsAreArray;

std::vector<std::string> fill(TestCluster& cluster, std::size_t count) {
  std::vector<std::string> keys;
  TestClient client(cluster, 1);
  for (std::size_t i = 0; i < count; ++i) {
    keys.push_back("key" + std::to_string(i));
    EXPECT_EQ(client.ask("KV.AT all SET " + keys.back() + " v"), "OK");
  }
  return keys;
}

// The bulk strings of a reply like ["a" "b"].
std::vector<std::string> bulks(const std::string& reply) {
  std::vector<std::string> out;
  for (std::size_t at = reply.find('"'); at != std::string::npos; at = reply.find('"', at + 1)) {
    const auto end = reply.find('"', at + 1);
    out.push_back(reply.substr(at + 1, end - at - 1));
    at = end;
  }
  return out;
}

std::vector<std::string> scan_all(TestClient& client) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    const auto found = bulks(client.ask("SCAN " + cursor + " COUNT 7"));
    if (found.empty()) {
      ADD_FAILURE() << client.last();
      break;
    }
    cursor = found.front();
    keys.insert(keys.end(), found.begin() + 1, found.end());
  } while (cursor != "0");
  return keys;
}

TEST(Ask, EveryNodeTellsOfAllKeysThoughItHoldsAPartOfThem) {
  TestCluster cluster(5);
  cluster.wait_leader();
  const auto keys = fill(cluster, 100);
  for (std::uint32_t at = 1; at <= 5; ++at) {
    TestClient client(cluster, at);
    EXPECT_EQ(client.ask("DBSIZE"), "100");
    EXPECT_THAT(bulks(client.ask("KEYS *")), UnorderedElementsAreArray(keys));
    EXPECT_THAT(bulks(client.ask("KEYS key1")), ElementsAre("key1"));
    EXPECT_THAT(scan_all(client), UnorderedElementsAreArray(keys)) << "each key once";
    EXPECT_THAT(client.ask("KV.RECEIPT DBSIZE"), StartsWith("[100 ["));
  }
}

TEST(Ask, ItKeepsItsPlaceInTheOrder) {
  TestCluster cluster(4);
  cluster.wait_leader();
  for (std::uint32_t at = 1; at <= 4; ++at) {
    TestClient client(cluster, at);
    ASSERT_EQ(client.ask("FLUSHDB"), "OK");
    ASSERT_EQ(client.ask("KV.LEVEL all"), "OK");
    cluster.run_for(1s);
    EXPECT_THAT(
        client.packet({"SET a 1", "DBSIZE", "SET b 2", "DBSIZE", "DEL a", "KEYS *", "PING"}),
        ElementsAre("OK", "1", "OK", "2", "1", "[\"b\"]", "PONG"));
  }
}

TEST(Ask, APartitionWithoutALiveReplicaIsAnErrorThatNamesIt) {
  TestCluster cluster(5);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE thin leaderless n=1"), "OK");
  TestClient client(cluster, 1, "thin");
  ASSERT_TRUE(cluster.run_until([&] { return client.ask("DBSIZE") == "0"; }))
      << "until all know that keyspace";
  cluster.crash(3);
  EXPECT_THAT(client.ask("DBSIZE"), StartsWith("-NOQUORUM no replica of partition "));
  EXPECT_THAT(client.ask("KEYS *"), StartsWith("-NOQUORUM no replica of partition "));
  EXPECT_THAT(client.ask("SCAN 0"), StartsWith("[\"")) << "of other partitions";
  TestClient fast(cluster, 1);
  EXPECT_EQ(fast.ask("DBSIZE"), "0") << "others hold what it held";
}

TEST(Ask, SilenceIsATimeOutAndALinkThatGoesDownIsSaidAtOnce) {
  TestCluster cluster(4);
  cluster.wait_leader();
  TestClient client(cluster, 4);
  cluster.drop_chance(100);
  EXPECT_THAT(client.ask("DBSIZE"), StartsWith("-TIMEOUT node "));
  EXPECT_THAT(client.last(), HasSubstr("silent"));
  cluster.run_for(1s);
  cluster.drop_chance(0);
  ASSERT_EQ(client.ask("DBSIZE"), "0");
  client.send("DBSIZE");
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster.crash(id);
  }
  EXPECT_TRUE(
      cluster.run_until([&] { return client.last().starts_with("-NOQUORUM node "); }, 100ms));
}

TEST(Ask, SearchTellsOfEveryReplica) {
  TestCluster cluster(4);
  cluster.wait_leader();
  ASSERT_EQ(cluster.ask(1, "KV.KEYSPACE CREATE two leaderless n=4 w=1 conflict=siblings"), "OK");
  TestClient one(cluster, 1, "two"), four(cluster, 4, "two");
  EXPECT_EQ(one.ask("KV.SEARCH k"), "[[1] [2] [3] [4]]");
  cluster.isolate(4);
  ASSERT_EQ(one.ask("KV.AT w=3 SET k left"), "OK");
  ASSERT_EQ(four.ask("SET k right"), "OK");
  const auto split = one.ask("KV.SEARCH k");
  EXPECT_THAT(split, AllOf(StartsWith("[[1 [\"left\" \"n1:"), HasSubstr(" [4 \"silent\"]]"),
                           HasSubstr(" [2 [\"left\" \"n1:"), HasSubstr("-1 \"live\"]]")));
  EXPECT_THAT(four.ask("KV.SEARCH k"),
              StartsWith("[[1 \"silent\"] [2 \"silent\"] [3 \"silent\"] [4 [\"r"));
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 4, "two"); }, 60s));
  EXPECT_THAT(one.ask("KV.SEARCH k"),
              AllOf(HasSubstr("[4 [\""), HasSubstr("\"left\""), HasSubstr("\"right\"")));
  cluster.crash(4);
  EXPECT_THAT(one.ask("KV.SEARCH k"), HasSubstr("[4 \"down\"]]"));
}

TEST(Ask, SearchInAnOrderedKeyspaceTellsOfEveryNodesRow) {
  TestCluster cluster(3);
  const auto leader = cluster.wait_leader();
  ASSERT_EQ(cluster.ask(leader, "SET k v"), "OK");
  EXPECT_EQ(cluster.ask(1, "KV.SEARCH none"), "[[1] [2] [3]]");
  const auto all_have = [&] {
    const auto text = cluster.ask(1, "KV.SEARCH k");
    return text.find("[1 [\"v\" ") != std::string::npos &&
           text.find("[2 [\"v\" ") != std::string::npos &&
           text.find("[3 [\"v\" ") != std::string::npos;
  };
  EXPECT_TRUE(cluster.run_until(all_have)) << cluster.ask(1, "KV.SEARCH k");
  cluster.crash(2);
  EXPECT_THAT(cluster.ask(1, "KV.SEARCH k"), HasSubstr(" [2 \"down\"] [3 [\"v\" "));
}

TEST(Tell, ATextReachesTheLogsAndTheTimesOfBothEndsComeBack) {
  TestCluster cluster(3);
  cluster.wait_leader();
  const auto one = cluster.ask(1, "KV.SEND 2 hello");
  EXPECT_THAT(one, StartsWith("[[2 "));
  EXPECT_THAT(cluster.node(2).notes, HasSubstr("message from node 1: hello (sent at "));
  EXPECT_THAT(cluster.node(3).notes, testing::Not(HasSubstr("hello")));
  const auto all = cluster.ask(3, "KV.SEND * all\x01");
  EXPECT_THAT(all, AllOf(StartsWith("[[1 "), HasSubstr("] [2 "), HasSubstr("] [3 ")));
  for (std::uint32_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(cluster.node(id).notes, HasSubstr("message from node 3: all\\x01 (sent at "));
  }
}

TEST(Tell, WhoDoesNotAnswerIsNamed) {
  TestCluster cluster(3);
  cluster.wait_leader();
  EXPECT_EQ(cluster.ask(1, "KV.SEND 9 hello"), "-ERR no node '9' in this cluster");
  EXPECT_EQ(cluster.ask(1, "KV.SEND x hello"), "-ERR no node 'x' in this cluster");
  EXPECT_THAT(cluster.ask(1, "KV.SEND 2 " + std::string(1025, 'x')), StartsWith("-ERR "));
  cluster.isolate(2);
  EXPECT_EQ(cluster.ask(1, "KV.SEND 2 hello"), "[[2 \"silent\"]]");
  cluster.crash(3);
  EXPECT_EQ(cluster.ask(1, "KV.SEND 3 hello"), "[[3 \"down\"]]");
}

TEST(Ask, TooLongAnAnswerIsAnErrorThatSaysSo) {
  const auto large = Answer::kMaxBytes;
  TestCluster cluster(2, 1, [&](Options& options) { options.kv.max_value_bytes = 2 * large; });
  cluster.wait_leader();
  TestClient client(cluster, 1);
  ASSERT_EQ(client.ask("KV.AT all SET k " + std::string(large, 'x')), "OK");
  const auto reply = client.ask("KV.SEARCH k");
  EXPECT_THAT(reply.substr(reply.size() - 100),
              AnyOf(HasSubstr("[2 \"the answer would have 33554"), HasSubstr("is the most\"]]")));
}

}  // namespace
}  // namespace kvorum::node
