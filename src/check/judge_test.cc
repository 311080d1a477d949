// Levels, all models at once, and what must hold between the models.
#include "check/judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

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
  EXPECT_TRUE(
      levels_hold("0 put x 1 0-1; 1 get x - 2-3 level=prefix; 2 get x 1 2-3 "
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
  EXPECT_FALSE(
      levels_hold("0 put x 1 0-1; 1 get x 1 2-3 level=sequential; 1 get x - 4-5 level=session"));
  EXPECT_TRUE(
      levels_hold("0 put x 1 0-1; 1 get x 1 2-3 level=prefix; 1 get x - 4-5 level=session"));
  EXPECT_FALSE(
      levels_hold("0 put x 1 0-1; 0 put y 1 2-3; 1 get y 1 4-5 level=causal;"
                  "1 get x - 6-7 level=causal"));
}

TEST(Levels, CountsAndEventualConverge) {
  EXPECT_FALSE(levels_hold("0 put x 1 0-1 level=w=2; 1 get x - 9-9 final level=one"));
  EXPECT_TRUE(
      levels_hold("0 put x 1 0-1 level=quorum; 1 get x - 2-3 level=eventual;"
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
  EXPECT_EQ(strongest("0 put x 1 0-1; 0 get y - 2-3; 1 put y 1 0-1; 1 get x - 2-3"),
            (Model{ModelKind::kCcv, 0}));
  EXPECT_EQ(strongest("0 put x 1 0-1; 1 get x 1 2-3; 1 get x - 4-5"),
            (Model{ModelKind::kPrefix, 0}));
  EXPECT_EQ(strongest("0 get x 7 0-1"), std::nullopt);
}

TEST(JudgeAll, BoundsAreJudgedWhereTheyForbidSomething) {
  const auto bounds = [](const char* text) {
    std::string out;
    for (const auto& verdict : judge_all(small_history(text), {}).verdicts) {
      if (verdict.model.bound != 0) {
        out += to_string(verdict.model) + " " + to_string(verdict.answer) + "; ";
      }
    }
    return out;
  };
  EXPECT_EQ(bounds("0 put x 1 0-1; 0 get x - 2-3"), "");
  EXPECT_EQ(bounds("0 put x 1 0-1; 0 put x 2 2-3; 0 get x - 500000000-500000001"),
            "bounded:100ms violation; bounded:1v violation; ");
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
  int held = 0;
  for (auto options : kinds_of_histories()) {
    options.operations = 10;
    options.overlapping = false;
    options.final_gets = true;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      Prng prng(seed);
      const auto history = random_history(prng, options);
      std::map<ModelKind, Answer> answers;
      for (const auto& [strong, weak] : kImplied) {
        for (const auto kind : {strong, weak}) {
          if (!answers.contains(kind)) {
            answers[kind] = answer(history, kind);
          }
        }
        if (answers[strong] == Answer::kOk) {
          ++held;
          EXPECT_NE(answers[weak], Answer::kViolation)
              << to_string(Model{strong, 0}) << " " << to_string(Model{weak, 0}) << listed(history);
        }
      }
    }
  }
  EXPECT_GT(held, 500);
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
