// Requests in flight, when they are due, and what is counted: all by a clock of the test's own.
#include "load/lane.h"

#include <gtest/gtest.h>

#include "load/pace.h"

namespace kvorum::load {
namespace {

constexpr Instant kBegin{std::chrono::hours(1)};

// A node that answers at once, but for a time in which it stands still; 1 ms a step.
class Stall {
 public:
  Stall(std::size_t pipeline, const PaceOptions& options)
      : plan_(PlanOptions(), 0), lane_(plan_, tally_, pipeline), pace_(options) {}

  // Until all requests are answered.
  void run(Instant stall, Instant go_on) {
    for (auto now = kBegin; !pace_.finished(now) || lane_.in_flight() > 0; now += 1ms) {
      const bool stalls = now >= stall && now < go_on;
      bool again = true;
      while (again) {
        again = false;
        while (lane_.has_room()) {
          const auto due = pace_.take(now);
          if (!due) {
            break;
          }
          lane_.send(*due, out_);
        }
        if (!stalls && lane_.in_flight() > 0) {
          ASSERT_TRUE(lane_.take("+OK\r\n", now));
          again = pace_.open_loop();  // a closed loop sends with the next step
        }
      }
      now_ = now;
    }
  }

  std::uint64_t slower_than(Duration least) const {
    std::uint64_t slow = 0;
    for (const auto& kind : tally_.kinds) {
      // By the histogram itself: the share of requests that a percentile leaves above `least`.
      for (std::uint64_t i = 1; i <= kind.latency.count(); ++i) {
        const auto percent =
            100.0 * (static_cast<double>(i) - 0.5) / static_cast<double>(kind.latency.count());
        slow +=
            kind.latency.percentile(percent) > static_cast<std::uint64_t>(least.count()) ? 1 : 0;
      }
    }
    return slow;
  }
  std::uint64_t longest() const {
    return std::max(tally_.of(Kind::kRead).latency.max(), tally_.of(Kind::kWrite).latency.max());
  }
  const Tally& tally() const { return tally_; }

