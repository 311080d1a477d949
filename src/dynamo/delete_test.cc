// What core.h promises of deletes: the stable cut, fences, generations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(Deletes, TombstonesGoOnceAllHavePassedThem) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  cluster.del_now(2, "k", 3);
  ASSERT_EQ(tombstones(cluster), 3u);
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }, 20s));
  for (unsigned id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.at(id, "k"), "nothing");
    EXPECT_EQ(cluster.core(id).stats().tombstones_dropped, 1u);
  }
}

TEST(Deletes, WhileAReplicaIsSilentNothingIsDropped) {
  Cluster cluster(quick());
  cluster.put_now(1, "k", "v", 3);
  rest(cluster);
  cluster.isolate(3);
  cluster.del_now(2, "k", 2);
  cluster.run_for(60s);
  EXPECT_EQ(tombstones(cluster), 2u);
  EXPECT_EQ(cluster.at(3, "k"), "v");
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  EXPECT_EQ(cluster.at(3, "k"), "nothing");
}

TEST(Deletes, AnOldRowIsOldNewsAndItsSenderIsTold) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put(1, "k", "v");
  cluster.depart();
  const Message old = of_type(cluster.network(), MessageType::kRows, 2).at(0);
  cluster.settle();
  cluster.del_now(2, "k", 3);
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  cluster.deliver(old);
  EXPECT_EQ(cluster.at(2, "k"), "nothing");
  EXPECT_GE(cluster.core(2).stats().old_news, 1u);
  // One who lost its disk believes it, until the others hear of it.
  cluster.crash(3);
  cluster.wipe(3);
  cluster.isolate(3);
  cluster.start(3);
  Message to_three = old;
  to_three.to = NodeId(3);
  cluster.deliver(to_three);
  EXPECT_EQ(cluster.at(3, "k"), "v");
  cluster.heal();
  const auto ticket = cluster.get(3, "k", 3);
  ASSERT_EQ(cluster.result(3, ticket), nullptr);
  for (unsigned id = 1; id <= 2; ++id) {
    cluster.deliver(of_type(cluster.network(), MessageType::kRead, id).at(0));
    cluster.deliver(of_type(cluster.network(), MessageType::kReadDone, 3).back());
  }
  cluster.settle();
  EXPECT_EQ(cluster.show(3, *cluster.result(3, ticket)), "-") << "others know that it is dead";
  ASSERT_TRUE(cluster.converge());
  EXPECT_NE(cluster.at(3, "k"), "v");
  EXPECT_EQ(cluster.at(1, "k"), "nothing");
}

// A write that lost against the delete may still be under way when all have seen the delete.
TEST(Deletes, ATombstoneStaysUntilWhatItWonOverHasArrived) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.cut(2, 3, false);
  cluster.cut(2, 1, false);
  cluster.put(2, "k", "lost");
  cluster.depart();
  const Message late = of_type(cluster.network(), MessageType::kRows, 3).at(0);
  cluster.settle();
  cluster.pass(5ms);
  cluster.del_now(1, "k", 2);
  // Node 3 hears what node 2 knows, and no more of it. Node 1 does not tell node 2 what it drops.
  cluster.heal();
  cluster.loses = [&](const Message& message) {
    return (message.from == NodeId(3) && message.to == NodeId(2)) ||
           (message.from == NodeId(1) && message.to == NodeId(2) && !message.rows.empty() &&
            cluster.at(1, "k") == "nothing") ||
           (message.to == NodeId(3) && message.type != MessageType::kSync &&
            message.from == NodeId(2));
  };
  cluster.run_for(20s);
  EXPECT_EQ(cluster.at(2, "k"), "-");
  cluster.deliver(late);
  EXPECT_NE(cluster.at(3, "k"), "lost");
  cluster.loses = {};
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  cluster.deliver(late);
  EXPECT_EQ(cluster.at(3, "k"), "nothing");
}

