// KV.FAULT on real links: server 1 has the rules, for both directions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/test_node.h"

namespace kvorum::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kMany = 40;

class Fault : public testing::Test {
 protected:
  void SetUp() override {
    pair_.start();
    meet();
  }

  void meet() {
    ASSERT_EQ(ask_until(one_, {"PEERS"}, "2:102"), "2:102");
    ASSERT_EQ(ask_until(two_, {"PEERS"}, "1:101"), "1:101");
  }
  void fault(const Bytes& words) { ASSERT_EQ(one_.text({"FAULT", words}), "OK"); }
  // "message 1 5 0, message 1 5 1, ..." as they were sent.
  Bytes send_many(TestClient& from, const Bytes& self, const Bytes& peer) {
    Bytes packet, want;
    for (int i = 0; i < kMany; ++i) {
      packet += command({"SEND", peer, std::to_string(i)});
      want += (i == 0 ? "" : ", ") + ("message " + self + " 5 " + std::to_string(i));
    }
    from.send(packet);
    for (int i = 0; i < kMany; ++i) {
      EXPECT_EQ(from.receive().text, "OK");
    }
    return want;
  }
  Bytes from_one() { return send_many(one_, "1", "2"); }
  Bytes from_two() { return send_many(two_, "2", "1"); }

  LogCapture log_;
  Pair pair_;
  TestClient one_{pair_.one.client_port()};
  TestClient two_{pair_.two.client_port()};
};

TEST_F(Fault, ACutIsSeenAtOnceByBothAndHealed) {
  fault("cut 1 2");
  EXPECT_EQ(one_.text({"PEERS"}), "");
  EXPECT_EQ(ask_until(two_, {"PEERS"}, ""), "");
  EXPECT_NE(log_.wait_for("KV.FAULT cuts node 2 off"), "");  // who dials again
  EXPECT_EQ(one_.text({"PEERS"}) + two_.text({"PEERS"}), "");
  EXPECT_EQ(log_.count("is up"), 2u);
  fault("heal 1 2");
  meet();
  const auto want = from_one();
  EXPECT_EQ(ask_until(two_, {"RECEIVED"}, want), want);
}

TEST_F(Fault, WhatIsHeldIsReleasedInOrder) {
  fault("hold 1 2");
  const auto there = from_one();
  const auto back = from_two();
  const Bytes want = "hold 1 2: " + std::to_string(2 * kMany) + " held";
  EXPECT_EQ(ask_until(one_, {"FAULTS"}, want), want);
  EXPECT_EQ(one_.text({"RECEIVED"}) + two_.text({"RECEIVED"}), "");
  EXPECT_EQ(one_.text({"PEERS"}), "2:102");
  fault("release 1 2 oneway");
  EXPECT_EQ(ask_until(two_, {"RECEIVED"}, there), there);
  EXPECT_EQ(one_.text({"RECEIVED"}), "");
  fault("heal 1 2");
  EXPECT_EQ(ask_until(one_, {"RECEIVED"}, back), back);
}

TEST_F(Fault, WhatIsHeldGoesDownWithItsConnection) {
  fault("hold 1 2");
  from_one();
  from_two();
  const Bytes want = "hold 1 2: " + std::to_string(2 * kMany) + " held";
  EXPECT_EQ(ask_until(one_, {"FAULTS"}, want), want);
  fault("cut 1 2");
  fault("heal 1 2");
  meet();
  one_.call({"SEND", "2", "later"});
  two_.call({"SEND", "1", "later"});
  EXPECT_EQ(ask_until(two_, {"RECEIVED"}, "message 1 5 later"), "message 1 5 later");
  EXPECT_EQ(ask_until(one_, {"RECEIVED"}, "message 2 5 later"), "message 2 5 later");
}

TEST_F(Fault, ASilentDirectionHearsNothingAndTheLinkStaysUp) {
  fault("cut 1 2 oneway");
  from_one();
  const auto back = from_two();
  EXPECT_EQ(ask_until(one_, {"RECEIVED"}, back), back);
  EXPECT_EQ(one_.text({"FAULTS"}), "cut 1 2 oneway: " + std::to_string(kMany) + " dropped");
  EXPECT_EQ(two_.text({"RECEIVED"}), "");
  EXPECT_EQ(one_.text({"PEERS"}) + two_.text({"PEERS"}), "2:1021:101");
}

TEST_F(Fault, DropTakesItsShare) {
  fault("drop 1 2 100%");
  from_one();
  from_two();
  const auto all = "drop 1 2 100% seed 1: " + std::to_string(2 * kMany) + " dropped";
  EXPECT_EQ(ask_until(one_, {"FAULTS"}, all), all);
  fault("drop 1 2 50% seed 3");
  from_one();
  const auto some = one_.text({"FAULTS"});
  fault("drop 1 2 50% seed 3");
  from_one();
  EXPECT_EQ(one_.text({"FAULTS"}), some);
  EXPECT_THAT(some, AllOf(Not(HasSubstr(": 0 ")), Not(HasSubstr(": 40 "))));
  fault("heal 1 2");
  one_.call({"SEND", "2", "end"});
  EXPECT_EQ(ask_until(two_, {"LAST"}, "message 1 5 end"), "message 1 5 end");
  EXPECT_EQ(one_.text({"RECEIVED"}), "");
}

TEST_F(Fault, DelayKeepsTheOrder) {
  fault("delay 1 2 20ms jitter 20ms seed 5");
  const auto there = from_one();
  const auto back = from_two();
  EXPECT_EQ(ask_until(two_, {"RECEIVED"}, there), there);
  EXPECT_EQ(ask_until(one_, {"RECEIVED"}, back), back);
  EXPECT_EQ(one_.text({"FAULTS"}),
            "delay 1 2 20ms jitter 20ms seed 5: " + std::to_string(2 * kMany) + " delayed");
}

