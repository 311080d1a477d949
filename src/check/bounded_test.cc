#include <gtest/gtest.h>

#include "base/sanitized.h"
#include "check/judge.h"
#include "check/test_brute.h"
#include "check/test_history.h"

namespace kvorum::check {
namespace {

constexpr int kCases = kSanitized ? 1000 : 20000;

Answer by_time(std::string_view text, std::int64_t bound_ns) {
  return judge_bounded_time(small_history(text), bound_ns, {}).answer;
}

Answer by_versions(std::string_view text, std::int64_t versions) {
  return judge_bounded_versions(small_history(text), versions, {}).answer;
}

TEST(BoundedTime, StaleByNoMoreThanTheBoundIsAllowed) {
  const auto* text = "0 put x 1 0-10; 0 put x 2 20-30; 1 get x 1 50-60";
  EXPECT_EQ(by_time(text, 0), Answer::kViolation);
  EXPECT_EQ(by_time(text, 19), Answer::kViolation);
  EXPECT_EQ(by_time(text, 20), Answer::kOk);
  EXPECT_EQ(by_time(text, kNever), Answer::kOk);
}

TEST(BoundedTime, TheFutureIsNotAllowed) {
  EXPECT_EQ(by_time("1 get x 1 0-1; 0 put x 1 5-6", 1000), Answer::kViolation);
}

TEST(BoundedTime, CasIsNeverStale) {
  const auto* text = "0 put x 1 0-10; 0 put x 2 20-30; 1 cas x 1>3 50-60";
  EXPECT_EQ(by_time(text, 1000), Answer::kViolation);
}

TEST(BoundedTime, TheSentenceTellsRecordedTimes) {
  const auto verdict =
      judge_bounded_time(small_history("0 put x 1 0-10; 0 put x 2 20-30; 1 get x 1 50-60"), 5, {});
  EXPECT_EQ(
      verdict.sentence,
      "client 1 get x = 1 [50 ns, 60 ns] although client 0 put x = 2 [20 ns, 30 ns] had ended "
      "20 ns before it began, and client 0 put x = 1 [0 ms, 10 ns] had ended before that");
  EXPECT_EQ(verdict.model, (Model{ModelKind::kBoundedTime, 5}));
}

TEST(BoundedVersions, CountsWritesThatCertainlyCameBetween) {
  const auto* text = "0 put x 1 0-1; 0 put x 2 2-3; 0 put x 3 4-5; 1 get x 1 6-7";
  EXPECT_EQ(by_versions(text, 0), Answer::kViolation);
  EXPECT_EQ(by_versions(text, 1), Answer::kViolation);
  EXPECT_EQ(by_versions(text, 2), Answer::kOk);
}

TEST(BoundedVersions, GetsShareOneOrder) {
  // Each get alone is one behind at most; together they see two orders of 1 and 2.
  const auto* text =
      "0 put x 1 0-9; 1 put x 2 0-9; 2 get x 1 10-11; 2 get x 2 12-13; 3 get x 3 20-21;"
      "0 put x 3 14-15; 3 get x 2 22-23";
  EXPECT_EQ(by_versions(text, 0), Answer::kViolation);
  EXPECT_EQ(by_versions(text, 1), Answer::kOk);
}

TEST(BoundedVersions, CasIsNeverBehind) {
  const auto* text = "0 put x 1 0-1; 0 put x 2 2-3; 1 cas x 1>3 4-5";
  EXPECT_EQ(by_versions(text, 7), Answer::kViolation);
}

TEST(BoundedVersions, AWriteOfTheSameValueIsAVersion) {
  const auto* text = "0 put x 1 0-1; 0 put x 2 2-3; 0 cas x 2>2 4-5; 1 get x 1 6-7";
  EXPECT_EQ(by_versions(text, 1), Answer::kViolation);
  EXPECT_EQ(by_versions(text, 2), Answer::kOk);
}

TEST(BoundedVersions, TheCoreIsTheReadItsSourceAndTheWritesBetween) {
  const auto history = small_history(
      "0 put x 1 0-1; 0 put x 2 2-3; 0 put x 3 4-5; 1 get x 3 6-7; 0 put x 4 8-9; 1 get x 2 8-9;"
      "2 get x 1 10-11");
  const auto verdict = judge_bounded_versions(history, 1, {});
  EXPECT_EQ(verdict.answer, Answer::kViolation);
  EXPECT_EQ(verdict.core.size(), 4u);
  EXPECT_EQ(verdict.sentence,
            "client 2 get x = 1 [10 ns, 11 ns] although at least 2 writes came after what it "
            "returned and had ended before it began");
}

TEST(BoundedVersions, WithoutTimeTheAnswerIsUnknown) {
  const auto history = small_history(
      "0 put x 1 0-9; 1 put x 1 0-9; 2 delete x 0-9; 2 get x - 10-11; 3 get x 1 10-11");
  const auto verdict =
      judge_bounded_versions(history, 1, Budget(std::chrono::seconds(-1), 1 << 20));
  EXPECT_EQ(verdict.answer, Answer::kUnknown);
  EXPECT_EQ(verdict.reason, "time");
}

void compare(RandomOptions options, std::uint64_t seed) {
  Prng prng(seed);
  int violations = 0;
  for (int i = 0; i < kCases; ++i) {
    auto varied = options;
    varied.operations = 2 + prng.below(options.operations - 1);
    const auto history = random_history(prng, varied, 30);
    const auto versions = 1 + prng.below(3);
    const bool good = brute_linearizable(history, versions);
    const auto verdict = judge_bounded_versions(history, static_cast<std::int64_t>(versions), {});
    ASSERT_EQ(verdict.answer, good ? Answer::kOk : Answer::kViolation)
        << versions << " behind, case " << i << "\n"
        << show(history);
    violations += good ? 0 : 1;
    auto earlier = history;
    const auto bound = static_cast<std::int64_t>(prng.below(8));
    for (auto& operation : earlier.operations) {
      operation.start_ns -= operation.op == HistoryOp::kGet ? bound : 0;
    }
    ASSERT_EQ(judge_bounded_time(history, bound, {}).answer,
              brute_linearizable(earlier) ? Answer::kOk : Answer::kViolation)
        << bound << " ns, case " << i << "\n"
        << show(history);
  }
  EXPECT_GT(violations, kCases / 100);
}

TEST(BoundedRandom, RepeatedValues) { compare({.operations = 7, .moments = 30}, 21); }

TEST(BoundedRandom, UniqueValues) { compare({.operations = 8, .moments = 30, .unique = true}, 22); }

TEST(BoundedRandom, Appends) {
  compare({.operations = 7, .values = 2, .moments = 20, .appends = true}, 23);
}

TEST(BoundedRandom, Counters) {
  compare({.operations = 7, .values = 2, .moments = 20, .numbers = true}, 24);
}

}  // namespace
}  // namespace kvorum::check
