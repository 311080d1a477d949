#include "check/history.h"

#include <gtest/gtest.h>

#include "check/test_history.h"
#include "check/verdict.h"

namespace kvorum::check {
namespace {

TEST(History, SmallNotationGivesWhatItSays) {
  const auto history = small_history(
      "initial y=7\n"
      "0 put x 1 0-10; 3 cas x 1>- 2-4 fail\n"
      "2 incr n +5=7 1-2; 1 put x 2 3-?; 1 get x - 9-9 final level=prefix; 4 put z 1 1-2 err");
  ASSERT_EQ(history.operations.size(), 6u);
  EXPECT_EQ(history.clients, (std::vector<std::string>{"0", "3", "2", "1", "4"}));
  EXPECT_EQ(history.texts[history.initial_of(history.texts.find("y"))], "7");
  EXPECT_EQ(history.initial_of(history.texts.find("x")), kAbsent);
  EXPECT_EQ(describe(history, history.operations[0]), "client 0 put x = 1 [0 ms, 10 ns]");
  EXPECT_EQ(describe(history, history.operations[1]),
            "client 3 cas x 1 to absent [2 ns, 4 ns] failed");
  EXPECT_EQ(describe(history, history.operations[2]), "client 2 incr n by 5 = 7 [1 ns, 2 ns]");
  EXPECT_EQ(describe(history, history.operations[3]),
            "client 1 put x = 2 [3 ns, ?] outcome unknown");
  EXPECT_EQ(describe(history, history.operations[4]), "client 1 get x = absent [9 ns, 9 ns]");
  EXPECT_TRUE(history.operations[4].final);
  EXPECT_FALSE(history.operations[5].may_write());
  EXPECT_TRUE(history.operations[1].observes());
}

TEST(History, CopyKeepsItsOwnTexts) {
  History copy;
  {
    const auto history = small_history("0 put key value 0-1");
    copy = history;
  }
  EXPECT_EQ(copy.texts.find("value"), copy.operations[0].value);
  EXPECT_EQ(copy.texts.add("value"), copy.operations[0].value);
}

TEST(History, JsonKeepsBytesThatAreNoUtf8Apart) {
  HistoryRecord record;
  record.op = HistoryOp::kPut;
  record.key = "k\"\\\n";
  record.value = "a\xff\xc3\xa9";
  record.ended = Ended::kUnknown;
  std::string line;
  append_json(record, line);
  EXPECT_EQ(line,
            "{\"client\":0,\"op\":\"put\",\"key\":\"k\\\"\\\\\\u000a\",\"value\":\"a\xEF\xBF\xBD"
            "ff\xc3\xa9\",\"ok\":null,\"start_ns\":0,\"end_ns\":null}\n");
}

TEST(Model, WordsGoBothWays) {
  for (const char* word :
       {"linearizable", "sequential", "causal", "cc", "ccv", "cm", "read-your-writes",
        "monotonic-reads", "monotonic-writes", "writes-follow-reads", "prefix", "convergence",
        "durability", "program-order", "levels", "bounded:200ms", "bounded:5v", "bounded:7ns"}) {
    const auto model = parse_model(word);
    ASSERT_TRUE(model.has_value()) << word;
    EXPECT_EQ(to_string(*model), word);
  }
  EXPECT_EQ(parse_model("bounded:2000ms"), parse_model("bounded:2s"));
  for (const char* word : {"", "strong", "bounded:", "bounded:5", "bounded:-1v", "bounded:5vv",
                           "bounded:99999999999999999s", "Linearizable"}) {
    EXPECT_FALSE(parse_model(word).has_value()) << word;
  }
}

}  // namespace
}  // namespace kvorum::check
