// A whole load, on several threads, against nodes that are made up.
#include "load/runner.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include "load/test_node.h"

namespace kvorum::load {
namespace {

Options on(const std::vector<Target>& targets) {
  Options options;
  for (const auto& target : targets) {
    options.targets.push_back(target.name);
  }
  options.clients = targets.size();
  options.redis = true;
  options.plan.keys = 10;
  options.duration = {};
  options.warm_up = {};
  return options;
}

TEST(Run, FillsThenWarmsUpThenMeasuresAndOnlyThat) {
  std::atomic<std::uint64_t> sets = 0;
  const auto answer = [&sets](const std::vector<std::string>& words) {
    sets += words[0] == "SET" ? 1 : 0;
    return good(words);
  };
  FakeNode one(1, answer);
  FakeNode two(1, answer);
  auto options = on({one.target(), two.target()});
  options.threads = 2;
  options.pipeline = 4;
  options.plan.reads = 1;
  options.fill = true;
  options.requests = 501;
  options.warm_up = 20ms;
  const auto measured = run(options, [](const Progress&) {});
  ASSERT_TRUE(measured) << measured.error().detail;
  EXPECT_EQ(measured->ended, Ended::kDone);
  EXPECT_EQ(sets, 10u);
  EXPECT_EQ(measured->tally.of(Kind::kRead).latency.count(), 501u);
  EXPECT_EQ(measured->tally.ended(), 501u);
  EXPECT_GT(measured->seconds, 0);
  EXPECT_TRUE(measured->nodes.empty());
}

TEST(Run, ASignalEndsItEarlyAndWhatWasMeasuredIsKept) {
  std::atomic<std::uint64_t> asked = 0;
  FakeNode one(1, [&asked](const std::vector<std::string>& words) {
    if (++asked == 1000) {
      ::raise(SIGINT);
    }
    return good(words);
  });
  const auto measured = run(on({one.target()}), {});
  ASSERT_TRUE(measured) << measured.error().detail;
  EXPECT_EQ(measured->ended, Ended::kInterrupted);
  EXPECT_GE(measured->tally.ended(), 1000u);
  EXPECT_EQ(measured->tally.ended(), asked);
}

TEST(Run, AnAddressThatIsNoneIsAnError) {
  Options options;
  options.targets = {{"no such host", 7001}};
  const auto measured = run(options, {});
  ASSERT_FALSE(measured);
  EXPECT_EQ(measured.error().code, ErrorCode::kConfig);
}

}  // namespace
}  // namespace kvorum::load
