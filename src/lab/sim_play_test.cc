#include "lab/sim_play.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "lab/expect.h"

namespace kvorum::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Operation get(std::string key, std::optional<Level> level = {}) {
  Operation operation;
  operation.key = std::move(key);
  operation.level = level;
  return operation;
}

Operation put(std::string key, std::string value) {
  Operation operation;
  operation.op = HistoryOp::kPut;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}

FaultAction links(std::string words) { return {FaultVerb::kLinks, {}, std::move(words)}; }

FaultAction fault(FaultVerb verb, std::uint32_t node) { return {verb, NodeId(node), {}}; }

ScenarioClient client(std::uint32_t number, std::uint32_t node, std::vector<Step> steps) {
  return {number, NodeId(node), {}, std::move(steps)};
}

Level level(LevelKind kind) {
  Level level;
  level.kind = kind;
  return level;
}

check::Model model(check::ModelKind kind) { return {kind, 0}; }

RunRecord played(const Scenario& scenario, std::uint64_t seed = 1) {
  PlayOptions options;
  options.seed = seed;
  auto record = play_simulated(scenario, options);
  if (!record) {
    ADD_FAILURE() << to_string(record.error());
    return {};
  }
  judge(history_of(*record), std::chrono::seconds(10), *record);
  return *record;
}

void expect_met(const RunRecord& record) {
  EXPECT_FALSE(record.expected.empty());
  for (const auto& expected : record.expected) {
    EXPECT_TRUE(expected.met) << expected.text << ": " << expected.why;
  }
}

std::vector<std::string> lines(const RunRecord& record) {
  std::vector<std::string> lines;
  for (const auto& event : record.events) {
    lines.push_back(fmt::format("{} {} {} {} {} {}", event.at_ns, static_cast<int>(event.kind),
                                event.client, event.node.value(), event.operation, event.text));
  }
  for (const auto& operation : record.history) {
    append_json(operation, lines.emplace_back());
  }
  return lines;
}

std::vector<std::string> texts(const RunRecord& record) {
  std::vector<std::string> texts;
  for (const auto& event : record.events) {
    texts.push_back(event.text);
  }
  return texts;
}

// A leader is killed under a load.
Scenario loaded() {
  Scenario scenario;
  RandomLoad load;
  load.clients = 6;
  load.operations = 60;
  load.keys = {"a", "b", "c"};
  load.think = {Duration(), 20ms};
  scenario.load = load;
  scenario.faults.push_back({300ms, {}, {FaultVerb::kKill, {}, {}}});
  scenario.until_quiet = true;
  scenario.expect.model = model(check::ModelKind::kLinearizable);
  return scenario;
}

TEST(SimPlay, SequentialReadsBehindAHeldLinkAreNotLinearizable) {
  Scenario scenario;
  scenario.level = level(LevelKind::kSequential);
  scenario.clients = {
      client(0, 1,
             {put("x", "1"), Await{1, 1}, links("hold 3 *"), put("x", "2"), put("y", "here")}),
      client(1, 3,
             {Await{0, 1}, get("x", level(LevelKind::kLinearizable)), Await{0, 2}, get("x")})};
  scenario.until_quiet = true;
  scenario.expect.model = model(check::ModelKind::kSequential);
  scenario.expect.violates = model(check::ModelKind::kLinearizable);
  scenario.expect.final = {{"x", "2"}, {"y", "here"}};
  scenario.expect.once = {{{1, "x", "1"}}};
  const auto record = played(scenario);
  expect_met(record);
  EXPECT_TRUE(was_seen(record, scenario.expect.once[0]));
  EXPECT_TRUE(record.simulated);
  ASSERT_EQ(record.faults.size(), 1u);
  EXPECT_EQ(record.faults[0].text, "hold 3 *");
}

TEST(SimPlay, WritesOnBothSidesOfAHeldLinkAreInConflictAndSettledAlike) {
  Scenario scenario;
  scenario.level = level(LevelKind::kEventual);
  scenario.nodes = 4;
  scenario.n = 4;
  scenario.initial = {{"fruit", "none"}};
  scenario.clients = {
      client(0, 1,
             {links("hold 1 *"), links("hold 2 *"), links("hold 3 4"), put("k", "b"), Await{1, 1},
              get("k"), links("reset"), put("fruit", "apple"), put("fruit", "banana")}),
      client(1, 2, {Await{0, 1}, put("k", "a"), get("k")})};
  scenario.until_quiet = true;
  scenario.expect.model = model(check::ModelKind::kConvergence);
  scenario.expect.final = {{"k", "a"}, {"fruit", "banana"}};
  const auto record = played(scenario);
  expect_met(record);
  EXPECT_TRUE(was_seen(record, {{0, "k", "b"}, {1, "k", "a"}}));
  const auto finals = std::count_if(record.history.begin(), record.history.end(),
                                    [](const HistoryRecord& one) { return one.final; });
  EXPECT_EQ(finals, 8);
}

