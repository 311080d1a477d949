// Prefix, convergence, program order.
#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr Model kPrefix{ModelKind::kPrefix, 0};
constexpr Model kConvergence{ModelKind::kConvergence, 0};

bool holds(const char* text, const Model& model) {
  const auto history = small_history(text);
  const auto verdict = judge(history, model, {});
  EXPECT_NE(verdict.answer, Answer::kUnknown) << text << verdict.detail;
  if (verdict.answer == Answer::kViolation) {
    expect_proof(history, verdict, model);
  }
  return verdict.answer == Answer::kOk;
}

TEST(Prefix, ReadsMayGoBackButNotSeeWhatNeverWas) {
  EXPECT_TRUE(holds("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 4-5; 1 get x - 6-7", kPrefix));
  EXPECT_TRUE(holds("0 append x a 0-1; 0 append x b 2-3; 1 get x ab 4-5; 1 get x a 6-7", kPrefix));
  EXPECT_FALSE(holds("0 append x a 0-1; 0 append x b 2-3; 1 get x b 4-5", kPrefix));
  EXPECT_FALSE(holds("0 append x a 0-1; 1 append x b 0-1; 2 get x a 4-5; 3 get x b 4-5", kPrefix));
  EXPECT_FALSE(holds("0 get x 7 0-1", kPrefix));
}

TEST(Prefix, TheFutureIsNotRead) {
  EXPECT_TRUE(holds("0 get x 1 0-2; 1 put x 1 2-3", kPrefix));
  EXPECT_FALSE(holds("0 get x 1 0-1; 1 put x 1 2-3", kPrefix));
  EXPECT_FALSE(holds("0 append x a 5-6; 1 append x b 0-1; 2 get x ab 2-3", kPrefix));
}

TEST(Prefix, ComparesAndCountsHappenAtTheirPlace) {
  EXPECT_FALSE(holds("0 cas x ->1 0-1; 1 cas x ->2 0-1", kPrefix));
  EXPECT_TRUE(holds("0 cas x ->1 0-1; 1 cas x 1>2 0-1; 2 get x 1 5-6", kPrefix));
  EXPECT_FALSE(holds("0 incr x +1=1 0-1; 1 incr x +1=1 0-1", kPrefix));
}

TEST(Prefix, KeysAreJudgedByThemselves) {
  EXPECT_TRUE(holds("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x - 6-7", kPrefix));
}

TEST(Prefix, AgreesWithAllOrders) {
  for (auto options : kinds_of_histories()) {
    options.operations = 7;
    const auto tally = compare(options, 500, kPrefix, brute_prefix);
    EXPECT_EQ(tally.unknown, 0);
  }
}

TEST(Convergence, FinalReadsAgree) {
  EXPECT_TRUE(
      holds("0 put x 1 0-1; 1 put x 2 0-1; 2 get x 1 5-6; 2 get x 2 9-9 final;"
            "3 get x 2 9-9 final",
            kConvergence));
  EXPECT_FALSE(holds("0 put x 1 0-1; 1 put x 2 0-1; 2 get x 1 9-9 final; 3 get x 2 9-9 final",
                     kConvergence));
}

TEST(Convergence, AcknowledgedWritesAreNotLost) {
  EXPECT_FALSE(holds("0 put x 1 0-1; 2 get x - 9-9 final", kConvergence));
  EXPECT_TRUE(holds("0 put x 1 0-?; 2 get x - 9-9 final", kConvergence));
  EXPECT_TRUE(holds("0 put x 1 0-1; 1 delete x 0-1; 2 get x - 9-9 final", kConvergence));
  EXPECT_FALSE(holds("0 append x a 0-1; 1 append x b 0-1; 2 get x a 9-9 final", kConvergence));
  EXPECT_TRUE(holds("0 append x a 0-1; 1 append x b 0-?; 2 get x a 9-9 final", kConvergence));
  EXPECT_FALSE(holds("0 incr x +2=2 0-1; 1 incr x +3=3 0-1; 2 get x 3 9-9 final", kConvergence));
  EXPECT_TRUE(holds("0 incr x +2=2 0-1; 1 incr x +3=3 0-1; 2 get x 5 9-9 final", kConvergence));
  EXPECT_TRUE(holds("0 incr x +2=2 0-1; 1 put x 9 0-1; 2 get x 9 9-9 final", kConvergence));
  EXPECT_FALSE(holds("0 put x 1 0-1; 2 get x 3 9-9 final", kConvergence));
}

TEST(Convergence, WithoutFinalReadsNothingIsKnown) {
  const auto verdict = judge(small_history("0 put x 1 0-1; 1 get x 1 2-3"), kConvergence, {});
  EXPECT_EQ(verdict.answer, Answer::kUnknown);
  EXPECT_EQ(verdict.reason, "unsupported");
}

TEST(Convergence, AgreesWithAllOrders) {
  for (auto options : kinds_of_histories()) {
    options.final_gets = true;
    const auto tally = compare(options, 300, kConvergence, brute_convergence);
    EXPECT_EQ(tally.unknown, 0);
    EXPECT_GT(tally.ok, 100);
  }
}

TEST(ProgramOrder, LinesRise) {
  auto history = small_history("0 put x 1 5-6; 1 put x 2 1-2; 0 get x 1 7-8; 0 put y 1 4-5");
  const Model model{ModelKind::kProgramOrder, 0};
  auto verdict = judge(history, model, {});
  expect_proof(history, verdict, model);
  EXPECT_EQ(verdict.core, (std::vector<std::uint32_t>{2, 3}));
  history.operations.pop_back();
  EXPECT_EQ(judge(history, model, {}).answer, Answer::kOk);
  history.operations[0].seq = 4;
  history.operations[2].seq = 4;
  EXPECT_EQ(judge(history, model, {}).answer, Answer::kViolation);
}

}  // namespace
}  // namespace kvorum::check