TEST_F(Fault, UnlessItIsUnordered) {
  fault("delay 1 2 1000ms jitter 1000ms unordered seed 5");
  const auto there = from_one();
  fault("heal 1 2");  // delivers by the times that were drawn
  one_.call({"SEND", "2", "end"});
  EXPECT_EQ(ask_until(two_, {"LAST"}, "message 1 5 end"), "message 1 5 end");
  const auto received = two_.text({"RECEIVED"});
  EXPECT_EQ(received.size(), there.size() + Bytes(", message 1 5 end").size());
  EXPECT_FALSE(received.starts_with(there));
}

TEST_F(Fault, AShorterDelayDoesNotOvertake) {
  fault("delay 1 2 50ms");
  one_.call({"SEND", "2", "first"});
  fault("delay 1 2 0ms");
  one_.call({"SEND", "2", "second"});
  const Bytes want = "message 1 5 first, message 1 5 second";
  EXPECT_EQ(ask_until(two_, {"RECEIVED"}, want), want);
}

TEST_F(Fault, CommandsReachACutNode) {
  one_.call({"CALL", "2", "cut 1 2"});
  EXPECT_EQ(ask_until(one_, {"RECEIVED"}, "done"), "done");
  EXPECT_EQ(two_.text({"PEERS"}), "");
  EXPECT_EQ(ask_until(one_, {"PEERS"}, ""), "");
  one_.call({"CALL", "2", "heal 1 7"});
  const Bytes refused = "refused: KV.FAULT: node 7 is not in the cluster";
  EXPECT_EQ(ask_until(one_, {"LAST"}, refused), refused);
  one_.call({"CALL", "2", "heal 1 2"});
  EXPECT_EQ(ask_until(one_, {"LAST"}, "done"), "done");
  meet();
}

TEST_F(Fault, ACommandThatCannotArriveSaysSo) {
  one_.call({"CALL", "3", "reset"});
  EXPECT_EQ(ask_until(one_, {"LAST"}, "unreached: it has no address"),
            "unreached: it has no address");
  std::uint16_t closed = 0;
  {
    TestServer gone(test_options());
    closed = gone.peer_port();
    gone.start();
  }
  auto options = test_options(7, 1);
  options.handshake_timeout = 50ms;
  options.peers = {{NodeId(2), {"127.0.0.1", closed}}};
  TestServer alone(options);
  alone.start();
  TestClient client(alone.client_port());
  client.call({"CALL", "2", "reset"});
  EXPECT_EQ(ask_until(client, {"RECEIVED"}, "absent: Connection refused"),
            "absent: Connection refused");
}

TEST_F(Fault, ANodeThatSleepsMayHaveDoneIt) {
  TestServer asleep(test_options(7, 2));  // listens, and never runs
  auto options = test_options(7, 1);
  options.handshake_timeout = 50ms;
  options.peers = {{NodeId(2), {"127.0.0.1", asleep.peer_port()}}};
  TestServer alone(options);
  alone.start();
  TestClient client(alone.client_port());
  client.call({"CALL", "2", "reset"});
  const Bytes want = "unknown: no answer in time";
  EXPECT_EQ(ask_until(client, {"RECEIVED"}, want), want);
}

TEST_F(Fault, StrangersCommandsAreRefused) {
  const FaultFrame wrong[] = {
      {ClusterId(8), NodeId(2), NodeId(1), FaultFrame::Kind::kCommand, "reset"},
      {ClusterId(7), NodeId(2), NodeId(2), FaultFrame::Kind::kCommand, "reset"},
      {ClusterId(7), NodeId(2), NodeId(1), FaultFrame::Kind::kDone, ""},
  };
  fault("hold 1 2");
  for (const auto& frame : wrong) {
    Bytes bytes;
    ASSERT_TRUE(wire::encode_fault(frame, bytes));
    TestClient stranger(pair_.one.peer_port());
    stranger.send(bytes);
    EXPECT_EQ(stranger.read_to_end(), "");
  }
  EXPECT_EQ(one_.text({"FAULTS"}), "hold 1 2: 0 held");
}

TEST(FaultLimit, WhatIsHeldIsBoundedAndSaidOnce) {
  LogCapture log;
  Pair pair;
  auto options = Pair::options(7, 1);
  options.peer_queue_bytes = 1000;
  TestServer one(options);
  one.server().set_peer_address(NodeId(2), {"127.0.0.1", pair.two.peer_port()});
  one.start();
  pair.two.server().set_peer_address(NodeId(1), {"127.0.0.1", one.peer_port()});
  pair.two.start();
  TestClient client(one.client_port());
  TestClient other(pair.two.client_port());
  ASSERT_EQ(ask_until(client, {"PEERS"}, "2:102"), "2:102");
  EXPECT_EQ(client.text({"FAULT", "hold 1 2"}), "OK");
  client.call({"SEND", "2", "kept"});
  client.call({"SEND", "2", Bytes(2000, 'x')});
  client.call({"SEND", "2", Bytes(2000, 'x')});
  EXPECT_EQ(client.text({"FAULTS"}), "hold 1 2: 1 held, 2 too many");
  EXPECT_EQ(log.count("messages to node 2 are dropped"), 1u);
  EXPECT_EQ(client.text({"FAULT", "heal 1 2"}), "OK");
  EXPECT_EQ(ask_until(other, {"RECEIVED"}, "message 1 5 kept"), "message 1 5 kept");
}

}  // namespace
}  // namespace kvorum::net
