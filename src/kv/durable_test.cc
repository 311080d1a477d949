// What take_dirty() wrote, loaded, is the machine that wrote it.
#include <gtest/gtest.h>

#include "base/prng.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

Spec set(Bytes key, Bytes value) { return {Op::kSet, {std::move(key), std::move(value)}}; }

void expect_same(const Machine& a, const Machine& b) {
  EXPECT_EQ(a.digest(), b.digest());
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(a.applied(), b.applied());
  EXPECT_EQ(a.applied_term(), b.applied_term());
  EXPECT_EQ(a.log_time(), b.log_time());
  EXPECT_EQ(a.next_deadline(), b.next_deadline());
  EXPECT_EQ(a.generation(), b.generation());
  TextReply dump_a;
  TextReply dump_b;
  a.read(Spec{Op::kDump}.command(), {}, dump_a);
  b.read(Spec{Op::kDump}.command(), {}, dump_b);
  EXPECT_EQ(dump_a.take(), dump_b.take());
}

class DurableTest : public ::testing::Test {
 protected:
  Machine machine_{kTestPartition, Options{}};
  TestLog log_{machine_};
  std::unique_ptr<store::Store> store_ = store::open_mem();
};

TEST_F(DurableTest, RecordsKeepEveryField) {
  const Machine::Record record{Generation(4), Index(5), Term(6), WallMs(-7), "config"};
  const auto bytes = Machine::encode(record);
  const auto decoded = Machine::decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(Machine::encode(*decoded), bytes);
  EXPECT_EQ(decoded->config, "config");
  EXPECT_FALSE(Machine::decode(bytes.substr(1)));
  EXPECT_FALSE(Machine::decode(bytes + "x"));
  EXPECT_FALSE(Machine::decode({}));
}

TEST_F(DurableTest, WritesOnlyWhatChangedAndEachRowOnce) {
  log_.apply(set("a", "1"));
  log_.apply(set("b", "1"));
  log_.apply(set("a", "2"));
  EXPECT_GT(machine_.dirty_bytes(), 4U);
  const auto take = [&](std::vector<Bytes>& put, std::vector<Bytes>& gone) {
    store::Batch batch;
    machine_.take_dirty("c", batch);
    EXPECT_EQ(Machine::decode(std::get<store::PutPartition>(batch.operations.back()).value)->config,
              "c");
    std::get<store::ChangeRows>(batch.operations.front())
        .changes.each([&](ByteView key, ByteView) { put.emplace_back(key); },
                      [&](ByteView key) { gone.emplace_back(key); });
  };
  std::vector<Bytes> put;
  std::vector<Bytes> gone;
  take(put, gone);
  EXPECT_EQ(put.size(), 3U);  // two rows, the node client
  take(put, gone);
  EXPECT_EQ(put.size(), 3U);
  EXPECT_TRUE(gone.empty());
  log_.apply({Op::kDel, {"a"}});
  take(put, gone);
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(gone.front().substr(3), "a");
  EXPECT_EQ(gone.front().front(), 'r');
}

TEST_F(DurableTest, ADeletedRowThatCameBackIsWritten) {
  log_.apply(set("a", "1"));
  checkpoint(machine_, *store_);
  log_.apply({Op::kDel, {"a"}});
  log_.apply(set("a", "2"));
  checkpoint(machine_, *store_);
  expect_same(machine_, reload(*store_, {}));
}

TEST_F(DurableTest, MalformedRowsAreRefused) {
  const Bytes row = Bytes("r") + '\0' + '\0' + "key";
  EXPECT_FALSE(machine_.load_row("", ""));
  EXPECT_FALSE(machine_.load_row("x", ""));
  EXPECT_FALSE(machine_.load_row("r", ""));
  EXPECT_FALSE(machine_.load_row(row, "short"));
  EXPECT_FALSE(machine_.load_row(row, Bytes(9, '\0')));  // not the slot of that key
  EXPECT_FALSE(machine_.load_row("c1234567", "short"));
  EXPECT_FALSE(machine_.load_row("o1234567", "short"));
  EXPECT_EQ(machine_.size(), 0U);
}

