#include "lab/seed_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvorum::lab {
namespace {

using std::chrono_literals::operator""s;

TEST(SeedRun, SwarmFindsNothing) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    auto options = sim::draw(seed);
    options.operations = std::min<std::int64_t>(options.operations, 2000);
    options.free_operations = std::min<std::int64_t>(options.free_operations, 500);
    const auto run = run_seed(options, 1s);
    EXPECT_TRUE(run.finding == Finding::kOk || run.finding == Finding::kUndecided)
        << "seed " << seed << ": " << run.why;
  }
}

// A cluster whose requests all time out at once cannot answer the final reads in time: a failure
// that is there for any load, so shrinking must get rid of nearly everything.
TEST(SeedRun, ShrinkingKeepsTheFindingAndDropsWhatItDoesNotNeed) {
  auto options = sim::draw(3);
  options.nodes = 3;
  options.operations = 200;
  options.clients = 8;
  options.crash_ms = 1000;
  options.delay_min_us = 10'000'000;  // nobody hears of anybody before every time-out
  const auto failed = run_seed(options, 1s);
  ASSERT_EQ(failed.finding, Finding::kNotConverged);
  const auto still_fails = fails_alike(failed, 1s);
  const auto shrunk = shrink(options, still_fails);
  const auto& small = shrunk.options;
  EXPECT_TRUE(still_fails(small));
  EXPECT_FALSE(shrunk.capped);
  EXPECT_EQ(small.crash_ms, 0);
  EXPECT_EQ(small.clients, 1);
  EXPECT_EQ(small.operations, 1);
  EXPECT_GT(small.nodes, 1);  // one node alone needs no network
}

TEST(SeedRun, ShrinkingStopsAfterSoManyTries) {
  const auto options = sim::draw(3);
  std::uint64_t runs = 0;
  const auto shrunk = shrink(
      options, [&runs](const sim::Options&) { return ++runs == 2; }, 7);
  EXPECT_TRUE(shrunk.capped);
  EXPECT_EQ(shrunk.tries, 7u);
  EXPECT_EQ(runs, 7u);
  EXPECT_NE(sim::to_string(shrunk.options), sim::to_string(options));  // the second try's
}

TEST(SeedRun, OnlyAFailureOfTheSameKindIsAlike) {
  auto options = sim::draw(3);
  options.operations = 20;
  options.delay_min_us = 10'000'000;
  options.nodes = 3;
  auto failed = run_seed(options, 1s);
  ASSERT_EQ(failed.kind, "not converged");
  EXPECT_TRUE(fails_alike(failed, 1s)(options));
  failed.kind = "log matching";
  EXPECT_FALSE(fails_alike(failed, 1s)(options));
}

TEST(SeedRun, WhatTakesTooLongToJudgeIsJudgedByCheaperModels) {
  auto options = sim::draw(1);
  options.weak_percent = 50;
  options.operations = 500;
  const auto run = run_seed(options, std::chrono::nanoseconds(0));
  EXPECT_EQ(run.finding, Finding::kUndecided);
  EXPECT_THAT(run.why, testing::ContainsRegex("; durability .*; convergence holds"));
}

TEST(SeedRunDeathTest, ABrokenInvariantNamesTheRun) {
  auto options = sim::draw(7);
  options.nodes = 0;  // out of its range: no node to draw
  EXPECT_DEATH((void)run_seed(options, 1s),
               "broken invariant.*\n.*kvorum sim --seed 7 --set nodes=0\n");
}

TEST(SeedRun, TheReplayCommandSaysWhatDiffersFromTheDraw) {
  auto options = sim::draw(7);
  EXPECT_EQ(replay_command(options), "kvorum sim --seed 7");
  options.loss_ppm = 77;
  options.keys = 99;
  EXPECT_EQ(replay_command(options), "kvorum sim --seed 7 --set keys=99 --set loss_ppm=77");
}

TEST(SeedRun, OptionsGoThroughAFile) {
  const auto options = sim::draw(99);
  const auto read = from_json(to_json(options));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(sim::to_string(*read), sim::to_string(options));
  EXPECT_EQ(read->seed, 99u);
}

TEST(SeedRun, ABadFileIsRefusedWithItsReason) {
  const auto why = [](const std::string& text) {
    const auto read = from_json(text);
    return read ? std::string() : read.error().detail;
  };
  EXPECT_THAT(why("{"), testing::HasSubstr("not a file of the form"));
  EXPECT_THAT(why(R"({"sim": {"nodes": "3"}})"), testing::HasSubstr("sim.nodes"));
  EXPECT_THAT(why(R"({"sim": {"nodes": 0}})"), testing::HasSubstr("from 1 to 9"));
  EXPECT_THAT(why(R"({"sim": {"nods": 3}})"), testing::HasSubstr("nods"));
}

}  // namespace
}  // namespace kvorum::lab
