#include "dynamo/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/prng.h"

namespace kvorum::dynamo {
namespace {

ReplicaId replica(std::uint64_t node) {
  return {NodeId(static_cast<std::uint32_t>(node)), Incarnation(node)};
}

Row random_row(Prng& prng) {
  Row row;
  for (auto left = 1 + prng.below(3); left > 0; --left) {
    Sibling fresh;
    fresh.dot = {replica(1 + prng.below(3)), 1 + prng.below(1000)};
    fresh.stamp.packed = prng.next();
    fresh.deleted = prng.chance(1, 2);
    fresh.value = Bytes(prng.below(40), 'v');
    if (!row.context.covers(fresh.dot)) {
      put(row, fresh, {});
    }
  }
  return row;
}

std::string key_of(std::uint64_t n) { return "key:" + std::to_string(n); }

std::vector<Range> all_ranges() {
  std::vector<Range> ranges;
  std::uint32_t count = 1;
  for (std::uint8_t level = 0; level <= Table::kDepth; ++level, count *= Table::kFanOut) {
    for (std::uint32_t number = 0; number < count; ++number) {
      ranges.push_back({level, number});
    }
  }
  return ranges;
}

std::vector<std::uint64_t> all_sums(const Table& table) {
  std::vector<std::uint64_t> sums;
  for (const auto range : all_ranges()) {
    sums.push_back(table.sum(range));
  }
  return sums;
}

// Against a plain ordered map, from which everything is computed afresh.
using Naive = std::map<std::string, Row>;

void expect_same(const Table& table, const Naive& naive) {
  std::map<Range, std::uint64_t> sums;
  std::map<Range, std::vector<KeyPrint>> prints;
  std::size_t tombstones = 0;
  for (const auto& [key, row] : naive) {
    const auto hash = Table::hash_of(key);
    const auto print = fingerprint(key, row);
    for (int level = 0; level <= Table::kDepth; ++level) {
      sums[Table::range_of(hash, level)] += print;
      prints[Table::range_of(hash, level)].push_back({hash, print});
    }
    tombstones += std::all_of(row.siblings.begin(), row.siblings.end(),
                              [](const Sibling& one) { return one.deleted; })
                      ? 1
                      : 0;
    ASSERT_NE(table.find(key), nullptr) << key;
    ASSERT_EQ(*table.find(key), row) << key;
  }
  for (const auto range : all_ranges()) {
    ASSERT_EQ(table.sum(range), sums[range]) << int{range.level} << "/" << range.number;
    auto& expected = prints[range];
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(table.prints(range), expected);
  }
  EXPECT_EQ(table.digest(), sums[Range{}]);
  EXPECT_EQ(table.rows(), naive.size());
  EXPECT_EQ(table.tombstones(), tombstones);
}

TEST(Table, EqualsANaiveRecomputationAfterAnyChanges) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Prng prng(seed);
    Table table;
    Naive naive;
    const auto empty_bytes = table.memory_bytes();
    for (int round = 0; round < 4; ++round) {
      for (int change = 0; change < 1000; ++change) {
        const auto key = key_of(prng.below(700));
        if (prng.chance(1, 3)) {
          table.replace(key, {});
          naive.erase(key);
        } else {
          naive[key] = random_row(prng);
          table.replace(key, naive[key]);
        }
      }
      expect_same(table, naive);
    }
    while (!naive.empty()) {
      table.replace(naive.begin()->first, {});
      naive.erase(naive.begin());
    }
    expect_same(table, naive);
    EXPECT_EQ(table.digest(), 0u);
    EXPECT_LT(table.memory_bytes() - empty_bytes, 700u * 2 * 16);  // room for slots
  }
}

std::vector<std::string> keys_in_order(const Table& table, Range range) {
  std::vector<std::string> keys;
  table.each(range, [&](const std::string& key, const Row&) {
    keys.push_back(key);
    return true;
  });
  return keys;
}

TEST(Table, EqualContentsAreEqualInWhateverOrderTheyCame) {
  Prng prng(9);
  constexpr std::uint64_t kKeys = 5000;
  std::vector<Row> rows;
  for (std::uint64_t n = 0; n < kKeys; ++n) {
    rows.push_back(random_row(prng));
  }
  Table up;
  Table down;
  for (std::uint64_t n = 0; n < kKeys; ++n) {
    up.replace(key_of(n), rows[n]);
    down.replace(key_of(kKeys - 1 - n), random_row(prng));
    down.replace("other" + key_of(n), rows[n]);
  }
  for (std::uint64_t n = 0; n < kKeys; ++n) {
    down.replace("other" + key_of(n), {});
    down.replace(key_of(n), rows[n]);
  }
  EXPECT_EQ(all_sums(up), all_sums(down));
  for (const auto range : all_ranges()) {
    ASSERT_EQ(up.prints(range), down.prints(range));
    if (range.level == Table::kDepth) {
      ASSERT_EQ(keys_in_order(up, range), keys_in_order(down, range));
    }
  }
}

