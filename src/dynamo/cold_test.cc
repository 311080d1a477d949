// Rows colder than memory: values that are on the disk alone.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

constexpr std::size_t kAll = 1'000'000;  // rows: more than there are

// Long enough to be worth a read of the disk.
std::string lengthy(const std::string& text) { return text + std::string(100, '.'); }

Row row_of(std::uint64_t counter, const std::string& value) {
  Row row;
  Sibling fresh;
  fresh.dot = {{NodeId(1), Incarnation(7)}, counter};
  fresh.stamp.packed = counter;
  fresh.value = value;
  put(row, fresh, {});
  return row;
}

std::optional<Bytes> packed(const Row& row) {
  Bytes bytes;
  encode(row, bytes);
  return bytes;
}

class ColdTable : public testing::Test {
 protected:
  void put(const std::string& key, const Row& row) { table_.replace(key, row); }
  void save(const std::string& key) {
    table_.take_changed([](ByteView, ByteView) {});
    table_.on_disk({Table::hash_of(key), table_.print(key)});
  }

  Table table_;
};

TEST_F(ColdTable, AValueLeavesOnceTheDiskHasItAndTheRestStays) {
  const auto row = row_of(1, lengthy("a"));
  put("k", row);
  put("tombstone", {});
  table_.evict(kAll);
  EXPECT_FALSE(table_.is_cold("k")) << "the disk does not have it";
  table_.on_disk({Table::hash_of("k"), table_.print("k") + 1});
  table_.take_changed([](ByteView, ByteView) {});
  table_.evict(kAll);
  EXPECT_FALSE(table_.is_cold("k")) << "the disk has another one";
  save("k");
  const auto digest = table_.digest();
  const auto bytes = table_.memory_bytes();
  EXPECT_FALSE(table_.evict(kAll)) << "nothing more can leave";
  EXPECT_TRUE(table_.is_cold("k"));
  EXPECT_EQ(table_.cold(), 1u);
  EXPECT_EQ(table_.rows(), 1u);
  EXPECT_EQ(table_.digest(), digest);
  EXPECT_LT(table_.memory_bytes() + 90, bytes);
  EXPECT_EQ(table_.item("k").bytes, packed(row)->size());
  const Row* held = table_.find("k");
  EXPECT_TRUE(held->cold());
  EXPECT_EQ(held->context, row.context);
  EXPECT_EQ(held->siblings.front().dot, row.siblings.front().dot);
  EXPECT_EQ(held->siblings.front().value, "");
  EXPECT_TRUE(table_.restore("k", table_.print("k"), packed(row)));
  EXPECT_EQ(*table_.find("k"), row);
  EXPECT_EQ(table_.memory_bytes(), bytes);
  EXPECT_EQ(table_.digest(), digest);
}

TEST_F(ColdTable, WhatIsChangedOrShortStays) {
  put("short", row_of(1, "v"));
  put("k", row_of(2, lengthy("a")));
  save("short");
  save("k");
  put("k", row_of(3, lengthy("b")));
  table_.evict(kAll);
  EXPECT_EQ(table_.cold(), 0u);
}

TEST_F(ColdTable, WhatIsUsedStaysOnce) {
  put("k", row_of(1, lengthy("a")));
  save("k");
  table_.evict(1);
  EXPECT_EQ(table_.cold(), 0u) << "it was just written";
  table_.find("k");
  table_.evict(1);
  EXPECT_EQ(table_.cold(), 0u);
  table_.evict(1);
  EXPECT_EQ(table_.cold(), 1u);
}

TEST_F(ColdTable, AValueThatIsOldIsNotTakenAndOneThatIsMissingIsDamage) {
  const auto old = row_of(1, lengthy("a"));
  const auto fresh = row_of(2, lengthy("b"));
  put("k", old);
  save("k");
  const auto asked = table_.print("k");
  put("k", fresh);
  EXPECT_TRUE(table_.restore("k", asked, packed(old)));
  EXPECT_EQ(*table_.find("k"), fresh);
  save("k");
  table_.evict(kAll);
  ASSERT_TRUE(table_.is_cold("k"));
  EXPECT_TRUE(table_.restore("k", asked, packed(old))) << "it became cold again in the meantime";
  EXPECT_TRUE(table_.is_cold("k"));
  EXPECT_FALSE(table_.restore("k", table_.print("k"), packed(old)));
  EXPECT_FALSE(table_.restore("k", table_.print("k"), std::nullopt));
  EXPECT_FALSE(table_.restore("k", table_.print("k"), Bytes("nonsense")));
  EXPECT_TRUE(table_.restore("none", 1, std::nullopt));
}

