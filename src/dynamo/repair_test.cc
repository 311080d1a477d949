// What core.h promises of repair, deletes, stamps and conflicts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

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

ClusterSetup quick() {
  ClusterSetup setup;
  setup.options.sync_interval = 100ms;
  setup.options.sync_idle_interval = 500ms;
  setup.options.hint_life = 1s;
  return setup;
}

// Everybody sure of everybody, and the second round of what they say on its way.
void rest(Cluster& cluster) { cluster.run_for(5s); }

std::uint64_t tombstones(Cluster& cluster) {
  std::uint64_t sum = 0;
  for (auto& [id, node] : cluster.nodes()) {
    sum += node.core ? node.core->stats().tombstones : 0;
  }
  return sum;
}

void fill(Cluster& cluster, unsigned id, int from, int to) {
  for (int i = from; i < to; ++i) {
    WriteRequest request;
    request.ticket = 1'000'000 + cluster.node(id).results.size() + static_cast<std::uint64_t>(i);
    request.partition = kPartition;
    request.key = fmt::format("key{}", i);
    request.value = fmt::format("a value of some length, number {}", i);
    cluster.core(id).write(request, cluster.now(id));
  }
  cluster.settle();
}

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
  ASSERT_TRUE(cluster.converge());
  EXPECT_NE(cluster.at(3, "k"), "v");
  EXPECT_EQ(cluster.at(1, "k"), "nothing");
}

// The "doomstone" of riak_kv#679: a late tombstone swallows the key that was made anew.
TEST(Deletes, ALateTombstoneDoesNotSwallowTheKeyMadeAnew) {
  Cluster cluster(quick());
  cluster.run_for(2s);
  cluster.put_now(1, "k", "v", 3);
  cluster.del(1, "k");
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

TEST(Stamps, CountersAndStampsNeverGoBackOverCrashes) {
  ClusterSetup setup;
  setup.fsync = true;
  Cluster cluster(setup);
  Dot last;
  HybridTime stamp;
  for (int life = 0; life < 20; ++life) {
    cluster.run_for(life % 3 == 0 ? 0s : 50ms);
    for (int i = 0; i < 5; ++i) {
      const auto ticket = cluster.put(1, "k", fmt::format("{}/{}", life, i));
      cluster.run_for(i == 4 ? 3s : 1ms);
      const Result* result = cluster.result(1, ticket);
      if (result != nullptr && result->ended == Ended::kDone) {
        EXPECT_GT(result->dot.counter, last.counter);
        EXPECT_GT(result->row.siblings.front().stamp, stamp);
        last = result->dot;
        stamp = result->row.siblings.front().stamp;
      }
    }
    cluster.crash(1);
    if (life % 4 == 0) {
      cluster.node(1).clock_ms -= 100;  // the clock goes back
    }
    cluster.start(1);
  }
  EXPECT_GT(last.counter, 50u);
}

TEST(Stamps, NothingIsIssuedBeforeTheDiskHasTheBound) {
  Cluster cluster({});
  cluster.node(1).disk_paused = true;
  const auto ticket = cluster.put(1, "k", "v");
  cluster.settle();
  EXPECT_EQ(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.at(1, "k"), "nothing");
  cluster.write_disk(1);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kDone);
  // A disk that stays away: definite, as nothing was done.
  Cluster other({});
  other.node(1).disk_paused = true;
  const auto late = other.put(1, "k", "v");
  other.run_for(3s);
  EXPECT_EQ(other.show(1, *other.result(1, late)), "refused: no stamp could be issued in time");
}

TEST(Stamps, AClockAheadOfMostOthersRefusesToStamp) {
  Cluster cluster({});
  cluster.run_for(1s);
  cluster.node(1).clock_ms = 600;
  cluster.isolate(1);
  cluster.heal();
  EXPECT_THAT(cluster.put_now(1, "k", "v"), HasSubstr("more than 500 ms ahead"));
  EXPECT_THAT(cluster.node(1).log.back(), HasSubstr("600 ms ahead"));
  EXPECT_EQ(cluster.put_now(2, "k", "v"), "v") << "those who are behind it go on";
}

TEST(Stamps, AStampFromTheFutureIsKeptAndItsKeyRefusesWrites) {
  Cluster cluster({});
  cluster.run_for(1s);
  cluster.isolate(1);
  cluster.node(1).clock_ms = 5000;
  cluster.put(1, "k", "future");
  cluster.run_for(100ms);
  ASSERT_EQ(cluster.at(1, "k"), "future");
  cluster.node(1).clock_ms = 0;
  cluster.heal();
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(2, "k"), "future") << "repair rejects nothing";
  EXPECT_THAT(cluster.put_now(2, "k", "now"), HasSubstr("ms ahead of this node's clock"));
  EXPECT_EQ(cluster.put_now(2, "l", "now"), "now") << "one stamp does not drag all along";
  EXPECT_LE(cluster.node(2).results.rbegin()->second.row.siblings.front().stamp.wall(),
            cluster.now(2).wall + 1);
}

TEST(Stamps, AContextThatNamesWhatNeverWasIsRefused) {
  Cluster cluster({});
  cluster.run_for(1s);
  WriteRequest request;
  request.key = "k";
  request.seen.emplace().add({cluster.replica(1), 1'000'000});
  const auto ticket = cluster.write(1, request);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_THAT(cluster.show(1, *cluster.result(1, ticket)), HasSubstr("never were"));
}

