#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr Model kSequential{ModelKind::kSequential, 0};

void expect_ok(const char* text) {
  const auto verdict = judge(small_history(text), kSequential, {});
  EXPECT_EQ(verdict.answer, Answer::kOk) << text << "\n" << verdict.sentence << verdict.detail;
}

Verdict expect_violation(const char* text) {
  const auto history = small_history(text);
  auto verdict = judge(history, kSequential, {});
  expect_proof(history, verdict, kSequential);
  return verdict;
}

TEST(Sequential, StaleButInOrderIsAllowed) {
  expect_ok("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 1 4-5; 1 get x 2 6-7");
  expect_ok("0 put x 1 0-1; 1 get x - 2-3");
  // Real time does not count, not even a value that is written only later.
  expect_ok("0 get x 1 0-1; 1 put x 1 5-6");
}

// Tanenbaum & van Steen, Distributed Systems, section 7.2: the allowed and the forbidden example.
TEST(Sequential, TextbookExamples) {
  expect_ok(
      "0 put x a 0-1; 1 put x b 2-3; 2 get x b 4-5; 3 get x b 4-5; 2 get x a 6-7; 3 get x a 6-7");
  const auto verdict = expect_violation(
      "0 put x a 0-1; 1 put x b 2-3; 2 get x b 4-5; 3 get x a 4-5; 2 get x a 6-7; 3 get x b 6-7");
  EXPECT_EQ(verdict.core.size(), 6u);
}

TEST(Sequential, StoreBufferingIsForbidden) {
  const auto verdict =
      expect_violation("0 put x 1 0-1; 0 get y - 2-3; 1 put y 1 0-1; 1 get x - 2-3");
  EXPECT_EQ(verdict.core.size(), 4u);
  EXPECT_EQ(verdict.edges.size(), 4u);
  expect_ok("0 put x 1 0-1; 0 get y - 2-3; 1 put y 1 0-1; 1 get x 1 2-3");
}

TEST(Sequential, MessagePassingIsKept) {
  const auto verdict =
      expect_violation("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x - 6-7");
  EXPECT_NE(verdict.sentence.find("client 1 get x = absent"), std::string::npos)
      << verdict.sentence;
  expect_ok("0 put x 1 0-1; 0 put y 1 2-3; 1 get y - 4-5; 1 get x 1 6-7");
}

TEST(Sequential, LoadBufferingIsForbidden) {
  expect_violation("0 get x 1 0-1; 0 put y 1 2-3; 1 get y 1 0-1; 1 put x 1 2-3");
}

TEST(Sequential, IndependentReadersAgree) {
  const auto verdict = expect_violation(
      "0 put x 1 0-1; 1 put y 1 0-1; 2 get x 1 2-3; 2 get y - 4-5; 3 get y 1 2-3; 3 get x - 4-5");
  EXPECT_EQ(verdict.core.size(), 6u);
}

TEST(Sequential, WriteToReadCausality) {
  expect_violation("0 put x 1 0-1; 1 get x 1 2-3; 1 put y 1 4-5; 2 get y 1 6-7; 2 get x - 8-9");
}

TEST(Sequential, ReadsOfOneKeyStayInOrder) {
  const auto verdict =
      expect_violation("0 put x 1 0-1; 1 get x 1 2-3; 1 put z 5 4-5; 1 get x - 6-7");
  EXPECT_EQ(verdict.core.size(), 3u) << verdict.sentence;
}

TEST(Sequential, ValueFromNowhere) {
  const auto verdict = expect_violation("0 put x 1 0-1; 1 get x 7 2-3");
  EXPECT_EQ(verdict.core, std::vector<std::uint32_t>{1});
}

TEST(Sequential, ComparesBindInTheOneOrder) {
  expect_ok("0 cas x ->1 0-1; 1 cas x 1>2 0-1; 2 cas x 1>3 0-1 fail");
  expect_violation("0 cas x ->1 0-1; 1 cas x ->2 0-1");
  expect_violation("0 put x 1 0-1; 0 cas x 1>2 2-3 fail");
  expect_ok("0 put x 1 0-1; 0 cas x 1>2 2-3 err");
}

TEST(Sequential, AppendsCountsAndDeletes) {
  expect_ok("0 append x a 0-1; 1 append x b 0-1; 2 get x ba 2-3; 3 get x b 2-3");
  expect_violation("0 append x a 0-1; 1 append x b 0-1; 2 get x ba 2-3; 3 get x ab 2-3");
  expect_ok("initial x=5; 0 incr x +2=7 0-1; 1 incr x +1=8 0-1; 2 delete x 0-1; 2 get x - 2-3");
  expect_violation("0 incr x +1=1 0-1; 1 incr x +1=1 0-1");
}

// Of unknown outcome: after what its client did before, then whenever, or never.
TEST(Sequential, UnknownOutcomes) {
  expect_ok("0 put x 1 0-?; 0 get x - 2-3; 0 get x 1 4-5");
  expect_ok("0 put x 1 0-?; 0 get x - 2-3");
  expect_violation("0 get x 1 0-1; 0 put x 1 2-?");
  expect_violation("0 put x 1 0-?; 1 get x 1 2-3; 1 get x - 4-5");
  expect_ok("0 cas x ->1 0-?; 1 get x - 0-1; 1 get x 1 2-3");
  expect_violation("0 cas x 9>1 0-?; 1 get x 1 2-3");
}

TEST(Sequential, AgreesWithAllInterleavings) {
  for (auto options : kinds_of_histories()) {
    options.operations = 7;
    const auto tally = compare(options, 600, kSequential, brute_sequential);
    EXPECT_EQ(tally.unknown, 0);
    EXPECT_GT(tally.violation, 10);
    EXPECT_GT(tally.ok, 100);
  }
}

TEST(Sequential, WithoutTimeTheAnswerIsUnknown) {
  const auto history =
      small_history("0 put x 1 0-1; 1 put x 1 0-1; 2 get x 1 0-1; 3 get x 1 0-1; 0 put x 2 5-6");
  const auto verdict = judge(history, kSequential, Budget(std::chrono::nanoseconds(0), 1 << 30));
  EXPECT_EQ(verdict.answer, Answer::kUnknown);
  EXPECT_EQ(verdict.reason, "time");
  EXPECT_FALSE(verdict.detail.empty());
}

TEST(Sequential, LongestPrefixIsToldWhereOnlyTheSearchKnows) {
  // Both values are written twice, so nothing is certain to have been seen.
  const auto history = small_history(
      "0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 0-1; 1 get x 1 2-3; 1 get x 2 4-5; 1 get x 1 6-7; "
      "1 get x 2 8-9; 2 put x 1 0-1; 2 put x 2 2-3");
  const auto verdict = judge(history, kSequential, {});
  expect_proof(history, verdict, kSequential);
  EXPECT_FALSE(verdict.prefix.empty());
  EXPECT_FALSE(verdict.state.empty());
}

}  // namespace
}  // namespace kvorum::check