TEST(ColdMerge, NeedsNoValueThatTheOtherRowHasOrReplaces) {
  const auto row = row_of(1, lengthy("a"));
  Row cold = row;
  cold.siblings.front().value.clear();
  cold.siblings.front().cold = true;
  Row into = cold;
  EXPECT_FALSE(merge(into, row)) << "it is the same";
  Row newer = row;
  put(newer, row_of(2, "b").siblings.front(), newer.context);
  into = cold;
  EXPECT_TRUE(merge(into, newer));
  EXPECT_EQ(into, newer);
  into = cold;
  EXPECT_TRUE(merge(into, row_of(2, "b"))) << "by another writer, who had not seen it";
  EXPECT_FALSE(into.cold()) << "one replica's dots cover its earlier ones";
}

// Three nodes whose rows leave memory as soon as the disk has them.
ClusterSetup cold(Conflict conflict = Conflict::kLww) {
  ClusterSetup setup = quick();
  setup.cold = true;
  setup.conflict = conflict;
  return setup;
}

class Cold : public testing::Test {
 protected:
  // Writes it and waits until it is cold everywhere.
  static void fill(Cluster& cluster, int keys) {
    cluster.run_for(1s);
    for (int i = 0; i < keys; ++i) {
      cluster.put(1, fmt::format("k{}", i), lengthy(fmt::format("v{}", i)), 3);
      cluster.settle();
    }
    wait_cold(cluster, keys);
  }
  static void wait_cold(Cluster& cluster, int keys) {
    ASSERT_TRUE(cluster.run_until([&] {
      for (auto& [id, node] : cluster.nodes()) {
        if (node.core->stats().cold != static_cast<std::uint64_t>(keys)) {
          return false;
        }
      }
      return true;
    }));
  }
  static std::uint64_t fetches(Cluster& cluster, unsigned id) {
    return cluster.core(id).stats().fetches;
  }
};

TEST_F(Cold, EveryReadFindsItsValue) {
  Cluster cluster(cold());
  fill(cluster, 5);
  for (unsigned id = 1; id <= 3; ++id) {
    for (unsigned r = 1; r <= 3; ++r) {
      for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(cluster.get_now(id, fmt::format("k{}", i), r), lengthy(fmt::format("v{}", i)));
      }
    }
  }
  EXPECT_EQ(fetches(cluster, 1), 15u) << "those that are asked answer by their prints";
  EXPECT_EQ(cluster.core(1).read_here(kPartition, "k0", true), nullptr);
  const auto* row = cluster.core(1).read_here(kPartition, "k0", false);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->siblings.size(), 1u);
}

TEST_F(Cold, ANodeThatHoldsNoReplicaIsSentTheValue) {
  auto setup = cold();
  setup.nodes = 4;
  Cluster cluster(setup);
  cluster.run_for(1s);
  cluster.put_now(1, "k", lengthy("v"), 3);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.core(2).stats().cold == 1; }));
  EXPECT_EQ(cluster.get_now(4, "k", 2), lengthy("v"));
}

TEST_F(Cold, AWriteThatHasSeenTheRowNeedsNoDisk) {
  Cluster cluster(cold());
  fill(cluster, 1);
  for (auto& [id, node] : cluster.nodes()) {
    node.disk_paused = true;
  }
  const auto ticket = cluster.put(2, "k0", lengthy("new"), 3);
  cluster.settle();
  ASSERT_NE(cluster.result(2, ticket), nullptr);
  EXPECT_EQ(cluster.result(2, ticket)->ended, Ended::kDone);
  EXPECT_EQ(cluster.get_now(3, "k0"), lengthy("new"));
  EXPECT_EQ(fetches(cluster, 1) + fetches(cluster, 2) + fetches(cluster, 3), 0u);
}

