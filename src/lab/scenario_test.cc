#include "lab/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/prng.h"
#include "lab/scenario_words.h"

namespace kvorum::lab {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAreArray;

Scenario parsed(const std::string& text) {
  const auto scenario = parse_scenario(text, "file");
  EXPECT_TRUE(scenario) << scenario.error().detail << "\n" << text;
  return scenario.value_or(Scenario());
}

std::string error_of(const std::string& text) {
  const auto scenario = parse_scenario(text, "file");
  return scenario ? "none" : scenario.error().detail;
}

// The error of a file with one get of its own and these fields.
std::string error_with(const std::string& fields) {
  return error_of(R"({"clients": [{"requests": [{"type": "get", "key": "a"}]}], )" + fields + "}");
}
std::string request_error(const std::string& request) {
  return error_of(R"({"clients": [{"requests": [)" + request + "]}]}");
}
std::string workload_error(const std::string& fields) {
  return error_of(R"({"workload": {"clients": 2, "operations": 5, "keys": "a-c", )" + fields +
                  "}}");
}

constexpr const char* kOlder = R"({
  "num_servers": 2,
  "consistency_level": "linearizability",
  "port_number": {"0": [4000, 4001, 4002], "1": [4100, 4101, 4102]},
  "clients": [
    {"client_number": 0, "server_number": 1,
     "requests": [{"type": "set", "key": "x", "value": 12}, {"type": "sleep"},
                  {"type": "get", "key": "y", "value": null}]},
    {"client_number": 7, "server_number": 0,
     "requests": [{"request_type": "write", "key": "y", "value": "two"},
                  {"request_type": "read", "key": "x"}]}
  ]
})";

TEST(Scenario, AnOlderFileKeepsItsMeaning) {
  const auto scenario = parsed(kOlder);
  EXPECT_EQ(scenario.name, "file");
  EXPECT_EQ(scenario.nodes, 2u);
  EXPECT_EQ(scenario.level.kind, LevelKind::kLinearizable);
  EXPECT_THAT(scenario.ports, ElementsAre(4002, 4102));
  EXPECT_THAT(scenario.initial, ElementsAre(Pair("x", "0"), Pair("y", "0")));
  ASSERT_EQ(scenario.clients.size(), 2u);
  EXPECT_EQ(scenario.clients[0].node, NodeId(2));
  EXPECT_EQ(scenario.clients[1].node, NodeId(1));
  EXPECT_EQ(scenario.clients[1].number, 7u);
  const auto& steps = scenario.clients[0].steps;
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(std::get<Operation>(steps[0]).op, HistoryOp::kPut);
  EXPECT_EQ(std::get<Operation>(steps[0]).value, "12");
  EXPECT_EQ(std::get<Sleep>(steps[1]).time.least, 0ms);
  EXPECT_EQ(std::get<Sleep>(steps[1]).time.most, 1s);
  EXPECT_EQ(std::get<Operation>(steps[2]).op, HistoryOp::kGet);
  EXPECT_EQ(std::get<Operation>(scenario.clients[1].steps[0]).value, "two");
  EXPECT_EQ(std::get<Operation>(scenario.clients[1].steps[1]).key, "x");
}

TEST(Scenario, TheModelExpectedIsWhatTheLevelPromises) {
  const auto model = [](const std::string& level) {
    const auto scenario =
        parsed(R"({"nodes": 3, "clients": [{"requests": []}], "level": )" + level + "}");
    EXPECT_EQ(scenario.until_quiet, to_string(*scenario.expect.model) == "convergence");
    return to_string(*scenario.expect.model);
  };
  EXPECT_EQ(model("\"linearizable\""), "linearizable");
  EXPECT_EQ(model("\"sequential\""), "sequential");
  EXPECT_EQ(model("\"prefix\""), "prefix");
  EXPECT_EQ(model("\"causal\""), "causal");
  for (const auto* word : {"\"eventual\"", "\"one\"", "\"quorum\"", "\"w=2,r=2\"", "1", "9"}) {
    EXPECT_EQ(model(word), "convergence") << word;
  }
}

