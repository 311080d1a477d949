// Rows colder than memory: values that are on the disk alone.
#include <gmock/gmock.h>

#include <algorithm>

#include "base/prng.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

const Bytes kLong(100, 'v');

// A machine over a store, whose rows come back from there whenever a command needs them.
class ColdLog : public ::testing::Test {
 protected:
  static constexpr std::size_t kAll = 1'000'000;  // rows: more than there are

  void save() { checkpoint(machine_, *store_); }
  // Makes all rows cold that can be.
  void chill() {
    while (machine_.evict(kAll)) {
    }
  }
  std::vector<ColdRow> missing(const Spec& spec) const {
    std::vector<ColdRow> rows;
    if (!is_write(spec.op)) {
      machine_.missing(spec.command(), rows);
      return rows;
    }
    Entry entry;
    entry.type = EntryType::kCommands;
    entry.payload = share(run_of(kTestClient, log_.seq, {spec}));
    machine_.missing(entry, rows);
    return rows;
  }
  std::optional<Bytes> stored(const ColdRow& row) const {
    return store_->find_rows(kTestPartition, machine_.generation(), {row.key}).value().front();
  }
  std::string run(const Spec& spec) {
    for (const auto& row : missing(spec)) {
      EXPECT_TRUE(machine_.restore(row, stored(row)));
    }
    return log_.run(spec);
  }
  void fill(int rows) {
    for (int i = 0; i < rows; ++i) {
      run({Op::kSet, {"key" + std::to_string(i), kLong + std::to_string(i)}});
    }
  }

  std::unique_ptr<store::Store> store_ = store::open_mem();
  Machine machine_{kTestPartition, {}};
  TestLog log_{machine_};
};

TEST_F(ColdLog, ValuesLeaveMemoryOnceTheDiskHasThemAndTheRestStays) {
  fill(500);
  chill();
  EXPECT_EQ(machine_.cold(), 0U);  // the disk knows none of them
  const auto before = machine_.memory_bytes();
  const auto digest = machine_.digest();
  save();
  chill();
  EXPECT_EQ(machine_.cold(), 500U);
  EXPECT_LT(machine_.memory_bytes() + std::size_t{500} * 80, before);
  EXPECT_EQ(machine_.digest(), digest);
  EXPECT_EQ(machine_.size(), 500U);
  for (const Spec& spec : {Spec{Op::kExists, {"key7"}}, Spec{Op::kTtl, {"key7"}, 0, 1},
                           Spec{Op::kType, {"key7"}}, Spec{Op::kDbSize}, Spec{Op::kKeys, {"key7"}},
                           Spec{Op::kScan, {}, 0, 0, 10}, Spec{Op::kDigest}}) {
    EXPECT_TRUE(missing(spec).empty()) << static_cast<int>(spec.op);
  }
  EXPECT_EQ(log_.run({Op::kStrLen, {"key7"}}), ":101");
  EXPECT_EQ(missing({Op::kMGet, {"key1", "key2", "nokey"}}).size(), 2U);
  EXPECT_EQ(run({Op::kGet, {"key7"}}), '"' + kLong + "7\"");
  EXPECT_EQ(machine_.cold(), 499U);
}

TEST_F(ColdLog, BlindWritesNeverNeedTheDisk) {
  fill(4);
  save();
  chill();
  for (const Spec& spec : {Spec{Op::kSet, {"key0", "new"}}, Spec{Op::kDel, {"key1"}},
                           Spec{Op::kMSet, {"key2", "x"}}, Spec{Op::kSetNx, {"key3", "x"}}}) {
    EXPECT_TRUE(missing(spec).empty()) << static_cast<int>(spec.op);
    log_.run(spec);
  }
  EXPECT_EQ(machine_.cold(), 1U);  // key3: SETNX found it
  EXPECT_EQ(log_.run({Op::kMGet, {"key0", "key1", "key2"}}), R"(["new", nil, "x"])");
}

TEST_F(ColdLog, WhatWasLookedUpGetsASecondChance) {
  fill(200);
  save();
  machine_.evict(200);  // all were just written: their first chance
  ASSERT_EQ(machine_.cold(), 0U);
  for (int i = 0; i < 50; ++i) {
    run({Op::kGet, {"key" + std::to_string(i)}});
  }
  machine_.evict(200);
  EXPECT_GT(machine_.cold(), 100U);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(missing({Op::kGet, {"key" + std::to_string(i)}}).empty()) << i;
  }
}

TEST_F(ColdLog, ShortValuesStay) {
  run({Op::kSet, {"a key of some length", "12345"}});
  save();
  chill();
  EXPECT_EQ(machine_.cold(), 0U);
}

TEST_F(ColdLog, AValueThatComesLateIsNotTaken) {
  fill(4);
  save();
  chill();
  std::vector<ColdRow> asked;
  std::vector<std::optional<Bytes>> values;
  for (int i = 0; i < 4; ++i) {
    asked.push_back(missing({Op::kGet, {"key" + std::to_string(i)}}).front());
    values.push_back(stored(asked.back()));
  }
  run({Op::kSet, {"key0", "written meanwhile"}});
  run({Op::kDel, {"key1"}});
  run({Op::kSet, {"key2", kLong + "and cold again"}});
  save();
  chill();
  ASSERT_EQ(machine_.cold(), 3U);
  const auto digest = machine_.digest();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(machine_.restore(asked[i], values[i])) << i;
  }
  EXPECT_EQ(machine_.digest(), digest);
  EXPECT_EQ(machine_.cold(), 2U);  // key3 alone came back
  EXPECT_EQ(run({Op::kMGet, {"key0", "key1", "key2"}}),
            "[\"written meanwhile\", nil, \"" + kLong + "and cold again\"]");
}