// Batches are written at random points; after each the loaded machine must equal the original, then
// go on like it.
TEST_F(DurableTest, ALoadedMachineEqualsTheOriginal) {
  Prng prng(5);
  const auto key = [&] { return fmt::format("k{}", prng.below(40)); };
  const Options options{.once_window = 4, .client_idle_ms = 3'000};
  Machine original(kTestPartition, options);
  TestLog log(original);
  for (int i = 0; i < 6'000; ++i) {
    log.now = log.now + static_cast<std::int64_t>(prng.below(100));
    const auto ttl = static_cast<std::int64_t>(1 + prng.below(2'000));
    const auto client = static_cast<std::int64_t>(prng.below(5));
    const Bytes inner = Spec{Op::kIncrBy, {"n"}, 0, 1}.encoded();
    const auto once_seq = static_cast<std::int64_t>(prng.below(200));
    const std::vector<Spec> choices = {
        set(key(), Bytes(prng.below(60), 'v')),
        set(key(), std::to_string(i)),
        {Op::kSet, {key(), "t"}, kRelativeTtl, ttl},
        {Op::kExpire, {key()}, kRelativeTtl, ttl},
        {Op::kPersist, {key()}},
        {Op::kDel, {key(), key()}},
        {Op::kAppend, {key(), "more"}},
        {Op::kOpenClient, {}, 0, client},
        {Op::kCloseClient, {}, 0, client},
        {Op::kOnce, {inner, std::to_string(prng.below(200))}, 0, client, once_seq},
        {Op::kOnce, {inner, "0"}, 0, client, once_seq},
    };
    log.apply(prng.chance(1, 300) ? Spec{Op::kFlush} : choices[prng.below(choices.size())]);
    if (prng.chance(1, 20)) {
      checkpoint(original, *store_, "config");
      auto loaded = reload(*store_, options);
      expect_same(original, loaded);
      // Clients too: both answer the same from here on. Their runs are numbered alike.
      if (prng.chance(1, 10)) {
        original = std::move(loaded);
      }
    }
    while (original.free_some()) {
    }
  }
}

TEST_F(DurableTest, ALoadedMachineAnswersClientsLikeTheOriginal) {
  const Bytes incr = Spec{Op::kIncrBy, {"n"}, 0, 1}.encoded();
  log_.apply({Op::kOpenClient, {}, 0, 9});
  log_.apply({Op::kOnce, {incr, "0"}, 0, 9, 1});
  log_.apply({Op::kOnce, {incr, "0"}, 0, 9, 2});
  checkpoint(machine_, *store_);
  auto loaded = reload(*store_, {});
  TestLog log(loaded);
  log.now = log_.now;
  log.seq = log_.seq;
  EXPECT_EQ(log.apply({Op::kOnce, {incr, "0"}, 0, 9, 1}), ":1");
  EXPECT_EQ(log.apply({Op::kOnce, {incr, "2"}, 0, 9, 1}),
            log.reply.take() +
                "-UNKNOWN the outcome is "
                "unknown: the write may take effect, now or later, or never");
  EXPECT_EQ(log.apply({Op::kOnce, {incr, "2"}, 0, 9, 3}), ":3");
  // The node's own numbers go on as well.
  EXPECT_EQ(log.apply(run_of(kTestClient, 1, {set("again", "1")})), "");
  EXPECT_EQ(log.read({Op::kGet, {"again"}}), "nil");
}

TEST_F(DurableTest, FlushDropsTheGenerationAndKeepsTheClients) {
  log_.apply(set("a", "1"));
  log_.apply({Op::kOpenClient, {}, 0, 9});
  checkpoint(machine_, *store_);
  log_.apply({Op::kFlush});
  log_.apply({Op::kFlush});
  log_.apply(set("b", "1"));
  EXPECT_EQ(machine_.generation(), Generation(3));
  store::Batch batch;
  machine_.take_dirty("", batch);
  EXPECT_EQ(std::get<store::DropGeneration>(batch.operations.front()).generation, Generation(1));
  ASSERT_TRUE(store_->write({&batch}));
  EXPECT_FALSE(store_->rows(kTestPartition, Generation(1))->valid());
  auto loaded = reload(*store_, {});
  expect_same(machine_, loaded);
  TestLog log(loaded);
  log.seq = log_.seq;
  log.now = log_.now;
  EXPECT_EQ(log.apply({Op::kOnce, {set("c", "1").encoded(), "0"}, 0, 9, 1}), "+OK");
}

}  // namespace
}  // namespace kvorum::kv
