#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_history.h"

namespace kvorum::check {
namespace {

Answer judged(std::string_view text) { return judge_durability(small_history(text), {}).answer; }

TEST(Durability, AnAcknowledgedWriteIsThereInTheEnd) {
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 10-11 final"), Answer::kOk);
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 1 10-11 final"), Answer::kViolation);
  EXPECT_EQ(judged("0 append x a 0-1; 1 append x b 0-1; 1 get x b 10-11 final"),
            Answer::kViolation);
}

TEST(Durability, OtherGetsSayNothing) {
  EXPECT_EQ(judged("0 put x 1 0-1; 1 get x - 2-3; 1 get x 7 4-5; 1 get x 1 10-11 final"),
            Answer::kOk);
}

TEST(Durability, AnUnknownWriteMayBeThereOrNot) {
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-?; 1 get x 1 10-11 final"), Answer::kOk);
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-?; 1 get x 2 10-11 final"), Answer::kOk);
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-?; 1 get x 2 10-11 final; 2 get x 1 12-13 final"),
            Answer::kViolation);
}

TEST(Durability, AFailedWriteIsNotThere) {
  EXPECT_EQ(judged("0 put x 1 0-1; 0 put x 2 2-3 fail; 1 get x 2 10-11 final"), Answer::kViolation);
}

TEST(Durability, WithoutFinalGetsThereIsNothingToJudge) {
  const auto verdict = judge_durability(small_history("0 put x 1 0-1; 1 get x - 2-3"), {});
  EXPECT_EQ(verdict.answer, Answer::kUnknown);
  EXPECT_EQ(verdict.reason, "unsupported");
  EXPECT_EQ(verdict.model.kind, ModelKind::kDurability);
}

TEST(Durability, TheSentenceNamesTheLostWrite) {
  const auto verdict = judge_durability(
      small_history("0 put x 1 0-1; 0 put x 2 2-3; 2 get x 2 4-5; 1 get x 1 10-11 final"), {});
  EXPECT_EQ(verdict.core, (std::vector<std::uint32_t>{0, 1, 3}));
  EXPECT_NE(verdict.sentence.find("client 0 put x = 2 [2 ns, 3 ns] had ended"), std::string::npos)
      << verdict.sentence;
}

}  // namespace
}  // namespace kvorum::check
