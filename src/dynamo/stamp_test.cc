// What core.h promises of counters, stamps and conflicts, and of quorums that meet.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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

TEST(Stamps, QuickCrashesMakeNobodyWaitLongerThanOne) {
  Cluster cluster({});
  for (int life = 0; life < 10; ++life) {
    cluster.put(1, "k", "v");
    cluster.run_for(10ms);
    cluster.crash(1);
    cluster.start(1);
  }
  cluster.run_for(3s);
  EXPECT_EQ(cluster.put_now(1, "k", "now"), "now");
}

TEST(Stamps, AnOrderlyStopMakesNobodyWait) {
  Cluster cluster({});
  for (int life = 0; life < 3; ++life) {
    EXPECT_EQ(cluster.put_now(1, "k", fmt::format("{}", life)), fmt::format("{}", life));
    cluster.stop(1);
    cluster.start(1);
  }
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
