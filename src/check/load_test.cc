#include "check/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "check/test_history.h"

namespace kvorum::check {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

History loaded(std::string_view text, const LoadOptions& options = {}) {
  auto history = load_text(text, "h", options);
  EXPECT_TRUE(history.has_value()) << history.error().detail;
  return history ? *history : History();
}

std::string error_of(std::string_view text) {
  const auto history = load_text(text, "h");
  return history ? "loaded" : history.error().detail;
}

// Each operation as a message names it.
std::vector<std::string> described(const History& history) {
  std::vector<std::string> out;
  for (const auto& operation : history.operations) {
    out.push_back(describe(history, operation));
  }
  return out;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(compressBound(text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// A line of ours with one field replaced, left out (empty text) or added.
std::string line_with(std::string_view field, std::string_view json) {
  const std::vector<std::pair<std::string, std::string>> usual = {
      {"client", "0"}, {"op", "\"put\""}, {"key", "\"x\""}, {"value", "\"1\""},
      {"ok", "true"},  {"start_ns", "5"}, {"end_ns", "9"}};
  std::string out;
  bool known = false;
  for (const auto& [name, value] : usual) {
    const auto text = name == field ? std::string(json) : value;
    known |= name == field;
    out += text.empty() ? "" : (out.empty() ? "" : ",") + ('"' + name) + "\":" + text;
  }
  if (!known) {
    out += ",\"" + std::string(field) + "\":" + std::string(json);
  }
  return '{' + out + "}\n";
}

// --- our own format ------------------------------------------------------------------------------

TEST(LoadLines, EveryFieldArrives) {
  const auto history = loaded(
      R"({"initial":{"x":"0","n":7,"gone":null}}
{"client":0,"op":"put","key":"x","value":"1","ok":true,"start_ns":0,"end_ns":10,)"
      R"("level":"prefix","node":3,"seq":8,"version":17}
{"client":"b","op":"get","key":"x","value":null,"ok":true,"start_ns":2,"end_ns":3,"final":true}

{"client":1,"op":"cas","key":"x","value":null,"expect":"1","ok":false,"start_ns":4,"end_ns":9}
{"client":1,"op":"cas","key":"x","value":"3","expect":null,"ok":false,"err":"no leader",)"
      R"("start_ns":14,"end_ns":19}
{"client":0,"op":"incr","key":"n","by":5,"value":12,"ok":true,"start_ns":20,"end_ns":21,)"
      R"("session":"s","more":[1,{"a":2}]}
{"client":2,"op":"append","key":"x","value":"z","ok":null,"start_ns":20,"end_ns":null}
{"client":3,"op":"delete","key":"x","ok":null,"start_ns":20})");
  EXPECT_THAT(described(history), ElementsAre("client 0 put x = 1 [0 ms, 10 ns]",
                                              "client b get x = absent [2 ns, 3 ns]",
                                              "client 1 cas x 1 to absent [4 ns, 9 ns] failed",
                                              "client 1 cas x absent to 3 [14 ns, 19 ns] never ran",
                                              "client 0 incr n by 5 = 12 [20 ns, 21 ns]",
                                              "client 2 append x + z [20 ns, ?] outcome unknown",
                                              "client 3 delete x [20 ns, ?] outcome unknown"));
  const auto& first = history.operations[0];
  EXPECT_EQ(history.texts[first.level], "prefix");
  EXPECT_EQ(first.node, 3u);
  EXPECT_EQ(first.seq, 8);
  EXPECT_EQ(first.version, 17);
  EXPECT_EQ(first.line, 2u);
  EXPECT_EQ(history.operations[2].line, 5u);  // the blank line counts
  EXPECT_TRUE(history.operations[1].final);
  EXPECT_TRUE(history.operations[2].observes());
  EXPECT_FALSE(history.operations[3].observes());
  EXPECT_EQ(history.initial.size(), 2u);
  EXPECT_EQ(history.texts[history.initial_of(history.texts.find("n"))], "7");
  EXPECT_THAT(history.warnings, IsEmpty());
}

TEST(LoadLines, ScalarsStandForTheirText) {
  const auto history =
      loaded(line_with("value", "18446744073709551615") + line_with("client", "\"0\"") +
             line_with("value", "-2.5") + line_with("key", "true"));
  EXPECT_EQ(history.clients.size(), 1u);
  EXPECT_EQ(history.texts[history.operations[0].value], "18446744073709551615");
  EXPECT_EQ(history.texts[history.operations[2].value], "-2.5");
  EXPECT_EQ(history.texts[history.operations[3].key], "true");
}

TEST(LoadLines, PuttingNullDeletes) {
  EXPECT_EQ(loaded(line_with("value", "null")).operations[0].op, HistoryOp::kDelete);
}

TEST(LoadLines, AnArrayOfObjectsIsTheSame) {
  const auto history = loaded("[ " + line_with("", "1") + ",\n" + line_with("key", "\"y\"") + "]");
  ASSERT_EQ(history.operations.size(), 2u);
  EXPECT_EQ(history.operations[1].line, 3u);
  EXPECT_EQ(error_of("[" + line_with("", "1")), "h:2: the array is not closed");
  EXPECT_EQ(error_of("[" + line_with("", "1") + "] 1"), "h:2: something follows the array");
  EXPECT_EQ(error_of("[" + line_with("", "1") + ",]"), "h:2: a value is missing");
}

TEST(LoadLines, NothingIsAHistoryWithoutOperations) {
  for (const char* text : {"", "\n \r\n", "[]", "{\"initial\":{}}"}) {
    EXPECT_TRUE(loaded(text).operations.empty()) << text;
  }
}

TEST(LoadLines, BadInputNamesFileAndLine) {
  const auto good = line_with("key", "\"other\"");
  const auto second = [&good](const std::string& line) { return error_of(good + line); };
  for (const char* field : {"client", "op", "key", "value", "ok", "start_ns", "end_ns"}) {
    EXPECT_EQ(second(line_with(field, "")),
              "h:2: the field '" + std::string(field) + "' is missing");
  }
  EXPECT_EQ(second(line_with("op", "\"swap\"")), "h:2: unknown operation 'swap'");
  EXPECT_EQ(second(line_with("op", "7")), "h:2: the field 'op' must be a string");
  EXPECT_EQ(second(line_with("op", "\"cas\"")), "h:2: the field 'expect' is missing");
  EXPECT_EQ(second(line_with("op", "\"cas\",\"expect\":[]")),
            "h:2: the field 'expect' must be a string, a number or null");
  EXPECT_EQ(second(line_with("client", "null")),
            "h:2: the field 'client' must be a number or a string");
  EXPECT_EQ(second(line_with("ok", "\"yes\"")), "h:2: the field 'ok' must be true, false or null");
  EXPECT_EQ(second(line_with("end_ns", "4")), "h:2: it ends at 4 ns, before its start at 5 ns");
  EXPECT_EQ(second(line_with("start_ns", "1.5")),
            "h:2: the field 'start_ns' must be a whole number of nanoseconds");
  EXPECT_EQ(second(line_with("start_ns", "9223372036854775807")),
            "h:2: the field 'start_ns' is out of range");
  EXPECT_EQ(second(line_with("end_ns", "9223372036854775808")),
            "h:2: the field 'end_ns' is out of range");
  EXPECT_EQ(second(line_with("start_ns", "-9223372036854775808")),
            "h:2: the field 'start_ns' is out of range");
  EXPECT_EQ(second(line_with("node", "4294967296")),
            "h:2: the field 'node' must be a node's number");
  EXPECT_EQ(second(line_with("seq", "-1")), "h:2: the field 'seq' must be a whole number from 0");
  EXPECT_EQ(second(line_with("final", "1")), "h:2: the field 'final' must be true or false");
  EXPECT_EQ(second(line_with("err", "1")), "h:2: the field 'err' must be a string");
  EXPECT_EQ(second(line_with("level", "1")), "h:2: the field 'level' must be a string");
  EXPECT_EQ(second(line_with("op", "\"put\",\"op\":\"get\"")), "h:2: the field 'op' comes twice");
  EXPECT_EQ(second(line_with("op", "\"append\",\"none\":1,\"value\":null")),
            "h:2: the field 'value' comes twice");
  EXPECT_EQ(second("{\"initial\":{}}"), "h:2: initial values stand alone on the first line");
  EXPECT_EQ(error_of("{\"initial\":{\"a\":[]}}"),
            "h:1: an initial value must be a string, a number or null");
  EXPECT_EQ(error_of("{\"initial\":{\"a\":1,\"a\":2}}"),
            "h:1: the initial value of 'a' is stated twice");
  EXPECT_EQ(second("17"), "h:2: not a JSON object");
}

TEST(LoadLines, GarbageIsNoHistory) {
  const auto good = line_with("", "1");
  EXPECT_THAT(error_of(good + "{\"client\":0,"), HasSubstr("h:2: not JSON: "));
  EXPECT_THAT(error_of(good + "{\"client\":0}}"), HasSubstr("h:2: not JSON: "));
  EXPECT_THAT(error_of(good + line_with("key", "\"\xff\"")), HasSubstr("h:2: not JSON: "));
  EXPECT_THAT(error_of(good + line_with("value", "99999999999999999999999")),
              HasSubstr("h:2: not JSON: "));
  EXPECT_THAT(error_of(good + std::string(5000, '[')), HasSubstr("h:2: not JSON: "));
  EXPECT_THAT(error_of(std::string("\0\1\2", 3)), HasSubstr("h:1: not a history"));
  EXPECT_THAT(error_of("Dear diary"), HasSubstr("h:1: not a history"));
}

TEST(LoadLines, TheSameLineTwiceNamesBoth) {
  const auto line = line_with("", "1");
  const auto other = line_with("key", "\"y\"");
  EXPECT_EQ(error_of(line + other + line), "h:3: the same operation as on line 1");
  const auto open = line_with("ok", "null");
  EXPECT_EQ(error_of(other + open + open), "h:3: the same operation as on line 2");
  // Told apart by the number that the client gave them, or by another client.
  EXPECT_EQ(error_of(line_with("seq", "1") + line_with("seq", "2")), "loaded");
  EXPECT_EQ(error_of(line_with("client", "1") + line_with("client", "2")), "loaded");
}

TEST(LoadLines, OverlapsOfOneClientAreSaidOnce) {
  const auto at = [](int start, int end, const char* ok) {
    return fmt::format(R"({{"client":4,"op":"put","key":"x","value":"{}","ok":{},)"
                       R"("start_ns":{},"end_ns":{}}})",
                       start, ok, start, end) +
           '\n';
  };
  const auto history =
      loaded(at(0, 10, "true") + at(5, 8, "true") + at(9, 20, "true") + at(20, 30, "true"));
  EXPECT_THAT(history.warnings,
              ElementsAre("client 4: 2 operations began while another one of the same client was "
                          "open (first on line 2)"));
  // After an unknown outcome a client may go on.
  EXPECT_THAT(loaded(at(0, 10, "null") + at(5, 8, "true")).warnings, IsEmpty());
}

TEST(LoadOptions, ClockErrorWidensAndInitialOverrides) {
  LoadOptions options;
  options.clock_error_ns = 3'000'000;
  options.initial = {{"x", "9"}, {"y", "8"}};
  const auto history = loaded("{\"initial\":{\"x\":\"0\"}}\n" + line_with("", "1") +
                                  R"({"client":1,"op":"delete","key":"x","ok":null,"start_ns":5})",
                              options);
  EXPECT_EQ(history.operations[0].start_ns, 5 - 3'000'000);
  EXPECT_EQ(history.operations[0].end_ns, 9 + 3'000'000);
  EXPECT_EQ(history.operations[1].end_ns, kNever);
  EXPECT_EQ(history.texts[history.initial_of(history.texts.find("x"))], "9");
  EXPECT_EQ(history.texts[history.initial_of(history.texts.find("y"))], "8");
  EXPECT_THAT(history.warnings, ElementsAre(HasSubstr("widened by 3 ms on both sides")));
}

TEST(LoadOptions, MessagesCountFromTheFirstOperationOfAWallClock) {
  const auto history =
      loaded(R"({"client":0,"op":"delete","key":"x","ok":true,"start_ns":1732170000000000000,)"
             R"("end_ns":1732170000012000000})");
  EXPECT_EQ(describe(history, history.operations[0]), "client 0 delete x [0 ms, 12 ms]");
}

RC_GTEST_PROP(LoadLines, WhatWeWriteComesBack, ()) {
  const auto count = *rc::gen::inRange(0, 12);
  const auto text = [] { return *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127)); };
  History wanted;
  std::string lines;
  for (int i = 0; i < count; ++i) {
    HistoryRecord record;
    record.client = static_cast<std::uint32_t>(i);  // no duplicates, no overlaps
    record.op = static_cast<HistoryOp>(*rc::gen::inRange(0, 6));
    record.ended = static_cast<Ended>(*rc::gen::inRange(0, 3));
    record.final = *rc::gen::arbitrary<bool>();
    record.key = text();
    record.start_ns = *rc::gen::inRange<std::int64_t>(0, 1'000'000);
    record.end_ns = record.start_ns + *rc::gen::inRange<std::int64_t>(0, 1'000'000);
    const bool may_be_absent = record.op == HistoryOp::kGet || record.op == HistoryOp::kCas;
    if (record.op != HistoryOp::kDelete && !(may_be_absent && *rc::gen::arbitrary<bool>())) {
      record.value = text();
    }
    if (record.op == HistoryOp::kCas && *rc::gen::arbitrary<bool>()) {
      record.expect = text();
    }
    if (record.op == HistoryOp::kIncr) {
      record.by = *rc::gen::arbitrary<std::int64_t>();
    }
    record.err = record.ended == Ended::kFailed && *rc::gen::arbitrary<bool>() ? "busy" : "";
    record.level = *rc::gen::arbitrary<bool>() ? "prefix" : "";
    record.node = *rc::gen::inRange(0U, 9U);
    if (*rc::gen::arbitrary<bool>()) {
      record.seq = *rc::gen::inRange<std::uint64_t>(0, 99);
      record.version = *rc::gen::inRange<std::uint64_t>(0, 99);
    }
    wanted.add(record);
    append_json(record, lines);
  }
  const auto got = load_text(lines, "h");
  RC_ASSERT(got.has_value());
  RC_ASSERT(described(*got) == described(wanted));
  for (std::size_t i = 0; i < wanted.operations.size(); ++i) {
    const auto& a = got->operations[i];
    const auto& b = wanted.operations[i];
    RC_ASSERT(a.line == i + 1 && a.final == b.final && a.never_ran == b.never_ran &&
              a.node == b.node && a.seq == b.seq && a.version == b.version &&
              got->texts[a.level] == wanted.texts[b.level] &&
              got->texts[a.value] == wanted.texts[b.value]);
  }
}

// --- gzip and files ------------------------------------------------------------------------------

TEST(LoadGzip, IsToldByItsFirstBytes) {
  const auto text = line_with("", "1") + line_with("key", "\"y\"");
  EXPECT_EQ(described(loaded(gzip(text))), described(loaded(text)));
  EXPECT_EQ(loaded(gzip(line_with("", "1")) + gzip(line_with("key", "\"y\""))).operations.size(),
            2u);
  EXPECT_TRUE(loaded(gzip("")).operations.empty());
}

TEST(LoadGzip, EveryTruncationIsAnError) {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += line_with("key", fmt::format("\"key{}\"", i * i));
  }
  const auto packed = gzip(text);
  ASSERT_EQ(loaded(packed).operations.size(), 50u);
  for (std::size_t size = 2; size < packed.size(); ++size) {
    EXPECT_EQ(error_of(packed.substr(0, size)), "h: the gzip data end too early") << size;
  }
}

TEST(LoadGzip, DamageIsAnError) {
  auto packed = gzip(line_with("", "1"));
  EXPECT_EQ(error_of(packed + "x"), "h: something else follows the gzip data");
  packed[packed.size() - 6] = static_cast<char>(packed[packed.size() - 6] + 1);  // the checksum
  EXPECT_EQ(error_of(packed), "h: the gzip data are damaged");
}

class LoadFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "kvorum-load-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, std::string_view text) {
    std::ofstream(dir_ / name, std::ios::binary) << text;
    return dir_ / name;
  }

  std::filesystem::path dir_;
};