constexpr const char* kOurs = R"({
  "name": "all of it", "teaches": "Everything.",
  "nodes": 4, "level": "quorum", "partitions": 8, "n": 3, "w": 2, "r": 2,
  "conflict": "siblings", "durability": "interval:50ms", "ports": [0, 7002, 0, 0],
  "initial": {"a": 1, "b": "one"},
  "delays": [{"ms": [1, 2.5]}, {"from": 1, "to": "*", "mean_ms": 10},
             {"from": 2, "to": 2, "ms": 3}],
  "fifo": false,
  "clients": [
    {"client": 4, "node": 3, "level": "one", "requests": [
      {"type": "put", "key": "a", "value": 2, "level": "w=2"},
      {"type": "delete", "key": "b"},
      {"type": "append", "key": "c", "value": "x"},
      {"type": "incr", "key": "d", "by": -5},
      {"type": "cas", "key": "e", "expect": null, "value": "first"},
      {"type": "cas", "key": "e", "expect": "first", "value": 2},
      {"type": "sleep", "ms": 50},
      {"type": "await", "client": 2, "requests": 1},
      {"type": "fault", "do": "cut  1 2 for 500ms"},
      {"type": "fault", "do": "kill", "node": 2},
      {"type": "get", "key": "a", "level": 9}]},
    {"client": 2, "requests": [{"type": "get", "key": "a"}, {"type": "get", "key": "b"}]}
  ],
  "workload": {"clients": 2, "operations": 10, "keys": "a-c", "read_percent": 70,
               "delete_percent": 30, "think_ms": [1, 2], "level": "all"},
  "faults": [{"at_ms": 250, "after": {"client": 6, "requests": 3}, "do": "pause", "node": 1},
             {"do": "heal"}],
  "expect": {"model": "convergence", "violates": "linearizable",
             "final": {"a": 2, "b": null},
             "never": [{"client2": ["a=2", {"b": null}], "client4": "a=1=1"}],
             "once": [{"client5": {"c": "x"}}]},
  "repeat": 20, "seed": 18446744073709551615
})";

TEST(Scenario, ReadsTheClusterAndItsNetwork) {
  const auto scenario = parsed(kOurs);
  EXPECT_EQ(scenario.name, "all of it");
  EXPECT_EQ(scenario.teaches, "Everything.");
  EXPECT_EQ(scenario.nodes, 4u);
  EXPECT_EQ(to_string(scenario.level), "quorum");
  EXPECT_EQ(scenario.partitions, 8u);
  EXPECT_EQ(scenario.n, 3u);
  EXPECT_EQ(scenario.w, 2u);
  EXPECT_EQ(scenario.r, 2u);
  EXPECT_EQ(scenario.conflict, "siblings");
  EXPECT_EQ(scenario.durability, "interval:50ms");
  EXPECT_THAT(scenario.ports, ElementsAre(0, 7002, 0, 0));
  EXPECT_THAT(scenario.initial, ElementsAre(Pair("a", "1"), Pair("b", "one")));
  EXPECT_FALSE(scenario.fifo);
  ASSERT_EQ(scenario.delays.size(), 13u);  // each pair, and one node's to itself
  EXPECT_EQ(scenario.delays[0].from, NodeId(1));
  EXPECT_EQ(scenario.delays[0].to, NodeId(2));
  EXPECT_EQ(scenario.delays[0].delay.least, 0ms);
  EXPECT_EQ(scenario.delays[0].delay.most, 20ms);
  EXPECT_EQ(scenario.delays[3].delay.least, 1ms);
  EXPECT_EQ(scenario.delays[3].delay.most, std::chrono::microseconds(2500));
  EXPECT_EQ(scenario.delays[4].to, NodeId(2));
  EXPECT_EQ(scenario.delays[4].delay.least, 3ms);
  EXPECT_EQ(scenario.repeat, 20u);
  EXPECT_EQ(scenario.seed, UINT64_MAX);
}

