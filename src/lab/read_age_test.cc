#include "lab/read_age.h"

#include <gtest/gtest.h>

#include "check/test_history.h"

namespace kvorum::lab {
namespace {

ReadAge last_age(std::string_view text) {
  const auto ages = read_ages(check::small_history(text));
  EXPECT_TRUE(ages.back().has_value());
  return ages.back().value_or(ReadAge());
}

void expect_age(std::string_view text, Source source, std::uint32_t write, std::size_t newer,
                std::int64_t outdated_ns) {
  const auto age = last_age(text);
  EXPECT_EQ(age.source, source) << text;
  EXPECT_EQ(age.write, write) << text;
  EXPECT_EQ(age.newer, newer) << text;
  EXPECT_EQ(age.outdated_ns, outdated_ns) << text;
}

TEST(ReadAge, Newest) {
  expect_age("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 2 4-5", Source::kWrite, 1, 0, 0);
}

TEST(ReadAge, OlderWithItsOrigin) {
  expect_age("0 put x 1 0-1; 0 put x 2 2-3; 1 get x 1 9-10", Source::kWrite, 0, 1, 6);
  expect_age("0 put x 1 0-1; 0 put x 2 2-3; 0 put y 2 3-4; 0 delete x 4-5; 1 get x 1 9-10",
             Source::kWrite, 0, 2, 6);
  expect_age("0 put x 1 0-1; 0 delete x 2-3; 0 put x 2 4-5; 1 get x - 9-10", Source::kWrite, 1, 1,
             4);
}

TEST(ReadAge, WhatOverlapsIsNeverOlder) {
  // The put that overlaps the read may come after it, and puts that overlap each other may stand in
  // either order.
  expect_age("0 put x 1 0-1; 0 put x 2 2-7; 1 get x 1 6-10", Source::kWrite, 0, 0, 0);
  expect_age("0 put x 1 0-1; 0 put x 2 2-7; 1 get x 2 6-10", Source::kWrite, 1, 0, 0);
  expect_age("0 put x 1 0-4; 1 put x 2 2-3; 1 get x 1 6-10", Source::kWrite, 0, 0, 0);
  expect_age("0 put x 1 0-4; 1 put x 2 2-3; 1 get x 2 6-10", Source::kWrite, 1, 0, 0);
}

TEST(ReadAge, TheSameMomentIsAnOverlap) {
  expect_age("0 put x 1 0-5; 0 put x 2 5-6; 1 get x 1 7-8", Source::kWrite, 0, 0, 0);
  expect_age("0 put x 1 0-1; 0 put x 2 5-6; 1 get x 1 6-8", Source::kWrite, 0, 0, 0);
}

TEST(ReadAge, OfTheInitialValue) {
  expect_age("1 get x - 0-1", Source::kInitial, 0, 0, 0);
  expect_age("initial x=0; 1 get x 0 0-1", Source::kInitial, 0, 0, 0);
  expect_age("initial x=0; 0 put x 1 0-5; 1 get x 0 3-4", Source::kInitial, 0, 0, 0);
  expect_age("initial x=0; 0 put x 1 0-5; 1 get x 0 8-9", Source::kInitial, 0, 1, 3);
  expect_age("initial x=0; 0 put x 1 0-?; 1 get x 0 8-9", Source::kInitial, 0, 0, 0);
  expect_age("initial x=0; 0 put x 1 0-5 err; 1 get x 0 8-9", Source::kInitial, 0, 0, 0);
}

TEST(ReadAge, OfAValueThatWasWrittenTwice) {
  expect_age("0 put x 1 0-1; 0 put x 2 2-3; 0 put x 1 4-5; 1 get x 1 6-7", Source::kWrite, 2, 0, 0);
  // By the recorded version it is the first one.
  expect_age(
      "0 put x 1 0-1 version=7; 0 put x 2 2-3 version=8; 0 put x 1 4-5 version=9;"
      "1 get x 1 6-7 version=7",
      Source::kWrite, 0, 2, 3);
  // A long write may well be the newest one although it began first.
  expect_age("0 put x 1 0-20; 1 put x 1 2-3; 1 put x 2 4-5; 2 get x 1 9-10", Source::kWrite, 0, 0,
             0);
}

TEST(ReadAge, WritesWithUnknownOutcomeMayBeTheSource) {
  expect_age("0 put x 1 0-?; 1 put x 2 5-6; 1 get x 1 9-10", Source::kWrite, 0, 0, 0);
}

TEST(ReadAge, WhatWasAppendedOrAdded) {
  expect_age("0 append x a 0-1; 0 append x b 2-3; 1 get x ab 6-10", Source::kWrite, 1, 0, 0);
  expect_age("0 append x a 0-1; 0 append x b 2-3; 1 get x a 6-10", Source::kWrite, 0, 1, 3);
  expect_age("0 incr n +1=1 0-1; 0 incr n +1=2 2-3; 1 get n 1 6-10", Source::kWrite, 0, 1, 3);
  expect_age("0 incr n +1=1 0-1; 0 incr n +1=9 2-?; 1 get n 2 6-10", Source::kWrite, 1, 0, 0);
}

TEST(ReadAge, FromNobody) {
  expect_age("0 put x 1 0-1; 1 get x 2 6-10", Source::kNobody, 0, 0, 0);
  expect_age("0 put x 1 20-21; 1 get x 1 6-10", Source::kNobody, 0, 0, 0);
  expect_age("0 append x a 0-1; 1 get x b 6-10", Source::kNobody, 0, 0, 0);
  expect_age("0 append x a 0-1; 1 get x - 6-10", Source::kInitial, 0, 1, 5);
}

TEST(ReadAge, OnlyOfAnsweredGets) {
  for (const auto& age : read_ages(check::small_history(
           "0 put x 1 0-1; 1 get x 1 0-?; 2 get x 1 0-1 err; 3 incr n +1=1 2-3"))) {
    EXPECT_FALSE(age.has_value());
  }
}

}  // namespace
}  // namespace kvorum::lab
