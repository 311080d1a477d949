// A replica that was silent for too long is not waited for, and starts over when it is back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/test_client.h"

namespace kvorum::node {
namespace {

using testing::HasSubstr;
using testing::Not;

void quick(Options& options) {
  options.fence_after = 3s;
  options.hint_life = 1s;
}

std::string status(TestCluster& cluster, std::uint32_t at) { return cluster.ask(at, "KV.STATUS"); }

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// No node has one any more, and some had.
bool tombstones_gone(TestCluster& cluster, const std::vector<std::uint32_t>& nodes) {
  return std::all_of(nodes.begin(), nodes.end(), [&](std::uint32_t at) {
    const auto text = status(cluster, at);
    return has(text, " tombstones:0 ") && !has(text, " tombstones-dropped:0 ");
  });
}

class Fence : public testing::TestWithParam<bool> {};  // whether node 3 stops in order

TEST_P(Fence, ADeletedKeyStaysAwayWhenAReplicaComesBackWithIt) {
  TestCluster cluster(3, 1, quick);
  cluster.wait_leader();
  TestClient client(cluster, 1);
  ASSERT_EQ(client.ask("KV.AT all SET k v"), "OK");
  ASSERT_EQ(client.ask("KV.AT all SET stays v"), "OK");
  cluster.run_for(1s);  // to its disk
  if (GetParam()) {
    cluster.node(3).node->begin_shutdown(cluster.now());
    ASSERT_TRUE(cluster.run_until([&] { return cluster.node(3).node->idle(); }));
  }
  cluster.crash(3);
  ASSERT_EQ(client.ask("KV.AT quorum DEL k"), "1");
  cluster.run_for(2s);
  EXPECT_THAT(status(cluster, 1), Not(HasSubstr("fenced")));
  ASSERT_TRUE(cluster.run_until([&] { return has(status(cluster, 1), "link:down fenced:yes"); }));
  ASSERT_TRUE(cluster.run_until([&] { return tombstones_gone(cluster, {1, 2}); }, 600s));
  cluster.start(3);
  for (int i = 0; i < 100; ++i) {  // at no time
    EXPECT_EQ(client.ask("GET k"), "nil");
    EXPECT_EQ(TestClient(cluster, 2).ask("GET k"), "nil");
    cluster.run_for(20ms);
  }
  EXPECT_THAT(cluster.node(3).notes, HasSubstr("was fenced"));
  ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3); }, 60s));
  EXPECT_EQ(client.ask("KV.SEARCH k"), "[[1] [2] [3]]");
  EXPECT_EQ(TestClient(cluster, 3).ask("GET k"), "nil");
  EXPECT_EQ(TestClient(cluster, 3).ask("GET stays"), "\"v\"") << "refilled";
  EXPECT_THAT(status(cluster, 1), Not(HasSubstr("fenced")));
  EXPECT_EQ(client.ask("KV.AT all SET k again"), "OK");
  // The fence is over with what it was for.
  cluster.run_for(1s);
  cluster.node(3).notes.clear();
  cluster.crash(3);
  cluster.start(3);
  cluster.run_for(2s);
  EXPECT_THAT(cluster.node(3).notes, Not(HasSubstr("was fenced")));
  EXPECT_EQ(TestClient(cluster, 3).ask("GET k"), "\"again\"");
}

INSTANTIATE_TEST_SUITE_P(Stops, Fence, testing::Bool());

TEST(Fencing, AReplicaThatIsFencedWhileItRunsStartsOverAndEndsItsRequests) {
  TestCluster cluster(3, 1, [](Options& options) {
    quick(options);
    options.request_timeout = 1000s;
  });
  cluster.wait_leader();
  TestClient client(cluster, 1), alone(cluster, 3), waits(cluster, 3);
  ASSERT_EQ(client.ask("KV.AT all SET k v"), "OK");
  const auto before = cluster.node(3).node->replica();
  cluster.isolate(3);
  waits.send("KV.AT all MSET a 1 b 2 c 3");
  waits.send("KV.AT all GET k");
  waits.send("PING");
  for (const std::uint32_t other : {1u, 2u}) {
    cluster.node(3).node->peer_down(NodeId(other), cluster.now());
    cluster.node(other).node->peer_down(NodeId(3), cluster.now());
  }
  EXPECT_EQ(alone.ask("SET unseen v"), "OK");
  ASSERT_EQ(client.ask("KV.AT quorum DEL k"), "1");
  ASSERT_TRUE(cluster.run_until([&] { return has(status(cluster, 3), "in-doubt:yes"); }));
  EXPECT_FALSE(has(status(cluster, 1), "fenced:yes")) << "it doubts before it is fenced";
  EXPECT_FALSE(has(status(cluster, 2), "fenced:yes"));
  EXPECT_THAT(alone.ask("SET unseen w"), HasSubstr("NOQUORUM"));
  EXPECT_THAT(alone.ask("GET stays"), HasSubstr("NOQUORUM"));
  ASSERT_TRUE(cluster.run_until([&] {
    return has(status(cluster, 1), "fenced:yes") || has(status(cluster, 2), "fenced:yes");
  }));
  ASSERT_TRUE(cluster.run_until([&] { return tombstones_gone(cluster, {1, 2}); }, 600s));
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return !has(status(cluster, 3), "in-doubt:yes"); }));
  ASSERT_TRUE(cluster.run_until([&] { return waits.last() == "PONG"; }));
  const auto& replies = cluster.replies(3, waits.conn());
  EXPECT_THAT(replies[replies.size() - 3], HasSubstr("UNKNOWN"));
  EXPECT_THAT(replies[replies.size() - 2], HasSubstr("TIMEOUT"));
  EXPECT_NE(cluster.node(3).node->replica(), before);
  ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3); }, 60s));
  EXPECT_EQ(client.ask("KV.SEARCH k"), "[[1] [2] [3]]");
  EXPECT_EQ(alone.ask("KV.AT all SET k new"), "OK") << "the others listen to it";
  EXPECT_EQ(client.ask("KV.AT all GET k"), "\"new\"");
}

// It crashes again and again on its way: the old rows never come back.
TEST(Fencing, CrashesWhileItStartsOverBringNothingBack) {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    TestCluster cluster(3, seed, quick);
    cluster.wait_leader();
    TestClient client(cluster, 1);
    ASSERT_EQ(client.ask("KV.AT all SET k v"), "OK");
    cluster.run_for(1s);
    cluster.crash(3);
    ASSERT_EQ(client.ask("KV.AT quorum DEL k"), "1");
    ASSERT_TRUE(cluster.run_until([&] { return tombstones_gone(cluster, {1, 2}); }, 600s));
    for (std::uint64_t i = 0; i < 6; ++i) {
      cluster.start(3);
      cluster.run_for(std::chrono::microseconds(400 * seed + 1700 * i));
      cluster.crash(3);
    }
    cluster.start(3);
    ASSERT_TRUE(cluster.run_until([&] { return same_digests(cluster, 3); }, 60s)) << seed;
    cluster.run_for(1s);
    EXPECT_EQ(client.ask("KV.SEARCH k"), "[[1] [2] [3]]") << seed;
    EXPECT_EQ(client.ask("KV.AT all SET k new"), "OK") << seed;
  }
}

}  // namespace
}  // namespace kvorum::node