TEST(Scenario, ReadsEachKindOfStep) {
  const auto scenario = parsed(kOurs);
  const auto& client = scenario.clients[0];
  EXPECT_EQ(client.number, 4u);
  EXPECT_EQ(client.node, NodeId(3));
  EXPECT_EQ(to_string(*client.level), "one");
  const auto operation = [&](std::size_t i) { return std::get<Operation>(client.steps[i]); };
  EXPECT_EQ(operation(0).value, "2");
  EXPECT_EQ(operation(0).level->w, 2);
  EXPECT_EQ(operation(1).op, HistoryOp::kDelete);
  EXPECT_EQ(operation(2).op, HistoryOp::kAppend);
  EXPECT_EQ(operation(3).by, -5);
  EXPECT_EQ(operation(4).expect, std::nullopt);
  EXPECT_EQ(operation(5).expect, "first");
  EXPECT_EQ(operation(5).value, "2");
  EXPECT_EQ(std::get<Sleep>(client.steps[6]).time.least, 50ms);
  EXPECT_EQ(std::get<Sleep>(client.steps[6]).time.most, 50ms);
  EXPECT_EQ(std::get<Await>(client.steps[7]).client, 2u);
  EXPECT_EQ(std::get<Await>(client.steps[7]).requests, 1u);
  const auto cut = std::get<FaultAction>(client.steps[8]);
  EXPECT_EQ(cut.verb, FaultVerb::kLinks);
  EXPECT_EQ(cut.words, "cut 1 2 for 500ms");
  const auto kill = std::get<FaultAction>(client.steps[9]);
  EXPECT_EQ(kill.verb, FaultVerb::kKill);
  EXPECT_EQ(kill.node, NodeId(2));
  EXPECT_EQ(operation(10).level->kind, LevelKind::kAll);
  EXPECT_EQ(scenario.clients[1].node, NodeId(3));  // its number's turn
  const auto leader = parsed(
      R"({"clients": [{"requests": [{"type": "fault", "do": "pause", "node": "leader"}]}]})");
  EXPECT_EQ(std::get<FaultAction>(leader.clients[0].steps[0]).node, std::nullopt);
}

TEST(Scenario, ReadsTheWorkloadFaultsAndExpectations) {
  const auto scenario = parsed(kOurs);
  ASSERT_TRUE(scenario.load);
  EXPECT_EQ(scenario.load->clients, 2u);
  EXPECT_EQ(scenario.load->operations, 10u);
  EXPECT_THAT(scenario.load->keys, ElementsAre("a", "b", "c"));
  EXPECT_EQ(scenario.load->read_percent, 70u);
  EXPECT_EQ(scenario.load->delete_percent, 30u);
  EXPECT_EQ(scenario.load->think.most, 2ms);
  EXPECT_EQ(scenario.load->level->kind, LevelKind::kAll);
  ASSERT_EQ(scenario.faults.size(), 2u);
  EXPECT_EQ(scenario.faults[0].at, 250ms);
  EXPECT_EQ(scenario.faults[0].after->client, 6u);
  EXPECT_EQ(scenario.faults[0].after->requests, 3u);
  EXPECT_EQ(scenario.faults[0].action.verb, FaultVerb::kPause);
  EXPECT_EQ(scenario.faults[1].at, 0ms);
  EXPECT_EQ(scenario.faults[1].action.words, "heal");
  const auto& expect = scenario.expect;
  EXPECT_EQ(to_string(*expect.model), "convergence");
  EXPECT_EQ(to_string(*expect.violates), "linearizable");
  EXPECT_THAT(expect.final, ElementsAre(Pair("a", "2"), Pair("b", std::nullopt)));
  EXPECT_TRUE(scenario.until_quiet);
  ASSERT_EQ(expect.never.size(), 1u);
  ASSERT_EQ(expect.never[0].size(), 3u);
  EXPECT_EQ(expect.never[0][0].value, "2");
  EXPECT_EQ(expect.never[0][1].key, "b");
  EXPECT_EQ(expect.never[0][1].value, std::nullopt);
  EXPECT_EQ(expect.never[0][2].client, 4u);
  EXPECT_EQ(expect.never[0][2].value, "1=1");
  EXPECT_EQ(expect.once[0][0].client, 5u);
}

