#include "check/witness.h"

#include <gtest/gtest.h>

#include "base/sanitized.h"
#include "check/judge.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr int kCases = kSanitized ? 100 : 1000;

bool has_witness(const char* text) { return has_sequential_witness(small_history(text), {}); }

bool is_prefix(const char* text) { return without_prefix_witness(small_history(text), {}).empty(); }

TEST(Witness, StaleButInOrderIsAccepted) {
  EXPECT_TRUE(has_witness("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 1 4-5; 1 get x 2 6-7"));
  EXPECT_TRUE(has_witness("0 put x 1 0-1; 1 get x - 2-3"));
  EXPECT_FALSE(has_witness("0 put x 1 0-1; 1 get x 1 2-3; 1 get x - 4-5"));
  EXPECT_FALSE(has_witness("0 put x 1 0-1; 1 get x - 2-3 level=linearizable"));
}

TEST(Witness, OfTwoWritesAtOnceTheReadersSayWhichCameFirst) {
  EXPECT_TRUE(has_witness("0 put x 1 0-9; 1 put x 2 0-9; 2 get x 2 10-11; 2 get x 1 12-13"));
  EXPECT_TRUE(has_witness("0 put x 1 0-9; 1 put x 2 0-9; 2 get x 1 10-11; 2 get x 2 12-13"));
  // Across keys: y was written when x was not, or the other way round, but not both.
  EXPECT_TRUE(has_witness("0 put x 1 0-9; 1 put y 1 0-9; 2 get y 1 10-11; 2 get x - 12-13"));
  EXPECT_TRUE(has_witness("0 put x 1 0-9; 1 put y 1 0-9; 2 get x 1 10-11; 2 get y - 12-13"));
  EXPECT_FALSE(
      has_witness("0 put x 1 0-9; 1 put y 1 0-9; 2 get x 1 10-11; 2 get y - 12-13;"
                  "3 get y 1 10-11; 3 get x - 12-13"));
}

TEST(Witness, WritesOfUnknownOutcomeTakePartIfTheyWereSeen) {
  EXPECT_TRUE(has_witness("0 put x 1 0-?; 1 get x - 5-6; 1 get x 1 7-8"));
  EXPECT_TRUE(has_witness("0 put x 1 0-?; 1 put x 2 2-3; 1 get x 2 5-6"));
  EXPECT_FALSE(has_witness("0 put x 1 0-?; 1 get x 1 5-6; 1 get x - 7-8"));
  EXPECT_TRUE(has_witness("0 append x a 0-?; 1 append x b 2-3; 2 get x b 4-5; 2 get x ba 6-7"));
}

// All operations of a batch have one interval; only the order of their lines tells them apart.
TEST(Witness, BatchesKeepTheirOrder) {
  EXPECT_TRUE(has_witness("1 put x 3 0-1; 0 cas x ->1 0-9 fail; 0 put x 2 0-9"));
  EXPECT_FALSE(has_witness("0 cas x ->1 0-9 fail; 0 put x 2 0-9"));
  EXPECT_TRUE(has_witness("0 delete x 0-9; 0 append y a 0-9; 0 incr n +3=3 0-9; 0 get x - 0-9"));
  EXPECT_TRUE(
      has_witness("0 put x 1 0-9; 0 put y 1 0-9; 0 get y 2 0-9; 1 put y 2 0-9; 1 put x 2 0-9;"
                  "1 get x 2 0-9; 2 get x 2 10-11"));
  EXPECT_FALSE(has_witness("0 put x 1 0-9; 0 get x - 0-9"));
}

TEST(Witness, ValuesThatComeTwiceArePlacedWhereTheyFit) {
  EXPECT_TRUE(
      has_witness("0 put x 1 0-1; 0 delete x 2-3; 0 put x 1 4-5; 1 get x 1 6-7; 1 get x - 8-9;"
                  "1 get x 1 10-11"));
  EXPECT_FALSE(
      has_witness("0 put x 1 0-1; 0 delete x 2-3; 1 get x 1 6-7; 1 get x - 8-9; 1 get x 1 10-11"));
}

// Sequential, but only if real time counts for nothing: the search has to find it.
TEST(Witness, WhatDefiesRealTimeIsLeftToTheSearch) {
  const char* future = "0 get x 1 0-1; 1 put x 1 5-6";
  EXPECT_FALSE(has_witness(future));
  EXPECT_EQ(judge_sequential(small_history(future), {}).answer, Answer::kOk);
  const char* swapped = "0 put x 1 0-1; 1 put x 2 2-3; 2 get x 2 4-5; 2 get x 1 6-7";
  EXPECT_FALSE(has_witness(swapped));
  EXPECT_EQ(judge_sequential(small_history(swapped), {}).answer, Answer::kOk);
}

TEST(Witness, PrefixLooksAtEachGetAlone) {
  EXPECT_TRUE(is_prefix("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 4-5; 1 get x 1 6-7"));
  EXPECT_TRUE(is_prefix("0 append x a 0-9; 0 append x b 0-9; 1 get x ab 10-11; 1 get x a 12-13"));
  EXPECT_FALSE(is_prefix("0 append x a 0-9; 0 append x b 0-9; 1 get x b 10-11"));
  EXPECT_FALSE(is_prefix("0 get x 1 0-1; 1 put x 1 5-6"));
}

TEST(Witness, OnlyKeysWithoutAnOrderAreLeft) {
  const auto history = small_history("0 put x 1 0-1; 1 get y 7 2-3; 1 get x 1 4-5; 0 put y 1 6-7");
  EXPECT_EQ(without_prefix_witness(history, {}), (std::vector<std::uint32_t>{1, 3}));
}

TEST(Witness, IsNeverGivenToAHistoryThatHasNoOrder) {
  Prng levels(7);
  for (auto options : kinds_of_histories()) {
    options.operations = 7;
    int sequential = 0;
    int prefix = 0;
    for (int seed = 0; seed < kCases && !HasFailure(); ++seed) {
      Prng prng(static_cast<std::uint64_t>(seed));
      auto history = random_history(prng, options);
      const auto level = history.texts.add("linearizable");
      for (auto& op : history.operations) {
        op.level = levels.chance(1, 3) ? level : kAbsent;
      }
      if (has_sequential_witness(history, {})) {
        ++sequential;
        EXPECT_TRUE(brute_sequential(history)) << "seed " << seed << listed(history);
      }
      if (without_prefix_witness(history, {}).empty()) {
        ++prefix;
        EXPECT_TRUE(brute_prefix(history)) << "seed " << seed << listed(history);
      }
    }
    EXPECT_GT(sequential, kCases / 10);
    EXPECT_GT(prefix, kCases / 10);
  }
}

}  // namespace
}  // namespace kvorum::check