TEST(Conflicts, OfConcurrentWritesTheLaterStaysAndTheLoserIsInTheLedger) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.isolate(1);
  cluster.isolate(2);
  cluster.put(1, "k", "b");
  cluster.pass(5ms);
  cluster.put(2, "k", "a");
  cluster.heal();
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(1, "k"), "a");
  EXPECT_EQ(cluster.at(3, "k"), "a");
  std::size_t losses = 0;
  for (auto& [id, node] : cluster.nodes()) {
    EXPECT_LE(node.losses.size(), 1u) << "once per replica";
    for (const Loss& loss : node.losses) {
      EXPECT_EQ(loss.lost.value, "b");
      EXPECT_EQ(loss.winner.replica.node, NodeId(2));
      ++losses;
    }
  }
  EXPECT_GE(losses, 1u);
}

TEST(Conflicts, AppleThenBananaIsNone) {
  Cluster cluster({});
  cluster.run_for(2s);
  cluster.put(1, "k", "apple");
  cluster.put(1, "k", "banana");
  ASSERT_TRUE(cluster.converge());
  for (auto& [id, node] : cluster.nodes()) {
    EXPECT_EQ(cluster.at(id.value(), "k"), "banana");
    EXPECT_THAT(node.losses, IsEmpty());
  }
}

TEST(Conflicts, SiblingsStayUntilAWriteHasSeenThemAndAreCapped) {
  ClusterSetup setup;
  setup.conflict = Conflict::kSiblings;
  setup.options.sibling_cap = 3;
  Cluster cluster(setup);
  cluster.run_for(2s);
  WriteRequest blind;
  blind.key = "k";
  blind.seen.emplace();
  for (const char* value : {"a", "b", "c"}) {
    blind.value = value;
    cluster.write(1, blind);
  }
  blind.value = "d";
  const auto refused = cluster.write(1, blind);
  ASSERT_NE(cluster.result(1, refused), nullptr);
  EXPECT_THAT(cluster.show(1, *cluster.result(1, refused)), HasSubstr("3 siblings"));
  cluster.settle();
  EXPECT_EQ(cluster.get_now(2, "k", 2), "a|b|c");
  WriteRequest informed;
  informed.key = "k";
  informed.value = "abc";
  informed.seen = cluster.node(2).results.rbegin()->second.row.context;
  cluster.write(3, informed);
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.at(1, "k"), "abc");
  EXPECT_THAT(cluster.node(1).losses, IsEmpty());
}

TEST(Conflicts, ALedgerForgetsItsOldest) {
  ClusterSetup setup;
  setup.options.ledger = 2;
  Cluster cluster(setup);
  cluster.run_for(2s);
  WriteRequest blind;
  blind.key = "k";
  blind.seen.emplace();
  for (const char* value : {"a", "b", "c", "d"}) {
    blind.value = value;
    cluster.write(1, blind);
  }
  EXPECT_EQ(cluster.core(1).stats().conflicts, 3u);
  std::vector<std::string> values;
  for (const Loss& loss : cluster.core(1).ledger()) {
    values.push_back(loss.lost.value);
  }
  EXPECT_THAT(values, ElementsAre("b", "c"));
}

// Strict quorums meet: with nothing concurrent, a read sees the last finished write.
TEST(Quorum, RAndWAboveNSeeTheLastFinishedWrite) {
  std::size_t seen = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    ClusterSetup setup;
    setup.seed = seed;
    setup.nodes = 3 + static_cast<unsigned>(prng.below(2));
    setup.options.request_timeout = 200ms;
    Cluster cluster(setup);
    cluster.run_for(2s);
    std::set<std::string> may = {"-"};
    for (int i = 0; i < 40; ++i) {
      const unsigned id = 1 + static_cast<unsigned>(prng.below(setup.nodes));
      if (prng.chance(1, 5)) {
        cluster.cut(1 + static_cast<unsigned>(prng.below(setup.nodes)), id % setup.nodes + 1,
                    prng.chance(1, 2));
      } else if (prng.chance(1, 4)) {
        cluster.heal();
      } else if (prng.chance(1, 10)) {
        cluster.stop(id);
        cluster.start(id);
      }
      const unsigned w = 1 + static_cast<unsigned>(prng.below(3));
      const auto value = prng.chance(1, 4) ? "-" : fmt::format("{}", i);
      const auto written = value == "-" ? cluster.del(id, "k", w) : cluster.put(id, "k", value, w);
      cluster.run_until([&] { return cluster.result(id, written) != nullptr; });
      const Result& write = *cluster.result(id, written);
      cluster.pass(1ms);
      if (write.ended == Ended::kDone) {
        may = {value};
      } else if (write.ended == Ended::kUnknown) {
        may.insert(value);
      }
      if (write.ended != Ended::kDone) {
        continue;
      }
      const unsigned reader = 1 + static_cast<unsigned>(prng.below(setup.nodes));
      const auto asked = cluster.get(reader, "k", 4 - w);
      cluster.run_until([&] { return cluster.result(reader, asked) != nullptr; });
      const Result& read = *cluster.result(reader, asked);
      if (read.ended == Ended::kDone) {
        ++seen;
        ASSERT_TRUE(may.contains(cluster.show(reader, read)))
            << "seed " << seed << ", step " << i << ": " << cluster.show(reader, read)
            << " instead of " << value << cluster.digests();
      }
    }
  }
  EXPECT_GT(seen, 2000u);
}

}  // namespace
}  // namespace kvorum::dynamo::test