TEST_F(LoadFiles, WhatIsNoFileIsAnError) {
  const auto missing = (dir_ / "none").string();
  EXPECT_EQ(load({missing}).error().detail, missing + ": No such file or directory");
  EXPECT_EQ(load({dir_.string()}).error().detail, dir_.string() + ": Is a directory");
}

TEST_F(LoadFiles, ClientsOfSeveralFilesStayApart) {
  const auto a = write("a.jsonl", line_with("", "1"));
  const auto b = write("b.csv", "7,0,get,x,1,req,\n7,0,get,x,2,resp,5\n");
  const auto history = load({a, b});
  ASSERT_TRUE(history.has_value()) << history.error().detail;
  EXPECT_THAT(history->clients, ElementsAre(a + ":0", b + ":0"));
  EXPECT_EQ(history->source, a + " " + b);
  EXPECT_EQ(load({a})->clients[0], "0");
}

TEST_F(LoadFiles, LargerThanOneRead) {
  std::string text;
  for (int i = 0; i < 30'000; ++i) {
    text += line_with("client", std::to_string(i));
  }
  const auto history = load({write("large", text)});
  ASSERT_TRUE(history.has_value()) << history.error().detail;
  EXPECT_EQ(history->operations.size(), 30'000u);
}

}  // namespace
}  // namespace kvorum::check
