// The judge against one that tries every order, on many tiny histories.
#include <gtest/gtest.h>

#include "base/sanitized.h"
#include "check/judge.h"
#include "check/test_brute.h"

namespace kvorum::check {
namespace {

constexpr int kCases = kSanitized ? 1500 : 30000;

void keep(History& history, const std::vector<std::uint32_t>& kept) {
  std::vector<Operation> operations;
  for (const auto i : kept) {
    operations.push_back(history.operations[i]);
  }
  history.operations = operations;
}

void compare(const RandomOptions& options, std::uint64_t seed) {
  Prng prng(seed);
  int violations = 0;
  for (int i = 0; i < kCases; ++i) {
    auto varied = options;
    varied.operations = 2 + prng.below(options.operations - 1);
    const auto history = random_history(prng, varied, i % 3 == 0 ? 0 : 20);
    const bool good = brute_linearizable(history);
    const auto verdict = judge_linearizable(history, {});
    ASSERT_EQ(verdict.answer, good ? Answer::kOk : Answer::kViolation)
        << "seed " << seed << " case " << i << "\n"
        << show(history);
    violations += good ? 0 : 1;
    if (!good) {
      auto core = history;
      keep(core, verdict.core);
      ASSERT_FALSE(core.operations.empty() || brute_linearizable(core))
          << "seed " << seed << " case " << i << "\n"
          << show(history) << "core\n"
          << show(core);
      ASSERT_FALSE(verdict.sentence.empty());
    }
  }
  EXPECT_GT(violations, kCases / 100);
  EXPECT_LT(violations, kCases - kCases / 10);
}

TEST(LinearizableRandom, RepeatedValues) { compare({.operations = 7}, 1); }

TEST(LinearizableRandom, UniqueValues) { compare({.operations = 8, .unique = true}, 2); }

TEST(LinearizableRandom, SeveralKeys) {
  compare({.operations = 9, .keys = 2, .unknown_percent = 5}, 3);
}

TEST(LinearizableRandom, Appends) { compare({.operations = 7, .values = 2, .appends = true}, 4); }

TEST(LinearizableRandom, UniqueAppends) {
  compare({.operations = 7, .unique = true, .appends = true}, 5);
}

TEST(LinearizableRandom, Counters) { compare({.operations = 7, .values = 2, .numbers = true}, 6); }

TEST(LinearizableRandom, CountersAndAppends) {
  compare({.operations = 7, .values = 2, .numbers = true, .appends = true}, 7);
}

TEST(LinearizableRandom, ManyUnknownOutcomes) {
  compare({.operations = 7, .values = 2, .appends = true, .unknown_percent = 60}, 8);
}

TEST(LinearizableRandom, NearlySequential) {
  compare({.operations = 7, .moments = 40, .appends = true}, 9);
}

RandomOptions longer(Prng& prng) {
  RandomOptions options;
  options.operations = 300;
  options.clients = 8;
  options.keys = 2;
  options.values = 5;
  options.moments = 300;
  options.unique = prng.chance(2, 3);
  options.appends = prng.chance(1, 2);
  options.numbers = prng.chance(1, 3);
  options.unknown_percent = 5;
  return options;
}

Answer judged(const History& history) {
  return judge_linearizable(history, Budget(std::chrono::seconds(5), std::size_t{256} << 20))
      .answer;
}

// Runs `check` on good histories too long to try every order of.
template <class Check>
void with_good_histories(std::uint64_t seed, Check check) {
  Prng prng(seed);
  for (int i = 0; i < kCases / 100; ++i) {
    const auto history = random_history(prng, longer(prng), 0);
    const auto answer = judged(history);
    EXPECT_NE(answer, Answer::kViolation) << show(history);
    if (answer == Answer::kOk) {
      check(prng, history);
    }
  }
}

TEST(LinearizableProperty, APrefixByTimeOfAGoodHistoryIsGood) {
  int checked = 0;
  with_good_histories(31, [&](Prng& prng, History history) {
    const auto until = static_cast<std::int64_t>(prng.below(300));
    std::erase_if(history.operations, [&](const Operation& operation) {
      const bool open = operation.end_ns > until;
      return operation.start_ns > until ||
             (open && (!operation.is_write() || operation.ended == Ended::kFailed));
    });
    for (auto& operation : history.operations) {
      if (operation.end_ns > until) {
        operation.ended = Ended::kUnknown;
        operation.end_ns = kNever;
      }
    }
    EXPECT_EQ(judged(history), Answer::kOk) << show(history);
    ++checked;
  });
  EXPECT_GT(checked, kCases / 200);
}

TEST(LinearizableProperty, AGoodHistoryStaysGoodWithoutSomeReads) {
  int checked = 0;
  with_good_histories(32, [&](Prng& prng, History history) {
    std::erase_if(history.operations, [&](const Operation& operation) {
      return operation.op == HistoryOp::kGet && prng.chance(1, 3);
    });
    EXPECT_EQ(judged(history), Answer::kOk) << show(history);
    ++checked;
  });
  EXPECT_GT(checked, kCases / 200);
}

TEST(LinearizableProperty, PlantedFaultsAreMostlyCaught) {
  int planted = 0;
  int caught = 0;
  with_good_histories(33, [&](Prng& prng, History history) {
    auto& operations = history.operations;
    std::vector<std::size_t> gets;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (operations[i].op == HistoryOp::kGet && operations[i].ended == Ended::kOk) {
        gets.push_back(i);
      }
    }
    auto& get = operations[gets[prng.below(gets.size())]];
    auto& other = operations[gets[prng.below(gets.size())]];
    if (get.value == other.value || get.key != other.key) {
      return;
    }
    switch (prng.below(3)) {
      case 0:  // stale, or too new
        get.value = other.value;
        break;
      case 1:
        std::swap(get.value, other.value);
        break;
      default:  // a write applied twice, or half of one
        get.value = history.texts.add(history.texts[get.value] + history.texts[other.value]);
    }
    ++planted;
    const auto verdict =
        judge_linearizable(history, Budget(std::chrono::seconds(5), std::size_t{256} << 20));
    caught += verdict.answer == Answer::kViolation ? 1 : 0;
    if (verdict.answer == Answer::kViolation) {
      keep(history, verdict.core);
      EXPECT_EQ(judged(history), Answer::kViolation) << verdict.sentence;
    }
  });
  EXPECT_GT(planted, kCases / 1000);
  EXPECT_GT(caught * 10, planted * 7) << caught << " of " << planted;
}

TEST(LinearizableProperty, ATinyBudgetNeverMakesABadHistoryGood) {
  Prng prng(34);
  for (int i = 0; i < kCases / 100; ++i) {
    const auto history = random_history(prng, longer(prng), 10);
    const auto tiny = judge_linearizable(history, Budget(std::chrono::seconds(60), 40'000));
    if (tiny.answer == Answer::kOk) {
      EXPECT_NE(judged(history), Answer::kViolation) << show(history);
    }
  }
}

}  // namespace
}  // namespace kvorum::check
