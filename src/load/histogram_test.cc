#include "load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/prng.h"

namespace kvorum::load {
namespace {

constexpr double kPercents[] = {0.001, 1, 50, 90, 99, 99.9, 99.999, 100};

// Nanoseconds to minutes, each power of two as likely as any other.
std::vector<std::uint64_t> random_times(std::uint64_t seed, std::size_t count) {
  Prng prng(seed);
  std::vector<std::uint64_t> times(count);
  for (auto& time : times) {
    time = prng.next() >> (64 - 1 - prng.below(40));
  }
  return times;
}

std::uint64_t exact(const std::vector<std::uint64_t>& sorted, double percent) {
  const auto rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

TEST(Histogram, PercentilesAreWithinATenthOfAPercentAndEndsAreExact) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto times = random_times(seed, 5000);
    Histogram histogram;
    for (const auto time : times) {
      histogram.record(time);
    }
    std::sort(times.begin(), times.end());
    for (const auto percent : kPercents) {
      const auto truth = exact(times, percent);
      EXPECT_GE(histogram.percentile(percent), truth) << percent;
      EXPECT_LE(static_cast<double>(histogram.percentile(percent)),
                static_cast<double>(truth) * 1.001)
          << percent;
    }
    EXPECT_EQ(histogram.count(), times.size());
    EXPECT_EQ(histogram.min(), times.front());
    EXPECT_EQ(histogram.max(), times.back());
    const auto sum = std::accumulate(times.begin(), times.end(), std::uint64_t{0});
    EXPECT_DOUBLE_EQ(histogram.mean(),
                     static_cast<double>(sum) / static_cast<double>(times.size()));
  }
}

TEST(Histogram, EveryStepHoldsItsOwnTimes) {
  for (std::uint64_t edge = 1; edge < std::uint64_t{1} << 42; edge *= 2) {
    for (const auto time : {edge - 1, edge, edge + 1, edge + edge / 2}) {
      Histogram histogram;
      histogram.record(time);
      histogram.record(std::uint64_t{1} << 43);
      EXPECT_GE(histogram.percentile(50), time);
      EXPECT_LE(histogram.percentile(50), time + time / 1000);
    }
  }
}

TEST(Histogram, MergedItIsAsIfOneHadSeenAll) {
  const auto times = random_times(7, 3000);
  Histogram one;
  Histogram parts[3];
  for (std::size_t i = 0; i < times.size(); ++i) {
    one.record(times[i]);
    parts[i % 3].record(times[i]);
  }
  parts[0].merge(parts[1]);
  parts[0].merge(parts[2]);
  parts[0].merge(Histogram());
  EXPECT_EQ(parts[0].count(), one.count());
  EXPECT_EQ(parts[0].min(), one.min());
  EXPECT_EQ(parts[0].max(), one.max());
  EXPECT_EQ(parts[0].mean(), one.mean());
  for (const auto percent : kPercents) {
    EXPECT_EQ(parts[0].percentile(percent), one.percentile(percent));
  }
}

TEST(Histogram, EmptyItIsAllNoughtAndTooLongATimeKeepsItsLength) {
  Histogram histogram;
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.percentile(99), 0u);
  const auto day = std::uint64_t{86'400} * 1'000'000'000;
  histogram.record(day);
  EXPECT_EQ(histogram.max(), day);
  EXPECT_EQ(histogram.percentile(50), day);
}

}  // namespace
}  // namespace kvorum::load