TEST(Scenario, KeysOfAWorkloadAreAListARangeOrANumber) {
  const auto keys = [](const std::string& json) {
    const auto scenario =
        parsed(R"({"workload": {"clients": 1, "operations": 1, "keys": )" + json + "}}");
    return scenario.load->keys;
  };
  EXPECT_THAT(keys("3"), ElementsAre("k1", "k2", "k3"));
  EXPECT_THAT(keys("\"x-z\""), ElementsAre("x", "y", "z"));
  EXPECT_THAT(keys(R"(["one", "two"])"), ElementsAre("one", "two"));
}

TEST(Scenario, WithoutAModelAViolationOfTheLevelsOwnIsEnough) {
  const auto scenario = parsed(
      R"({"level": "prefix", "clients": [{"requests": []}], "expect": {"violates": "prefix"}})");
  EXPECT_EQ(scenario.expect.model, std::nullopt);
}

TEST(Scenario, TheExampleOfTheDocsIsOne) {
  std::ifstream file(KVORUM_SOURCE_DIR "/docs/scenarios.md");
  std::ostringstream docs;
  docs << file.rdbuf();
  const std::string fence = "```json\n";
  const auto begin = docs.str().find(fence);
  ASSERT_NE(begin, std::string::npos);
  const auto from = begin + fence.size();
  const auto scenario = parsed(docs.str().substr(from, docs.str().find("```", from) - from));
  EXPECT_EQ(to_string(*scenario.expect.model), "sequential");
  EXPECT_EQ(std::get<FaultAction>(scenario.clients.at(0).steps.at(0)).words, "cut 3 * for 2s");
}

TEST(ScenarioErrors, MalformedJson) {
  EXPECT_EQ(error_of("{\n  \"nodes\": 3,\n  nodes\n}"),
            "line 3, column 4: syntax error while parsing object key - invalid literal");
  EXPECT_EQ(error_of("{\"nodes\": 3"),
            "line 1, column 12: syntax error while parsing object - unexpected end of input; "
            "expected '}'");
  EXPECT_EQ(error_of(R"({"nodes": 1e999})"), "line 1, column 15: number overflow parsing '1e999'");
  EXPECT_EQ(error_of(""),
            "line 1, column 1: syntax error while parsing value - unexpected end of input; "
            "expected '[', '{', or a literal");
  EXPECT_EQ(error_of("[]"), "the file: must be an object");
  EXPECT_EQ(error_of("{}"), "the file: has neither clients nor a workload");
  EXPECT_EQ(error_of(R"({"clients": [{}, {"client": 1, "client": 2}]})"),
            "clients[1].client: is there twice");
}

TEST(ScenarioErrors, UnknownFields) {
  EXPECT_EQ(error_of(R"({"node": 3})"), "node: unknown field; did you mean 'nodes'?");
  EXPECT_EQ(error_of(R"({"clients": [{"requets": []}]})"),
            "clients[0].requets: unknown field; did you mean 'requests'?");
  EXPECT_EQ(error_with(R"("delays": [{"ms": 1, "bandwidth": 3}])"),
            "delays[0].bandwidth: unknown field; there are from, to, ms, mean_ms");
  EXPECT_EQ(error_with(R"("n\nodes": 3)"), "n?odes: unknown field; did you mean 'nodes'?");
  EXPECT_EQ(error_of(R"({"nodes": 3, "num_servers": 3})"), "num_servers: 'nodes' says the same");
  EXPECT_EQ(request_error(R"({"type": "get", "key": "a", "value": 3})"),
            "clients[0].requests[0].value: a request 'get' has no such field");
}

