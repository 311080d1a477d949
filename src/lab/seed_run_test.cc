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
  ASSERT_EQ(run_seed(options, 1s).finding, Finding::kNotConverged);
  const auto small = shrink(options, Finding::kNotConverged, 1s);
  EXPECT_EQ(run_seed(small, 1s).finding, Finding::kNotConverged);
  EXPECT_EQ(small.crash_ms, 0);
  EXPECT_EQ(small.clients, 1);
  EXPECT_EQ(small.operations, 1);
  EXPECT_GT(small.nodes, 1);  // one node alone needs no network
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
