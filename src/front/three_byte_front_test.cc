#include "front/three_byte_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "front/test_node.h"

namespace kvorum::front {
namespace {

struct Talk {
  TestNode node;
  std::vector<Bytes> log;

  Factory factory() {
    return [this](Bytes& out) {
      return std::make_unique<ThreeByteFront>([this](ByteView line) { log.emplace_back(line); },
                                              out);
    };
  }

  Bytes say(ByteView bytes, std::size_t step = SIZE_MAX,
            TestConnection::Node speed = TestConnection::Node::kFast) {
    TestConnection connection(node, factory(), speed);
    connection.send(bytes, step);
    return connection.received();
  }
};

TEST(ThreeByte, PutsAndGets) {
  Talk talk;
  EXPECT_EQ(talk.say("px2"), "A");
  EXPECT_EQ(talk.say("gx"), "2");
  EXPECT_EQ(talk.say("gy"), "0");
  EXPECT_EQ(talk.say("pa0gapz9gzpx3gx"), "A0A9A3");
  EXPECT_EQ(talk.node.rows["x"].value, "3");
}

TEST(ThreeByte, BlanksAndLineEndsBetweenCommandsAreSkipped) {
  Talk talk;
  EXPECT_EQ(talk.say("\r\n px2\n\tgx \r\n\r\n"), "A2");
}

TEST(ThreeByte, DumpWritesAllVariablesToTheLogBeforeItIsAnswered) {
  Talk talk;
  EXPECT_EQ(talk.say("pa5pz7d", 1, TestConnection::Node::kSlow), "AAA");
  ASSERT_EQ(talk.log.size(), 26u);
  EXPECT_EQ(talk.log[0], "variable a = 5");
  EXPECT_EQ(talk.log[1], "variable b = 0");
  EXPECT_EQ(talk.log[25], "variable z = 7");
  EXPECT_EQ(talk.node.log[2], "KV.AT eventual GET a");
  EXPECT_EQ(talk.say("ddgz"), "AA7");
  EXPECT_EQ(talk.log.size(), 3 * 26u);
}

TEST(ThreeByte, ErrorsOfTheNodeAreNoSuccessAndTheConnectionGoesOn) {
  Talk talk;
  talk.node.errors = {{"u", {ErrorCode::kUnknown, "who\nknows"}}};
  EXPECT_EQ(talk.say("pu1gupx1dgx"),
            "E UNKNOWN who knows\nE UNKNOWN who knows\nAE UNKNOWN who knows\n1");
  EXPECT_TRUE(talk.log.empty());
}

TEST(ThreeByte, WhatIsNoDigitIsSaidToBeNone) {
  Talk talk;
  talk.node.rows = {{"x", {"12", {}}}, {"y", {"", {}}}, {"z", {"a", {}}}};
  EXPECT_EQ(talk.say("gxgygzd"),
            "E ERR x holds no digit\nE ERR y holds no digit\nE ERR z holds no digit\n"
            "E ERR x holds no digit\n");
  EXPECT_TRUE(talk.log.empty());
  EXPECT_EQ(talk.say("px1py2pz3d"), "AAAA");
}

TEST(ThreeByte, NonsenseIsAnsweredOnceAndEndsTheConnection) {
  constexpr ByteView kSays = "; there are px2, gx and d\n";
  const auto refused = [kSays](ByteView shown) {
    return "2E ERR no command begins with " + Bytes(shown) + Bytes(kSays);
  };
  Talk talk;
  talk.node.rows = {{"x", {"2", {}}}};
  for (const auto& [bytes, shown] : {std::pair{ByteView("h"), "h"},
                                     {ByteView("pX2"), "pX"},
                                     {ByteView("pxx"), "pxx"},
                                     {ByteView("px\n"), "px\\x0a"},
                                     {ByteView("g1"), "g1"},
                                     {ByteView("g x"), "g\\x20"},
                                     {ByteView("\0", 1), "\\x00"},
                                     {ByteView("\xff"), "\\xff"}}) {
    for (const auto speed : {TestConnection::Node::kFast, TestConnection::Node::kSlow}) {
      TestConnection connection(talk.node, talk.factory(), speed);
      connection.send("gx" + Bytes(bytes) + "px9gx");
      EXPECT_EQ(connection.received(), refused(shown));
      EXPECT_TRUE(connection.ended());
    }
  }
  EXPECT_EQ(talk.node.rows["x"].value, "2");
}

TEST(ThreeByte, BytesMayComeInAnyPiecesAndRepliesAtAnyTime) {
  constexpr ByteView kConversation = "px2 gx\r\ngapz1dgzpx4 d gx p?";
  Talk first;
  const auto whole = first.say(kConversation);
  EXPECT_THAT(whole, testing::StartsWith("A20AA1AA4E ERR"));
  for (const auto speed : {TestConnection::Node::kFast, TestConnection::Node::kSlow}) {
    for (std::size_t cut = 0; cut <= kConversation.size(); ++cut) {
      Talk talk;
      TestConnection connection(talk.node, talk.factory(), speed);
      connection.send(kConversation.substr(0, cut));
      connection.send(kConversation.substr(cut));
      ASSERT_EQ(connection.received(), whole) << cut;
      ASSERT_EQ(talk.log, first.log);
    }
    Talk talk;
    EXPECT_EQ(talk.say(kConversation, 1, speed), whole);
  }
}

TEST(ThreeByte, IdleClientsStayAndHalfACommandDoesNot) {
  Talk talk;
  TestConnection connection(talk.node, talk.factory());
  EXPECT_EQ(connection.front().patience(), Duration::max());
  connection.send("px");
  EXPECT_EQ(connection.front().patience(), Duration(60s));
  connection.front().expire();
  EXPECT_EQ(connection.received(), "E ERR the rest of the command did not come in time\n");
}

}  // namespace
}  // namespace kvorum::front