TEST_F(Cold, WhatIsWrittenMeanwhileStays) {
  Cluster cluster(cold());
  fill(cluster, 2);
  cluster.node(1).disk_paused = true;
  const auto read = cluster.get(1, "k0");
  const auto other = cluster.get(1, "k1");
  cluster.put(1, "k0", lengthy("new"));
  EXPECT_EQ(cluster.result(1, read), nullptr);
  cluster.read_disk(1);
  ASSERT_NE(cluster.result(1, read), nullptr);
  EXPECT_EQ(cluster.result(1, other), nullptr) << "one fetch at a time";
  cluster.read_disk(1);
  ASSERT_NE(cluster.result(1, other), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, read)), lengthy("new"));
  EXPECT_EQ(cluster.show(1, *cluster.result(1, other)), lengthy("v1"));
}

TEST_F(Cold, AReadIsNotOlderThanTheOneBeforeIt) {
  Cluster cluster(cold());
  fill(cluster, 1);
  cluster.node(1).disk_paused = true;
  const auto first = cluster.get(1, "k0");
  cluster.put(1, "k0", lengthy("new"));
  const auto second = cluster.get(1, "k0");
  EXPECT_EQ(cluster.result(1, second), nullptr) << "it waits behind the first";
  cluster.put(1, "k0", lengthy("newest"));
  cluster.node(1).disk_paused = false;
  cluster.settle();
  EXPECT_EQ(cluster.show(1, *cluster.result(1, first)), lengthy("newest"));
  EXPECT_EQ(cluster.show(1, *cluster.result(1, second)), lengthy("newest"));
}

TEST_F(Cold, AWriteWaitsForSiblingsThatItHasNotSeenAndNoneOvertakesIt) {
  Cluster cluster(cold(Conflict::kSiblings));
  fill(cluster, 1);
  cluster.node(1).disk_paused = true;
  WriteRequest blind;
  blind.key = "k0";
  blind.value = lengthy("beside");
  blind.seen = Context();
  EXPECT_EQ(cluster.core(1).write_here(blind, cluster.now(1)), nullptr);
  const auto first = cluster.write(1, blind);
  const auto second = cluster.put(1, "other", "later");
  EXPECT_EQ(cluster.result(1, first), nullptr);
  EXPECT_EQ(cluster.result(1, second), nullptr);
  EXPECT_TRUE(cluster.core(1).writes_wait());
  cluster.read_disk(1);
  ASSERT_NE(cluster.result(1, first), nullptr);
  ASSERT_NE(cluster.result(1, second), nullptr);
  EXPECT_LT(cluster.result(1, first)->dot.counter, cluster.result(1, second)->dot.counter);
  cluster.node(1).disk_paused = false;
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.get_now(2, "k0"), lengthy("beside") + "|" + lengthy("v0"));
}

TEST_F(Cold, WhatLosesIsInTheLedgerWithItsValue) {
  Cluster cluster(cold());
  fill(cluster, 1);
  cluster.isolate(1);
  cluster.put_now(1, "k0", lengthy("one"));
  cluster.put_now(2, "k0", lengthy("two"));
  wait_cold(cluster, 1);
  cluster.heal();
  ASSERT_TRUE(cluster.converge());
  EXPECT_EQ(cluster.get_now(3, "k0"), lengthy("two"));
  std::vector<std::string> lost;
  for (auto& [id, node] : cluster.nodes()) {
    for (const Loss& loss : node.losses) {
      lost.push_back(loss.lost.value);
    }
  }
  EXPECT_THAT(lost, testing::Contains(lengthy("one")));
  EXPECT_THAT(lost, testing::Each(lengthy("one")));
}

