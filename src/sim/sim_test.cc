#include "sim/sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/events.h"

namespace kvorum::sim {
namespace {

TEST(Events, EqualTimesGoByOrderOfArrival) {
  EventQueue events;
  std::string order;
  events.after(2ms, [&] { order += 'c'; });
  events.after(1ms, [&] {
    order += 'a';
    events.after(1ms, [&] { order += 'e'; });
  });
  events.after(1ms, [&] { order += 'b'; });
  events.after(2ms, [&] { order += 'd'; });
  while (events.step()) {
  }
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(events.now(), Instant(2ms));
  EXPECT_EQ(events.ran(), 5u);
}

TEST(Events, ExponentialHasItsMean) {
  Prng prng(1);
  constexpr int kDraws = 100'000;
  Duration sum{};
  Duration longest{};
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = draw_exponential(prng, 1ms);
    ASSERT_GE(drawn.count(), 0);
    sum += drawn;
    longest = std::max(longest, drawn);
  }
  EXPECT_NEAR(static_cast<double>((sum / kDraws).count()), 1e6, 3e4);
  EXPECT_GT(longest, 8ms);
}

TEST(ClockTest, TrueTimeIsWhenTheLocalTimeIsReached) {
  for (const std::int64_t drift : {-10'000, -1, 0, 1, 10'000}) {
    const Clock clock(drift, 5);
    for (const std::int64_t ns : {0L, 1L, 999'999'937L, 3'600'000'000'000L}) {
      const auto local = clock.now(Instant(Duration(ns))).mono;
      const auto back = clock.true_time(local);
      EXPECT_GE(clock.now(back).mono, local) << drift << ' ' << ns;
      EXPECT_LE((back - Instant(Duration(ns))).count(), 2) << drift << ' ' << ns;
    }
    EXPECT_EQ(clock.true_time(Instant::max()), Instant::max());
  }
}

TEST(ClockTest, OnlyTheWallClockJumps) {
  Clock clock(0, 0);
  const auto before = clock.now(Instant(1s));
  clock.jump(-1500);
  const auto after = clock.now(Instant(1s));
  EXPECT_EQ(after.mono, before.mono);
  EXPECT_EQ(after.wall - before.wall, -1500);
}

store::Batch put(const std::string& name, bool sync) {
  store::Batch batch;
  batch.sync = sync;
  batch.operations.push_back(store::PutRecord{name, "v"});
  return batch;
}

std::string found(const SimStore& store) {
  std::string names;
  for (const char* name : {"a", "b", "c", "d"}) {
    names += store.record(name)->has_value() ? name : "-";
  }
  return names;
}

TEST(Store, APowerCutKeepsWhatWasSyncedAndSomeOfTheRestInOrder) {
  std::map<std::string, int> outcomes;
  Prng prng(1);
  for (int i = 0; i < 100; ++i) {
    SimStore store;
    const auto a = put("a", true), b = put("b", false), c = put("c", false), d = put("d", true);
    ASSERT_TRUE(store.write({&a}) && store.write({&b}) && store.write({&c}));
    EXPECT_EQ(found(store), "abc-");
    store.crash(prng, true, &d);
    ++outcomes[found(store)];
  }
  std::vector<std::string> seen;
  for (const auto& [names, unused] : outcomes) {
    seen.push_back(names);
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAre("a---", "ab--", "abc-", "abcd"));
}

TEST(Store, AKilledProcessLosesNothingThatItHadWritten) {
  Prng prng(1);
  SimStore store;
  const auto a = put("a", true), b = put("b", false);
  ASSERT_TRUE(store.write({&a}) && store.write({&b}));
  store.crash(prng, false, nullptr);
  EXPECT_EQ(found(store), "ab--");
}

TEST(Store, AFailedWriteFailsAllThatFollow) {
  Prng prng(1);
  SimStore store;
  const auto a = put("a", true), b = put("b", true);
  ASSERT_TRUE(store.write({&a}));
  store.fail_next_write(true);
  EXPECT_FALSE(store.write({&b}));
  EXPECT_FALSE(store.write({&b}));
  store.crash(prng, true, &b);
  EXPECT_EQ(found(store), "a---");
  EXPECT_TRUE(store.write({&b}));
}

TEST(OptionsTest, GoThroughTextAndRefuseNonsense) {
  const auto drawn = draw(5);
  Options read;
  read.seed = 5;
  std::string word;
  for (const char c : to_string(drawn) + ' ') {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      EXPECT_TRUE(set(read, word)) << word;
      word.clear();
    }
  }
  EXPECT_EQ(to_string(read), to_string(drawn));
  const auto before = to_string(read);
  for (const char* bad : {"", "nodes", "nodes=", "nodes=0", "nodes=x", "nodes=3 ", "nods=3", "=3",
                          "loss_ppm=1000001", "seed=3"}) {
    const auto done = set(read, bad);
    ASSERT_FALSE(done) << bad;
    EXPECT_FALSE(done.error().detail.empty());
  }
  EXPECT_EQ(to_string(read), before);
}