TEST(ScenarioErrors, UnknownWords) {
  EXPECT_EQ(request_error(R"({"type": "gett", "key": "a"})"),
            "clients[0].requests[0].type: 'gett' is no request; did you mean 'get'?");
  EXPECT_EQ(request_error(R"({"type": "frobnicate", "key": "a"})"),
            "clients[0].requests[0].type: 'frobnicate' is no request; there are get, put, delete, "
            "append, incr, cas, sleep, await, fault");
  EXPECT_EQ(error_with(R"("consistency_level": "Lineariseable")"),
            "consistency_level: 'Lineariseable' is no level; did you mean 'linearizable'?");
  EXPECT_EQ(error_with(R"("level": 5)"),
            "level: '5' is no level; there are linearizable, sequential, prefix, causal, session, "
            "eventual, one, quorum, all");
  EXPECT_EQ(error_with(R"("level": "session")"),
            "level: 'session' is for clients and requests; the cluster's own is linearizable, "
            "sequential, prefix, causal, eventual, one, quorum or all");
  EXPECT_EQ(error_with(R"("expect": {"model": "linearisable"})"),
            "expect.model: 'linearisable' is no model; did you mean 'linearizable'?");
  EXPECT_EQ(error_with(R"("level": "one", "conflict": "lwww")"),
            "conflict: 'lwww' is no way to settle a conflict; did you mean 'lww'?");
  EXPECT_EQ(error_with(R"("level": "one", "durability": "often")"),
            "durability: must be fsync, or like interval:100ms");
  EXPECT_EQ(error_with(R"("faults": [{"do": "kil", "node": 1}])"),
            "faults[0].do: 'kil' is no fault; did you mean 'kill'?");
  EXPECT_EQ(error_with(R"("faults": [{"do": "cut 1 2 for 5"}])"),
            "faults[0].do: '5' is no time, like 500us, 50ms or 2s, up to a day");
  EXPECT_EQ(error_with(R"("expect": {"never": [{"klient0": "a=0"}]})"),
            "expect.never[0].klient0: must be 'client' and its number");
}

TEST(ScenarioErrors, WrongTypes) {
  EXPECT_EQ(error_with(R"("nodes": "3")"), "nodes: must be a whole number");
  EXPECT_EQ(error_with(R"("name": 3)"), "name: must be a text");
  EXPECT_EQ(error_with(R"("fifo": "yes")"), "fifo: must be true or false");
  EXPECT_EQ(error_with(R"("initial": [])"), "initial: must be an object");
  EXPECT_EQ(error_with(R"("initial": {"a": true})"), "initial.a: must be a text or a whole number");
  EXPECT_EQ(error_with(R"("ports": 7000)"), "ports: must be a list of ports");
  EXPECT_EQ(error_with(R"("level": [])"), "level: must be a level's word");
  EXPECT_EQ(error_with(R"("seed": -1)"), "seed: must be a whole number, 0 or more");
  EXPECT_EQ(error_with(R"("delays": [{"ms": [1]}])"),
            "delays[0].ms: must be a number of milliseconds, or [least, most]");
  EXPECT_EQ(error_with(R"("delays": [{"from": "all", "ms": 1}])"),
            "delays[0].from: must be a node's number or \"*\"");
  EXPECT_EQ(error_with(R"("delays": [{"from": 1}])"), "delays[0]: 'ms' is missing");
  EXPECT_EQ(error_with(R"("delays": [{"ms": 1, "mean_ms": 1}])"),
            "delays[0]: has both 'ms' and 'mean_ms'");
  EXPECT_EQ(error_of(R"({"clients": {}})"), "clients: must be a list");
  EXPECT_EQ(error_of(R"({"clients": [3]})"), "clients[0]: must be an object");
  EXPECT_EQ(error_of(R"({"clients": [{}]})"), "clients[0]: 'requests' is missing");
  EXPECT_EQ(request_error("{}"), "clients[0].requests[0]: 'type' is missing");
  EXPECT_EQ(request_error(R"({"type": "get"})"), "clients[0].requests[0]: 'key' is missing");
  EXPECT_EQ(request_error(R"({"type": "put", "key": "a", "value": null})"),
            "clients[0].requests[0]: 'value' is missing");
  EXPECT_EQ(request_error(R"({"type": "put", "key": "a", "value": 1.5})"),
            "clients[0].requests[0].value: must be a text or a whole number");
  EXPECT_EQ(request_error(R"({"type": "cas", "key": "a", "value": 1})"),
            "clients[0].requests[0]: 'expect' is missing; null stands for an absent key");
  EXPECT_EQ(request_error(R"({"type": "fault", "do": "kill", "node": "two"})"),
            "clients[0].requests[0].node: must be a node's number or \"leader\"");
  EXPECT_EQ(request_error(R"({"type": "fault", "do": "kill 2"})"),
            "clients[0].requests[0].do: 'kill' stands alone; its node is a field");
  EXPECT_EQ(request_error(R"({"type": "fault", "do": "heal", "node": 2})"),
            "clients[0].requests[0].node: the nodes of 'heal' are among its words");
  EXPECT_EQ(workload_error(R"("level": null)"), "none");
  EXPECT_EQ(error_of(R"({"workload": {"clients": 1, "operations": 1, "keys": "a"}})"),
            "workload.keys: must be a list of keys, a range like \"a-d\", or their number");
  EXPECT_EQ(error_with(R"("expect": {"never": [{"client0": 3}]})"),
            "expect.never[0].client0: must be like \"a=0\", or {\"a\": null} for an absent key");
}

