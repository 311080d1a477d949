#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr Model kCc{ModelKind::kCc, 0};
constexpr Model kCcv{ModelKind::kCcv, 0};
constexpr Model kCm{ModelKind::kCm, 0};

// "cc ccv" for a history that satisfies those two and not cm.
std::string holding(const char* text) {
  const auto history = small_history(text);
  std::string out;
  for (const auto& model : {kCc, kCcv, kCm}) {
    const auto verdict = judge(history, model, {});
    EXPECT_NE(verdict.answer, Answer::kUnknown) << text << verdict.detail;
    if (verdict.answer == Answer::kOk) {
      out += (out.empty() ? "" : " ") + to_string(model);
    } else {
      expect_proof(history, verdict, model);
    }
  }
  return out;
}

// Bouajjani, Enea, Guerraoui, Hamza, POPL 2017, figure 3.
TEST(Causal, TheModelsDiffer) {
  // (a) Both see both writes, each the other's last: an order per session, none for all.
  EXPECT_EQ(holding("0 put x 1 0-1; 0 get x 2 2-3; 1 put x 2 0-1; 1 get x 1 2-3"), "cc cm");
  // (b) One order of writes explains each read by itself; no one order explains session 1 as a
  // whole.
  EXPECT_EQ(holding("0 put z 1 0-1; 0 put x 1 2-3; 0 put y 1 4-5;"
                    "1 put x 2 0-1; 1 get z - 2-3; 1 get y 1 4-5; 1 get x 2 6-7"),
            "cc ccv");
  // (c) Neither.
  EXPECT_EQ(holding("0 put x 1 0-1; 1 put x 2 0-1; 1 get x 1 2-3; 1 get x 2 4-5"), "cc");
  // (d) All of them, though not sequential.
  EXPECT_EQ(holding("0 put x 1 0-1; 0 get y - 2-3; 0 put y 1 4-5; 0 get x 1 6-7;"
                    "1 put x 2 0-1; 1 get y - 2-3; 1 put y 2 4-5; 1 get x 2 6-7"),
            "cc ccv cm");
  // (e) None.
  EXPECT_EQ(holding("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 put x 2 6-7;"
                    "2 get x 2 8-9; 2 get x 1 10-11"),
            "");
}

TEST(Causal, WhatSequentialForbidsAndCausalAllows) {
  EXPECT_EQ(holding("0 put x 1 0-1; 0 get y - 2-3; 1 put y 1 0-1; 1 get x - 2-3"), "cc ccv cm");
  EXPECT_EQ(holding("0 put x 1 0-1; 1 put y 1 0-1; 2 get x 1 2-3; 2 get y - 4-5;"
                    "3 get y 1 2-3; 3 get x - 4-5"),
            "cc ccv cm");
  // Tanenbaum & van Steen, section 7.2.2: concurrent writes are seen in different orders.
  EXPECT_EQ(holding("0 put x a 0-1; 1 get x a 2-3; 1 put x b 4-5; 0 put x c 4-5;"
                    "2 get x a 6-7; 2 get x c 8-9; 2 get x b 10-11;"
                    "3 get x a 6-7; 3 get x b 8-9; 3 get x c 10-11"),
            "cc cm");
}

TEST(Causal, WhatAllForbid) {
  EXPECT_EQ(holding("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x - 6-7"), "");
  EXPECT_EQ(holding("0 put x 1 0-1; 1 get x 1 2-3; 1 put y 1 4-5; 2 get y 1 6-7; 2 get x - 8-9"),
            "");
  EXPECT_EQ(holding("0 get x 1 0-1; 0 put y 1 2-3; 1 get y 1 0-1; 1 put x 1 2-3"), "");
  EXPECT_EQ(holding("0 put x 1 0-1; 0 get x - 2-3"), "");
  EXPECT_EQ(holding("0 get x 7 0-1"), "");
}

