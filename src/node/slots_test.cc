#include "node/slots.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kvorum::node {
namespace {

struct Word {
  std::string text;
  void begin_anew() { text.clear(); }
};

TEST(Slots, ANumberNamesOneThingAndNoOtherThatTakesItsPlace) {
  Slots<Word> words;
  const auto first = words.add();
  words.at(first).text = "first";
  const auto second = words.add();
  EXPECT_NE(first, second);
  words.erase(first);
  EXPECT_EQ(words.find(first), nullptr);
  const auto third = words.add();
  EXPECT_NE(third, first);
  EXPECT_EQ(words.find(first), nullptr) << "another is at its place now";
  EXPECT_EQ(words.at(third).text, "") << "it begins anew";
  EXPECT_EQ(words.find(third + 1'000'000), nullptr);
  EXPECT_LT(third, std::uint64_t{1} << 63);
}

TEST(Slots, ReferencesStayAndEachVisitsWhatIsThere) {
  Slots<Word> words;
  const auto kept = words.add();
  Word& word = words.at(kept);
  word.text = "kept";
  std::vector<std::uint64_t> others;
  for (int i = 0; i < 1000; ++i) {
    others.push_back(words.add());
  }
  EXPECT_EQ(&words.at(kept), &word);
  for (const auto id : others) {
    words.erase(id);
  }
  std::vector<std::uint64_t> seen;
  words.each([&](std::uint64_t id, const Word& one) {
    seen.push_back(id);
    EXPECT_EQ(one.text, "kept");
  });
  EXPECT_EQ(seen, std::vector{kept});
}

}  // namespace
}  // namespace kvorum::node