TEST(ScenarioErrors, ImpossibleNumbers) {
  EXPECT_EQ(error_with(R"("nodes": 0)"), "nodes: must be from 1 to 99");
  EXPECT_EQ(error_with(R"("nodes": 18446744073709551615)"), "nodes: must be from 1 to 99");
  EXPECT_EQ(error_with(R"("repeat": 100001)"), "repeat: must be from 1 to 100000");
  EXPECT_EQ(error_with(R"("ports": [1, 2])"), "ports: has 2 entries for 3 nodes");
  EXPECT_EQ(error_with(R"("ports": [1, 2, 70000])"),
            "ports[2]: must be a port from 1 to 65535, or 0 for any");
  EXPECT_EQ(error_with(R"("ports": [1, 2, 1])"), "ports[2]: port 1 is there twice");
  EXPECT_EQ(error_with(R"("nodes": 1, "port_number": {"1": [1, 2, 3]})"),
            "port_number.0: must be a list of three ports, the last one for clients");
  EXPECT_EQ(error_with(R"("level": "one", "n": 5)"),
            "n: 5 replicas of each key need as many nodes, and there are 3");
  EXPECT_EQ(error_with(R"("level": "one", "n": 2, "w": 3)"),
            "w: 3 is more than the 2 replicas of each key");
  EXPECT_EQ(error_with(R"("level": "w=2,r=4")"),
            "level: 'w=2,r=4' asks for more than the 3 replicas of each key");
  EXPECT_EQ(error_with(R"("w": 2)"),
            "w: is for leaderless levels (eventual, one, quorum, all); 'linearizable' is not");
  EXPECT_EQ(error_with(R"("delays": [{"from": 4, "ms": 1}])"),
            "delays[0].from: node 4 is not in the cluster of 3");
  EXPECT_EQ(error_with(R"("delays": [{"ms": [3, 2]}])"),
            "delays[0].ms: the least is more than the most");
  EXPECT_EQ(error_with(R"("delays": [{"ms": -1}])"),
            "delays[0].ms: must be from 0 to 86400000 milliseconds");
  EXPECT_EQ(error_with(R"("faults": [{"do": "kill", "node": 4}])"),
            "faults[0].node: node 4 is not in the cluster of 3");
  EXPECT_EQ(error_with(R"("faults": [{"do": "cut 1 4"}])"),
            "faults[0].do: node 4 is not in the cluster");
  EXPECT_EQ(error_with(R"("faults": [{"at_ms": [1, 2], "do": "heal"}])"),
            "faults[0].at_ms: must be a number of milliseconds");
  EXPECT_EQ(error_with(R"("level": "one", "faults": [{"do": "kill", "node": "leader"}])"),
            "faults[0].node: there is no leader at the level 'one'");
  EXPECT_EQ(workload_error(R"("read_percent": 101)"),
            "workload.read_percent: must be from 0 to 100");
  EXPECT_EQ(workload_error(R"("read_percent": 80, "delete_percent": 30)"),
            "workload.delete_percent: 30 and 'read_percent' 80 are more than 100");
  EXPECT_EQ(error_of(R"({"workload": {"clients": 1001, "operations": 5, "keys": 1}})"),
            "workload.clients: must be from 1 to 1000");
}