TEST(Table, ADifferenceOfOneKeyShowsOnlyOnItsPath) {
  Prng prng(10);
  Table one;
  Table two;
  for (std::uint64_t n = 0; n < 3000; ++n) {
    const auto row = random_row(prng);
    one.replace(key_of(n), row);
    two.replace(key_of(n), row);
  }
  for (int round = 0; round < 50; ++round) {
    const auto key = key_of(prng.below(3100));  // some are new
    const Row old = one.find(key) == nullptr ? Row() : *one.find(key);
    one.replace(key, random_row(prng));
    for (const auto range : all_ranges()) {
      const bool on_path = Table::range_of(Table::hash_of(key), range.level) == range;
      ASSERT_EQ(one.sum(range) != two.sum(range), on_path) << key;
    }
    one.replace(key, old);
    ASSERT_EQ(all_sums(one), all_sums(two));
  }
}

TEST(Table, ARangeHoldsTheRangesBelowIt) {
  Prng prng(11);
  Table table;
  for (std::uint64_t n = 0; n < 2000; ++n) {
    table.replace(key_of(n), random_row(prng));
  }
  for (const auto range : all_ranges()) {
    if (range.level == Table::kDepth) {
      continue;
    }
    std::uint64_t sum = 0;
    std::vector<KeyPrint> prints;
    std::vector<std::string> keys;
    for (std::uint32_t i = 0; i < Table::kFanOut; ++i) {
      const Range below{static_cast<std::uint8_t>(range.level + 1),
                        range.number * Table::kFanOut + i};
      sum += table.sum(below);
      for (const auto print : table.prints(below)) {
        prints.push_back(print);
      }
      for (const auto& key : keys_in_order(table, below)) {
        keys.push_back(key);
      }
    }
    ASSERT_EQ(table.sum(range), sum);
    ASSERT_EQ(table.prints(range), prints);
    ASSERT_TRUE(std::is_sorted(prints.begin(), prints.end()));
    ASSERT_EQ(keys_in_order(table, range), keys);
  }
}

// With XOR the two differences would cancel out (ferrosa#339), and so would a row with itself.
TEST(Table, SumsDoNotCancelOut) {
  Prng prng(12);
  Table table;
  std::uint64_t total = 0;
  for (std::uint64_t n = 0; n < 100; ++n) {
    const auto row = random_row(prng);
    table.replace(key_of(n), row);
    total += fingerprint(key_of(n), row);
  }
  EXPECT_EQ(table.digest(), total);
}

TEST(Table, ARowOfAnyLengthUnderAnyKeyIsFound) {
  Table table;
  const std::vector<std::string> keys = {"", std::string(3, '\0'), std::string(70'000, 'k'), "k"};
  std::vector<Row> rows;
  for (const auto& key : keys) {
    Row row;
    Sibling fresh;
    fresh.dot = {replica(1), rows.size() + 1};
    fresh.value = Bytes(1 + rows.size() * 200'000, 'v');
    put(row, fresh, {});
    table.replace(key, row);
    rows.push_back(row);
  }
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_NE(table.find(keys[i]), nullptr);
      EXPECT_EQ(*table.find(keys[i]), rows[i]);
    }
  }
  EXPECT_EQ(table.find("absent"), nullptr);
}

TEST(Table, OnlyAnEmptyRowIsErased) {
  Table table;
  Row seen;
  seen.context.add({replica(1), 1});
  table.replace("key", seen);  // what it has seen is worth keeping
  ASSERT_NE(table.find("key"), nullptr);
  EXPECT_EQ(*table.find("key"), seen);
  table.replace("key", {});
  EXPECT_EQ(table.find("key"), nullptr);
  table.replace("key", {});
  EXPECT_EQ(table.rows(), 0u);
}

TEST(Table, WhatWasChangedIsTakenOnceAsItStandsThen) {
  Prng prng(14);
  Table table;
  std::map<std::string, Row> disk;
  std::map<std::string, Row> rows;
  std::size_t taken = 0;
  table.load(key_of(1000), random_row(prng), false, false);
  const auto take = [&] {
    table.take_changed([&](ByteView key, ByteView packed) {
      Reader reader(packed);
      Row row;
      disk.erase(std::string(key));
      if (!packed.empty()) {
        ASSERT_TRUE(decode(reader, row) && reader.done());
        EXPECT_EQ(packed, table.packed(key));
        disk[std::string(key)] = row;
      }
      ++taken;
    });
  };
  take();
  EXPECT_EQ(taken, 0u) << "what was loaded";
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 100; ++i) {
      const auto key = key_of(prng.below(60));
      const bool erases = prng.below(4) == 0;
      const auto row = erases ? Row() : random_row(prng);
      table.replace(key, row);
      erases ? void(rows.erase(key)) : void(rows[key] = row);
    }
    taken = 0;
    take();
    EXPECT_LE(taken, 160u);
    EXPECT_EQ(disk, rows);
    EXPECT_EQ(table.changed(), 0u);
  }
}

