#include "lab/seed_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvorum::lab {
namespace {

using std::chrono_literals::operator""s;

TEST(SeedRun, SwarmFindsNothing) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto run = run_seed(sim::draw(seed), 1s);
    EXPECT_TRUE(run.finding == Finding::kOk || run.finding == Finding::kUndecided)
        << "seed " << seed << ": " << run.why;
  }
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