TEST(ScenarioErrors, ClientsThatDoNotFit) {
  EXPECT_EQ(error_of(R"({"clients": [{"node": 4, "requests": []}]})"),
            "clients[0].node: node 4 is not in the cluster of 3");
  EXPECT_EQ(error_of(R"({"clients": [{"server_number": 3, "requests": []}]})"),
            "clients[0].server_number: server 3 is not in the cluster of 3; they count from 0");
  EXPECT_EQ(error_of(R"({"clients": [{"node": 1, "server_number": 0, "requests": []}]})"),
            "clients[0].server_number: 'node' says the same");
  EXPECT_EQ(error_of(R"({"clients": [{"client": 1, "requests": []}, {"requests": []}]})"),
            "clients[1].client: there are two clients 1");
  EXPECT_EQ(request_error(R"({"type": "await", "client": 0, "requests": 1})"),
            "clients[0].requests[0].client: client 0 waits for itself");
  EXPECT_EQ(request_error(R"({"type": "await", "client": 3, "requests": 1})"),
            "clients[0].requests[0].client: there is no client 3");
  EXPECT_EQ(error_with(R"("faults": [{"after": {"client": 0, "requests": 2}, "do": "heal"}])"),
            "faults[0].after.requests: client 0 has 1 requests");
  EXPECT_EQ(error_of(R"({"clients": [
      {"requests": [{"type": "await", "client": 1, "requests": 1}, {"type": "get", "key": "a"}]},
      {"requests": [{"type": "await", "client": 0, "requests": 1}, {"type": "get", "key": "a"}]}
    ]})"),
            "clients[0].requests[0]: waits for ever: client 1 waits for this one, or for another "
            "that does");
  EXPECT_EQ(error_with(R"("expect": {"once": [{"client1": "a=0"}]})"),
            "expect.once[0].client1: there is no client 1");
  EXPECT_EQ(error_with(R"("expect": {"once": [{"client0": "b=0"}]})"),
            "expect.once[0].client0: client 0 never gets 'b'");
  EXPECT_EQ(error_with(R"("expect": {"once": [{"client0": ["a=0", "a=1"]}]})"),
            "expect.once[0].client0[1]: 'a' is there twice");
  EXPECT_EQ(error_with(R"("expect": {"model": "prefix", "violates": "prefix"})"),
            "expect.violates: 'model' says that it holds");
}

// Every list, object and plain value below, by its pointer.
void collect(const Json& json, const Json::json_pointer& at, std::vector<Json::json_pointer>& out) {
  if (!json.is_structured()) {
    return;
  }
  for (const auto& item : json.items()) {
    const auto below = json.is_array() ? at / std::stoul(item.key()) : at / item.key();
    out.push_back(below);
    collect(item.value(), below, out);
  }
}

void spoil(Json& json, Prng& prng) {
  std::vector<Json::json_pointer> all;
  collect(json, Json::json_pointer(), all);
  if (all.empty()) {
    return;
  }
  const auto at = all[prng.below(all.size())];
  static const Json kOddities[] = {nullptr,
                                   true,
                                   -1,
                                   0,
                                   3,
                                   1e300,
                                   INT64_MIN,
                                   UINT64_MAX,
                                   "",
                                   "a",
                                   "*",
                                   "leader",
                                   "\n\x01",
                                   std::string(300, 'x'),
                                   Json::array(),
                                   Json::object(),
                                   Json::array({1, 2}),
                                   Json::array({nullptr}),
                                   Json::object({{"a\nb", 1}})};
  if (prng.below(3) == 0) {
    auto& parent = json[at.parent_pointer()];
    if (parent.is_array()) {
      parent.erase(std::stoul(at.back()));
    } else {
      parent.erase(at.back());
    }
  } else if (prng.below(3) == 0) {
    json[at] = Json(json[all[prng.below(all.size())]]);
  } else {
    json[at] = kOddities[prng.below(std::size(kOddities))];
  }
}

