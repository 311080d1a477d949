#include "load/keys.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "load/plan.h"
#include "wire/resp.h"

namespace kvorum::load {
namespace {

constexpr std::uint64_t kDraws = 1'000'000;

// How often each of so many ranks is drawn.
std::vector<double> frequencies(std::uint64_t items, std::uint64_t seed) {
  const Zipfian zipfian(items);
  Prng prng(seed);
  std::vector<double> drawn(items);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    drawn.at(zipfian.next(prng)) += 1.0 / static_cast<double>(kDraws);
  }
  return drawn;
}

double theory(const Zipfian& zipfian, std::size_t rank) {
  return zipfian.chance_of_first() * std::pow(static_cast<double>(rank + 1), -Zipfian::kTheta);
}

TEST(Zipfian, FirstTwoRanksAreExact) {
  for (const std::uint64_t items : {2u, 3u, 1000u, 100'000u}) {
    const Zipfian zipfian(items);
    const auto drawn = frequencies(items, items);
    for (std::size_t rank = 0; rank < 2; ++rank) {
      const auto chance = theory(zipfian, rank);
      const auto deviation = std::sqrt(chance * (1 - chance) / static_cast<double>(kDraws));
      EXPECT_NEAR(drawn[rank], chance, 5 * deviation) << items << " items, rank " << rank;
    }
  }
}

TEST(Zipfian, TheOthersFollowTheCurve) {
  for (const std::uint64_t items : {1000u, 100'000u}) {
    const Zipfian zipfian(items);
    const auto drawn = frequencies(items, items);
    // The curve of Gray et al. is an approximation, at its worst near its begin.
    for (std::size_t from = 2; from < items; from *= 4) {
      double measured = 0;
      double expected = 0;
      for (auto rank = from; rank < std::min<std::size_t>(4 * from, items); ++rank) {
        measured += drawn[rank];
        expected += theory(zipfian, rank);
      }
      EXPECT_NEAR(measured / expected, 1, 0.12) << items << " items, from rank " << from;
    }
  }
}

TEST(Keys, RanksFallOnDifferentKeysWhichAreNoNeighbours) {
  for (const std::uint64_t count : {1u, 2u, 3u, 4u, 7u, 100u, 4096u, 99'991u}) {
    const Keys keys(Distribution::kZipfian, count);
    std::set<std::uint64_t> seen;
    for (std::uint64_t rank = 0; rank < count; ++rank) {
      const auto key = keys.key_of(rank);
      EXPECT_LT(key, count);
      seen.insert(key);
      if (count > 10 && rank > 0) {
        const auto before = keys.key_of(rank - 1);
        EXPECT_GT(key > before ? key - before : before - key, 1u);
      }
    }
    EXPECT_EQ(seen.size(), count);
  }
}

TEST(Keys, UniformOnesAreAllDrawnAlike) {
  constexpr std::uint64_t kCount = 100;
  const Keys keys(Distribution::kUniform, kCount);
  Prng prng(3);
  std::vector<double> drawn(kCount);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    drawn.at(keys.next(prng)) += 1;
  }
  const double expected = static_cast<double>(kDraws) / kCount;
  for (const auto count : drawn) {
    EXPECT_NEAR(count, expected, 5 * std::sqrt(expected));
  }
}

// All requests of a plan, as words.
std::vector<std::vector<std::string>> words_of(const Bytes& requests) {
  wire::RequestParser parser;
  parser.feed(requests);
  std::vector<std::vector<std::string>> out;
  while (parser.next() == wire::RequestParser::Status::kRequest) {
    out.emplace_back(parser.args().begin(), parser.args().end());
  }
  EXPECT_EQ(parser.buffered(), 0u);
  return out;
}

TEST(Plan, RequestsAreAsTheOptionsSay) {
  PlanOptions options;
  options.reads = 0.9;
  options.keys = 1000;
  options.key_size = 12;
  options.value_size = 33;
  Plan plan(options, 0);
  Bytes out;
  std::vector<Kind> kinds;
  for (int i = 0; i < 10'000; ++i) {
    kinds.push_back(plan.next(out));
  }
  const auto requests = words_of(out);
  ASSERT_EQ(requests.size(), kinds.size());
  double reads = 0;
  std::set<std::string> values;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool read = kinds[i] == Kind::kRead;
    reads += read ? 1 : 0;
    const auto& words = requests[i];
    ASSERT_EQ(words.size(), read ? 2u : 3u);
    EXPECT_EQ(words[0], read ? "GET" : "SET");
    EXPECT_EQ(words[1].substr(0, 4), "key:");
    EXPECT_EQ(words[1].size(), 12u);
    EXPECT_LT(std::stoul(words[1].substr(4)), 1000u);
    if (!read) {
      EXPECT_EQ(words[2].size(), 33u);
      values.insert(words[2]);
    }
  }
  EXPECT_NEAR(reads / 10'000, 0.9, 0.02);
  EXPECT_GT(values.size(), 500u) << "values differ";
}

TEST(Plan, AllReadsAndAllWritesAreJustThat) {
  Bytes out;
  PlanOptions options;
  options.value_size = 0;
  for (const double reads : {0.0, 1.0}) {
    options.reads = reads;
    Plan plan(options, 0);
    for (int i = 0; i < 1000; ++i) {
      EXPECT_EQ(plan.next(out), reads == 0 ? Kind::kWrite : Kind::kRead);
    }
  }
  EXPECT_EQ(words_of(out).size(), 2000u);
}

TEST(Plan, SeedAndThreadDecideTheRequests) {
  const auto requests = [](std::uint64_t seed, std::uint64_t thread) {
    PlanOptions options;
    options.seed = seed;
    Plan plan(options, thread);
    Bytes out;
    for (int i = 0; i < 100; ++i) {
      plan.next(out);
    }
    return out;
  };
  EXPECT_EQ(requests(1, 0), requests(1, 0));
  EXPECT_NE(requests(1, 0), requests(1, 1));
  EXPECT_NE(requests(1, 0), requests(9, 0));
}

TEST(Plan, ThreadsThatFillWriteEachKeyOnce) {
  PlanOptions options;
  options.keys = 10;
  options.key_size = 1;
  Bytes out;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    Plan plan(options, thread);
    plan.fill(thread, 3);
    for (std::uint64_t key = thread; key < 10; key += 3) {
      EXPECT_EQ(plan.next(out), Kind::kWrite);
    }
  }
  std::multiset<std::string> keys;
  for (const auto& words : words_of(out)) {
    keys.insert(words.at(1));
  }
  EXPECT_EQ(keys, (std::multiset<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
}

}  // namespace
}  // namespace kvorum::load
