// What the levels of leaderless keyspaces do not promise, shown by histories that the production
// code made in the simulator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/judge.h"
#include "sim/sim.h"

namespace kvorum::lab {
namespace {

using std::chrono_literals::operator""s;

// Clients of leaderless keyspaces alone, on a network without faults.
sim::Options calm(std::uint64_t seed, std::int64_t level) {
  sim::Options options;
  options.seed = seed;
  options.nodes = 3;
  options.clients = 0;
  options.free_clients = 12;
  options.free_operations = 2000;
  options.free_keys = 2;
  options.free_level = level;
  options.delay_mean_us = 2'000;
  return options;
}

// What clients of `fast` did: its conflicts are settled by the last write.
check::History of_fast(const sim::Outcome& run) {
  check::History history;
  for (const auto& record : run.history) {
    if (record.key.starts_with("fast/")) {
      history.add(record);
    }
  }
  return history;
}

check::Answer judged(const check::History& history, check::ModelKind model) {
  return check::judge(history, {model, 0}, check::Budget(10s, std::size_t{1} << 30)).answer;
}

TEST(Produced, EventualIsWeakerThanSequential) {
  int violations = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto run = sim::run(calm(seed, 1));
    ASSERT_EQ(run.failure, sim::Failure::kNone) << run.why;  // so the replicas are equal at the end
    violations += judged(of_fast(run), check::ModelKind::kSequential) == check::Answer::kViolation;
  }
  EXPECT_GT(violations, 0);
}

// R + W > N on every request. Stamps come from the coordinators' clocks: a later write at a slow
// clock loses against an earlier one that it has not seen.
TEST(Produced, OverlappingQuorumsAreNotLinearizable) {
  int violations = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    auto options = calm(seed, 2);
    options.offset_ms = 200;
    const auto run = sim::run(options);
    ASSERT_EQ(run.failure, sim::Failure::kNone) << run.why;  // so the replicas are equal at the end
    violations +=
        judged(of_fast(run), check::ModelKind::kLinearizable) == check::Answer::kViolation;
  }
  EXPECT_GT(violations, 0);
}

}  // namespace
}  // namespace kvorum::lab
