// What core.h promises of hints, anti-entropy and replicas that lost data.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

std::size_t size_of(const Context& context) { return 20 * context.seen().size() + 1; }

std::size_t size_of(const Message& message) {
  std::size_t bytes = 40 + size_of(message.known) + size_of(message.cut) +
                      13 * message.sums.size() + 16 * message.prints.size() +
                      5 * message.ranges.size() + message.command.size();
  for (const auto& [key, row] : message.rows) {
    bytes += key.size() + row.size() + 4;
  }
  return bytes;
}

// Counts what is sent while it lives.
struct Traffic {
  explicit Traffic(Cluster& watched) : cluster(watched) {
    cluster.on_send = [this](const Message& message) {
      ++messages;
      bytes += size_of(message);
      rows += message.rows.size();
    };
  }
  ~Traffic() { cluster.on_send = {}; }

  Cluster& cluster;
  std::size_t messages = 0;
  std::size_t bytes = 0;
  std::size_t rows = 0;
};

TEST(Hints, AReplicaThatWasDownGetsWhatItMissedAtOnce) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.isolate(3);
  cluster.put_now(1, "k", "v");
  cluster.put_now(1, "k", "w");
  EXPECT_EQ(cluster.core(1).stats().hints, 1u);
  cluster.heal();
  cluster.settle();
  EXPECT_EQ(cluster.at(3, "k"), "w");
  EXPECT_EQ(cluster.core(1).stats().hints, 0u);
}

TEST(Hints, AreBoundedInNumberAndTimeAndTheRestIsAntiEntropys) {
  ClusterSetup setup = quick();
  setup.options.hints = 10;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.isolate(3);
  fill(cluster, 1, 0, 100);
  EXPECT_EQ(cluster.core(1).stats().hints, 10u);
  EXPECT_EQ(cluster.core(1).stats().hints_dropped, 90u);
  cluster.run_for(2s);
  EXPECT_EQ(cluster.core(1).stats().hints, 0u) << "they expire";
  EXPECT_EQ(cluster.core(3).stats().rows, 0u);
  cluster.heal();
  ASSERT_TRUE(cluster.converge(3s));
  EXPECT_EQ(cluster.core(3).stats().rows, 100u);
}

TEST(Hints, AHintAfterADeleteBringsNothingBack) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.isolate(3);
  cluster.put_now(1, "k", "v");
  cluster.del_now(1, "k");
  cluster.heal();
  cluster.settle();
  EXPECT_EQ(cluster.at(3, "k"), "-");
}

TEST(Sloppy, AStandInCountsWhenAskedAndHandsOver) {
  ClusterSetup setup;
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.isolate(2);
  cluster.isolate(3);
  EXPECT_EQ(cluster.put_now(1, "k", "v", 2), "refused: 1 of 3 replicas are up, w=2");
  WriteRequest request;
  request.key = "k";
  request.value = "v";
  request.w = 2;
  request.sloppy = true;
  const auto ticket = cluster.write(1, request);
  cluster.settle();
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kDone);
  EXPECT_TRUE(cluster.result(1, ticket)->stand_ins);
  const auto through = cluster.write(4, request);  // itself the one that stands in
  cluster.settle();
  ASSERT_NE(cluster.result(4, through), nullptr);
  EXPECT_EQ(cluster.result(4, through)->ended, Ended::kDone);
  EXPECT_TRUE(cluster.result(4, through)->stand_ins);
  EXPECT_EQ(cluster.core(4).stats().hints, 1u);
  cluster.crash(1);
  cluster.heal();
  cluster.settle();
  EXPECT_TRUE(cluster.at(2, "k") == "v" || cluster.at(3, "k") == "v");
  EXPECT_EQ(cluster.core(4).stats().hints, 0u);
  cluster.isolate(4);
  request.w = 3;
  EXPECT_EQ(cluster.show(2, *cluster.result(2, cluster.write(2, request))),
            "refused: 2 of 3 replicas are up, w=3 with 0 stand-ins");
}

TEST(Sync, ANodeThatWasDownConvergesWithNoReadAndNoHint) {
  ClusterSetup setup = quick();
  setup.options.hints = 0;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.stop(3);
  fill(cluster, 1, 0, 1000);
  for (int i = 0; i < 1000; i += 7) {
    cluster.del_now(1, fmt::format("key{}", i));
  }
  cluster.start(3);
  ASSERT_TRUE(cluster.converge(5s));
  EXPECT_EQ(cluster.core(3).stats().rows, 1000u);
  EXPECT_EQ(cluster.core(3).stats().read_repairs, 0u);
}