TEST(SimPlay, ALoadSurvivesTheDeathOfItsLeader) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    const auto record = played(loaded(), seed);
    expect_met(record);
    const auto said = texts(record);
    EXPECT_EQ(std::count_if(said.begin(), said.end(),
                            [](const std::string& text) { return text.starts_with("kill node"); }),
              1);
    EXPECT_GE(record.history.size(), 360u);
  }
}

TEST(SimPlay, ManyFaultsAtOnceLeaveALoadLinearizable) {
  auto scenario = loaded();
  scenario.load->operations = 100;
  scenario.faults = {{50ms, {}, links("drop 1 * 20% for 2s")},
                     {80ms, {}, {FaultVerb::kPause, {}, {}}},
                     {400ms, {}, links("cut 2 3 for 300ms")},
                     {500ms, {}, {FaultVerb::kStop, {}, {}}},
                     {900ms, {}, links("delay 3 * 30ms jitter 20ms unordered")},
                     {1s, {}, fault(FaultVerb::kResume, 1)},
                     {1s, {}, fault(FaultVerb::kRestart, 1)},
                     {1s, {}, fault(FaultVerb::kResume, 2)},
                     {1s, {}, fault(FaultVerb::kRestart, 2)},
                     {1200ms, {}, {FaultVerb::kKill, {}, {}}},
                     {1300ms, {}, fault(FaultVerb::kResume, 3)},
                     {1300ms, {}, fault(FaultVerb::kRestart, 3)}};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    expect_met(played(scenario, seed));
  }
}

TEST(SimPlay, TheSameSeedPlaysTheSame) {
  auto scenario = loaded();
  scenario.delays = {{NodeId(1), NodeId(2), {1ms, 5ms}}};
  const auto first = played(scenario, 7);
  EXPECT_EQ(lines(first), lines(played(scenario, 7)));
  EXPECT_NE(lines(first), lines(played(scenario, 8)));
  EXPECT_EQ(first.began_ms, played(scenario, 7).began_ms);
}

TEST(SimPlay, DelaysAreDrawnWithinTheirBounds) {
  Scenario scenario;
  scenario.nodes = 2;  // so that each write goes to the other node and back
  scenario.level = level(LevelKind::kAll);
  for (const auto& [from, to] : {std::pair(1, 2), std::pair(2, 1)}) {
    scenario.delays.push_back({NodeId(static_cast<std::uint32_t>(from)),
                               NodeId(static_cast<std::uint32_t>(to)),
                               {20ms, 40ms}});
  }
  std::vector<Step> steps;
  for (int i = 0; i < 50; ++i) {
    steps.emplace_back(put("a", fmt::to_string(i)));
  }
  scenario.clients = {client(0, 1, std::move(steps))};
  Duration least = 1s, most{};
  for (const auto& one : played(scenario).history) {
    const Duration took(one.end_ns - one.start_ns);
    least = std::min(least, took);
    most = std::max(most, took);
  }
  EXPECT_GE(least, 40ms);
  EXPECT_LE(most, 85ms);
  EXPECT_GT(most - least, 10ms);
}

TEST(SimPlay, AClientMovesOnAndARepeatedReadIsOne) {
  Scenario scenario;
  scenario.level = level(LevelKind::kSequential);
  scenario.clients = {
      client(0, 2,
             {put("a", "1"), fault(FaultVerb::kKill, 2), get("a"), fault(FaultVerb::kStop, 3),
              fault(FaultVerb::kRestart, 2), put("a", "2"), get("a")})};
  scenario.expect.model = model(check::ModelKind::kLinearizable);
  const auto record = played(scenario);
  expect_met(record);
  ASSERT_EQ(record.history.size(), 4u);
  EXPECT_EQ(record.history[1].node, 3u);
  EXPECT_EQ(record.history[1].value, "1");  // the session goes with its client
  EXPECT_EQ(record.history[2].node, 1u);
  EXPECT_EQ(record.history[3].value, "2");
  ASSERT_EQ(record.faults.size(), 2u);
  EXPECT_EQ(record.faults[0].text, "node 2 killed");
  EXPECT_EQ(record.faults[1].text, "node 3 stopped");
}

TEST(SimPlay, AWriteWhoseNodeDiesHasAnUnknownOutcome) {
  Scenario scenario;
  scenario.clients = {client(0, 1, {links("cut 1 *"), put("a", "1"), get("a")})};
  scenario.faults = {{100ms, {}, fault(FaultVerb::kKill, 1)}};
  const auto record = played(scenario);
  ASSERT_EQ(record.history.size(), 2u);
  EXPECT_EQ(record.history[0].ended, Ended::kUnknown);
  EXPECT_EQ(record.history[0].end_ns / 1'000'000, 100);
  EXPECT_EQ(record.history[1].ended, Ended::kOk);
  EXPECT_EQ(record.history[1].node, 2u);
}

