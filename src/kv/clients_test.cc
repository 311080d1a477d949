// KV.ONCE clients, FLUSHDB, and what becomes of clients in time.
#include <gtest/gtest.h>

#include "kv/kept_reply.h"
#include "kv/test_log.h"

namespace kvorum::kv {
namespace {

constexpr const char* kUnknownText =
    "-UNKNOWN the outcome is unknown: the write may take effect, now or later, or never";
constexpr const char* kBusyText = "-BUSY too many requests are waiting";
constexpr const char* kMalformed = "-ERR malformed command";

Spec incr() { return {Op::kIncrBy, {"n"}, 0, 1}; }
Spec open_client(std::int64_t id) { return {Op::kOpenClient, {}, 0, id}; }
Spec close_client(std::int64_t id) { return {Op::kCloseClient, {}, 0, id}; }
Spec once(std::int64_t id, std::int64_t seq, const Spec& inner, Bytes mark = "0") {
  return {Op::kOnce, {inner.encoded(), std::move(mark)}, 0, id, seq};
}

class OnceTest : public ::testing::Test {
 protected:
  OnceTest() {
    options_.once_window = 3;
    options_.once_bytes = 1000;
    options_.client_idle_ms = 1000;
    machine_ = Machine(kTestPartition, options_);
  }
  Options options_;
  Machine machine_{kTestPartition, Options{}};
  TestLog log_{machine_};
};

TEST_F(OnceTest, AClientThatIsNotOpenIsNeverAppliedAsNew) {
  EXPECT_EQ(log_.apply(once(5, 1, incr())), kUnknownText);
  EXPECT_EQ(machine_.size(), 0U);
}

TEST_F(OnceTest, ARepeatGetsTheReplyAgainAndDoesNothing) {
  EXPECT_EQ(log_.apply(open_client(5)), ":5");
  EXPECT_EQ(log_.apply(once(5, 1, incr())), ":1");
  EXPECT_EQ(log_.apply(incr()), ":2");
  EXPECT_EQ(log_.apply(once(5, 1, incr())), ":1");
  EXPECT_EQ(log_.apply(once(5, 2, incr())), ":3");
  EXPECT_EQ(log_.apply(once(5, 1, incr())), ":1");
  EXPECT_EQ(log_.apply(open_client(5)), ":5");  // opened again: it keeps its replies
  EXPECT_EQ(log_.apply(once(5, 2, incr())), ":3");
  EXPECT_EQ(machine_.get("n"), "3");
}

TEST_F(OnceTest, NumbersMayComeInAnyOrder) {
  log_.apply(open_client(5));
  EXPECT_EQ(log_.apply(once(5, 9, incr())), ":1");
  EXPECT_EQ(log_.apply(once(5, 3, incr())), ":2");
  EXPECT_EQ(log_.apply(once(5, 9, incr())), ":1");
}

TEST_F(OnceTest, BelowTheMarkTheOutcomeIsUnknown) {
  log_.apply(open_client(5));
  log_.apply(once(5, 1, incr()));
  EXPECT_EQ(log_.apply(once(5, 2, incr(), "2")), ":2");
  EXPECT_EQ(log_.apply(once(5, 1, incr())), kUnknownText);
  EXPECT_EQ(log_.apply(once(5, 3, incr(), "9")), kUnknownText);  // its own mark is above it
  EXPECT_EQ(log_.apply(once(5, 8, incr(), "1")), kUnknownText);  // a mark never falls
  EXPECT_EQ(machine_.get("n"), "2");
}

TEST_F(OnceTest, AFullWindowPushesBackUntilTheMarkRises) {
  log_.apply(open_client(5));
  for (int seq = 1; seq <= 3; ++seq) {
    log_.apply(once(5, seq, incr()));
  }
  EXPECT_EQ(log_.apply(once(5, 4, incr())), kBusyText);
  EXPECT_EQ(log_.apply(once(5, 3, incr())), ":3");
  EXPECT_EQ(log_.apply(once(5, 4, incr(), "2")), ":4");
  EXPECT_EQ(machine_.get("n"), "4");
}

TEST_F(OnceTest, TheWindowIsBoundedInBytesToo) {
  log_.apply({Op::kSet, {"big", Bytes(1000, 'x')}});
  log_.apply(open_client(5));
  const Spec get{Op::kGet, {"big"}};
  EXPECT_EQ(log_.apply(once(5, 1, get)).size(), 1002U);
  EXPECT_EQ(log_.apply(once(5, 2, get)), kBusyText);
  EXPECT_EQ(log_.apply(once(5, 2, get, "2")).size(), 1002U);
}

TEST_F(OnceTest, EveryKindOfReplyIsKept) {
  log_.apply(open_client(5));
  log_.apply({Op::kSet, {"k", "v"}});
  const Spec mget{Op::kMGet, {"k", "x"}};
  const Spec bad{Op::kIncrBy, {"k"}, 0, 1};
  const auto array = log_.apply(once(5, 1, mget));
  const auto error = log_.apply(once(5, 2, bad));
  EXPECT_EQ(array, "[\"v\", nil]");
  EXPECT_EQ(error, "-ERR value is not an integer or out of range");
  log_.apply({Op::kDel, {"k"}});
  EXPECT_EQ(log_.apply(once(5, 1, mget)), array);
  EXPECT_EQ(log_.apply(once(5, 2, bad)), error);
  EXPECT_EQ(log_.apply(once(5, 3, {Op::kFlush}, "3")), "+OK");
  EXPECT_EQ(log_.apply(once(5, 3, {Op::kFlush}, "3")), "+OK");
}

TEST_F(OnceTest, MalformedOnesDoNothing) {
  log_.apply(open_client(5));
  EXPECT_EQ(log_.apply(once(5, 1, once(5, 2, incr()))), kMalformed);
  EXPECT_EQ(log_.apply(once(5, 1, open_client(6))), kMalformed);
  EXPECT_EQ(log_.apply(once(5, 1, {Op::kSet, {"k"}})), kMalformed);
  EXPECT_EQ(log_.apply(once(5, -1, incr())), kMalformed);
  EXPECT_EQ(log_.apply(once(5, 1, incr(), "x")), kMalformed);
  EXPECT_EQ(log_.apply({Op::kOnce, {"\x07\xff\xff", "0"}, 0, 5, 1}), kMalformed);
  EXPECT_EQ(log_.apply({Op::kOnce, {incr().encoded() + "x", "0"}, 0, 5, 1}), kMalformed);
  EXPECT_EQ(log_.apply(once(5, 1, incr())), ":1");
}

TEST_F(OnceTest, ClientsCloseWhenToldAndWhenIdle) {
  log_.apply(open_client(5));
  log_.apply(open_client(6));
  EXPECT_EQ(log_.apply(close_client(6)), ":1");
  EXPECT_EQ(log_.apply(close_client(6)), ":0");
  EXPECT_EQ(log_.apply(once(6, 1, incr())), kUnknownText);
  log_.pass(900);
  EXPECT_EQ(log_.apply(once(5, 1, incr())), ":1");
  log_.pass(1000);
  EXPECT_EQ(log_.apply(once(5, 2, incr())), ":2");
  log_.pass(1001);
  EXPECT_EQ(log_.apply(once(5, 2, incr())), kUnknownText);
}

TEST(NodeClientTest, AnIdleNodeKeepsItsPlace) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  log.apply(run_of(ClientId(1), 1, {incr(), incr()}));
  log.pass(100 * Options{}.client_idle_ms);
  EXPECT_EQ(log.apply(run_of(ClientId(1), 2, {incr(), incr()})), ":3");
}

TEST(NodeClientTest, OldBootsCantPileUp) {
  Machine machine(kTestPartition, Options{});
  TestLog log(machine);
  for (std::uint64_t id = 1; id <= 3'000; ++id) {
    log.now = log.now + 1000;
    log.apply(run_of(ClientId(id), 1, {incr()}));
  }
  log.pass(0);
  store::Batch batch;
  machine.take_dirty("", batch);
  std::size_t rows = 0;
  for (const auto& operation : batch.operations) {
    if (const auto* change = std::get_if<store::ChangeRows>(&operation)) {
      change->changes.each([&](ByteView key, ByteView) { rows += key.front() == 'c' ? 1 : 0; },
                           [](ByteView) {});
    }
  }
  EXPECT_EQ(rows, 1024U);
  // The last ones are among them, the first ones would have to begin anew.
  EXPECT_EQ(log.apply(run_of(ClientId(3'000), 1, {incr()})), "");
  EXPECT_EQ(log.apply(run_of(ClientId(3'000), 2, {incr()})), ":3001");
}

TEST(FlushTest, BeginsANewGenerationAndFreesTheOldInSlices) {
  Options options;
  options.free_slice = 100;
  Machine machine(kTestPartition, options);
  TestLog log(machine);
  for (int i = 0; i < 1'000; ++i) {
    log.apply({Op::kSet, {"{t}" + std::to_string(i), "v"}, kRelativeTtl, 100});
  }
  const auto full = machine.memory_bytes();
  EXPECT_EQ(log.apply({Op::kFlush}), "+OK");
  EXPECT_EQ(machine.generation(), Generation(2));
  EXPECT_EQ(machine.size(), 0U);
  EXPECT_EQ(machine.digest(), 0U);
  EXPECT_EQ(machine.next_deadline(), std::nullopt);
  EXPECT_EQ(log.read({Op::kGet, {"{t}1"}}), "nil");
  EXPECT_EQ(log.apply({Op::kSet, {"{t}1", "new"}}), "+OK");
  log.pass(1000);
  int slices = 1;
  while (machine.free_some()) {
    ++slices;
  }
  EXPECT_EQ(slices, 10);
  EXPECT_LT(machine.memory_bytes(), full);
  EXPECT_FALSE(machine.free_some());
  EXPECT_EQ(log.read({Op::kGet, {"{t}1"}}), "\"new\"");
}

TEST(KeptReplyTest, DamageIsFoundBeforeAnythingIsSaid) {
  Bytes kept;
  ReplyRecorder recorder(kept);
  recorder.map(1);
  recorder.status("a");
  recorder.error({ErrorCode::kBusy, "why"});
  TextReply text;
  EXPECT_TRUE(replay(kept, text));
  EXPECT_EQ(text.take(), "[+a, -BUSY why]");
  EXPECT_FALSE(replay(kept.substr(0, kept.size() - 1), text));
  EXPECT_FALSE(replay("?", text));
  EXPECT_FALSE(replay(Bytes("-\xff\0", 3), text));
  EXPECT_EQ(text.take(), "");
}

}  // namespace
}  // namespace kvorum::kv
