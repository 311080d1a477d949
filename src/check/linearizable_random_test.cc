// The judge against one that tries every order, on many tiny histories.
#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_brute.h"

namespace kvorum::check {
namespace {

// Sanitized builds are some twenty times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kCases = 1500;
#else
constexpr int kCases = 30000;
#endif

void compare(const RandomOptions& options, std::uint64_t seed) {
  Prng prng(seed);
  int violations = 0;
  for (int i = 0; i < kCases; ++i) {
    auto varied = options;
    varied.operations = 2 + prng.below(options.operations - 1);
    const auto history = random_history(prng, varied, i % 3 == 0 ? 0 : 10);
    const bool good = brute_linearizable(history);
    const auto verdict = judge_linearizable(history, {});
    ASSERT_EQ(verdict.answer, good ? Answer::kOk : Answer::kViolation)
        << "seed " << seed << " case " << i << "\n"
        << show(history);
    violations += good ? 0 : 1;
  }
  EXPECT_GT(violations, kCases / 100);
  EXPECT_LT(violations, kCases - kCases / 10);
}

TEST(LinearizableRandom, RepeatedValues) { compare({.operations = 7}, 1); }

TEST(LinearizableRandom, UniqueValues) { compare({.operations = 8, .unique = true}, 2); }

TEST(LinearizableRandom, SeveralKeys) {
  compare({.operations = 9, .keys = 2, .unknown_percent = 5}, 3);
}

TEST(LinearizableRandom, Appends) { compare({.operations = 7, .values = 2, .appends = true}, 4); }

TEST(LinearizableRandom, UniqueAppends) {
  compare({.operations = 7, .unique = true, .appends = true}, 5);
}

TEST(LinearizableRandom, Counters) { compare({.operations = 7, .values = 2, .numbers = true}, 6); }

TEST(LinearizableRandom, CountersAndAppends) {
  compare({.operations = 7, .values = 2, .numbers = true, .appends = true}, 7);
}

TEST(LinearizableRandom, ManyUnknownOutcomes) {
  compare({.operations = 7, .values = 2, .appends = true, .unknown_percent = 60}, 8);
}

TEST(LinearizableRandom, NearlySequential) {
  compare({.operations = 7, .moments = 40, .appends = true}, 9);
}

}  // namespace
}  // namespace kvorum::check