TEST(OptionsTest, EveryDrawIsWithinItsRange) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto options = draw(seed);
    for (const auto& option : option_table()) {
      EXPECT_GE(options.*(option.field), option.min) << option.name;
      EXPECT_LE(options.*(option.field), option.max) << option.name;
    }
  }
}

TEST(Sim, SameSeedSameRunAndAnotherSeedAnother) {
  std::string first, second;
  const auto one = run(draw(11), [&](const std::string& line) { first += line + '\n'; });
  const auto two = run(draw(11), [&](const std::string& line) { second += line + '\n'; });
  const auto silent = run(draw(11));
  EXPECT_EQ(first, second);
  EXPECT_EQ(one.trace_hash, silent.trace_hash);
  EXPECT_EQ(one.events, silent.events);
  EXPECT_NE(one.trace_hash, run(draw(12)).trace_hash);
}

// A fault that never strikes tests nothing.
TEST(Sim, EveryKindOfFaultHappens) {
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    auto options = draw(seed);
    options.operations = std::min<std::int64_t>(options.operations, 2000);
    const auto outcome = run(options);
    EXPECT_EQ(outcome.failure, Failure::kNone) << "seed " << seed << ": " << outcome.why;
    for (const auto& [name, count] : outcome.counts) {
      counts[name] += count;
    }
  }
  for (const char* name : {"kill",
                           "power cut",
                           "stop",
                           "pause",
                           "slow",
                           "cut",
                           "cut one way",
                           "partition",
                           "clog",
                           "disk slow",
                           "disk fail",
                           "disk damaged",
                           "disk damage found",
                           "disk emptied",
                           "clock jump",
                           "packets lost",
                           "snapshots",
                           "elections",
                           "unknown outcomes",
                           "repeated writes"}) {
    EXPECT_GT(counts[name], 0u) << name;
  }
}

TEST(Sim, AQuietClusterAnswersEverything) {
  Options options;
  options.operations = 500;
  options.other_percent = 0;
  const auto outcome = run(options);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.why;
  EXPECT_EQ(outcome.counts.at("unknown outcomes"), 0u);
  std::size_t finals = 0;
  for (const auto& record : outcome.history) {
    EXPECT_LT(record.start_ns, record.end_ns);
    finals += record.final ? 1 : 0;
  }
  EXPECT_EQ(finals, static_cast<std::size_t>(options.keys));
  EXPECT_GE(outcome.history.size(), 450u);
}

TEST(Sim, ClientsAreNotNeeded) {
  Options options;
  options.nodes = 1;
  options.operations = 0;
  options.clients = 0;
  const auto outcome = run(options);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.why;
  EXPECT_EQ(outcome.history.size(), static_cast<std::size_t>(options.keys));
}

}  // namespace
}  // namespace kvorum::sim
