#include "lab/run_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_history.h"

namespace kvorum::lab {
namespace {

using testing::ElementsAre;

RunRecord record_of(std::string_view operations) {
  RunRecord record;
  record.began_ms = 1'700'000'000'000;
  record.history = check::small_records(operations);
  return record;
}

TEST(EventLine, TimeWhoWhatInColumns) {
  EXPECT_EQ(line({EventKind::kRequest, 12'345'000, 0, NodeId(2), 0, "put a = 10"}),
            "   12.345 ms  client 0   request    put a = 10");
  EXPECT_EQ(line({EventKind::kFault, 1'234'567'890, -1, NodeId(3), -1, "killed"}),
            " 1234.568 ms  node 3     fault      killed");
  EXPECT_EQ(line({EventKind::kFinished, 0, 11, NodeId(), -1, ""}),
            "    0.000 ms  client 11  finished");
}

TEST(RunLog, ALinePerEvent) {
  RunRecord record;
  EXPECT_EQ(run_log(record), "");
  record.events = {{EventKind::kConnected, 0, 0, NodeId(1), -1, "to node 1"},
                   {EventKind::kNote, 2'000'000, -1, NodeId(), -1, "quiet"}};
  EXPECT_EQ(run_log(record),
            "    0.000 ms  client 0   connected  to node 1\n"
            "    2.000 ms             note       quiet\n");
}

TEST(OutputLog, TwoLinesAnOperationByTime) {
  const auto record = record_of(
      "0 put x 1 0-5000000 node=1; 1 get x 1 1000000-6999999 node=1; 0 get y - 7-8 node=2");
  EXPECT_EQ(output_log(record, NodeId(1)),
            "1700000000000,0,put,x,1700000000000,req,1\n"
            "1700000000000,1,get,x,1700000000001,req,\n"
            "1700000000000,0,put,x,1700000000005,resp,1\n"
            "1700000000000,1,get,x,1700000000006,resp,1\n");
  EXPECT_EQ(output_log(record, NodeId(2)),
            "1700000000000,0,get,y,1700000000000,req,\n"
            "1700000000000,0,get,y,1700000000000,resp,\n");
  EXPECT_EQ(output_log(record, NodeId(3)), "");
}

TEST(OutputLog, WhatIsNotKnownToHaveHappenedHasNoAnswer) {
  const auto record = record_of(
      "0 put x 1 0-? node=1; 1 put x 2 1-2 err node=1; 2 delete x 2-3 node=1;"
      "3 incr n +5=7 3-4 node=1");
  EXPECT_EQ(output_log(record, NodeId(1)),
            "1700000000000,0,put,x,1700000000000,req,1\n"
            "1700000000000,1,put,x,1700000000000,req,2\n"
            "1700000000000,2,delete,x,1700000000000,req,\n"
            "1700000000000,2,delete,x,1700000000000,resp,\n"
            "1700000000000,3,incr,n,1700000000000,req,5\n"
            "1700000000000,3,incr,n,1700000000000,resp,7\n");
}

TEST(OutputLog, KeysAndValuesCannotBreakALine) {
  RunRecord record;
  HistoryRecord put;
  put.op = HistoryOp::kPut;
  put.node = 1;
  put.key = "a,b c";
  put.value = "1\n2%\xff";
  put.end_ns = 1;
  record.history = {put};
  EXPECT_EQ(output_log(record, NodeId(1)),
            "0,0,put,a%2Cb%20c,0,req,1%0A2%25\xff\n"
            "0,0,put,a%2Cb%20c,0,resp,1%0A2%25\xff\n");
}

TEST(OutputLog, AnAnswerStandsBeforeTheNextRequest) {
  const auto record = record_of("0 put x 1 5-5 node=1; 0 get x 1 5-5 node=1");
  EXPECT_EQ(output_log(record, NodeId(1)),
            "1700000000000,0,put,x,1700000000000,req,1\n"
            "1700000000000,0,put,x,1700000000000,resp,1\n"
            "1700000000000,0,get,x,1700000000000,req,\n"
            "1700000000000,0,get,x,1700000000000,resp,1\n");
}

TEST(VisualizerLines, NoTwoEventsInOneMillisecond) {
  const auto record = record_of("0 put x 1 0-10; 1 get x 1 4000000-9000000");
  EXPECT_THAT(visualizer_lines(record),
              ElementsAre("START,1700000000000",                         //
                          "1700000000000,0,put,x,1700000000000,req,1",   //
                          "1700000000000,0,put,x,1700000000001,resp,1",  //
                          "1700000000000,1,get,x,1700000000004,req,",    //
                          "1700000000000,1,get,x,1700000000009,resp,1"));
}

TEST(LatencyTable, PerLevelAndKindThenPerClient) {
  auto record = record_of(
      "0 put x 1 0-10000000 level=linearizable; 0 put x 2 10000000-30000000 level=linearizable;"
      "1 get x 1 0-500000 level=eventual; 1 get x 1 600000-? level=eventual;"
      "1 put x 9 700000-800000 err level=eventual; 9 get x 2 0-99000000 final");
  record.events = {{EventKind::kFinished, 40'000'000, 1, NodeId(), -1, ""}};
  EXPECT_EQ(
      latency_table(record),
      "level         op       count    mean ms     p50 ms     p99 ms     max ms  failed  unknown\n"
      "linearizable  put          2     15.000     10.000     20.000     20.000       0        0\n"
      "eventual      get          1      0.500      0.500      0.500      0.500       0        1\n"
      "eventual      put          0      0.000      0.000      0.000      0.000       1        0\n"
      "client 0         2 operations  in 30.000 ms\n"
      "client 1         3 operations  in 40.000 ms\n");
}

TEST(Latencies, PercentilesAreOfWhatWasMeasured) {
  RunRecord record;
  for (int i = 100; i >= 1; --i) {
    HistoryRecord get;
    get.end_ns = i * 1'000'000;
    record.history.push_back(get);
  }
  const auto rows = latencies(record);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].level, "-");
  EXPECT_DOUBLE_EQ(rows[0].p50_ms, 50);
  EXPECT_DOUBLE_EQ(rows[0].p99_ms, 99);
  EXPECT_DOUBLE_EQ(rows[0].max_ms, 100);
  EXPECT_DOUBLE_EQ(rows[0].mean_ms, 50.5);
}

}  // namespace
}  // namespace kvorum::lab
