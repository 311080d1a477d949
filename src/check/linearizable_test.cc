#include <gtest/gtest.h>

#include <algorithm>

#include "check/judge.h"
#include "check/test_history.h"

namespace kvorum::check {
namespace {

Verdict judged(std::string_view text) { return judge_linearizable(small_history(text), {}); }

Answer answer(std::string_view text) { return judged(text).answer; }

constexpr auto kOk = Answer::kOk;
constexpr auto kViolation = Answer::kViolation;

TEST(Linearizable, NothingIsGood) {
  EXPECT_EQ(answer(""), kOk);
  EXPECT_EQ(answer("0 get x - 0-1"), kOk);
}

TEST(Linearizable, ReadsSeeTheLastWriteThatEnded) {
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 4-5"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 1 4-5"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 get x - 4-5"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 get x 7 4-5"), kViolation);
  EXPECT_EQ(answer("1 get x 1 0-1; 0 put x 1 2-3"), kViolation);
}

TEST(Linearizable, AReadDuringAWriteMaySeeEither) {
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-9; 1 get x 1 4-5"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-9; 1 get x 2 4-5"), kOk);
}

TEST(Linearizable, NewThenOldIsAViolation) {
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-9; 1 get x 2 3-4; 2 get x 1 5-6"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put x 2 2-9; 1 get x 1 3-4; 2 get x 2 5-6"), kOk);
}

