#include "lab/run_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/test_history.h"
#include "lab/comparison.h"

namespace kvorum::lab {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

RunRecord record_of(std::string_view operations) {
  RunRecord record;
  record.scenario.name = "stale";
  record.scenario.teaches = "A local read may be old.";
  record.seed = 7;
  record.simulated = true;
  record.took_ns = 12'345'000;
  record.history = check::small_records(operations);
  return record;
}

std::string page_of(const RunRecord& record) {
  check::History history;
  for (const auto& operation : record.history) {
    history.add(operation);
  }
  return run_page(history, record);
}

std::string data_of(const std::string& page) {
  const std::string_view mark = "id=\"data\">";
  const auto begin = page.find(mark) + mark.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST(RunPage, HoldsTheRunAndNothingOutside) {
  auto record = record_of(
      "0 put x 1 100-110 node=1 level=linearizable; 0 put x 2 120-130 node=1 level=linearizable;"
      "1 get x 1 140-150 node=2 level=eventual; 2 put x 3 160-? node=3");
  record.verdict.answer = check::Answer::kViolation;
  record.verdict.sentence = "1 is old";
  record.verdict.core = {1, 2};
  record.verdict.edges = {{1, 2, "real time"}};
  record.expected = {{"model sequential", true, false, ""},
                     {"final x = 1", false, false, "node 2 has 2"},
                     {"model linearizable", false, true, "time"}};
  record.faults = {{90, 200, {NodeId(2), NodeId(3)}, "cut 2 3"}};
  const auto page = page_of(record);
  EXPECT_THAT(page, AllOf(StartsWith("<!doctype html>"), HasSubstr("default-src 'none'"),
                          Not(HasSubstr("http://")), Not(HasSubstr("https://")),
                          Not(HasSubstr("@DATA@")), Not(HasSubstr("@include"))));
  EXPECT_THAT(
      data_of(page),
      AllOf(HasSubstr(R"("name":"stale","teaches":"A local read may be old.",)"),
            HasSubstr(R"("about":"linearizable, 3 nodes, simulated with seed 7, took 12.3 ms",)"),
            HasSubstr(R"("expected":[["model sequential",0,""],["final x = 1",1,"node 2 has 2"],)"
                      R"(["model linearizable",2,"time"]],)"),
            HasSubstr(R"(["linearizable","put",2,0.000010,0.000010,0.000010],)"),
            HasSubstr(R"("faults":[{"from":-10,"to":100,"nodes":[2,3],"text":"cut 2 3"}],)"),
            HasSubstr(R"("ages":[null,null,[0,1,10],null],)")));
  EXPECT_THAT(data_of(page), AllOf(HasSubstr(R"("answer":"violation","sentence":"1 is old")"),
                                   HasSubstr(R"("core":[1,2],"edges":[[1,2,"real time"]])")));
}

TEST(RunPage, FirstValuesAndValuesOfNobody) {
  const auto data = data_of(page_of(record_of("0 get x - 0-1; 0 get x 9 2-3")));
  EXPECT_THAT(data, HasSubstr(R"("ages":[[-1,0,0],[-2,0,0]],)"));
}

TEST(RunPage, TextsCannotLeaveTheData) {
  auto record = record_of("0 get x - 0-1");
  record.history[0].key = "</script><script>alert(1)</script>";
  record.history[0].value = "\"'\xff\\<!--";
  record.scenario.name = "</title><b>";
  record.scenario.teaches = "</SCRIPT >";
  record.expected = {{"<i>", false, false, "</script>"}};
  record.faults = {{0, 1, {NodeId(1)}, "<script>"}};
  const auto page = page_of(record);
  EXPECT_THAT(data_of(page), AllOf(Not(HasSubstr("<")), HasSubstr("\"keys\":"),
                                   HasSubstr("\xEF\xBF\xBD"
                                             "ff")));
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
}

TEST(RunPage, OfALongHistoryItHoldsThePartAroundTheContradiction) {
  auto record = record_of("");
  for (int i = 0; i < 15'000; ++i) {
    HistoryRecord get;
    get.key = "x";
    get.start_ns = i * 10;
    get.end_ns = i * 10 + 5;
    record.history.push_back(get);
  }
  record.verdict.answer = check::Answer::kViolation;
  record.verdict.core = {14'998, 14'999};
  const auto data = data_of(page_of(record));
  EXPECT_THAT(
      data, AllOf(HasSubstr(R"("total":15000,"base":50000,)"), HasSubstr(R"("core":[9998,9999])")));
}

TEST(RunPage, OfNothing) {
  EXPECT_THAT(data_of(page_of(record_of(""))),
              AllOf(HasSubstr(R"("ages":[],)"), HasSubstr(R"("ops":[],)")));
}

TEST(Comparison, Table) {
  EXPECT_EQ(comparison_table({{"linearizable", 2000, 12.5, 12, 20.25, 6.5, 1.25},
                              {"eventual", 2000, 0.0625, 0.05, 0.5, -1, -1}},
                             "3 nodes, 5 ms between them"),
            "3 nodes, 5 ms between them\n"
            "level         operations    mean ms     p50 ms     p99 ms  messages/op  fsyncs/op\n"
            "linearizable        2000     12.500     12.000     20.250         6.50       1.25\n"
            "eventual            2000      0.062      0.050      0.500            -          -\n");
}

TEST(Comparison, Page) {
  const auto page = comparison_page({{"eventual", 2000, 0.0625, 0.05, 0.5, 2, -1}}, "</script>");
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http://")), Not(HasSubstr("@include"))));
  EXPECT_EQ(data_of(page),
            R"({"conditions":"\u003c/script>",)"
            R"("levels":[["eventual",2000,0.062500,0.050000,0.500000,"2.00","-"]]})");
}

}  // namespace
}  // namespace kvorum::lab
