// The contract in store.h, sentence by sentence, over every maker. Parts that ask for more than one
// life of the store open it again; in memory they only check what is there.
#include "store/conformance.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "store/rocks_forgetful_fs.h"

namespace kvorum::store::testing {
namespace {

constexpr PartitionId kOne{1};
constexpr PartitionId kTwo{2};
constexpr Generation kFirst{1};
constexpr Generation kSecond{2};

class MemHome final : public Home {
 public:
  Result<std::unique_ptr<Store>> open() override { return open_mem(); }
  bool remembers() const override { return false; }
};

class RocksHome : public Home {
 public:
  explicit RocksHome(bool finds_rows = false) : finds_rows_(finds_rows) {}
  Result<std::unique_ptr<Store>> open() override {
    RocksOptions options;
    options.path = folder_.database();
    options.create = true;
    options.finds_rows = finds_rows_;
    return open_rocks(options);
  }
  bool remembers() const override { return true; }

 private:
  bool finds_rows_;
  TemporaryFolder folder_;
};

class FindingRocksHome final : public RocksHome {
 public:
  FindingRocksHome() : RocksHome(true) {}
};

// The power is cut between any two lives; what was written is there because an empty batch asked
// for a sync.
class ForgetfulHome final : public Home {
 public:
  Result<std::unique_ptr<Store>> open() override {
    disk_->restore(false, prng_);
    RocksOptions options;
    options.path = disk_->disk() + "/db";
    options.create = true;
    options.rotate_bytes = 50'000;
    options.environment = &environment_;
    return open_rocks(options);
  }
  void close(std::unique_ptr<Store> store) override {
    EXPECT_TRUE(write(*store, {}, true));
    disk_->cut_power_after(0);
  }
  bool remembers() const override { return true; }

 private:
  TemporaryFolder folder_;
  std::shared_ptr<ForgetfulFileSystem> disk_ =
      std::make_shared<ForgetfulFileSystem>(folder_.path());
  ForgetfulEnvironment environment_{disk_};
  Prng prng_{1};
};

class Conformance : public ::testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    home_ = GetParam().make();
    open();
  }
  void open() {
    auto opened = home_->open();
    ASSERT_TRUE(opened) << to_string(opened.error());
    store_ = std::move(*opened);
  }
  // Closes the store and opens it again, where that means something.
  void again() {
    if (home_->remembers()) {
      home_->close(std::move(store_));
      open();
    }
  }
  void put(std::vector<Operation> operations, bool sync = false) {
    const auto done = write(*store_, std::move(operations), sync);
    ASSERT_TRUE(done) << to_string(done.error());
  }
  std::string read(std::uint64_t from, std::uint64_t to, std::size_t bytes = SIZE_MAX) {
    return show(store_->read_log(kOne, Index(from), Index(to), bytes));
  }

  std::unique_ptr<Home> home_;
  std::unique_ptr<Store> store_;
};

TEST_P(Conformance, AnEmptyStoreAnswersWithNothing) {
  EXPECT_THAT(store_->partitions().value(), ::testing::IsEmpty());
  EXPECT_EQ(store_->record("identity").value(), std::nullopt);
  EXPECT_EQ(store_->hard_state(kOne).value(), HardState{});
  EXPECT_EQ(extent(*store_, kOne), "0/0..0");
  EXPECT_EQ(read(1, 9), "");
  EXPECT_EQ(store_->partition_record(kOne).value(), std::nullopt);
  EXPECT_EQ(rows(*store_, kOne, kFirst), "");
  EXPECT_EQ(store_->term_at(kOne, Index(0)).value(), Term(0));
}

TEST_P(Conformance, KeepsRecordsAndHardStates) {
  const HardState state{Term(7), NodeId(2), Index(41)};
  put({PutRecord{"identity", Bytes("node\0one", 8)}, PutRecord{"boot", "1"},
       PutHardState{kTwo, state}});
  put({PutRecord{"boot", "2"}});
  again();
  EXPECT_EQ(store_->record("identity").value(), Bytes("node\0one", 8));
  EXPECT_EQ(store_->record("boot").value(), "2");
  EXPECT_EQ(store_->hard_state(kTwo).value(), state);
  EXPECT_EQ(store_->hard_state(kOne).value(), HardState{});
}

