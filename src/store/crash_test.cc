// Power cuts. Random batches go to a store on a file system that forgets what was not synced; the
// power goes off at any change of the disk; what the next start finds must be a prefix of the
// batches, each whole, with every synced one.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/prng.h"
#include "store/conformance.h"
#include "store/rocks_forgetful_fs.h"

namespace kvorum::store::testing {
namespace {

namespace fs = std::filesystem;

constexpr PartitionId kPartitions[] = {PartitionId(0), PartitionId(1), PartitionId(7)};
constexpr std::uint64_t kGenerations = 3;
constexpr ByteView kCounter = "batches";

// All that a store holds, as text.
std::string dump(const Store& store) {
  std::string text;
  for (const auto partition : kPartitions) {
    const auto log = store.log(partition).value();
    const auto state = store.hard_state(partition).value();
    text += fmt::format("partition {} log {} [{}] state {} {} {} record {}\n", partition.value(),
                        extent(store, partition),
                        show(store.read_log(partition, log.first(), log.last, SIZE_MAX)),
                        state.term.value(), state.vote.value(), state.commit.value(),
                        store.partition_record(partition).value().value_or("none"));
    for (std::uint64_t generation = 0; generation < kGenerations; ++generation) {
      text += fmt::format("  {}: {}\n", generation, rows(store, partition, Generation(generation)));
    }
  }
  return text;
}

// Batches that fit what a reference store in memory holds after those before them.
class History {
 public:
  explicit History(std::uint64_t seed) : prng_(seed) {}

  const Batch& grow() {
    Batch batch;
    batch.sync = prng_.chance(1, 4);
    const auto count = 1 + prng_.below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
      add_operation(batch);
      Batch just{{batch.operations.back()}, false};
      EXPECT_TRUE(model_->write({&just}));
    }
    batches_.push_back(std::move(batch));
    batches_.back().operations.push_back(
        PutRecord{Bytes(kCounter), std::to_string(batches_.size())});
    return batches_.back();
  }

  std::size_t size() const { return batches_.size(); }

  // Goes back to the first `count` batches; the state after them.
  std::string back_to(std::size_t count) {
    batches_.resize(count);
    model_ = open_mem();
    for (const auto& batch : batches_) {
      EXPECT_TRUE(model_->write({&batch}));
    }
    return dump(*model_);
  }

 private:
  void add_operation(Batch& batch) {
    const auto partition = kPartitions[prng_.below(std::size(kPartitions))];
    const auto log = model_->log(partition).value();
    const auto term = Term(1 + batches_.size());
    auto& operations = batch.operations;
    switch (prng_.below(9)) {
      case 0:
      case 1:
        return operations.push_back(ChangeRows{
            partition, generation(), RowChanges().put(key(), Bytes(prng_.below(2000), 'v'))});
      case 2:
        return operations.push_back(ChangeRows{partition, generation(), RowChanges().erase(key())});
      case 3:
        if (prng_.chance(1, 10)) {
          return operations.push_back(DropPartition{partition});
        }
        return operations.push_back(DropGeneration{partition, generation()});
      case 4:
        return operations.push_back(PutPartition{partition, std::to_string(prng_.next())});
      case 5:
        return operations.push_back(PutHardState{partition, {term, NodeId(3), log.last}});
      case 6:
        if (log.last > log.base && prng_.chance(1, 2)) {
          return operations.push_back(
              TruncateLog{partition, log.base + 1 + prng_.below(log.last - log.base)});
        }
        if (prng_.chance(1, 10)) {
          return operations.push_back(ResetLog{partition, log.last + prng_.below(10), term});
        }
        return operations.push_back(
            CompactLog{partition, log.first() + prng_.below(log.last.next() - log.base), term});
      default:
        return operations.push_back(append(partition, log, term));
    }
  }

  AppendLog append(PartitionId partition, const LogExtent& log, Term term) {
    AppendLog op{partition, {}};
    const auto count = 1 + prng_.below(5);
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto bytes = prng_.chance(1, 30) ? 90'000 : prng_.below(3000);
      op.entries.push_back(entry(log.last.value() + i, term.value(), Bytes(bytes, 'e')));
    }
    return op;
  }

  Generation generation() { return Generation(prng_.below(kGenerations)); }
  Bytes key() { return std::to_string(prng_.below(20)); }

  Prng prng_;
  std::vector<Batch> batches_;
  std::unique_ptr<Store> model_ = open_mem();
};

struct Verdict {
  bool opened = true;
  bool lost_synced = false;
  bool is_prefix = true;
  std::string detail;

  bool good() const { return opened && !lost_synced && is_prefix; }
};