TEST_F(Cold, HintsAndAntiEntropySendWhatIsOnTheDisk) {
  for (const std::size_t hints : {0u, 1000u}) {
    auto setup = cold();
    setup.options.hints = hints;
    Cluster cluster(setup);
    cluster.run_for(1s);
    cluster.isolate(3);
    for (int i = 0; i < 300; ++i) {
      cluster.put(1, fmt::format("k{}", i), lengthy(fmt::format("v{}", i)), 2);
    }
    ASSERT_TRUE(cluster.run_until([&] { return cluster.core(1).stats().cold == 300; }));
    cluster.heal();
    ASSERT_TRUE(cluster.converge());
    for (int i = 0; i < 300; ++i) {
      EXPECT_EQ(cluster.get_now(3, fmt::format("k{}", i)), lengthy(fmt::format("v{}", i)));
    }
    EXPECT_GE(fetches(cluster, 1) + fetches(cluster, 2), 300u);
  }
}

TEST_F(Cold, AWriteIsSentAgainWithItsValue) {
  Cluster cluster(cold());
  cluster.run_for(1s);
  cluster.loses = [](const Message& message) { return message.type == MessageType::kRows; };
  const auto ticket = cluster.put(1, "k", lengthy("v"), 2);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.core(1).stats().cold == 1; }));
  cluster.loses = {};
  ASSERT_TRUE(cluster.run_until([&] { return cluster.result(1, ticket) != nullptr; }));
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kDone);
}

TEST_F(Cold, ADiskThatDoesNotAnswerEndsTheReadAndNotMore) {
  Cluster cluster(cold());
  fill(cluster, 1);
  cluster.node(1).disk_paused = true;
  const auto ticket = cluster.get(1, "k0");
  ASSERT_TRUE(cluster.run_until([&] { return cluster.result(1, ticket) != nullptr; }, 10s));
  EXPECT_EQ(cluster.result(1, ticket)->ended, Ended::kTimeout);
  EXPECT_THAT(cluster.result(1, ticket)->why, testing::HasSubstr("the disk took too long"));
  cluster.node(1).disk_paused = false;
  EXPECT_EQ(cluster.get_now(1, "k0"), lengthy("v0"));
}

TEST_F(Cold, AFlushOvertakesWhatTheDiskWasAsked) {
  Cluster cluster(cold());
  fill(cluster, 2);
  cluster.node(1).disk_paused = true;
  const auto ticket = cluster.get(1, "k0");
  cluster.config().generation = cluster.config().generation.next();
  cluster.configure();
  cluster.put(1, "k1", lengthy("new"));
  cluster.read_disk(1);
  ASSERT_NE(cluster.result(1, ticket), nullptr);
  EXPECT_EQ(cluster.show(1, *cluster.result(1, ticket)), "-");
  EXPECT_EQ(cluster.at(1, "k1"), lengthy("new"));
}

TEST_F(Cold, WhatWaitsWhenTheNodeStopsIsNotTakenAnyMore) {
  for (const bool stops : {false, true}) {
    Cluster cluster(cold());
    fill(cluster, 1);
    cluster.isolate(1);
    cluster.put_now(2, "k0", lengthy("two"));
    cluster.pass(10ms);
    cluster.put_now(1, "k0", lengthy("one"));
    wait_cold(cluster, 1);
    cluster.node(2).disk_paused = true;
    cluster.heal();
    ASSERT_TRUE(cluster.run_until([&] { return !cluster.node(2).missing.empty(); }));
    if (stops) {
      cluster.core(2).flush();
      cluster.drain(2);
    }
    while (!cluster.node(2).missing.empty()) {
      cluster.read_disk(2);
    }
    const auto maker = cluster.core(2).table(kPartition)->find("k0")->siblings.front().dot.replica;
    EXPECT_EQ(maker.node, NodeId(stops ? 2 : 1));
  }
}

TEST_F(Cold, WhoLooksFromOutsideWaits) {
  Cluster cluster(cold());
  fill(cluster, 1);
  EXPECT_TRUE(cluster.core(1).has_values(kPartition, "none"));
  EXPECT_FALSE(cluster.core(1).has_values(kPartition, "k0"));
  cluster.drain(1);
  ASSERT_EQ(cluster.node(1).missing.size(), 1u);
  EXPECT_THAT(cluster.node(1).missing.front().keys, testing::ElementsAre("k0"));
}

}  // namespace
}  // namespace kvorum::dynamo::test