TEST(Causal, AMissedWriteIsToldInWords) {
  const auto history = small_history(
      "0 put x 1 0-1; 0 put z 9 1-2; 0 put y 1 2-3; 1 get z 9 3-4; 1 get y 1 4-5; 1 get x - 6-7");
  const auto verdict = judge(history, kCcv, {});
  EXPECT_EQ(verdict.core.size(), 4u) << verdict.sentence;
  EXPECT_TRUE(verdict.sentence.starts_with(
      "client 1 get x = absent [6 ns, 7 ns] missed client 0 put x = 1 [0 ms, 1 ns]"))
      << verdict.sentence;
}

// A cas that succeeded is a write everywhere; its compare binds only where it ran.
TEST(Causal, ComparesBindWhereTheyRan) {
  EXPECT_EQ(holding("0 cas x ->1 0-1; 1 cas x ->2 0-1; 0 get x 2 2-3; 1 get x 2 2-3"), "cc ccv cm");
  EXPECT_EQ(holding("0 put x 1 0-1; 0 cas x ->2 2-3"), "");
  EXPECT_EQ(holding("0 put x 1 0-1; 1 cas x 1>2 2-3 fail"), "cc ccv cm");
  EXPECT_EQ(holding("0 put x 1 0-1; 0 cas x 1>2 2-3 fail"), "");
}

TEST(Causal, AppendsShowWhatWasSeen) {
  EXPECT_EQ(holding("0 append x a 0-1; 1 append x b 0-1; 0 get x ab 2-3; 1 get x ab 2-3"),
            "cc ccv cm");
  EXPECT_EQ(holding("0 append x a 0-1; 1 append x b 0-1; 0 get x ab 2-3; 1 get x ba 2-3"), "cc cm");
  EXPECT_EQ(holding("0 append x a 0-1; 0 append x b 2-3; 1 get x b 4-5"), "");
}

TEST(Causal, UnknownOutcomes) {
  EXPECT_EQ(holding("0 put x 1 0-?; 0 get x - 2-3; 0 get x 1 4-5"), "cc ccv cm");
  EXPECT_EQ(holding("0 put y 1 0-1; 0 put x 1 2-?; 1 get x 1 2-3; 1 get y - 4-5"), "");
}

class CausalKinds : public testing::TestWithParam<ModelKind> {};

TEST_P(CausalKinds, AgreesWithAllCausalOrders) {
  for (const auto& options : kinds_of_histories()) {
    const auto tally = compare(options, 300, {GetParam(), 0}, [](const History& history) {
      return brute_causal(history, GetParam());
    });
    EXPECT_LT(tally.unknown, tally.ok / 4);
    EXPECT_GT(tally.ok, 100);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CausalKinds,
                         testing::Values(ModelKind::kCc, ModelKind::kCcv, ModelKind::kCm));

// One key, three sessions, reads that miss: where cc, ccv and cm part.
TEST(Causal, AgreesWhereTheModelsDiffer) {
  const RandomHistory options{
      .operations = 6, .sessions = 2, .keys = 1, .compared = false, .unknown_percent = 0};
  for (const auto kind : {ModelKind::kCc, ModelKind::kCcv, ModelKind::kCm}) {
    compare(options, 600, {kind, 0},
            [kind](const History& history) { return brute_causal(history, kind); });
  }
}

TEST(Causal, RepeatedValuesAreNeverGuessed) {
  // 40 writes of two values, read in an order that nothing allows: too many sources to try them
  // all.
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += fmt::format("{} put x {} {}-{};", i % 4, i % 2, 10 * i, 10 * i + 1);
    text += fmt::format("{} put y{} 1 {}-{};", i % 4, i, 10 * i + 2, 10 * i + 3);
    text += fmt::format("{} get y{} - {}-{};", (i + 1) % 4, i, 10 * i + 4, 10 * i + 5);
    text += fmt::format("{} get x {} {}-{};", (i + 1) % 4, (i / 3) % 2, 10 * i + 6, 10 * i + 7);
  }
  const auto verdict = judge(small_history(text), kCcv, {});
  EXPECT_NE(verdict.answer, Answer::kViolation);
  if (verdict.answer == Answer::kUnknown) {
    EXPECT_EQ(verdict.reason, "unsupported");
    EXPECT_NE(verdict.detail.find("x = "), std::string::npos) << verdict.detail;
  }
}

}  // namespace
}  // namespace kvorum::check
