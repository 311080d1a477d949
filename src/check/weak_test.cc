// Judges against the definitions, on small random histories.
#include <gtest/gtest.h>

#include "check/judge.h"
#include "check/test_weak.h"

namespace kvorum::check {
namespace {

std::vector<RandomHistory> kinds_of_histories() {
  std::vector<RandomHistory> out;
  out.push_back({});
  out.push_back({.sessions = 3});
  out.push_back({.keys = 1});
  out.push_back({.unique = false});
  out.push_back({.unique = false, .removed = true});
  out.push_back({.keys = 1, .composed = true});
  out.push_back({.sessions = 3, .composed = true, .compared = false});
  out.push_back({.keys = 1, .counted = true});
  out.push_back({.sessions = 3, .compared = false, .unknown_percent = 40});
  return out;
}

constexpr int kRounds = 400;

struct Tally {
  int ok = 0;
  int violation = 0;
  int unknown = 0;

  void add(Answer answer) {
    ++(answer == Answer::kOk ? ok : answer == Answer::kViolation ? violation : unknown);
  }
};

template <class Judge, class Brute>
Tally compare(const RandomHistory& options, int rounds, Judge judge, Brute brute) {
  Tally tally;
  for (int seed = 0; seed < rounds; ++seed) {
    Prng prng(static_cast<std::uint64_t>(seed));
    auto sized = options;
    sized.operations = 2 + seed % (options.operations - 1);
    const auto history = random_history(prng, sized);
    const Verdict verdict = judge(history);
    tally.add(verdict.answer);
    if (verdict.answer != Answer::kUnknown) {
      EXPECT_EQ(verdict.answer == Answer::kOk, brute(history))
          << "seed " << seed << listed(history) << "\n"
          << verdict.sentence;
    }
    if (testing::Test::HasFailure()) {
      break;
    }
  }
  return tally;
}

TEST(Sequential, AgreesWithAllInterleavings) {
  for (auto options : kinds_of_histories()) {
    options.operations = 7;
    const auto tally = compare(
        options, 4 * kRounds, [](const History& h) { return judge_sequential(h, {}); },
        brute_sequential);
    EXPECT_EQ(tally.unknown, 0);
    EXPECT_GT(tally.violation, 20);
    EXPECT_GT(tally.ok, 100);
  }
}

class CausalKinds : public testing::TestWithParam<ModelKind> {};

TEST_P(CausalKinds, AgreesWithAllCausalOrders) {
  for (auto options : kinds_of_histories()) {
    options.operations = 5;
    const auto tally = compare(
        options, kRounds, [](const History& h) { return judge_causal(h, GetParam(), {}); },
        [](const History& h) { return brute_causal(h, GetParam()); });
    EXPECT_LT(tally.unknown, tally.ok / 4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CausalKinds,
                         testing::Values(ModelKind::kCc, ModelKind::kCcv, ModelKind::kCm));

class Guarantees : public testing::TestWithParam<ModelKind> {};

TEST_P(Guarantees, AgreeWithAllVisibilities) {
  for (auto options : kinds_of_histories()) {
    options.operations = 5;
    const auto tally = compare(
        options, kRounds, [](const History& h) { return judge_session(h, GetParam(), {}); },
        [](const History& h) { return brute_session(h, {GetParam()}); });
    EXPECT_LT(tally.unknown, tally.ok / 4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Guarantees,
                         testing::Values(ModelKind::kReadYourWrites, ModelKind::kMonotonicReads,
                                         ModelKind::kMonotonicWrites,
                                         ModelKind::kWritesFollowReads));

}  // namespace
}  // namespace kvorum::check
