#include "sim/sim.h"

#include <gtest/gtest.h>

namespace kvorum::sim {
namespace {

TEST(Sim, SameSeedSameRun) {
  auto options = draw(7);
  const auto first = run(options);
  const auto second = run(options);
  EXPECT_EQ(first.why, "");
  EXPECT_EQ(first.trace_hash, second.trace_hash);
  EXPECT_EQ(first.events, second.events);
}

}  // namespace
}  // namespace kvorum::sim