TEST(SimPlay, RulesEndWhenTheirTimeIsOver) {
  Scenario scenario;
  scenario.level = level(LevelKind::kAll);
  for (const auto* const words : {"hold 1 2 oneway for 500ms", "cut 2 1 oneway for 500ms",
                                  "drop 1 2 100% for 500ms", "delay 1 2 500ms"}) {
    SCOPED_TRACE(words);
    scenario.clients = {client(0, 1, {put("a", "1"), links(words), put("a", "2")})};
    const auto record = played(scenario);
    ASSERT_EQ(record.history.size(), 2u);
    EXPECT_LT(record.history[0].end_ns, 100'000'000);
    EXPECT_GE(record.history[1].end_ns, 500'000'000);
    EXPECT_LT(record.history[1].end_ns, 4'000'000'000);
  }
}

TEST(SimPlay, BothEndsOfACutLinkKnowAtOnceAndItHeals) {
  Scenario scenario;
  scenario.level = level(LevelKind::kAll);
  scenario.clients = {client(0, 1,
                             {put("a", "1"), links("cut 1 2"), put("a", "2"), links("heal 1 2"),
                              Sleep{{1s, 1s}}, put("a", "3")})};
  const auto record = played(scenario);
  ASSERT_EQ(record.history.size(), 3u);
  EXPECT_THAT(record.history[1].err, HasSubstr("2 of 3 replicas are up"));
  EXPECT_LT(record.history[1].end_ns - record.history[1].start_ns, 10'000'000);
  EXPECT_EQ(record.history[2].ended, Ended::kOk);
}

TEST(SimPlay, TimedFaultsComeAtTheirTimeAndAfterWhatTheyWaitFor) {
  Scenario scenario;
  scenario.clients = {client(0, 1, {Sleep{{50ms, 50ms}}, put("a", "1"), Sleep{{50ms, 50ms}}})};
  scenario.faults = {{10ms, Await{0, 1}, links("drop 1 2 1%")},
                     {7ms, {}, fault(FaultVerb::kPause, 3)},
                     {8ms, {}, fault(FaultVerb::kResume, 3)}};
  const auto record = played(scenario);
  EXPECT_THAT(texts(record),
              ElementsAre("50 ms", "pause node 3", "resume node 3", "node 1", "put a = 1",
                          "put a = 1: ok", "drop 1 2 1%", "50 ms", StartsWith("after 100.")));
  EXPECT_EQ(record.events[1].at_ns, 7'000'000);
  EXPECT_EQ(record.events[2].at_ns, 8'000'000);
  EXPECT_EQ(record.events[6].at_ns, record.events[5].at_ns);
}

// What they are expected to show, they show in simulated time, too.
TEST(SimPlay, TheScenariosOfTheRepository) {
  for (const auto& file : std::filesystem::directory_iterator(KVORUM_SOURCE_DIR "/scenarios")) {
    SCOPED_TRACE(file.path().filename());
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto scenario = parse_scenario(text, file.path().stem().string());
    ASSERT_TRUE(scenario.has_value()) << to_string(scenario.error());
    std::vector<bool> seen(scenario->expect.once.size());
    const auto plays = std::max<std::uint32_t>(scenario->repeat, 20);
    for (std::uint64_t seed = 1; seed <= plays; ++seed) {
      SCOPED_TRACE(seed);
      const auto record = played(*scenario, seed);
      expect_met(record);
      for (std::size_t i = 0; i < seen.size(); ++i) {
        seen[i] = seen[i] || was_seen(record, scenario->expect.once[i]);
      }
    }
    for (std::size_t i = 0; i < seen.size(); ++i) {
      EXPECT_TRUE(seen[i]) << describe(scenario->expect.once[i]);
    }
  }
}

TEST(SimPlay, WhatCannotBePlayedIsAnError) {
  Scenario waiting;
  waiting.clients = {client(0, 1, {Await{1, 1}}), client(1, 1, {Await{0, 1}})};
  const auto stuck = play_simulated(waiting, {});
  ASSERT_FALSE(stuck.has_value());
  EXPECT_THAT(stuck.error().detail, HasSubstr("waits for another one"));

  Scenario counted;
  counted.w = 2;
  const auto formed = play_simulated(counted, {});
  ASSERT_FALSE(formed.has_value());
  EXPECT_EQ(formed.error().code, ErrorCode::kConfig);

  Scenario wrong;
  wrong.clients = {client(0, 1, {links("tear 1 2")})};
  const auto torn = play_simulated(wrong, {});
  ASSERT_FALSE(torn.has_value());
  EXPECT_THAT(torn.error().detail, HasSubstr("unknown word 'tear'"));
}

}  // namespace
}  // namespace kvorum::lab