TEST_F(ColdLog, ARowThatTheDiskLacksIsDamage) {
  fill(1);
  save();
  chill();
  const auto row = missing({Op::kGet, {"key0"}}).front();
  auto other = *stored(row);
  other.back() = 'x';
  EXPECT_FALSE(machine_.restore(row, std::nullopt));
  EXPECT_FALSE(machine_.restore(row, other));
  EXPECT_FALSE(machine_.restore(row, "not a row"));
  EXPECT_TRUE(machine_.restore(row, stored(row)));
}

TEST_F(ColdLog, RowsAreLoadedColdAndExpire) {
  run({Op::kSet, {"mortal", kLong}, kRelativeTtl, 1000});
  run({Op::kSet, {"immortal", kLong}});
  save();
  Machine again(kTestPartition, {});
  auto rows = store_->rows(kTestPartition, machine_.generation());
  for (; rows->valid(); rows->next()) {
    ASSERT_TRUE(again.load_row(rows->key(), rows->value(), true));
  }
  again.load_record(*Machine::decode(*store_->partition_record(kTestPartition).value()));
  EXPECT_EQ(again.cold(), 2U);
  EXPECT_EQ(again.digest(), machine_.digest());
  TestLog log(again);
  log.now = log_.now;
  log.pass(1001);
  EXPECT_EQ(log.run({Op::kExists, {"mortal", "immortal"}}), ":1");
  EXPECT_EQ(again.cold(), 1U);
}

TEST_F(ColdLog, FlushLeavesNothingCold) {
  fill(10);
  save();
  chill();
  const auto asked = missing({Op::kGet, {"key1"}}).front();
  const auto value = stored(asked);
  run({Op::kFlush});
  EXPECT_EQ(machine_.cold(), 0U);
  EXPECT_TRUE(machine_.restore(asked, value));
  EXPECT_EQ(run({Op::kGet, {"key1"}}), "nil");
}

// Every command on a machine whose values come and go, beside the same on one that has them all.
TEST_F(ColdLog, NobodySeesWhereAValueLies) {
  Machine hot(kTestPartition, {});
  TestLog beside(hot);
  Prng prng(7);
  const auto draw_spec = [&prng] {
    const Bytes key = "key" + std::to_string(prng.below(8));
    const Bytes other = "key" + std::to_string(prng.below(8));
    const Bytes value(prng.below(200), static_cast<char>('0' + prng.below(10)));
    const Bytes number = std::to_string(prng.below(1000));
    const std::vector<Spec> specs = {
        {Op::kSet, {key, value}},
        {Op::kSet, {key, value}, kReturnOld},
        {Op::kSet, {key, value}, kKeepTtl},
        {Op::kSet, {key, value}, kRelativeTtl, 50},
        {Op::kSet, {key, number}},
        {Op::kMSet, {key, value, other, value}},
        {Op::kMSetNx, {key, value, other, value}},
        {Op::kSetNx, {key, value}},
        {Op::kDel, {key, other}},
        {Op::kAppend, {key, value}},
        {Op::kSetRange, {key, value}, 0, 20},
        {Op::kIncrBy, {key}, 0, 5},
        {Op::kIncrByFloat, {key, "1.5"}},
        {Op::kExpire, {key}, kRelativeTtl, 30},
        {Op::kPersist, {key}},
        {Op::kGetDel, {key}},
        {Op::kGetEx, {key}, kRelativeTtl, 40},
        {Op::kGetEx, {key}},
        {Op::kCas, {key, value, other}},
        {Op::kGet, {key}},
        {Op::kMGet, {key, other}},
        {Op::kExists, {key, other}},
        {Op::kStrLen, {key}},
        {Op::kGetRange, {key}, 0, 3, 50},
        {Op::kTtl, {key}, 0, 1},
        {Op::kSearch, {key}},
        {Op::kDbSize},
        {Op::kKeys, {"*"}},
    };
    return prng.chance(1, 500) ? Spec{Op::kFlush} : specs[prng.below(specs.size())];
  };
  std::size_t restored = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto spec = draw_spec();
    restored += missing(spec).size();
    ASSERT_EQ(run(spec), beside.run(spec)) << static_cast<int>(spec.op);
    ASSERT_EQ(machine_.digest(), hot.digest());
    if (prng.chance(1, 20)) {
      log_.pass(7);
      beside.pass(7);
    }
    if (prng.chance(1, 4)) {
      save();
    }
    if (machine_.dirty_bytes() == 0) {
      machine_.evict(prng.below(20));
    }
    while (machine_.free_some()) {
    }
  }
  EXPECT_GT(restored, 1000U);
  save();
  EXPECT_EQ(reload(*store_, {}).digest(), machine_.digest());
}

}  // namespace
}  // namespace kvorum::kv