TEST(Linearizable, TouchingIntervalsAreConcurrent) {
  EXPECT_EQ(answer("0 put x 1 0-5; 1 get x - 5-6"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-5; 1 get x - 6-6"), kViolation);
  EXPECT_EQ(answer("0 put x 1 5-5; 1 put x 2 5-5; 2 get x 1 5-5; 3 get x 2 5-5"), kOk);
}

TEST(Linearizable, LostUpdate) {
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 1>2 2-5; 2 cas x 1>3 2-5"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 1>2 2-5; 2 cas x 1>3 2-5 fail; 1 get x 2 6-7"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 1>2 2-5; 2 cas x 2>1 3-6; 3 cas x 1>4 4-7"), kOk);
}

TEST(Linearizable, AFailedCompareObserves) {
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 1>2 2-3 fail"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 1>2 2-3 err"), kOk);
  EXPECT_EQ(answer("1 cas x ->2 2-3 fail"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-9; 1 cas x 1>2 2-3 fail"), kOk);
}

TEST(Linearizable, UnknownOutcomesMayComeAnyTimeLaterOrNever) {
  constexpr std::string_view kBase = "0 put x 1 0-1; 0 put x 2 2-?;";
  EXPECT_EQ(answer(std::string(kBase) + "1 get x 1 50-51"), kOk);
  EXPECT_EQ(answer(std::string(kBase) + "1 get x 1 50-51; 1 get x 2 52-53"), kOk);
  EXPECT_EQ(answer(std::string(kBase) + "1 get x 2 50-51; 1 get x 1 52-53"), kViolation);
  EXPECT_EQ(answer(std::string(kBase) + "0 put x 3 60-61; 1 get x 2 70-71"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 get x 2 2-3; 0 put x 2 4-?"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 cas x 5>6 0-?; 2 get x 6 2-3"), kViolation);
}

TEST(Linearizable, AnUnknownWriteMayExplainAFailedCompare) {
  EXPECT_EQ(answer("0 put x 1 0-1; 2 put x 9 0-?; 1 cas x 1>2 2-3 fail; 1 get x 9 4-5"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 2 put x 9 0-?; 1 cas x 1>2 2-3 fail; 1 get x 1 4-5"),
            kViolation);
}

TEST(Linearizable, CertainFailuresHadNoEffect) {
  EXPECT_EQ(answer("0 put x 1 0-1 fail; 1 get x - 2-3"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1 fail; 1 get x 1 2-3"), kViolation);
  EXPECT_EQ(answer("0 append x a 0-1 err; 1 get x a 2-3"), kViolation);
}

TEST(Linearizable, DeleteMakesAbsent) {
  EXPECT_EQ(answer("0 put x 1 0-1; 1 delete x 2-3; 2 get x - 4-5; 3 cas x ->2 6-7; 2 get x 2 8-9"),
            kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 delete x 2-3; 2 get x 1 4-5"), kViolation);
  EXPECT_EQ(answer("0 put x 1 0-1; 1 delete x 2-9; 2 get x - 3-4; 2 get x 1 5-6"), kViolation);
}

TEST(Linearizable, AppendsLostDoubledOrTwisted) {
  constexpr std::string_view kBase = "0 append x a 0-1; 1 append x b 2-3;";
  EXPECT_EQ(answer(std::string(kBase) + "2 get x ab 4-5"), kOk);
  EXPECT_EQ(answer(std::string(kBase) + "2 get x b 4-5"), kViolation);
  EXPECT_EQ(answer(std::string(kBase) + "2 get x abb 4-5"), kViolation);
  EXPECT_EQ(answer(std::string(kBase) + "2 get x ba 4-5"), kViolation);
  EXPECT_EQ(answer("0 append x a 0-1; 1 append x a 2-?; 2 get x aa 4-5"), kOk);
  EXPECT_EQ(answer("0 append x a 0-1; 1 append x a 2-?; 2 get x aa 4-5; 2 get x a 6-7"),
            kViolation);
}

TEST(Linearizable, AppendToAnEmptyTextAndToNothing) {
  EXPECT_EQ(answer("initial x=ab\n0 append x c 0-1; 1 get x abc 2-3"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 delete x 2-3; 0 append x c 4-5; 1 get x c 6-7"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 delete x 2-3; 0 append x c 4-5; 1 get x 1c 6-7"), kViolation);
}

TEST(Linearizable, Counters) {
  EXPECT_EQ(answer("0 incr n +1=1 0-1; 1 incr n +1=2 0-1; 2 get n 2 2-3"), kOk);
  EXPECT_EQ(answer("0 incr n +1=1 0-1; 1 incr n +1=1 0-1"), kViolation);
  EXPECT_EQ(answer("initial n=40\n0 incr n +2=42 0-1; 1 incr n +-50=-8 2-3"), kOk);
  EXPECT_EQ(answer("0 incr n +1=1 0-1; 1 incr n +1=0 2-?; 2 incr n +1=3 4-5"), kOk);
  EXPECT_EQ(answer("0 incr n +1=1 0-1; 1 incr n +1=0 2-?; 2 incr n +1=4 4-5"), kViolation);
}

TEST(Linearizable, WhatIsNoNumberCannotBeCounted) {
  EXPECT_EQ(answer("0 put n abc 0-1; 1 incr n +1=1 2-3"), kViolation);
  EXPECT_EQ(answer("0 put n 07 0-1; 1 incr n +1=8 2-3"), kViolation);
  EXPECT_EQ(answer("0 put n abc 0-1; 1 incr n +1=1 2-?; 1 get n abc 4-5"), kOk);
  EXPECT_EQ(answer("0 put n 9223372036854775807 0-1; 1 incr n +1=-9223372036854775808 2-3"),
            kViolation);
  EXPECT_EQ(answer("0 append n 1 0-1; 0 append n 2 2-3; 1 incr n +1=13 4-5"), kOk);
}

TEST(Linearizable, InitialValues) {
  EXPECT_EQ(answer("initial x=5\n0 get x 5 0-1"), kOk);
  EXPECT_EQ(answer("initial x=5\n0 get x - 0-1"), kViolation);
  EXPECT_EQ(answer("initial x=5\n0 put x 6 0-1; 1 get x 5 2-3"), kViolation);
  EXPECT_EQ(answer("initial x=5\n1 cas x 5>7 2-3; 1 get y - 4-5"), kOk);
}

TEST(Linearizable, KeysAreIndependent) {
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x 1 6-7"), kOk);
  EXPECT_EQ(answer("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5; 1 get x - 6-7"), kViolation);
}

TEST(Linearizable, OneClientsOverlapsAreConcurrent) {
  EXPECT_EQ(answer("0 put x 1 0-9; 0 get x - 1-2; 0 get x 1 3-4"), kOk);
}

TEST(Linearizable, ABadKeyIsFoundBesideAHardOne) {
  std::string text;
  for (int i = 0; i < 12; ++i) {
    text += "0 put hard 1 0-100; 1 delete hard 0-100; 2 put hard 2 0-100;";
  }
  text += "3 get hard 1 101-102; 4 get hard 2 101-102; 0 put x 1 0-1; 1 get x - 2-3";
  EXPECT_EQ(answer(text), kViolation);
}

TEST(LinearizableBudget, WithoutTimeOrMemoryTheAnswerIsUnknown) {
  const auto history = small_history(
      "0 put x 1 0-9; 1 put x 1 0-9; 2 delete x 0-9; 2 get x - 10-11; 3 get x 1 10-11");
  const auto late = judge_linearizable(history, Budget(std::chrono::seconds(-1), 1 << 20));
  EXPECT_EQ(late.answer, Answer::kUnknown);
  EXPECT_EQ(late.reason, "time");
  EXPECT_EQ(late.detail, "key x: 5 operations, 0 states searched");
}

TEST(LinearizableBudget, AHardBadHistoryIsNeverCalledGood) {
  // Each append could be any of the many alike, and one get contradicts.
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += "0 append x a 0-1000; 1 append x aa 0-1000; 2 delete x 0-1000;";
  }
  text += "3 get x aaaaa 1001-1002; 3 get x aaaa 1003-1004";
  const auto verdict =
      judge_linearizable(small_history(text), Budget(std::chrono::seconds(5), 1 << 19));
  EXPECT_NE(verdict.answer, kOk);
  if (verdict.answer == Answer::kUnknown) {
    EXPECT_TRUE(verdict.reason == "memory" || verdict.reason == "time");
  }
}

TEST(LinearizableCore, AStaleReadInWords) {
  const auto verdict = judged(
      "0 put x 1 0-1000000; 1 get x 1 1100000-1200000; 1 put x 2 2000000-4000000;"
      "2 get x 2 5000000-6000000; 0 put y 7 0-9; 3 get x 1 16000000-17000000; 1 put x 3 "
      "16000000-?");
  EXPECT_EQ(verdict.answer, kViolation);
  EXPECT_EQ(verdict.core, (std::vector<std::uint32_t>{0, 2, 5}));
  EXPECT_EQ(verdict.sentence,
            "client 3 get x = 1 [16 ms, 17 ms] although client 1 put x = 2 [2 ms, 4 ms] had ended "
            "12 ms before it began, and client 0 put x = 1 [0 ms, 1 ms] had ended before that");
  EXPECT_EQ(verdict.state, "x = 2");
  EXPECT_EQ(verdict.prefix, (std::vector<std::uint32_t>{0, 2}));
  std::vector<std::string> edges;
  for (const auto& [from, to, why] : verdict.edges) {
    edges.push_back(std::to_string(from) + " " + std::to_string(to) + " " + why);
  }
  EXPECT_EQ(edges, (std::vector<std::string>{"0 2 real time", "2 5 real time", "0 5 reads from"}));
}

TEST(LinearizableCore, OtherViolationsInWords) {
  EXPECT_EQ(judged("1 get x 7 4-5").sentence,
            "client 1 get x = 7 [4 ns, 5 ns], which nothing can have brought about");
  EXPECT_EQ(judged("1 get x 1 0-1; 0 put x 1 4-5").sentence,
            "client 1 get x = 1 [0 ms, 1 ns] although client 0 put x = 1 [4 ns, 5 ns], which wrote "
            "that, began only 3 ns after it had ended");
  EXPECT_EQ(judged("0 put x 1 0-1; 1 get x - 4-5").sentence,
            "client 1 get x = absent [4 ns, 5 ns] although client 0 put x = 1 [0 ms, 1 ns] had "
            "ended 3 ns before it began, and nothing put the first value back");
  EXPECT_EQ(judged("0 put x 1 0-1; 1 cas x 1>2 2-5; 2 cas x 1>3 2-5").sentence,
            "client 1 cas x 1 to 2 [2 ns, 5 ns] and client 2 cas x 1 to 3 [2 ns, 5 ns] each found "
            "1, which the key held only once");
  EXPECT_EQ(judged("0 put x 1 0-1; 1 cas x 1>2 2-3; 1 get x 1 5-6").sentence,
            "client 1 get x = 1 [5 ns, 6 ns] although client 1 cas x 1 to 2 [2 ns, 3 ns], which "
            "replaced that, had ended 2 ns before it began");
}

TEST(LinearizableCore, LeavesOutWhatCannotHaveMattered) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    const auto at = std::to_string(i * 10);
    const auto to = std::to_string(i * 10 + 7);
    const auto value = std::to_string(i % 5);
    text += "0 put x " + value + " " + at + "-" + to + "; 1 get x " + value + " " +
            std::to_string(i * 10 + 8) + "-" + std::to_string(i * 10 + 9) + ";";
  }
  text += "2 get x 3 2500-2501; 0 delete x 2600-2601";
  const auto verdict = judged(text);
  EXPECT_EQ(verdict.answer, kViolation);
  EXPECT_LE(verdict.core.size(), 45u);  // what may have written the 3, and what came after
  EXPECT_TRUE(std::binary_search(verdict.core.begin(), verdict.core.end(), 400u));
}

}  // namespace
}  // namespace kvorum::check