TEST_P(Conformance, NamesPartitionsThatHaveALogAHardStateOrARecord) {
  put({AppendLog{PartitionId(5), entries(1, 1, 1)},
       PutHardState{PartitionId(0), HardState{Term(1), {}, {}}},
       PutPartition{PartitionId(9), "record"}, ResetLog{PartitionId(300), Index(8), Term(2)},
       PutHardState{PartitionId(5), HardState{Term(1), {}, {}}},
       ChangeRows{PartitionId(7), kFirst, RowChanges().put("row", "alone")}});
  again();
  EXPECT_THAT(
      store_->partitions().value(),
      ::testing::ElementsAre(PartitionId(0), PartitionId(5), PartitionId(9), PartitionId(300)));
}

TEST_P(Conformance, AppendsToALogAndReadsPartsOfIt) {
  put({AppendLog{kOne, entries(1, 3, 1)}, AppendLog{kTwo, entries(1, 1, 9)}});
  put({AppendLog{kOne, entries(4, 5, 2)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "0/0..5");
  EXPECT_EQ(read(1, 9), "1:1 2:1 3:1 4:2 5:2");
  EXPECT_EQ(read(2, 4), "2:1 3:1 4:2");
  EXPECT_EQ(read(6, 9), "");
  EXPECT_EQ(read(0, 9), "");
  EXPECT_EQ(read(4, 3), "");
  EXPECT_EQ(show(store_->read_log(kTwo, Index(1), Index(9), SIZE_MAX)), "1:9");
}

TEST_P(Conformance, ReadsEntriesAsTheyWereWritten) {
  auto written = entry(1, 3, Bytes("\0\xff\r\n", 4));
  written.stamp = WallMs(1'700'000'000'123);
  auto empty = entry(2, 3, "");
  empty.type = EntryType::kEmpty;
  put({AppendLog{kOne, {written, empty}}});
  again();
  const auto found = store_->read_log(kOne, Index(1), Index(2), SIZE_MAX).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(*found[0].payload, Bytes("\0\xff\r\n", 4));
  EXPECT_EQ(found[0].stamp, written.stamp);
  EXPECT_EQ(found[0].type, EntryType::kCommands);
  EXPECT_EQ(*found[1].payload, "");
  EXPECT_EQ(found[1].type, EntryType::kEmpty);
}

TEST_P(Conformance, ReadsAtMostTheBytesAskedForButOneEntryAtLeast) {
  put({AppendLog{kOne,
                 {entry(1, 1, Bytes(100, 'a')), entry(2, 1, Bytes(100, 'b')), entry(3, 1, "c")}}});
  const auto one = entry(1, 1, Bytes(100, 'a')).byte_size();
  EXPECT_EQ(read(1, 3, 0), "1:1");
  EXPECT_EQ(read(1, 3, 2 * one - 1), "1:1");
  EXPECT_EQ(read(1, 3, 2 * one), "1:1 2:1");
}

TEST_P(Conformance, AnAppendReplacesEntriesThatAreThere) {
  put({AppendLog{kOne, entries(1, 5, 1)}});
  put({AppendLog{kOne, entries(2, 3, 2)}});
  again();
  EXPECT_EQ(read(1, 9), "1:1 2:2 3:2 4:1 5:1");
}

TEST_P(Conformance, TruncatesALogAndAppendsBehindInOneBatch) {
  put({AppendLog{kOne, entries(1, 9, 1)}});
  put({TruncateLog{kOne, Index(4)}, AppendLog{kOne, entries(4, 5, 2)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "0/0..5");
  EXPECT_EQ(read(3, 9), "3:1 4:2 5:2");
  put({TruncateLog{kOne, Index(6)}});
  EXPECT_EQ(extent(*store_, kOne), "0/0..5");
  put({TruncateLog{kOne, Index(1)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "0/0..0");
  put({AppendLog{kOne, entries(1, 2, 3)}});
  again();
  EXPECT_EQ(read(1, 9), "1:3 2:3");
}

TEST_P(Conformance, CompactsALogAndKnowsTheTermBefore) {
  put({AppendLog{kOne, entries(1, 4, 1)}, AppendLog{kOne, entries(5, 9, 2)}});
  put({CompactLog{kOne, Index(6), Term(2)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "5/2..9");
  EXPECT_EQ(read(5, 9), "");
  EXPECT_EQ(read(6, 7), "6:2 7:2");
  EXPECT_EQ(store_->term_at(kOne, Index(5)).value(), Term(2));
  EXPECT_EQ(store_->term_at(kOne, Index(9)).value(), Term(2));
  EXPECT_FALSE(store_->term_at(kOne, Index(4)));
  EXPECT_FALSE(store_->term_at(kOne, Index(10)));
  put({CompactLog{kOne, Index(3), Term(1)}});
  EXPECT_EQ(extent(*store_, kOne), "5/2..9") << "a log that begins later already stays";
  put({CompactLog{kOne, Index(10), Term(2)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "9/2..9");
  put({AppendLog{kOne, entries(10, 10, 3)}});
  again();
  EXPECT_EQ(read(10, 10), "10:3");
}

TEST_P(Conformance, ForgetsManyEntriesAtOnce) {
  put({AppendLog{kOne, entries(1, 10'000, 1)}});
  put({CompactLog{kOne, Index(9'000), Term(1)}});
  put({AppendLog{kTwo, entries(1, 10'000, 1)}});
  put({TruncateLog{kTwo, Index(3)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "8999/1..10000");
  EXPECT_EQ(extent(*store_, kTwo), "0/0..2");
  EXPECT_EQ(read(9'999, 10'001), "9999:1 10000:1");
}

TEST_P(Conformance, ResetsALogToASnapshotsEnd) {
  put({AppendLog{kOne, entries(1, 4, 1)}});
  put({ResetLog{kOne, Index(100), Term(7)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "100/7..100");
  EXPECT_EQ(read(1, 200), "");
  EXPECT_EQ(store_->term_at(kOne, Index(100)).value(), Term(7));
  put({AppendLog{kOne, entries(101, 102, 7)}});
  put({ResetLog{kOne, Index(50), Term(6)}, AppendLog{kOne, entries(51, 51, 8)}});
  again();
  EXPECT_EQ(extent(*store_, kOne), "50/6..51");
  EXPECT_EQ(read(51, 102), "51:8");
}

TEST_P(Conformance, RowsComeInKeyOrderOfTheirGenerationOnly) {
  put({ChangeRows{kOne, kFirst,
                  RowChanges().put("b", "2").put("a", "1").put("\xff\xff", "9").put("", "0")},
       ChangeRows{kOne, kSecond, RowChanges().put("a", "other")},
       ChangeRows{kTwo, kFirst, RowChanges().put("a", "else")}});
  put({ChangeRows{kOne, kFirst, RowChanges().erase("b").erase("never there").put("a", "3")}});
  again();
  EXPECT_EQ(rows(*store_, kOne, kFirst), "=0 a=3 \xff\xff=9");
  EXPECT_EQ(rows(*store_, kOne, kSecond), "a=other");
  EXPECT_EQ(rows(*store_, kTwo, kFirst), "a=else");
}

TEST_P(Conformance, FindsRowsByTheirKeys) {
  using ::testing::ElementsAre;
  const Bytes zero("z\0z", 3);
  put({ChangeRows{kOne, kFirst, RowChanges().put("a", "1")},
       ChangeRows{kOne, kFirst, RowChanges().put("b", "2")},
       ChangeRows{kOne, kFirst, RowChanges().put(zero, "")},
       ChangeRows{kOne, kSecond, RowChanges().put("a", "other generation")},
       ChangeRows{kTwo, kFirst, RowChanges().put("c", "other partition")}});
  for (int life = 0; life < 2; ++life) {
    EXPECT_THAT(store_->find_rows(kOne, kFirst, {zero, "c", "b", "", "a", "b"}).value(),
                ElementsAre("", std::nullopt, "2", std::nullopt, "1", "2"));
    EXPECT_THAT(store_->find_rows(kOne, kSecond, {"a", "b"}).value(),
                ElementsAre("other generation", std::nullopt));
    EXPECT_THAT(store_->find_rows(kOne, Generation(3), {"a"}).value(), ElementsAre(std::nullopt));
    EXPECT_THAT(store_->find_rows(kOne, kFirst, {}).value(), ::testing::IsEmpty());
    again();
  }
  put({ChangeRows{kOne, kFirst, RowChanges().put("a", "new")},
       ChangeRows{kOne, kFirst, RowChanges().erase("b")}, DropGeneration{kOne, kSecond}});
  EXPECT_THAT(store_->find_rows(kOne, kFirst, {"a", "b"}).value(),
              ElementsAre("new", std::nullopt));
  EXPECT_THAT(store_->find_rows(kOne, kSecond, {"a"}).value(), ElementsAre(std::nullopt));
}

TEST_P(Conformance, DropsAGenerationAndNoOther) {
  for (const auto generation : {0x00ffull, 0x0100ull, 0xffffffffffffffffull}) {
    put({ChangeRows{kOne, Generation(generation), RowChanges().put("k", "v")},
         ChangeRows{kOne, Generation(generation), RowChanges().put("\xff", "v")}});
  }
  put({ChangeRows{kTwo, Generation(0), RowChanges().put("k", "next partition")}});
  put({DropGeneration{kOne, Generation(0xff)},
       DropGeneration{kOne, Generation(0xffffffffffffffff)}});
  again();
  EXPECT_EQ(rows(*store_, kOne, Generation(0xff)), "");
  EXPECT_EQ(rows(*store_, kOne, Generation(0x100)), "k=v \xff=v");
  EXPECT_EQ(rows(*store_, kOne, Generation(0xffffffffffffffff)), "");
  EXPECT_EQ(rows(*store_, kTwo, Generation(0)), "k=next partition");
}

TEST_P(Conformance, DropsAPartitionAndNoOther) {
  const HardState state{Term(7), NodeId(2), Index(41)};
  for (const auto id : {kOne, kTwo, PartitionId(UINT32_MAX)}) {
    put({AppendLog{id, entries(1, 9, 1)}, CompactLog{id, Index(4), Term(1)},
         PutHardState{id, state}, PutPartition{id, "record"},
         ChangeRows{id, kFirst, RowChanges().put("k", "v")},
         ChangeRows{id, kSecond, RowChanges().put("k", "v")}});
  }
  auto cursor = store_->rows(kOne, kFirst);
  put({DropPartition{kOne}, DropPartition{PartitionId(UINT32_MAX)},
       DropPartition{PartitionId(77)}});
  EXPECT_EQ(show(*cursor), "k=v") << "as it was";
  cursor.reset();
  again();
  EXPECT_THAT(store_->partitions().value(), ::testing::ElementsAre(kTwo));
  EXPECT_EQ(extent(*store_, kOne), "0/0..0");
  EXPECT_EQ(read(1, 9), "");
  EXPECT_EQ(store_->hard_state(kOne).value(), HardState{});
  EXPECT_EQ(store_->partition_record(kOne).value(), std::nullopt);
  EXPECT_EQ(rows(*store_, kOne, kFirst), "");
  EXPECT_EQ(rows(*store_, kOne, kSecond), "");
  EXPECT_EQ(rows(*store_, PartitionId(UINT32_MAX), kFirst), "");
  EXPECT_EQ(extent(*store_, kTwo), "3/1..9");
  EXPECT_EQ(store_->hard_state(kTwo).value(), state);
  EXPECT_EQ(rows(*store_, kTwo, kSecond), "k=v");
  put({AppendLog{kOne, entries(1, 2, 5)}});
  again();
  EXPECT_EQ(read(1, 9), "1:5 2:5") << "it may begin anew";
}

TEST_P(Conformance, OperationsTakeEffectInOrder) {
  put({ChangeRows{kOne, kFirst, RowChanges().put("k", "1")}, DropGeneration{kOne, kFirst},
       ChangeRows{kOne, kFirst, RowChanges().put("k", "2")},
       ChangeRows{kOne, kFirst, RowChanges().put("gone", "1")},
       ChangeRows{kOne, kFirst, RowChanges().erase("gone")}, AppendLog{kOne, entries(1, 5, 1)},
       CompactLog{kOne, Index(3), Term(1)}, TruncateLog{kOne, Index(5)}, PutPartition{kOne, "old"},
       PutPartition{kOne, "new"}});
  again();
  EXPECT_EQ(rows(*store_, kOne, kFirst), "k=2");
  EXPECT_EQ(extent(*store_, kOne), "2/1..4");
  EXPECT_EQ(read(3, 9), "3:1 4:1");
  EXPECT_EQ(store_->partition_record(kOne).value(), "new");
}

TEST_P(Conformance, MergesBatchesInOrder) {
  const Batch first{
      {ChangeRows{kOne, kFirst, RowChanges().put("k", "1")}, AppendLog{kOne, entries(1, 2, 1)}},
      true};
  const Batch nothing;
  const Batch second{{ChangeRows{kOne, kFirst, RowChanges().put("k", "2")},
                      TruncateLog{kOne, Index(2)}, AppendLog{kOne, entries(2, 3, 2)}},
                     false};
  ASSERT_TRUE(store_->write({&first, &nothing, &second}));
  ASSERT_TRUE(store_->write({&nothing}));
  ASSERT_TRUE(store_->write({}));
  again();
  EXPECT_EQ(rows(*store_, kOne, kFirst), "k=2");
  EXPECT_EQ(read(1, 9), "1:1 2:2 3:2");
}

TEST_P(Conformance, ACursorShowsOneMoment) {
  put({ChangeRows{kOne, kFirst, RowChanges().put("a", "1")},
       ChangeRows{kOne, kFirst, RowChanges().put("b", "1")}, PutPartition{kOne, "then"}});
  const auto cursor = store_->rows(kOne, kFirst);
  put({ChangeRows{kOne, kFirst, RowChanges().put("a", "2")},
       ChangeRows{kOne, kFirst, RowChanges().erase("b")},
       ChangeRows{kOne, kFirst, RowChanges().put("c", "2")}, PutPartition{kOne, "now"}});
  const auto later = store_->rows(kOne, kFirst);
  put({DropGeneration{kOne, kFirst}});
  EXPECT_EQ(cursor->partition_record(), "then");
  EXPECT_EQ(show(*cursor), "a=1 b=1");
  EXPECT_EQ(later->partition_record(), "now");
  EXPECT_EQ(show(*later), "a=2 c=2");
  EXPECT_EQ(rows(*store_, kOne, kFirst), "");
}

// One thread appends and compacts, the other reads: what a write takes away meanwhile is missing,
// never damaged, and what is there follows on itself.
TEST_P(Conformance, ReadsBesideWrites) {
  constexpr std::uint64_t kRounds = 300;
  put({AppendLog{kOne, entries(1, 10, 1)}});
  std::atomic<bool> done = false;
  std::jthread writer([this, &done] {
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      const auto end = 10 + round * 3;
      put({AppendLog{kOne, entries(end - 2, end, 1)}, PutPartition{kOne, std::to_string(round)},
           ChangeRows{kOne, kFirst, RowChanges().put("round", std::to_string(round))},
           CompactLog{kOne, Index(end - 8), Term(1)}});
      put({TruncateLog{kOne, Index(end)}, AppendLog{kOne, entries(end, end, 1)}});
    }
    done = true;
  });
  while (!done) {
    const auto log = store_->log(kOne).value();
    const auto found = store_->read_log(kOne, log.first(), log.last, SIZE_MAX);
    ASSERT_TRUE(found) << to_string(found.error());
    for (std::size_t i = 0; i < found->size(); ++i) {
      ASSERT_EQ((*found)[i].index, log.first() + i);
    }
    const auto cursor = store_->rows(kOne, kFirst);
    const auto record = cursor->partition_record();
    ASSERT_EQ(show(*cursor), record ? "round=" + *record : "");
  }
}

template <class Place>
std::unique_ptr<Home> make() {
  return std::make_unique<Place>();
}

INSTANTIATE_TEST_SUITE_P(Stores, Conformance,
                         ::testing::Values(Maker{"Mem", make<MemHome>},
                                           Maker{"Rocks", make<RocksHome>},
                                           Maker{"FindingRocks", make<FindingRocksHome>},
                                           Maker{"ForgetfulRocks", make<ForgetfulHome>}),
                         [](const auto& made) { return made.param.name; });

}  // namespace
}  // namespace kvorum::store::testing
