// Levels, all models at once, and what must hold between the models.
#include "check/judge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "check/shrink.h"
#include "check/test_history.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

constexpr Model kLevels{ModelKind::kLevels, 0};

bool levels_hold(const char* text) {
  const auto history = small_history(text);
  const auto verdict = judge(history, kLevels, {});
  EXPECT_NE(verdict.answer, Answer::kUnknown) << text << verdict.detail;
  if (verdict.answer == Answer::kViolation) {
    expect_proof(history, verdict, kLevels);
    EXPECT_TRUE(verdict.sentence.starts_with("level ")) << verdict.sentence;
  }
  return verdict.answer == Answer::kOk;
}

TEST(Levels, EachLevelIsJudgedByItsOwnPromise) {
  // The stale read is fine at prefix, and at sequential, but not at linearizable.
  EXPECT_TRUE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=prefix; 2 get x 1 2-3 "
                          "level=linearizable"));
  EXPECT_TRUE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=sequential"));
  EXPECT_FALSE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=linearizable"));
  // 1 ms is 1,000,000 ns.
  EXPECT_TRUE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=bounded:1ms"));
  EXPECT_FALSE(levels_hold("0 put x 1 0-1; 1 get x - 1000002-1000003 level=bounded:1ms"));
  EXPECT_TRUE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=bounded:1v"));
  EXPECT_FALSE(levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=bounded:0v"));
}

TEST(Levels, StrongerReadsCountForWeakerLevels) {
  // Monotonic reads, broken between a sequential and a session read of one client.
  EXPECT_FALSE(levels_hold(
      "0 put x 1 0-1; 1 get x 1 2-3 level=sequential; 1 get x - 4-5 level=session"));
  EXPECT_TRUE(
      levels_hold("0 put x 1 0-1; 1 get x 1 2-3 level=prefix; 1 get x - 4-5 level=session"));
  EXPECT_FALSE(levels_hold("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5 level=causal;"
                           "1 get x - 6-7 level=causal"));
}

TEST(Levels, CountsAndEventualConverge) {
  EXPECT_FALSE(levels_hold("0 put x 1 0-1 level=w=2; 1 get x - 9-9 final level=one"));
  EXPECT_TRUE(levels_hold("0 put x 1 0-1 level=quorum; 1 get x - 2-3 level=eventual;"
                          "1 get x 1 9-9 final level=all"));
}

TEST(Levels, WithoutLevelsNothingIsKnown) {
  for (const char* text : {"0 put x 1 0-1", "0 put x 1 0-1 level=strong"}) {
    EXPECT_EQ(judge(small_history(text), kLevels, {}).answer, Answer::kUnknown);
  }
}

std::optional<Model> strongest(const char* text) {
  return judge_all(small_history(text), {}).strongest;
}

TEST(JudgeAll, NamesTheStrongestThatHolds) {
  EXPECT_EQ(strongest("0 put x 1 0-1; 1 get x 1 2-3"), (Model{ModelKind::kLinearizable, 0}));
  EXPECT_EQ(strongest("0 put x 1 0-1; 1 get x - 2-3"), (Model{ModelKind::kSequential, 0}));
  EXPECT_EQ(strongest("0 put x 1 0-1; 0 get y - 2000000000-2000000001;"
                      "1 put y 1 0-1; 1 get x - 2000000000-2000000001;"
                      "2 put x 3 3-4; 2 put x 4 5-6; 2 put x 5 7-8; 2 put y 6 9-9; 2 put y 7 11-11"),
            (Model{ModelKind::kBoundedTime, 10'000'000'000}));
  EXPECT_EQ(strongest("0 get x 7 0-1"), std::nullopt);
}

TEST(JudgeAll, ACausalVerdictSaysThatItIsCcv) {
  const auto bad = small_history("0 put x 1 0-1; 0 get x - 2-3");
  const auto verdict = judge(bad, {ModelKind::kCausal, 0}, {});
  EXPECT_EQ(to_string(verdict.model), "causal");
  EXPECT_NE(verdict.sentence.find("ccv"), std::string::npos);
  const auto good = judge(small_history("0 put x 1 0-1"), {ModelKind::kCausal, 0}, {});
  EXPECT_NE(good.detail.find("ccv"), std::string::npos);
}

Answer answer(const History& history, ModelKind kind) {
  return judge(history, {kind, 0}, {}).answer;
}

// Every pair that judge_all passes over as implied, judged on its own.
TEST(Models, WhatTheStrongerAcceptsTheWeakerDoesNotReject) {
  constexpr std::pair<ModelKind, ModelKind> kImplied[] = {
      {ModelKind::kLinearizable, ModelKind::kSequential},
      {ModelKind::kLinearizable, ModelKind::kPrefix},
      {ModelKind::kLinearizable, ModelKind::kDurability},
      {ModelKind::kSequential, ModelKind::kCcv},
      {ModelKind::kSequential, ModelKind::kCm},
      {ModelKind::kCcv, ModelKind::kCc},
      {ModelKind::kCm, ModelKind::kCc},
      {ModelKind::kCcv, ModelKind::kReadYourWrites},
      {ModelKind::kCcv, ModelKind::kMonotonicReads},
      {ModelKind::kCcv, ModelKind::kMonotonicWrites},
      {ModelKind::kCcv, ModelKind::kWritesFollowReads},
  };
  for (auto options : kinds_of_histories()) {
    options.operations = 12;
    options.sessions = 12;  // so that most clients have one operation, and none overlap
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      Prng prng(seed);
      const auto history = random_history(prng, options);
      for (const auto& [strong, weak] : kImplied) {
        const bool holds = answer(history, strong) == Answer::kOk;
        if (holds && strong != ModelKind::kLinearizable) {
          EXPECT_NE(answer(history, weak), Answer::kViolation)
              << to_string(Model{strong, 0}) << to_string(Model{weak, 0}) << listed(history);
        }
      }
    }
  }
}

TEST(Models, TheBeginningOfAGoodHistoryIsGood) {
  for (auto options : kinds_of_histories()) {
    options.operations = 10;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      Prng prng(seed);
      const auto history = random_history(prng, options);
      for (const auto kind : {ModelKind::kSequential, ModelKind::kCcv, ModelKind::kCm,
                              ModelKind::kCc, ModelKind::kMonotonicReads}) {
        if (answer(history, kind) != Answer::kOk) {
          continue;
        }
        // Without the last observation: what was written later may have been read before.
        auto part = history;
        const auto last = std::find_if(part.operations.rbegin(), part.operations.rend(),
                                       [](const Operation& op) { return !op.is_write(); });
        if (last != part.operations.rend()) {
          part.operations.erase(std::next(last).base());
          EXPECT_NE(answer(part, kind), Answer::kViolation) << listed(history);
        }
      }
    }
  }
}

TEST(Models, WithoutTimeNothingIsClaimed) {
  const Budget none(std::chrono::nanoseconds(0), 1 << 30);
  for (auto options : kinds_of_histories()) {
    options.operations = 12;
    options.unique = false;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      Prng prng(seed);
      const auto history = random_history(prng, options);
      for (const auto kind : {ModelKind::kSequential, ModelKind::kCcv, ModelKind::kCm,
                              ModelKind::kPrefix, ModelKind::kWritesFollowReads}) {
        const auto hurried = judge(history, {kind, 0}, none).answer;
        if (hurried != Answer::kUnknown) {
          EXPECT_EQ(hurried, answer(history, kind)) << listed(history);
        }
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::check