// What a replica tells makes others drop tombstones; so it tells only what a crash cannot take.
TEST(Deletes, ACrashTakesBackNothingThatOthersRelyOn) {
  Cluster cluster(quick());
  cluster.put_now(1, "k", "v", 3);
  rest(cluster);
  cluster.node(3).disk_paused = true;
  cluster.del_now(1, "k", 3);
  cluster.run_for(20s);
  EXPECT_EQ(tombstones(cluster), 3u) << "dropped, though node 3 does not have it on disk";
  cluster.crash(3);
  cluster.isolate(3);
  cluster.node(3).disk_paused = false;
  cluster.start(3);
  EXPECT_FALSE(cluster.core(3).refilled(kPartition));
  EXPECT_EQ(cluster.at(3, "k"), "v");
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  EXPECT_EQ(cluster.at(3, "k"), "nothing");
}

// Whether one dropped it and the others still have it, when a replica that gave way to another
// incarnation keeps them from dropping anything for hours.
TEST(Deletes, WhatOneHasDroppedTheOthersDropToo) {
  ClusterSetup setup = quick();
  setup.options.hint_life = std::chrono::hours(3);
  int halfway = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    setup.seed = seed;
    Cluster cluster(setup);
    cluster.run_for(2s);
    cluster.put_now(1, "k", "v", 3);
    cluster.del_now(2, "k", 3);
    ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) < 3; }));
    if (tombstones(cluster) == 0) {
      continue;
    }
    ++halfway;
    for (unsigned id = 1; id <= 3; ++id) {
      if (cluster.at(id, "k") != "nothing") {
        cluster.crash(id);  // without an orderly stop: it comes back as another one
        cluster.start(id);
        break;
      }
    }
    ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; })) << seed;
    ASSERT_TRUE(cluster.converge()) << seed;
    EXPECT_EQ(cluster.at(1, "k"), "nothing");
  }
  EXPECT_GT(halfway, 0);
}

TEST(Deletes, TheCutIsOnDiskWithTheDrop) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put(1, "k", "v");
  cluster.depart();
  const Message old = of_type(cluster.network(), MessageType::kRows, 2).at(0);
  cluster.settle();
  cluster.del_now(2, "k", 3);
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  cluster.run_for(2s);
  cluster.crash(2);
  cluster.isolate(2);
  cluster.start(2);
  EXPECT_EQ(cluster.at(2, "k"), "nothing") << "the drop was on disk";
  cluster.deliver(old);
  EXPECT_EQ(cluster.at(2, "k"), "nothing") << "... and what makes it safe was not";
}

// Its coordinator lost it, the other replicas never had it: only a stand-in keeps it.
TEST(Deletes, WhatOnlyAStandInHasIsNoOldNews) {
  ClusterSetup setup = quick();
  setup.nodes = 4;
  setup.options.hint_life = 20s;
  Cluster cluster(setup);
  cluster.run_for(2s);
  cluster.isolate(2);
  cluster.isolate(3);
  WriteRequest request;
  request.key = "k";
  request.value = "v";
  request.w = 2;
  request.sloppy = true;
  cluster.write(1, request);
  cluster.settle();
  ASSERT_EQ(cluster.core(4).stats().hints, 1u);
  cluster.crash(1);
  cluster.heal();
  cluster.isolate(4);
  cluster.start(1);
  cluster.run_for(15s);
  EXPECT_EQ(cluster.at(1, "k"), "nothing");
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return cluster.at(1, "k") == "v"; }, 20s));
  ASSERT_TRUE(cluster.converge());
}

// The "doomstone" of riak_kv#679: a late tombstone swallows the key that was made anew.
TEST(Deletes, ALateTombstoneDoesNotSwallowTheKeyMadeAnew) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  cluster.del(1, "k");
  cluster.depart();
  const Message tombstone = of_type(cluster.network(), MessageType::kRows, 2).at(0);
  cluster.settle();
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
  cluster.put_now(3, "k", "again", 3);
  cluster.deliver(tombstone);
  cluster.settle();
  EXPECT_EQ(cluster.at(2, "k"), "again");
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(1, "k"), "again");
  EXPECT_THAT(cluster.node(2).losses, IsEmpty()) << "nothing was concurrent";
}

