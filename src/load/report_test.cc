#include "load/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "load/figures.h"

namespace kvorum::load {
namespace {

using testing::HasSubstr;
using testing::Not;

Options some_options() {
  Options options;
  options.targets = {{"127.0.0.1", 7001}, {"127.0.0.1", 7002}};
  options.read_level = "sequential";
  return options;
}

Measured some_load() {
  Measured measured;
  measured.seconds = 2;
  auto& tally = measured.tally;
  for (int i = 0; i < 100; ++i) {
    tally.of(Kind::kRead).latency.record(1'000'000);
  }
  tally.failed(Kind::kWrite, "UNKNOWN may have \"happened\"");
  tally.lost(Kind::kRead, "the node closed the connection");
  tally.losses["127.0.0.1:7002"] = {1, "the node closed the connection"};
  tally.bytes_sent = 1020;
  tally.left_over = 7;
  measured.nodes = {NodeFigures{0.00102, 204, 20400, 51}, std::nullopt};
  return measured;
}

TEST(Report, TheTableTellsEveryFigure) {
  const auto text = table(some_options(), some_load());
  for (const auto* part :
       {"reads at sequential", "102 requests in 2.000 s: 51 a second", "1.000",
        "1 writes with an unknown outcome: UNKNOWN", "1 reads failed: LOST",
        "127.0.0.1:7002: 1 connection broke", "7 requests were due and not sent", "10.0 bytes sent",
        "at 1 node: 10.00 us", "2.0000 messages and 200.0 bytes", "0.5000 disk syncs",
        "127.0.0.1:7002 was gone or began anew"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("\nwrites "))) << "none ended well";
}

TEST(Report, JsonHasTheSame) {
  const auto out = nlohmann::json::parse(json(some_options(), some_load()));
  EXPECT_EQ(out["requests"], 102);
  EXPECT_EQ(out["per_second"], 51);
  EXPECT_EQ(out["reads"]["ok"], 100);
  EXPECT_EQ(out["reads"]["latency_us"]["p99.9"], 1000);
  EXPECT_EQ(out["writes"]["failed"], 1);
  EXPECT_EQ(out["errors"].size(), 2u);
  EXPECT_EQ(out["errors"][1]["code"], "UNKNOWN");
  EXPECT_EQ(out["errors"][1]["outcome"], "unknown");
  EXPECT_EQ(out["not_sent"], 7);
  EXPECT_EQ(out["per_operation"]["peer_bytes"], 200);
  EXPECT_EQ(out["per_operation"]["disk_syncs"], 0.5);
  EXPECT_EQ(out["nodes"][1]["known"], false);
  EXPECT_EQ(out["options"]["read_level"], "sequential");
}

TEST(Report, AnEmptyLoadIsNoughtAndWhatIsNotKnownIsNull) {
  Measured measured;
  measured.ended = Ended::kFailed;
  measured.why = "no node answers";
  const auto out = nlohmann::json::parse(json(Options(), measured));
  EXPECT_EQ(out["per_second"], 0);
  EXPECT_EQ(out["ended"], "failed");
  EXPECT_EQ(out["why"], "no node answers");
  EXPECT_TRUE(out["per_operation"]["cpu_us"].is_null());
  EXPECT_THAT(table(Options(), measured), HasSubstr("0 requests in 0.000 s: 0 a second"));
}

TEST(Figures, AreReadFromInfo) {
  const auto figures = parse_figures(
      "# "
      "Stats\r\nxdisk_syncs:9\r\npeer_messages_sent:12\r\npeer_bytes_sent:34\r\ndisk_syncs:"
      "3\r\n\r\n# CPU\r\n"
      "used_cpu_sys:0.250000\r\nused_cpu_user:1.5\r\n");
  ASSERT_TRUE(figures);
  EXPECT_DOUBLE_EQ(figures->cpu_seconds, 1.75);
  EXPECT_EQ(figures->peer_messages, 12u);
  EXPECT_EQ(figures->peer_bytes, 34u);
  EXPECT_EQ(figures->disk_syncs, 3u);
  EXPECT_FALSE(parse_figures("# CPU\r\nused_cpu_sys:0.25\r\nused_cpu_user:1.5\r\n"));
  EXPECT_FALSE(parse_figures(""));
}

TEST(Figures, OfANodeThatBeganAnewAreNone) {
  const auto grown = difference({1, 10, 10, 10}, {3, 30, 25, 20});
  ASSERT_TRUE(grown);
  EXPECT_EQ(grown->peer_messages, 20u);
  EXPECT_EQ(grown->peer_bytes, 15u);
  EXPECT_FALSE(difference({1, 10, 10, 10}, {0.5, 30, 25, 20}));
  EXPECT_FALSE(difference({1, 10, 10, 10}, {2, 3, 25, 20}));
  EXPECT_FALSE(difference({1, 10, 10, 10}, {2, 30, 5, 20}));
}

}  // namespace
}  // namespace kvorum::load
