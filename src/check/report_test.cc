#include "check/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "check/stats.h"
#include "check/test_history.h"

namespace kvorum::check {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A get of the value that an ended put had replaced.
struct Stale {
  History history = small_history(
      "0 put x 1 0-10000000; 1 put x 2 12000000-20000000; 2 put y 9 1-?\n"
      "3 get x 1 25000000-30000000");
  Verdict verdict;

  Stale() {
    history.source = "stale.jsonl";
    verdict.answer = Answer::kViolation;
    verdict.sentence = "get x = 1 (client 3) began after put x = 2 had ended";
    verdict.core = {0, 1, 3};
    verdict.edges = {{0, 1, "real time"}, {1, 3, "real time"}};
    verdict.prefix = {0, 1};
    verdict.state = "x = 2";
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    out.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (const auto& line : lines_of(text)) {
    std::size_t columns = 0;
    for (const char c : line) {
      columns += (c & 0xc0) != 0x80 ? 1 : 0;
    }
    most = std::max(most, columns);
  }
  return most;
}

TEST(ReportText, SaysWhatWhereWhyAndHowToRepeat) {
  const Stale stale;
  EXPECT_EQ(explain_text(stale.history, stale.verdict, "sequential"),
            "  get x = 1 (client 3) began after put x = 2 had ended\n"
            "\n"
            "  1  client 0 put x = 1 [0 ms, 10 ms]\n"
            "  2  client 1 put x = 2 [12 ms, 20 ms]\n"
            "  3  client 3 get x = 1 [25 ms, 30 ms]\n"
            "\n"
            "  client 0  ├──1──┤\n"
            "  client 1              ├──2──┤\n"
            "  client 3                          ├──3──┤\n"
            "            0 ms                          30 ms  (in order, not to scale)\n"
            "\n"
            "  order    1 before 2: real time\n"
            "           2 before 3: real time\n"
            "  fits     2 operations, one after another; the last\n"
            "           client 0 put x = 1 [0 ms, 10 ms]\n"
            "           client 1 put x = 2 [12 ms, 20 ms]\n"
            "           then x = 2\n"
            "  holds    sequential\n"
            "  repeat   kvorum check --model linearizable stale.jsonl\n");
}

TEST(ReportText, SeveralReasonsForOneOrderAreOneLine) {
  Stale stale;
  stale.verdict.edges.push_back({0, 1, "session"});
  EXPECT_THAT(explain_text(stale.history, stale.verdict),
              HasSubstr("1 before 2: real time, session\n           2 before 3: real time\n"));
}

TEST(ReportText, OkSaysNothingAndUnknownWhy) {
  Stale stale;
  stale.verdict.answer = Answer::kOk;
  EXPECT_EQ(explain_text(stale.history, stale.verdict), "");
  stale.verdict.answer = Answer::kUnknown;
  stale.verdict.reason = "time";
  EXPECT_EQ(explain_text(stale.history, stale.verdict), "  time\n");
  stale.verdict.detail = "key x, 17 nodes";
  EXPECT_EQ(explain_text(stale.history, stale.verdict), "  key x, 17 nodes\n");
}

TEST(ReportText, LanesForOverlapsAndOpenEnds) {
  Stale stale;
  stale.history = small_history("7 put x 1 0-?; 7 get x 1 1-5; 7 get x 2 3-3");
  stale.verdict.core = {0, 1, 2};
  stale.verdict.edges.clear();
  const auto text = explain_text(stale.history, stale.verdict);
  EXPECT_THAT(text, HasSubstr("  client 7  ├╌1╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌?\n"
                              "                  ├─────2─────┤\n"
                              "                        ├3─┤\n"));
}

TEST(ReportText, StaysWithinItsWidthWhateverTheValues) {
  Stale stale;
  History history;
  HistoryRecord record;
  for (std::uint32_t i = 0; i < 40; ++i) {
    record.op = HistoryOp::kPut;
    record.client = 4'000'000'000U - i;
    record.key = std::string(3000, 'k') + "\n\x1b[31m";
    record.value = std::string(5000, 'v') + "\xc3\xa9";
    record.start_ns = 1'000'000 * i + 1;
    record.end_ns = record.start_ns + 3'000'000;
    history.add(record);
    stale.verdict.edges.push_back({i, i, std::string(300, 'w')});
    if (i > 3) {
      stale.verdict.core.push_back(i);
    }
  }
  stale.verdict.sentence = std::string(4000, 's') + " " + describe(history, history.operations[0]);
  const auto text = explain_text(history, stale.verdict, "sequential", std::string(400, 'f'));
  EXPECT_LE(widest(text), 110u);
  EXPECT_THAT(text, AllOf(HasSubstr("and 15 more"), HasSubstr("too much for this width")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(ReportText, ACoreOfTwentyStillDraws) {
  Stale stale;
  std::string text;
  stale.verdict.core.clear();
  for (std::uint32_t i = 0; i < 11; ++i) {
    text += fmt::format("{} put x {} {}-{}\n", i, i, i, i + 100);
    stale.verdict.core.push_back(i);
  }
  stale.history = small_history(text);
  stale.verdict.edges.clear();
  stale.verdict.prefix.clear();
  const auto report = explain_text(stale.history, stale.verdict);
  EXPECT_LE(widest(report), 110u);
  EXPECT_THAT(report, HasSubstr("─11─"));
}

TEST(ReportJson, OneObject) {
  const Stale stale;
  const auto json = explain_json(stale.history, stale.verdict, "sequential", "again");
  EXPECT_THAT(
      json,
      AllOf(
          StartsWith(
              R"({"file":"stale.jsonl","model":"linearizable","answer":"violation","ops":4)"),
          HasSubstr(R"("core":[{"index":0,"line":0,"client":"0","op":"put","key":"x","value":"1",)"
                    R"("ok":true,"start_ns":0,"end_ns":10000000},)"),
          HasSubstr(R"("edges":[{"from":0,"to":1,"why":"real time"},{"from":1,"to":3,)"),
          HasSubstr(R"("prefix":{"ops":2,"last":[{"index":0,)"),
          HasSubstr(R"("state":"x = 2"},"weaker":"sequential","command":"again"})")));
  Verdict unknown;
  unknown.answer = Answer::kUnknown;
  unknown.reason = "memory";
  EXPECT_EQ(
      explain_json(History(), unknown, {}, "c"),
      R"({"file":"","model":"linearizable","answer":"unknown","ops":0,"seconds":0.000,"nodes":0,)"
      R"("reason":"memory","detail":"","command":"c"})");
}

// What stands between the data element's tags.
std::string data_of(const std::string& page) {
  const auto begin = page.find("id=\"data\">") + 10;
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST(ReportPage, HoldsTheHistoryAndNothingOutside) {
  const Stale stale;
  const auto page = explain_html(stale.history, stale.verdict, "sequential");
  EXPECT_THAT(
      page, AllOf(StartsWith("<!doctype html>"), HasSubstr("default-src 'none'"),
                  Not(HasSubstr("http://")), Not(HasSubstr("https://")), Not(HasSubstr("@DATA@"))));
  EXPECT_THAT(
      data_of(page),
      AllOf(HasSubstr(R"("answer":"violation")"), HasSubstr(R"("fits":2,"total":4,"base":0,)"),
            HasSubstr(R"("ops":[[0,0,1,0,0,10000000,"1",null,0,1,null,0,0,0],)"),
            HasSubstr(R"([2,1,1,2,1,null,"9",null,)"),
            HasSubstr(R"("core":[0,1,3],"edges":[[0,1,"real time"],[1,3,"real time"]])"),
            HasSubstr(R"("clients":["0","1","2","3"],"keys":["x","y"])")));
}

TEST(ReportPage, ValuesCannotLeaveTheData) {
  Stale stale;
  History history;
  HistoryRecord record;
  record.op = HistoryOp::kPut;
  record.key = "</script><script>alert(1)</script>";
  record.value = "<!--<script>\xff\"\\";
  history.add(record);
  history.source = "<b>.jsonl";
  stale.verdict.core = {0};
  stale.verdict.edges.clear();
  stale.verdict.sentence = "</SCRIPT >";
  const auto page = explain_html(history, stale.verdict);
  const auto data = data_of(page);
  EXPECT_THAT(data, Not(HasSubstr("<")));
  EXPECT_THAT(data, HasSubstr(R"(\u003c/script>\u003cscript>alert(1)\u003c/script>)"));
  EXPECT_THAT(data, HasSubstr("\"keys\":"));
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
}

TEST(ReportPage, KeepsWhatIsNearestToTheCore) {
  History history;
  HistoryRecord record;
  record.key = "x";
  for (std::int64_t i = 0; i < 50'000; ++i) {
    record.start_ns = i * 10;
    record.end_ns = i * 10 + 5;
    history.add(record);
  }
  Verdict verdict;
  verdict.answer = Answer::kViolation;
  verdict.core = {5, 30'000, 30'001};
  const auto whole = data_of(explain_html(history, verdict));
  EXPECT_THAT(whole, HasSubstr("\"total\":50000,\"base\":50,"));
  verdict.core = {30'000, 30'001};
  const auto near = data_of(explain_html(history, verdict));
  EXPECT_THAT(near, AllOf(HasSubstr("\"base\":200010,"), HasSubstr("\"core\":[9999,10000]")));
}

TEST(ReportPage, OfNothing) {
  Verdict verdict;
  EXPECT_THAT(data_of(explain_html(History(), verdict)), HasSubstr("\"ops\":[],\"core\":[]"));
}

TEST(Stats, CountWhatCanBeProved) {
  const auto history = small_history(
      "0 put x 1 0-10; 1 get x 1 5-8; 2 get x 1 8-9; 0 put y 1 11-?; 1 get z - 20-21; 2 get x 1 "
      "30-31 err");
  EXPECT_EQ(to_string(stats_of(history)),
            "keys=3 reads/key=1.0 never-read=1 unknown=16.7% concurrency=3");
  EXPECT_EQ(to_string(stats_of(History())),
            "keys=0 reads/key=0.0 never-read=0 unknown=0.0% concurrency=0");
}

}  // namespace
}  // namespace kvorum::check
