#include <gtest/gtest.h>

#include <array>

#include "check/judge.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr std::array<ModelKind, 4> kGuarantees = {
    ModelKind::kReadYourWrites, ModelKind::kMonotonicReads, ModelKind::kMonotonicWrites,
    ModelKind::kWritesFollowReads};

// The guarantees that the history violates.
std::string violated(const char* text) {
  const auto history = small_history(text);
  std::string out;
  for (const auto kind : kGuarantees) {
    const auto verdict = judge(history, {kind, 0}, {});
    EXPECT_NE(verdict.answer, Answer::kUnknown) << text << verdict.detail;
    if (verdict.answer == Answer::kViolation) {
      expect_proof(history, verdict, {kind, 0});
      out += (out.empty() ? "" : " ") + to_string(Model{kind, 0});
    }
  }
  return out;
}

TEST(Session, EachGuaranteeAloneViolated) {
  EXPECT_EQ(violated("0 put x 1 0-1; 0 get x - 2-3"), "read-your-writes");
  EXPECT_EQ(violated("0 put x 1 0-1; 1 get x 1 2-3; 1 get x - 4-5"), "monotonic-reads");
  EXPECT_EQ(violated("0 append x a 0-1; 0 append x b 2-3; 1 get x b 4-5"), "monotonic-writes");
  EXPECT_EQ(violated("0 append x a 0-1; 1 get x a 2-3; 1 append x b 4-5; 2 get x b 6-7"),
            "writes-follow-reads");
}

TEST(Session, GuaranteesDoNotCrossKeysByThemselves) {
  // Message passing: what is missed is another client's write, read by nobody before.
  EXPECT_EQ(violated("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x - 6-7"), "");
}

TEST(Session, ArbitrationIsOneForAll) {
  // Each reader is monotonic if 1 precedes 2 for one, and 2 precedes 1 for the other.
  EXPECT_EQ(violated("0 put x 1 0-1; 1 put x 2 0-1; 2 get x 1 2-3; 2 get x 2 4-5;"
                     "3 get x 2 2-3; 3 get x 1 4-5"),
            "monotonic-reads");
  EXPECT_EQ(violated("0 append x a 0-1; 1 append x b 0-1; 2 get x ab 2-3; 3 get x ba 2-3"),
            "read-your-writes monotonic-reads monotonic-writes writes-follow-reads");
}

TEST(Session, NothingIsSeenInACircle) {
  EXPECT_EQ(violated("0 get x 1 0-1; 0 put y 1 2-3; 1 get y 1 0-1; 1 put x 1 2-3"),
            "read-your-writes monotonic-reads monotonic-writes writes-follow-reads");
}

TEST(Session, AWriteOfUnknownOutcomeIsNotOnesOwn) {
  EXPECT_EQ(violated("0 put x 1 0-?; 0 get x - 2-3"), "");
  EXPECT_EQ(violated("0 append x a 0-1; 0 append x b 2-?; 1 get x b 4-5"), "monotonic-writes");
}

TEST(Session, AViolationIsToldInWords) {
  const auto verdict = judge(small_history("0 put x 1 0-1; 1 put x 7 0-1; 0 get x - 2-3"),
                             {ModelKind::kReadYourWrites, 0}, {});
  EXPECT_EQ(verdict.sentence,
            "client 0 get x = absent [2 ns, 3 ns] missed client 0 put x = 1 [0 ms, 1 ns], which "
            "the same client had written before");
  EXPECT_EQ(verdict.core, (std::vector<std::uint32_t>{0, 2}));
}

class Guarantees : public testing::TestWithParam<ModelKind> {};

TEST_P(Guarantees, AgreeWithAllVisibilities) {
  for (const auto& options : kinds_of_histories()) {
    const auto tally = compare(options, 300, {GetParam(), 0}, [](const History& history) {
      return brute_session(history, {GetParam()});
    });
    EXPECT_LT(tally.unknown, tally.ok / 4);
    EXPECT_GT(tally.ok, 100);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Guarantees, testing::ValuesIn(kGuarantees));

TEST(Session, AllFourTogetherAreCausalConvergence) {
  for (const auto& options : kinds_of_histories()) {
    compare(options, 150, {ModelKind::kCcv, 0}, [](const History& history) {
      return brute_session(history, {kGuarantees.begin(), kGuarantees.end()});
    });
  }
}

}  // namespace
}  // namespace kvorum::check