 private:
  Tally tally_;
  Plan plan_;
  Lane lane_;
  Pace pace_;
  Bytes out_;
  Instant now_;
};

TEST(OpenLoop, RequestsThatWereDueDuringAStallCountItIn) {
  PaceOptions options;
  options.begin = kBegin;
  options.requests = 1000;
  options.rate = 1000;
  Stall open(1, options);
  open.run(kBegin + 300ms, kBegin + 500ms);
  EXPECT_EQ(open.tally().ended(), 1000u);
  EXPECT_EQ(open.longest(), 200'000'000u);
  // 200 were due meanwhile, and waited from 200 ms down to 1 ms.
  EXPECT_EQ(open.slower_than(Duration(0)), 200u);
  EXPECT_EQ(open.slower_than(std::chrono::microseconds(100'500)), 100u);

  options.rate = 0;
  Stall closed(1, options);
  closed.run(kBegin + 300ms, kBegin + 500ms);
  EXPECT_EQ(closed.tally().ended(), 1000u);
  EXPECT_EQ(closed.slower_than(Duration(0)), 1u) << "which is why there is an open loop";
}

TEST(OpenLoop, ThreadsTakeTurns) {
  PaceOptions options;
  options.begin = kBegin;
  options.end = kBegin + 10ms;
  options.rate = 500;
  Pace first(options);
  options.lead = 1ms;
  Pace second(options);
  for (int ms = 0; ms < 12; ++ms) {
    const auto now = kBegin + std::chrono::milliseconds(ms);
    const bool firsts = ms % 2 == 0 && ms < 10;
    const bool seconds = ms % 2 == 1 && ms < 10;
    EXPECT_EQ(first.take(now), firsts ? std::optional(now) : std::nullopt) << ms;
    EXPECT_EQ(second.take(now), seconds ? std::optional(now) : std::nullopt) << ms;
  }
  EXPECT_TRUE(first.finished(kBegin + 10ms));
}

TEST(OpenLoop, WhatWasDueAndNotSentIsCounted) {
  PaceOptions options;
  options.begin = kBegin;
  options.end = kBegin + 100ms;
  options.rate = 1000;
  Pace pace(options);
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(pace.take(kBegin + 50ms));
  }
  EXPECT_FALSE(pace.take(kBegin + 100ms));
  EXPECT_EQ(pace.left_over(kBegin + 200ms), 70u);
  options.grace = 10ms;
  Pace patient(options);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(patient.take(kBegin + 105ms), kBegin + std::chrono::milliseconds(i));
  }
  EXPECT_FALSE(patient.finished(kBegin + 105ms));
  EXPECT_FALSE(patient.take(kBegin + 110ms));
  EXPECT_TRUE(patient.finished(kBegin + 110ms));
  EXPECT_EQ(patient.left_over(kBegin + 200ms), 70u);
  options.requests = 40;
  EXPECT_EQ(Pace(options).left_over(kBegin + 200ms), 40u);
  options.rate = 0;
  EXPECT_EQ(Pace(options).left_over(kBegin + 200ms), 0u);
}

TEST(ClosedLoop, EndsByCountOrByTime) {
  PaceOptions options;
  options.begin = kBegin;
  options.end = kBegin + 5ms;
  options.requests = 2;
  Pace pace(options);
  EXPECT_EQ(pace.take(kBegin), kBegin);
  EXPECT_FALSE(pace.finished(kBegin));
  EXPECT_EQ(pace.take(kBegin + 1ms), kBegin + 1ms);
  EXPECT_FALSE(pace.take(kBegin + 1ms));
  EXPECT_TRUE(pace.finished(kBegin + 1ms));
  EXPECT_FALSE(Pace(options).take(kBegin + 5ms));
  EXPECT_TRUE(Pace(options).finished(kBegin + 5ms));
}

class Lanes : public testing::Test {
 protected:
  void send(Lane& lane, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      lane.send(kBegin, out_);
    }
  }

  PlanOptions options_{.reads = 0};
  Tally tally_;
  Bytes out_;
};

TEST_F(Lanes, RepliesGoToTheirRequestsInOrder) {
  Plan plan(options_, 0);
  Lane lane(plan, tally_, 3);
  send(lane, 3);
  EXPECT_FALSE(lane.has_room());
  EXPECT_TRUE(lane.take("+OK\r\n-BUSY too many\r\n+O", kBegin + 2ms));
  EXPECT_EQ(lane.in_flight(), 1u);
  send(lane, 2);
  EXPECT_TRUE(lane.take("K\r\n-UNKNOWN may have happened\r\n$-1\r\n", kBegin + 4ms));
  EXPECT_EQ(lane.in_flight(), 0u);
  const auto& writes = tally_.of(Kind::kWrite);
  EXPECT_EQ(writes.latency.count(), 3u);
  EXPECT_EQ(writes.latency.min(), 2'000'000u);
  EXPECT_EQ(writes.latency.max(), 4'000'000u);
  EXPECT_EQ(writes.absent, 1u);
  EXPECT_EQ(writes.failed, 2u);
  EXPECT_EQ(tally_.ended(), 5u);
  EXPECT_FALSE(tally_.failures.at({Kind::kWrite, "BUSY"}).unknown);
  EXPECT_TRUE(tally_.failures.at({Kind::kWrite, "UNKNOWN"}).unknown);
  EXPECT_EQ(tally_.failures.at({Kind::kWrite, "BUSY"}).example, "BUSY too many");
}

TEST_F(Lanes, AReplyThatNobodyAskedForIsNone) {
  Plan plan(options_, 0);
  Lane lane(plan, tally_, 2);
  send(lane, 1);
  EXPECT_FALSE(lane.take("+OK\r\n+OK\r\n", kBegin));
  EXPECT_EQ(tally_.ended(), 1u);
}

TEST_F(Lanes, OfWhatIsLostWritesAreUnknownAndReadsAreNot) {
  options_.reads = 0.5;
  Plan plan(options_, 0);
  Lane lane(plan, tally_, 64);
  send(lane, 64);
  EXPECT_TRUE(lane.take("$5\r\nab", kBegin));
  lane.lose("gone");
  EXPECT_EQ(tally_.ended(), 64u);
  EXPECT_TRUE(tally_.failures.at({Kind::kWrite, kLost}).unknown);
  EXPECT_FALSE(tally_.failures.at({Kind::kRead, kLost}).unknown);
  send(lane, 1);
  EXPECT_TRUE(lane.take("+OK\r\n", kBegin)) << "a new connection begins with a new reply";
  EXPECT_EQ(lane.in_flight(), 0u);
}

}  // namespace
}  // namespace kvorum::load