TEST(Table, WhatWasPutIsNotPutAgainUntilItChanges) {
  Prng prng(15);
  Table table;
  std::map<std::string, Row> disk;  // rows of their own there
  std::map<std::string, Row> rows;
  for (std::uint64_t n = 0; n < 200; ++n) {
    const auto row = random_row(prng);
    rows[key_of(n)] = row;
    const bool on_disk = n % 2 == 0;
    table.load(key_of(n), row, on_disk, false);
    if (on_disk) {
      disk[key_of(n)] = row;
    }
  }
  for (int round = 0; round < 20; ++round) {
    std::size_t puts = 0;
    std::size_t steps = 0;
    for (std::size_t next = 0, done = 0; done == 0; ++steps) {
      done = table.take_unput(next, 10, [&](const Table::Item& item) {
        const std::string key(item.key);
        EXPECT_FALSE(disk.contains(key) && disk[key] == rows[key]) << "it was there";
        EXPECT_EQ(item.hash, Table::hash_of(key));
        Reader reader(item.row);
        Row row;
        ASSERT_TRUE(decode(reader, row) && reader.done());
        disk[key] = row;
        ++puts;
      });
    }
    EXPECT_EQ(puts, round == 0 ? 100u : 10u);
    EXPECT_GT(steps, 10u) << "a few rows at a time";
    EXPECT_EQ(disk, rows);
    for (std::uint64_t n = 0; n < 10; ++n) {
      const auto key = key_of(20 * n + static_cast<std::uint64_t>(round));
      Row row = random_row(prng);
      while (row == rows[key]) {
        row = random_row(prng);
      }
      rows[key] = row;
      table.replace(key, row);
    }
  }
}

// It may become cold then, and has no value to be put.
TEST(Table, WhatTheDiskHasIsNotPut) {
  Prng prng(16);
  Table table;
  const auto row = random_row(prng);
  table.replace("key", row);
  std::vector<KeyPrint> put;
  const auto take = [&] {
    std::size_t next = 0;
    table.take_unput(next, SIZE_MAX, [&](const Table::Item& item) {
      put.push_back({item.hash, item.print});
    });
  };
  take();
  ASSERT_EQ(put.size(), 1u);
  table.replace("key", row);  // the same once more, while the first is on its way
  table.on_disk(put[0]);
  take();
  EXPECT_EQ(put.size(), 1u);
}

TEST(Table, AVisitCanStop) {
  Prng prng(13);
  Table table;
  for (std::uint64_t n = 0; n < 100; ++n) {
    table.replace(key_of(n), random_row(prng));
  }
  int visited = 0;
  table.each({0, 0}, [&](const std::string& key, const Row& row) {
    EXPECT_EQ(*table.find(key), row);  // finding within a visit is fine
    return ++visited < 10;
  });
  EXPECT_EQ(visited, 10);
}

TEST(Table, KnowsItsRanges) {
  for (const auto range : all_ranges()) {
    EXPECT_TRUE(Table::has(range));
  }
  EXPECT_FALSE(Table::has({0, 1}));
  EXPECT_FALSE(Table::has({1, 16}));
  EXPECT_FALSE(Table::has({3, 4096}));
  EXPECT_FALSE(Table::has({4, 0}));
  EXPECT_EQ(Table::range_of(UINT64_MAX, 0), (Range{0, 0}));
  EXPECT_EQ(Table::range_of(UINT64_MAX, 3), (Range{3, 4095}));
  EXPECT_EQ(Table::range_of(0x1230'0000'0000'0000, 2), (Range{2, 0x12}));
}

}  // namespace
}  // namespace kvorum::dynamo