// A store on a forgetful file system, its history, and what it promised.
class Machine {
 public:
  explicit Machine(std::uint64_t seed, std::size_t rotate_bytes = 60'000)
      : disk_(std::make_shared<ForgetfulFileSystem>(folder_.path())), history_(seed), prng_(seed) {
    options_.path = disk_->disk() + "/db";
    options_.create = true;
    options_.rotate_bytes = rotate_bytes;
    options_.environment = &environment_;
    options_.notice = [this](const std::string&) { ++tails_cut_; };
  }

  ForgetfulFileSystem& disk() { return *disk_; }
  int tails_cut() const { return tails_cut_; }
  int old_zeros() const { return old_zeros_; }  // logs that are not the newest and end in zeros

  // Runs until the power goes off, `changes` of the disk from now.
  void run(std::uint64_t changes) {
    disk_->cut_power_after(changes);
    const auto store = open_rocks(options_);
    ASSERT_TRUE(store) << to_string(store.error());
    while (disk_->power()) {
      const Batch& batch = history_.grow();
      const auto done = (*store)->write({&batch});
      ASSERT_TRUE(done) << to_string(done.error());
      if (batch.sync && disk_->power()) {
        promised_ = history_.size();
      }
    }
  }

  // Power is back: what is there?
  Verdict check(bool tear) {
    disk_->restore(tear, prng_);
    count_old_zeros();
    const auto store = open_rocks(options_);
    if (!store) {
      return {false, false, false, to_string(store.error())};
    }
    const auto counter = (*store)->record(kCounter).value();
    const std::size_t found = counter ? std::stoul(*counter) : 0;
    if (found > history_.size()) {
      return {true, false, false, "batches that were never written"};
    }
    Verdict verdict;
    verdict.lost_synced = found < promised_;
    verdict.detail =
        fmt::format("{} of {} batches, {} promised", found, history_.size(), promised_);
    const auto expected = history_.back_to(found);
    const auto there = dump(**store);
    if (there != expected) {
      verdict.is_prefix = false;
      verdict.detail += "\nexpected:\n" + expected + "found:\n" + there;
    }
    promised_ = found;  // opening has synced what it found
    return verdict;
  }

 private:
  void count_old_zeros() {
    std::map<std::string, bool> logs;
    if (fs::exists(options_.path)) {
      for (const auto& file : fs::directory_iterator(options_.path)) {
        if (file.path().extension() == ".log") {
          const auto bytes = read_file(file.path());
          logs[file.path()] = !bytes.empty() && bytes.back() == '\0';
        }
      }
    }
    for (const auto& [name, zeros] : logs) {
      old_zeros_ += zeros && name != logs.rbegin()->first ? 1 : 0;
    }
  }

  TemporaryFolder folder_;
  std::shared_ptr<ForgetfulFileSystem> disk_;
  ForgetfulEnvironment environment_{disk_};
  RocksOptions options_;
  History history_;
  Prng prng_;
  std::size_t promised_ = 0;
  int tails_cut_ = 0;
  int old_zeros_ = 0;
};

TEST(Crash, KeepsWhatWasSyncedAndAPrefixOfTheRest) {
  Prng prng(1);
  int old_zeros = 0;
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE(seed);
    Machine machine(seed);
    for (int life = 0; life < 4; ++life) {
      machine.run(1 + prng.below(250));
      const auto verdict = machine.check(false);
      ASSERT_TRUE(verdict.good()) << verdict.detail;
    }
    EXPECT_EQ(machine.disk().early_logs(), 0u);
    old_zeros += machine.old_zeros();
  }
  EXPECT_GT(old_zeros, 5);
}

TEST(Crash, CutsOffTornTails) {
  Prng prng(2);
  int tails_cut = 0;
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    Machine machine(seed);
    for (int life = 0; life < 4; ++life) {
      machine.run(1 + prng.below(250));
      const auto verdict = machine.check(true);
      ASSERT_TRUE(verdict.good()) << verdict.detail;
    }
    EXPECT_EQ(machine.disk().early_logs(), 0u);
    tails_cut += machine.tails_cut();
  }
  EXPECT_GT(tails_cut, 5);
}

// Lives long enough for old logs' entries to be moved, and the logs removed.
TEST(Crash, KeepsEntriesThatMoved) {
  Prng prng(3);
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Machine machine(seed, 12'000);
    for (int life = 0; life < 3; ++life) {
      machine.run(1 + prng.below(1200));
      const auto verdict = machine.check(seed % 2 == 0);
      ASSERT_TRUE(verdict.good()) << verdict.detail;
    }
    EXPECT_EQ(machine.disk().early_logs(), 0u);
  }
}

// The check above must see a missing sync, or it proves nothing.
TEST(Crash, TheCheckSeesSyncsThatDoNothing) {
  Machine machine(1);
  machine.run(200);
  ASSERT_TRUE(machine.check(false).good());
  machine.disk().lie_about_syncs(true);
  machine.run(200);
  const auto verdict = machine.check(false);
  EXPECT_FALSE(verdict.good()) << verdict.detail;
}

}  // namespace
}  // namespace kvorum::store::testing
