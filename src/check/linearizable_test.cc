#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_history.h"
namespace kvorum::check {
namespace {
TEST(Linearizable, Smoke) {
  EXPECT_EQ(judge_linearizable(small_history("0 put x 1 0-1; 1 get x 1 2-3"), {}).answer,
            Answer::kOk);
  EXPECT_EQ(judge_linearizable(small_history("0 put x 1 0-1; 1 get x - 2-3"), {}).answer,
            Answer::kViolation);
}
}  // namespace
}  // namespace kvorum::check