TEST(ScenarioErrors, AreOneLineWithAPathWhateverTheFile) {
  Prng prng(7);
  for (int round = 0; round < 4'000; ++round) {
    auto json = Json::parse(round % 4 == 0 ? kOlder : kOurs);
    for (auto left = 1 + prng.below(3); left > 0; --left) {
      spoil(json, prng);
    }
    auto text = json.dump();
    if (round % 10 == 0) {
      text.erase(prng.below(text.size()), 1 + prng.below(4));
    }
    if (const auto scenario = parse_scenario(text, "file"); !scenario) {
      const auto& line = scenario.error().detail;
      EXPECT_EQ(scenario.error().code, ErrorCode::kConfig);
      EXPECT_NE(line.find(": "), std::string::npos) << line;
      EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    }
  }
}

// The schema ----------------------------------------------------------------------------------

std::vector<std::string> words(Words words) {
  std::vector<std::string> out;
  for (const auto& one : words) {
    out.emplace_back(one.word);
  }
  return out;
}

TEST(ScenarioSchema, HasTheFieldsThatTheParserKnows) {
  const auto schema = Json::parse(scenario_schema());
  std::size_t objects = 0;
  for (const auto& item : schema["$defs"].items()) {
    objects += item.value().contains("properties") ? 1 : 0;
  }
  EXPECT_EQ(objects, field_lists().size());
  for (const auto& list : field_lists()) {
    std::vector<std::string> names;
    const auto& definition = schema["$defs"][std::string(list.name)];
    for (const auto& item : definition["properties"].items()) {
      names.push_back(item.key());
    }
    EXPECT_THAT(names, UnorderedElementsAreArray(words(list.words))) << list.name;
    EXPECT_EQ(definition["additionalProperties"], false) << list.name;
  }
}

// All of its own words; those of links are an alternative in a pattern.
std::vector<std::string> schema_words(const Json& definition) {
  std::vector<std::string> out;
  const auto options =
      definition.contains("anyOf") ? definition["anyOf"] : Json::array({definition});
  for (const auto& word : options[0]["enum"]) {
    out.push_back(word);
  }
  if (definition.value("type", "") == "string") {
    std::string pattern = options[1]["pattern"];
    pattern = pattern.substr(2, pattern.find(')') - 2);
    std::istringstream stream(pattern);
    for (std::string word; std::getline(stream, word, '|');) {
      out.push_back(word);
    }
  }
  return out;
}

TEST(ScenarioSchema, HasTheWordsThatTheParserKnows) {
  const auto schema = Json::parse(scenario_schema());
  for (const auto& list : value_lists()) {
    const auto& definition = schema["$defs"][std::string(list.name)];
    EXPECT_THAT(schema_words(definition), UnorderedElementsAreArray(words(list.words)))
        << list.name;
  }
}

TEST(ScenarioSchema, EachOfItsWordsIsUnderstood) {
  for (const auto& one : words_of("request_type")) {
    EXPECT_NE(find_request(one.means), nullptr) << one.word;
  }
  for (const auto& one : words_of("level")) {
    EXPECT_TRUE(parse_level(one.means)) << one.word;
    EXPECT_EQ(workload_error(fmt::format("\"level\": \"{}\"", one.word)), "none");
  }
  for (const auto& one : words_of("model")) {
    EXPECT_EQ(error_with(fmt::format(R"("expect": {{"model": "{}"}})", one.word)), "none");
  }
  for (const auto& one : words_of("conflict")) {
    EXPECT_EQ(error_with(fmt::format(R"("level": "one", "conflict": "{}")", one.word)), "none");
  }
  for (const auto& one : words_of("do")) {
    EXPECT_TRUE(find_verb(one.word)) << one.word;
  }
}

}  // namespace
}  // namespace kvorum::lab