TEST(Deletes, WhatExpiredGoesLikeATombstoneAndExpiryChangesNoFingerprint) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  WriteRequest request;
  request.key = "k";
  request.value = "v";
  request.ttl_ms = 3000;
  cluster.write(1, request);
  cluster.settle();
  const auto digest = cluster.core(2).table(kPartition)->digest();
  cluster.run_for(2900ms);
  EXPECT_EQ(cluster.at(2, "k"), "v");
  cluster.run_for(200ms);
  EXPECT_EQ(cluster.at(2, "k"), "-");
  EXPECT_EQ(cluster.core(2).table(kPartition)->digest(), digest);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.at(2, "k") == "nothing"; }));
  ASSERT_TRUE(cluster.converge());
}

// What a replica said before it lost its disk is not what the next one there has.
TEST(Deletes, AnEarlierIncarnationsWordDoesNotCount) {
  Cluster cluster(quick());
  cluster.put_now(1, "k", "v", 3);
  rest(cluster);
  cluster.loses = [](const Message& message) { return message.to == NodeId(1); };
  std::optional<Message> word;
  cluster.on_send = [&](const Message& message) {
    if (message.type == MessageType::kSync && message.from == NodeId(3) &&
        message.to == NodeId(1)) {
      word = message;
    }
  };
  const auto ticket = cluster.del(1, "k");
  cluster.settle();
  const Dot dot = cluster.result(1, ticket)->dot;
  ASSERT_TRUE(cluster.run_until([&] { return word && word->known.covers(dot); }));
  cluster.on_send = {};
  cluster.deliver(*word);
  cluster.crash(3);
  cluster.wipe(3);
  cluster.start(3);
  cluster.loses = [](const Message& message) {  // nor does node 2 tell node 1 what it drops
    return message.to == NodeId(1) && (message.from == NodeId(3) || !message.rows.empty());
  };
  cluster.run_for(20s);
  EXPECT_EQ(cluster.core(1).stats().tombstones, 1u) << "it was forgotten at the handshake";
  cluster.deliver(*word);
  cluster.run_for(20s);
  EXPECT_EQ(cluster.core(1).stats().tombstones, 1u) << "... and not believed again";
  cluster.loses = {};
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }));
}

TEST(Fence, AFencedReplicaIsNotWaitedForAndItsOldRowsAreRefused) {
  Cluster cluster(quick());
  cluster.put_now(1, "k", "v", 3);
  rest(cluster);
  cluster.isolate(3);
  cluster.put(3, "l", "made alone");
  cluster.settle();
  cluster.del_now(1, "k", 2);
  cluster.config().fenced = {cluster.replica(3)};
  cluster.core(1).configure(
      [&] {
        PartitionConfig config = cluster.config();
        config.id = kPartition;
        return config;
      }(),
      cluster.now(1));
  cluster.configure();
  ASSERT_TRUE(cluster.run_until([&] { return tombstones(cluster) == 0; }))
      << "the cut waits for a fenced replica";
  // It learned of it, too: it takes no part as it is.
  EXPECT_FALSE(cluster.core(3).holds(kPartition));
  EXPECT_EQ(cluster.core(3).stats().rows, 0u);
  EXPECT_THAT(cluster.node(3).log.back(), HasSubstr("fenced"));
  // It comes back as another one, and group 0 takes the fence away.
  cluster.crash(3);
  cluster.wipe(3);
  cluster.heal();
  cluster.start(3);
  cluster.config().fenced.clear();
  cluster.configure();
  ASSERT_TRUE(cluster.converge());
  EXPECT_NE(cluster.at(3, "k"), "v");
}

TEST(Generation, ANewOneBeginsEmptyAndTheOldOnesMessagesAreDropped) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  cluster.put(1, "k", "w");
  cluster.depart();
  const Message old = of_type(cluster.network(), MessageType::kRows, 2).at(0);
  cluster.config().generation = Generation(2);
  cluster.configure();
  cluster.settle();
  for (unsigned id = 1; id <= 3; ++id) {
    EXPECT_EQ(cluster.at(id, "k"), "nothing");
    EXPECT_TRUE(cluster.core(id).refilled(kPartition));
  }
  cluster.deliver(old);
  EXPECT_EQ(cluster.at(2, "k"), "nothing");
  EXPECT_EQ(cluster.put_now(2, "k", "x", 3), "x");
}

}  // namespace
}  // namespace kvorum::dynamo::test