TEST(Sync, EqualReplicasTellEachOtherAlmostNothing) {
  Cluster cluster({});
  fill(cluster, 1, 0, 10'000);
  ASSERT_TRUE(cluster.converge());
  cluster.run_for(30s);
  Traffic traffic(cluster);
  cluster.run_for(60s);
  // Each of three pairs needs one exchange in ten seconds, whoever begins it.
  EXPECT_LE(traffic.messages, 2u * 3 * 2 * 7);
  EXPECT_LT(traffic.bytes, 20'000u);
  EXPECT_EQ(traffic.rows, 0u);
  fmt::print("60 s at rest, 10000 keys: {} messages, {} bytes\n", traffic.messages, traffic.bytes);
}

TEST(Sync, CostsWhatDiffers) {
  std::size_t bytes_of_one = 0;
  for (const int differing : {1, 10, 100, 1000}) {
    ClusterSetup setup;
    setup.replicas = {1, 2};
    setup.nodes = 2;
    setup.options.hints = 0;
    setup.options.sync_idle_interval = 3600s;
    Cluster cluster(setup);
    fill(cluster, 1, 0, 10'000);
    ASSERT_TRUE(cluster.converge());
    rest(cluster);
    cluster.cut(1, 2);
    fill(cluster, 1, 5000, 5000 + differing);
    Traffic traffic(cluster);
    cluster.heal();
    ASSERT_TRUE(cluster.converge(20s));
    rest(cluster);
    const auto keys = static_cast<std::size_t>(differing);
    fmt::print("{} of 10000 keys differ: {} messages, {} bytes, {} rows\n", differing,
               traffic.messages, traffic.bytes, traffic.rows);
    EXPECT_LE(traffic.rows, 2 * keys) << "no row but those that differ, from either side";
    bytes_of_one = differing == 1 ? traffic.bytes : bytes_of_one;
    EXPECT_LE(traffic.bytes, bytes_of_one * keys);
  }
}

TEST(Sync, IsThrottled) {
  ClusterSetup setup;
  setup.replicas = {1, 2};
  setup.nodes = 2;
  setup.options.hints = 0;
  setup.options.sync_bytes_per_s = 50'000;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.cut(1, 2);
  fill(cluster, 1, 0, 10'000);
  Traffic traffic(cluster);
  cluster.heal();
  cluster.run_for(10s);
  // Each side has its budget, and may be ahead of it by one step.
  EXPECT_LT(traffic.bytes, 2u * (10 * 50'000 + 700'000));
  EXPECT_FALSE(cluster.converged());
  EXPECT_TRUE(cluster.converge(300s));
}

TEST(Sync, BacksOffFromOneThatDoesNotAnswer) {
  ClusterSetup setup = quick();
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.isolate(1, false);
  cluster.run_for(10s);
  Traffic traffic(cluster);
  cluster.run_for(60s);
  EXPECT_LT(traffic.messages, 400u);
  cluster.heal();
}

TEST(Incarnation, AnEmptiedReplicaRefillsAndItsAnswersWaitForIt) {
  Cluster cluster(quick());
  fill(cluster, 1, 0, 100);
  ASSERT_TRUE(cluster.converge());
  rest(cluster);
  cluster.crash(3);
  cluster.wipe(3);
  cluster.start(3);
  EXPECT_FALSE(cluster.core(3).refilled(kPartition));
  EXPECT_EQ(cluster.get_now(3, "key7", 1), "a value of some length, number 7")
      << "asked of one who has it";
  ASSERT_TRUE(cluster.run_until([&] { return cluster.core(3).refilled(kPartition); }));
  EXPECT_TRUE(cluster.converged());
}

// riak_kv#679: a replica that lost its own writes and makes new ones must not bury the old.
TEST(Incarnation, OneThatLostItsWriteDoesNotBuryItWithTheNext) {
  ClusterSetup setup;
  setup.conflict = Conflict::kSiblings;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.isolate(3);
  ASSERT_EQ(cluster.put_now(1, "k", "old", 2), "old");
  cluster.crash(1);
  cluster.isolate(1);
  cluster.start(1);
  cluster.run_for(4s);  // past the stamps that its last life may have issued
  ASSERT_EQ(cluster.at(1, "k"), "nothing") << "it was not synced";
  ASSERT_EQ(cluster.put_now(1, "k", "new"), "new");
  cluster.heal();
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(2, "k"), "new|old");
}

}  // namespace
}  // namespace kvorum::dynamo::test
