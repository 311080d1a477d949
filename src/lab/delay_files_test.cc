#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/scenario.h"

namespace kvorum::lab {
namespace {

using testing::ElementsAre;

std::string list_error(const std::string& text) {
  Scenario scenario;
  const auto done = read_server_list(text, 1s, scenario);
  return done ? "none" : done.error().detail;
}

std::string matrix_error(const std::string& text) {
  Scenario scenario;
  const auto done = read_delay_matrix(text, scenario);
  return done ? "none" : done.error().detail;
}

TEST(ServerList, SetsNodesPortsAndTheDelaysOfAllLinks) {
  Scenario scenario;
  ASSERT_TRUE(read_server_list("0.5 2\r\n2 10.0.0.2 7002\n\n1 10.0.0.1 7001\n", 1s, scenario));
  EXPECT_EQ(scenario.nodes, 2u);
  EXPECT_THAT(scenario.ports, ElementsAre(7001, 7002));
  ASSERT_EQ(scenario.delays.size(), 4u);
  EXPECT_EQ(scenario.delays[0].from, NodeId(1));
  EXPECT_EQ(scenario.delays[0].to, NodeId(1));
  for (const auto& link : scenario.delays) {
    EXPECT_EQ(link.delay.least, 500ms);
    EXPECT_EQ(link.delay.most, 2s);
  }
  ASSERT_TRUE(read_server_list("30 70\n1 localhost 7001", 1ms, scenario));
  EXPECT_EQ(scenario.nodes, 1u);
  EXPECT_EQ(scenario.delays[0].delay.most, 70ms);
}

TEST(ServerList, ErrorsNameTheLine) {
  constexpr const char* kShape =
      "the file: must be a line 'min max' and then a line 'id ip port' per server";
  EXPECT_EQ(list_error(""), kShape);
  EXPECT_EQ(list_error("1 2\n"), kShape);
  EXPECT_EQ(list_error("1\n"), "line 1: must be the least and the most delay, up to a day");
  EXPECT_EQ(list_error("-1 2\n"), "line 1: must be the least and the most delay, up to a day");
  EXPECT_EQ(list_error("1 nan\n"), "line 1: must be the least and the most delay, up to a day");
  EXPECT_EQ(list_error("2 1\n"), "line 1: the least is more than the most");
  constexpr const char* kServer = "line 3: must be a server's 'id ip port', the id from 1 to 99";
  EXPECT_EQ(list_error("1 2\n1 h 7001\n2 h\n"), kServer);
  EXPECT_EQ(list_error("1 2\n1 h 7001\n100 h 7002\n"), kServer);
  EXPECT_EQ(list_error("1 2\n1 h 7001\n2 h 70000\n"), kServer);
  EXPECT_EQ(list_error("1 2\n1 h 7001\n1 h 7002\n"), "line 3: there are two servers 1");
  EXPECT_EQ(list_error("1 2\n1 h 7001\n2 h 7001\n"), "line 3: port 7001 is server 1's, too");
  EXPECT_EQ(list_error("1 2\n1 h 7001\n3 h 7003\n"),
            "the file: has 2 servers, and one with the id 3; they count from 1");
}

TEST(ServerList, MustHoldEachNodeOfAScenario) {
  auto scenario = parse_scenario(R"({"clients": [{"node": 3, "requests": []}]})", "x");
  ASSERT_TRUE(scenario);
  const auto done = read_server_list("1 2\n1 h 7001\n2 h 7002\n", 1s, *scenario);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().detail, "the file: has 2 servers, and the scenario 3 nodes");
  EXPECT_EQ(scenario->nodes, 3u);
  EXPECT_TRUE(scenario->ports.empty());
}

TEST(DelayMatrix, DrawsEachFromZeroToTwiceItsMean) {
  Scenario scenario;
  ASSERT_TRUE(read_delay_matrix(
      R"({"addresses": ["10.0.0.1:7001", ["10.0.0.2", 7002], "c"],
          "delays": [[0, 10, 20], [30, 0, 2.5], [1, 2, 3]]})",
      scenario));
  EXPECT_EQ(scenario.nodes, 3u);
  EXPECT_THAT(scenario.ports, ElementsAre(7001, 7002, 0));
  ASSERT_EQ(scenario.delays.size(), 9u);
  EXPECT_EQ(scenario.delays[5].from, NodeId(2));
  EXPECT_EQ(scenario.delays[5].to, NodeId(3));
  EXPECT_EQ(scenario.delays[5].delay.least, 0ms);
  EXPECT_EQ(scenario.delays[5].delay.most, 5ms);
}

TEST(DelayMatrix, ErrorsNameThePlace) {
  EXPECT_EQ(matrix_error("{"),
            "line 1, column 2: syntax error while parsing object key - unexpected end of input; "
            "expected string literal");
  EXPECT_EQ(matrix_error("{}"), "the file: 'addresses' is missing");
  EXPECT_EQ(matrix_error(R"({"addresses": [], "delays": []})"), "addresses: must be 1 to 99");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a:0"], "delays": [[1]]})"),
            "addresses[0]: must be like \"host:port\" or [\"host\", port]");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a", "b"], "delays": [[1, 2]]})"),
            "delays: has 1 rows for 2 addresses");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a", "b"], "delays": [[1, 2], [3]]})"),
            "delays[1]: must be a list of 2 mean delays");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a"], "delays": [["1"]]})"),
            "delays[0][0]: must be a number of milliseconds");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a"], "delays": [[-1]]})"),
            "delays[0][0]: must be from 0 to 86400000 milliseconds");
  EXPECT_EQ(matrix_error(R"({"addresses": ["a"], "delay": [[1]]})"),
            "delay: unknown field; did you mean 'delays'?");
}

}  // namespace
}  // namespace kvorum::lab
