#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/load.h"

namespace kvorum::check {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

History loaded(std::string_view text) {
  auto history = load_text(text, "h");
  EXPECT_TRUE(history.has_value()) << history.error().detail;
  return history ? *history : History();
}

std::string error_of(std::string_view text) {
  const auto history = load_text(text, "h");
  return history ? "loaded" : history.error().detail;
}

std::vector<std::string> described(std::string_view text) {
  const auto history = loaded(text);
  std::vector<std::string> out;
  for (const auto& operation : history.operations) {
    out.push_back(describe(history, operation));
  }
  return out;
}

// --- EDN -----------------------------------------------------------------------------------------

TEST(LoadEdn, EventsBecomeOperations) {
  const char* events =
      "{:process 0, :type :invoke, :f :write, :value 3, :time 1000000}\n"
      "{:process 1 :type :invoke :f :read :value nil :time 2000000, :index 1}\n"
      "{:process 0, :type :ok, :f :write, :value 3, :time 3000000}\n"
      "{:process 1, :type :ok, :f :read, :value 3, :time 4000000}\n"
      "{:process 0, :type :invoke, :f :cas, :value [3 4], :time 5000000}\n"
      "{:process 0, :type :fail, :f :cas, :value [3 4], :time 6000000}\n"
      "{:process 0, :type :invoke, :f :cas, :value [nil 4], :time 7000000}\n"
      "{:process 0, :type :info, :f :cas, :value :timed-out, :time 8000000, :error \"x\"}\n"
      "{:process 5, :type :invoke, :f :read, :value nil, :time 9000000}\n"
      "{:process 5, :type :fail, :f :read, :value nil, :time 9500000}\n"
      "{:process 1, :type :invoke, :f :write, :value nil, :time 9600000}\n";
  const auto wanted = ElementsAre("client 0 put register = 3 [1 ms, 3 ms]",
                                  "client 1 get register = 3 [2 ms, 4 ms]",
                                  "client 0 cas register 3 to 4 [5 ms, 6 ms] never ran",
                                  "client 0 cas register absent to 4 [7 ms, ?] outcome unknown",
                                  "client 5 get register = absent [9 ms, 9.500 ms] never ran",
                                  "client 1 delete register [9.600 ms, ?] outcome unknown");
  EXPECT_THAT(described(events), wanted);
  EXPECT_THAT(described("[" + std::string(events) + "]"), wanted);
  EXPECT_THAT(described("; a comment\n(" + std::string(events) + ")\n"), wanted);
  const auto history = loaded(events);
  EXPECT_EQ(history.operations[1].line, 2u);
  EXPECT_FALSE(history.operations[2].observes());
}

TEST(LoadEdn, WithoutTimesTheOrderIsTheTime) {
  EXPECT_THAT(described("{:process 0, :type :invoke, :f :write, :value 1}\n"
                        "{:process 1, :type :invoke, :f :read}\n"
                        "{:process 0, :type :ok, :f :write, :value 1, :time 5}\n"
                        "{:process 1, :type :ok, :f :read, :value 1, :time -1}\n"),
              ElementsAre("client 0 put register = 1 [1 ns, 3 ns]",
                          "client 1 get register = 1 [2 ns, 4 ns]"));
}

TEST(LoadEdn, RealFilesHaveOddities) {
  EXPECT_THAT(
      described(
          "#jepsen.history.Op{:process :nemesis, :type :info, :f :start, :value \"cut (]\"}\n"
          "{:process nil, :type :info}\n"
          "#jepsen.history.Op {:process 0N, :type :invoke #_ #_ :gone :gone, :f :write\n"
          "  :value \"a\\n\\\"\\u00e9\", :error #{1 2}, :at #inst \"2015\", :c [\\a \\] nil]}\n"
          "{:process 0, :type :ok, :f :write, :value +7} ; the end"),
      ElementsAre("client 0 put register = a\\x0a\"\xc3\xa9 [1 ns, 2 ns]"));
}

TEST(LoadEdn, IndependentKeysAreTuples) {
  EXPECT_THAT(described("[{:process 0, :type :invoke, :f :read, :value [7 nil]}\n"
                        "{:process 0, :type :ok, :f :read, :value [7 3]}\n"
                        "{:process 0, :type :invoke, :f :cas, :value [\"k\" [1 2]]}\n"
                        "{:process 0, :type :ok, :f :cas, :value [\"k\" [1 2]]}\n"
                        "{:process 0, :type :invoke, :f :write, :value #t [:k 2]}]"),
              ElementsAre("client 0 get 7 = 3 [1 ns, 2 ns]", "client 0 cas k 1 to 2 [3 ns, 4 ns]",
                          "client 0 put :k = 2 [5 ns, ?] outcome unknown"));
}

TEST(LoadEdn, KeysBesideTheValueBeginEmpty) {
  const auto history = loaded(
      "{:process 0, :type :invoke, :f :get, :key \"5\", :value nil}\n"
      "{:process 0, :type :ok, :f :get, :key \"5\", :value \"\"}\n"
      "{:process 0, :type :invoke, :f :append, :key \"5\", :value \"x 0 1 y\"}\n"
      "{:process 0, :type :ok, :f :append, :key \"5\", :value \"x 0 1 y\"}\n");
  const auto key = history.texts.find("5");
  EXPECT_EQ(history.operations[0].value, history.initial_of(key));
  EXPECT_NE(history.initial_of(key), kAbsent);
  EXPECT_EQ(history.operations[1].op, HistoryOp::kAppend);
}

TEST(LoadEdn, TransactionsOfOneOperation) {
  const auto history = loaded(
      "{:process 0, :type :invoke, :f :txn, :value [[:append 8 1]]}\n"
      "{:process 0, :type :ok, :f :txn, :value [[:append 8 1]]}\n"
      "{:process 1, :type :invoke, :value [[:r 8 nil]]}\n"
      "{:process 1, :type :ok, :value [[:r 8 [1 22]]]}\n"
      "{:process 1, :type :invoke, :f :txn, :value [[:r 9 nil]]}\n"
      "{:process 1, :type :ok, :f :txn, :value [[:r 9 []]]}\n"
      "{:process 1, :type :invoke, :f :txn, :value [[:w 7 5]]}\n");
  ASSERT_EQ(history.operations.size(), 4u);
  EXPECT_EQ(history.texts[history.operations[0].value], "1,");
  EXPECT_EQ(history.texts[history.operations[1].value], "1,22,");
  EXPECT_EQ(history.operations[2].value, kAbsent);
  EXPECT_EQ(history.operations[3].op, HistoryOp::kPut);
  EXPECT_THAT(error_of("{:process 0, :type :invoke, :f :txn, :value [[:append 8 1] [:r 8 nil]]}"),
              HasSubstr("h:1: only transactions of one operation can be judged"));
  EXPECT_THAT(error_of("{:process 0, :type :invoke, :f :txn, :value [[:append 8 \"a,b\"]]}"),
              HasSubstr("may not contain a comma"));
}

TEST(LoadEdn, ALostCompletionIsAnUnknownOutcome) {
  const auto history = loaded(
      "{:process 0, :type :invoke, :f :write, :value 1}\n"
      "{:process 0, :type :invoke, :f :write, :value 2}\n"
      "{:process 0, :type :ok, :f :write, :value 2}\n");
  ASSERT_EQ(history.operations.size(), 2u);
  EXPECT_EQ(history.operations[0].ended, Ended::kUnknown);
  EXPECT_EQ(history.operations[1].ended, Ended::kOk);
  EXPECT_THAT(history.warnings, ElementsAre(HasSubstr("one operation without a completion")));
}

TEST(LoadEdn, BadInputNamesFileAndLine) {
  const std::string good = "{:process 0, :type :invoke, :f :write, :value 1, :time 5}\n";
  const auto second = [&good](const std::string& line) { return error_of(good + line); };
  EXPECT_EQ(second("{:type :ok}"), "h:2: the field 'process' is missing");
  EXPECT_EQ(second("{:process 1}"), "h:2: the field 'type' is missing");
  EXPECT_EQ(second("{:process 1 :type :done}"), "h:2: unknown type :done");
  EXPECT_EQ(second("{:process 1 :type :invoke}"), "h:2: the field 'f' is missing");
  EXPECT_EQ(second("{:process 1 :type :invoke :f :acquire}"), "h:2: unknown operation :acquire");
  EXPECT_EQ(second("{:process 1 :type :invoke :f :cas :value 3}"),
            "h:2: a cas has the value [old new], not 3");
  EXPECT_EQ(second("{:process 1 :type :ok :f :write :value 1}"),
            "h:2: process 1 completes what it never invoked");
  EXPECT_EQ(second("{:process 0 :type :ok :f :write :value 1 :time 4}"),
            "h:2: it ends at 4 ns, before its start at 5 ns");
  EXPECT_EQ(second("{:process 0 :type :ok :f :write :value 1 :time 1e3}"),
            "h:2: the time must be a whole number of nanoseconds, not 1e3");
  EXPECT_EQ(second(":word"), "h:2: an event must be a map, not :word");
  EXPECT_EQ(second("[1 :ok]"), "h:2: an event is [process type f value], not [1 :ok]");
  EXPECT_EQ(second("{:process"), "h:2: '}' is missing for what begins here");
  EXPECT_EQ(second("{:process}"), "h:2: a map with a key without a value");
  EXPECT_EQ(second("}"), "h:2: '}' closes nothing");
  EXPECT_EQ(second("\"abc"), "h:2: a string without an end");
  EXPECT_EQ(second("\"\\q\""), "h:2: a string with an unknown escape");
  EXPECT_EQ(second("\"\\u12\""), "h:2: a string with a bad \\u");
  EXPECT_EQ(second("#_"), "h:2: nothing follows '#_'");
  EXPECT_EQ(second("#tag"), "h:2: nothing follows a tag");
  EXPECT_EQ(second(std::string(100, '[')), "h:2: more than 64 collections in each other");
  EXPECT_EQ(error_of("[" + good), "h:2: ']' is missing at the end");
  EXPECT_EQ(error_of("[" + good + "] 1"), "h:2: something follows the history");
}

// --- logs and lists ------------------------------------------------------------------------------

TEST(LoadJepsenLog, LinesOfTheOldLogs) {
  EXPECT_THAT(described("INFO  jepsen.core - starting\n"
                        "INFO  jepsen.util - 3\t:invoke\t:write\t4\n"
                        "INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n"
                        "INFO  jepsen.util - 1\t:invoke\t:cas\t[0 3]\r\n"
                        "INFO  jepsen.util - 3\t:ok\t:write\t4\n"
                        "INFO  jepsen.util - 1\t:info\t:cas\t:timed-out\n"),
              ElementsAre("client 3 put register = 4 [1 ns, 3 ns]",
                          "client 1 cas register 0 to 3 [2 ns, ?] outcome unknown"));
  EXPECT_EQ(error_of("\nINFO  jepsen.util - 3\t:ok\t:write\t4\n"),
            "h:2: process 3 completes what it never invoked");
}

TEST(LoadJepsenLog, ListsOfEvents) {
  EXPECT_THAT(described("[70  :invoke :read nil]\n[:nemesis :info :start nil]\n"
                        "[70  :ok :read 3]\n[71 :invoke :write 1]\n[71 :fail :write 1 :no-conns]"),
              ElementsAre("client 70 get register = 3 [1 ns, 2 ns]",
                          "client 71 put register = 1 [3 ns, 4 ns] never ran"));
}

// --- JSON ----------------------------------------------------------------------------------------

TEST(LoadJepsenJson, ArraysAndLines) {
  const std::string a = R"({"process":9,"type":"invoke","f":"cas","value":[3,4],"index":0})";
  const std::string b = R"({"process":9,"type":"ok","f":"cas","value":[3,4]})";
  const std::string c = R"({"process":"nemesis","type":"info","f":"start","value":{"a":[]}})";
  const std::string d = R"({"process":1,"type":"invoke","f":"txn","value":[["append","k",2]]})";
  const auto wanted = ElementsAre("client 9 cas register 3 to 4 [1 ns, 2 ns]",
                                  "client 1 append k + 2, [3 ns, ?] outcome unknown");
  EXPECT_THAT(described(a + '\n' + b + '\n' + c + '\n' + d), wanted);
  EXPECT_THAT(described("[" + a + ',' + b + ",\n" + c + ", " + d + "]\n"), wanted);
  EXPECT_EQ(error_of("[" + a + ",\n" + b + ",\n" + b + "]"),
            "h:3: process 9 completes what it never invoked");
  EXPECT_THAT(error_of("[" + a + ",\n{\"process\":}]"), HasSubstr("h:2: not JSON"));
}

// --- CSV -----------------------------------------------------------------------------------------

TEST(LoadCsv, RequestsMeetTheirResponses) {
  const char* rows =
      "425,1,put,x,1460490712750,req,3\r\n"
      "425,2,get,x,1460490712751.5,req,\r\n"
      "425,1,get,x,1460490712752,req\r\n"  // a client with two open at once
      "425,1,get,x,1460490712753,resp,0\r\n"
      "425,1,put,x,1460490712754,resp,3\r\n"
      "425,1,delete,y,1460490712755,req,\r\n";
  EXPECT_THAT(described(rows), ElementsAre("client 1 put x = 3 [0 ms, 4 ms]",
                                           "client 2 get x = absent [1.500 ms, ?] outcome unknown",
                                           "client 1 get x = 0 [2 ms, 3 ms]",
                                           "client 1 delete y [5 ms, ?] outcome unknown"));
  const auto history = loaded(rows);
  EXPECT_EQ(history.operations[0].start_ns, 1460490712750 * 1'000'000);
  EXPECT_EQ(history.operations[2].line, 3u);
  EXPECT_THAT(history.warnings, ElementsAre(HasSubstr("client 1: one operation began")));
}

TEST(LoadCsv, HeadersAndSessions) {
  EXPECT_THAT(described("Client,Request,Key,Timestamp,Action,Value\n"
                        "1,put,\"a,\"\"b\",5,req,7\n1,put,\"a,\"\"b\",6,resp,7\n"),
              ElementsAre("client 1 put a,\"b = 7 [5 ms, 6 ms]"));
  EXPECT_THAT(loaded("1,0,get,x,5,req,\n2,0,get,x,5,req,\n").clients, ElementsAre("1/0", "2/0"));
}

TEST(LoadCsv, ACoarseClockMaySeeTheSameTwice) {
  EXPECT_EQ(loaded("1,0,get,x,5,req,\n1,0,get,x,5,resp,1\n1,0,get,x,5,req,\n1,0,get,x,5,resp,1\n")
                .operations.size(),
            2u);
}

TEST(LoadCsv, BadInputNamesFileAndLine) {
  const std::string good = "1,0,get,x,5,req,\n";
  EXPECT_EQ(error_of(good + "1,0,put,x,6,resp,1\n"), "h:2: a response without a request");
  EXPECT_EQ(error_of(good + "1,0,get,x,4,resp,1\n"),
            "h:2: it ends at 4 ms, before its start on line 1");
  EXPECT_EQ(error_of(good + "1,0,cas,x,6,req,1\n"), "h:2: unknown operation 'cas'");
  EXPECT_EQ(error_of(good + "1,0,get,x,soon,req,1\n"),
            "h:2: the time must be a number of milliseconds, not 'soon'");
  EXPECT_EQ(error_of(good + "1,0,get,x,99999999999999999,req,1\n"),
            "h:2: the time must be a number of milliseconds, not '99999999999999999'");
  EXPECT_EQ(error_of(good + "1,0,get,x,6\n"), "h:2: not session,client,op,key,ms,req|resp,value");
  EXPECT_EQ(error_of(good + "1,0,get,x,6,resp,1,2\n"),
            "h:2: not session,client,op,key,ms,req|resp,value");
  EXPECT_EQ(error_of(good + "1,0,get,\"x,6,resp,1\n"), "h:2: a quotation mark is missing");
}

}  // namespace
}  // namespace kvorum::check
