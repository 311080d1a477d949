#include "model/fault.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace kvorum {
namespace {

using Verb = FaultCommand::Verb;

Result<FaultCommand> parse(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  const std::vector<ByteView> views(words.begin(), words.end());
  const std::vector<NodeId> members = {NodeId(1), NodeId(2), NodeId(3)};
  return parse_fault(views, members);
}

TEST(Fault, EveryCommandIsUnderstood) {
  const auto cut = parse("CUT 1 3");
  ASSERT_TRUE(cut) << cut.error().detail;
  EXPECT_EQ(cut->verb, Verb::kRule);
  EXPECT_EQ(cut->kind, FaultKind::kCut);
  EXPECT_EQ(cut->a, NodeId(1));
  EXPECT_EQ(cut->b, NodeId(3));
  EXPECT_FALSE(cut->oneway);
  EXPECT_EQ(cut->lasts, Duration());

  EXPECT_EQ(parse("cut 1 2 oneway")->kind, FaultKind::kMute);
  EXPECT_EQ(parse("hold 2 * for 3s")->kind, FaultKind::kHold);
  EXPECT_EQ(parse("hold 2 * for 3s")->lasts, 3s);
  EXPECT_EQ(parse("hold 2 *")->b, NodeId());

  const auto delay = parse("delay 1 2 1s jitter 10ms unordered oneway seed 7 for 200ms");
  ASSERT_TRUE(delay) << delay.error().detail;
  EXPECT_EQ(delay->kind, FaultKind::kDelay);
  EXPECT_EQ(delay->delay, 1s);
  EXPECT_EQ(delay->jitter, 10ms);
  EXPECT_TRUE(delay->unordered && delay->oneway);
  EXPECT_EQ(delay->seed, 7u);
  EXPECT_EQ(delay->lasts, 200ms);

  EXPECT_EQ(parse("drop 1 2 20% oneway")->percent, 20u);
  EXPECT_EQ(parse("heal 1 2")->verb, Verb::kHeal);
  EXPECT_EQ(parse("release 1 2 oneway")->verb, Verb::kRelease);
  EXPECT_EQ(parse("status")->verb, Verb::kStatus);
  for (const auto* everything : {"heal", "reset"}) {
    EXPECT_EQ(parse(everything)->verb, Verb::kHeal);
    EXPECT_TRUE(parse(everything)->covers(NodeId(1), NodeId(3)));
  }
}

TEST(Fault, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "what to do is missing"},
      {"explode 1 2", "unknown word 'explode'"},
      {"cut", "a node is missing"},
      {"cut 1", "a node is missing"},
      {"cut 1 one", "'one' is no node"},
      {"cut -1 2", "'-1' is no node"},
      {"cut 1 0", "node 0 is not in the cluster"},
      {"cut 1 4", "node 4 is not in the cluster"},
      {"cut 2 2", "a link has two ends, and 2 is one"},
      {"cut * *", "one of the two ends must be a node"},
      {"heal 1", "a node is missing"},
      {"cut 1 2 3", "unknown word '3'"},
      {"cut 1 2 seed 3", "unknown word 'seed'"},
      {"cut 1 2 oneway oneway", "'oneway' is said twice"},
      {"heal 1 2 for 3s", "unknown word 'for'"},
      {"status 1", "unknown word '1'"},
      {"delay 1 2", "a delay is missing"},
      {"delay 1 2 50", "'50' is no time, like 500us, 50ms or 2s, up to a day"},
      {"delay 1 2 ms", "'ms' is no time, like 500us, 50ms or 2s, up to a day"},
      {"delay 1 2 -5ms", "'-5ms' is no time, like 500us, 50ms or 2s, up to a day"},
      {"delay 1 2 86401s", "'86401s' is no time, like 500us, 50ms or 2s, up to a day"},
      {"delay 1 2 99999999999s", "'99999999999s' is no time, like 500us, 50ms or 2s, up to a day"},
      {"delay 1 2 5ms jitter 6ms", "a jitter cannot be longer than its delay"},
      {"disk * 5ms", "it is about one node"},
      {"disk 1 -5ms", "'-5ms' is no time, like 500us, 50ms or 2s, up to a day"},
      {"clock 1 --5ms", "'-5ms' is no time, like 500us, 50ms or 2s, up to a day"},
      {"disk 1 5ms oneway", "unknown word 'oneway'"},
      {"delay 1 2 5ms seed x", "'x' is no seed, a number from 0 to 2^64 - 1"},
      {"drop 1 2 101%", "'101%' is no chance, like 20%, up to 100%"},
      {"drop 1 2 20", "'20' is no chance, like 20%, up to 100%"},
      {"cut 1 2 for", "how long is missing"},
      {"cut 1 2 for 0s", "a rule for no time at all"},
      {"cut 1 2 for 1s oneway", "'for' and its time come last"},
      {"cut 1 0000000000000000000000000000000000002",
       "unknown word '00000000000000000000000000000000...'"},
  };
  for (const auto& [line, want] : cases) {
    const auto parsed = parse(line);
    ASSERT_FALSE(parsed) << line;
    EXPECT_EQ(parsed.error().code, ErrorCode::kGeneric);
    EXPECT_EQ(parsed.error().detail, std::string("KV.FAULT: ") + want) << line;
  }
}

TEST(Fault, AStarStandsForAllOthers) {
  const auto cut = *parse("cut 3 *");
  EXPECT_TRUE(cut.covers(NodeId(3), NodeId(1)));
  EXPECT_TRUE(cut.covers(NodeId(2), NodeId(3)));
  EXPECT_FALSE(cut.covers(NodeId(1), NodeId(2)));
}

}  // namespace
}  // namespace kvorum
