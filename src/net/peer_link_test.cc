// Two or three servers that dial one another, and strangers that try.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "net/test_node.h"

namespace kvorum::net {
namespace {

using testing::HasSubstr;

TEST(Peers, MessagesForwardsAndQuestionsArriveBothWays) {
  Pair pair;
  pair.start();
  TestClient one(pair.one.client_port());
  TestClient two(pair.two.client_port());
  ASSERT_EQ(ask_until(one, {"PEERS"}, "2:102"), "2:102");
  ASSERT_EQ(ask_until(two, {"PEERS"}, "1:101"), "1:101");
  one.call({"SEND", "2", "hello"});
  one.call({"FORWARD", "2", "runs"});
  EXPECT_EQ(ask_until(two, {"RECEIVED"}, "message 1 5 hello, forward 1 runs"),
            "message 1 5 hello, forward 1 runs");
  one.call({"ASK", "2", "text"});
  const Bytes asked = "message 1 5 hello, forward 1 runs, query 1 7, answer 1 text";
  EXPECT_EQ(ask_until(two, {"RECEIVED"}, asked), asked);
  two.call({"SEND", "1", Bytes(100'000, 'x')});
  const auto want = "message 2 5 " + Bytes(100'000, 'x');
  EXPECT_EQ(ask_until(one, {"RECEIVED"}, want), want);
  one.call({"SEND", "3", "to nobody"});
  EXPECT_EQ(one.text({"PING"}), "PONG");
}

TEST(Peers, TheNodeIsToldHowManyBytesWereSent) {
  Pair pair;
  pair.start();
  TestClient one(pair.one.client_port());
  TestClient two(pair.two.client_port());
  ASSERT_EQ(ask_until(one, {"PEERS"}, "2:102"), "2:102");
  const auto greeted = std::stoul(one.text({"SENT"}));
  EXPECT_GT(greeted, 0u);
  // More than a socket takes at once, so it goes out in pieces.
  const Bytes text(10'000'000, 'x');
  one.call({"SEND", "2", text});
  const auto want = "message 1 5 " + text;
  ASSERT_EQ(ask_until(two, {"LAST"}, want), want);
  const auto sent = std::stoul(one.text({"SENT"})) - greeted;
  EXPECT_GT(sent, text.size());
  EXPECT_LT(sent, text.size() + 200);
}

TEST(Peers, AnotherClusterIsRefusedByBothAndSaidOnce) {
  LogCapture log;
  Pair pair(7, 8);
  pair.start();
  EXPECT_THAT(log.wait_for("link to node 2"),
              HasSubstr("it is of another cluster, 0000000000000008"));
  EXPECT_THAT(log.wait_for("link to node 1"),
              HasSubstr("it is of another cluster, 0000000000000007"));
  EXPECT_NE(log.wait_for("is refused: it is of another cluster"), "");
  TestClient one(pair.one.client_port());
  for (int i = 0; i < 500; ++i) {  // many attempts' time
    ASSERT_EQ(one.text({"PEERS"}), "");
  }
  EXPECT_EQ(log.count("link to node 2"), 1u);
}

// Replicas would apply the same APPEND differently.
TEST(Peers, AnotherBoundOnValuesIsRefusedByBothAndNamesTheTwo) {
  LogCapture log;
  auto options = Pair::options(7, 2);
  options.requests.bulk_bytes = 1000;
  Pair pair(Pair::options(7, 1), options);
  pair.start();
  EXPECT_THAT(log.wait_for("link to node 2"),
              HasSubstr("its max_value_bytes is 1000, and 16777216 here"));
  EXPECT_THAT(log.wait_for("link to node 1"),
              HasSubstr("its max_value_bytes is 16777216, and 1000 here"));
  EXPECT_NE(log.wait_for("is refused: its max_value_bytes is"), "");
  TestClient one(pair.one.client_port());
  EXPECT_EQ(one.text({"PEERS"}), "");
}

TEST(Peers, AnAddressWhereAnotherNodeAnswersIsNamed) {
  LogCapture log;
  auto options = test_options();
  options.peers = {{NodeId(2), {}}};
  TestServer one(options);
  one.server().set_peer_address(NodeId(2), {"127.0.0.1", one.peer_port()});
  one.start();
  EXPECT_NE(log.wait_for("failed: node 1 answers there"), "");
  EXPECT_NE(log.wait_for("it says that it is this node"), "");
}

TEST(Peers, AnUnknownNodeIsRefused) {
  LogCapture log;
  TestServer one(test_options());
  one.start();
  auto options = test_options(7, 3);
  options.peers = {{NodeId(1), {"127.0.0.1", one.peer_port()}}};
  TestServer three(options);
  three.start();
  EXPECT_NE(log.wait_for("node 3 is not in the configuration"), "");
}

Bytes hello(std::uint64_t cluster, std::uint32_t node, std::uint64_t incarnation) {
  Bytes out;
  wire::encode_hello({ClusterId(cluster),
                      NodeId(node),
                      Incarnation(incarnation),
                      0,
                      ServerOptions{}.requests.bulk_bytes,
                      {}},
                     out);
  return out;
}

Bytes message(std::uint32_t from, std::uint32_t to, Bytes data) {
  raft::Message made;
  made.from = NodeId(from);
  made.to = NodeId(to);
  made.data = std::move(data);
  Bytes out;
  EXPECT_TRUE(wire::encode_message(PartitionId(5), made, out));
  return out;
}

TEST(Peers, NonsenseEndsOnlyItsOwnConnection) {
  LogCapture log;
  Pair pair;
  pair.start();
  TestClient one(pair.one.client_port());
  ASSERT_EQ(ask_until(one, {"PEERS"}, "2:102"), "2:102");
  for (const auto& bytes : {Bytes("GET / HTTP/1.1\r\n\r\n"), Bytes(100, '\0'), Bytes(5000, '\xff'),
                            message(2, 1, "no hello"), hello(7, 1, 5), hello(9, 2, 5)}) {
    TestClient stranger(pair.one.peer_port());
    stranger.send(bytes);
    EXPECT_THAT(stranger.read_to_end(), Not(HasSubstr("[timeout]")));
  }
  EXPECT_EQ(one.text({"PEERS"}), "2:102");
  EXPECT_EQ(one.text({"RECEIVED"}), "");
  EXPECT_EQ(log.count("broke"), 0u);
}

TEST(Peers, OneThatSaysNothingIsGivenUpOn) {
  LogCapture log;
  auto options = test_options();
  options.handshake_timeout = 10ms;
  TestServer server(options);
  server.start();
  TestClient stranger(server.peer_port());
  EXPECT_EQ(stranger.read_to_end(), "");
  EXPECT_NE(log.wait_for("it did not greet in time"), "");
}

TEST(Peers, AnIncarnationThatTheNodeWasNotToldOfIsNotListenedTo) {
  Pair pair;
  pair.start();
  TestClient two(pair.two.client_port());
  ASSERT_EQ(ask_until(two, {"PEERS"}, "1:101"), "1:101");
  TestClient stranger(pair.two.peer_port());
  stranger.send(hello(7, 1, 999) + message(1, 2, "from a lost disk") + "nonsense, to end it ....");
  EXPECT_THAT(stranger.read_to_end(), Not(HasSubstr("[timeout]")));
  EXPECT_EQ(two.text({"RECEIVED"}), "");
  TestClient known(pair.two.peer_port());
  known.send(hello(7, 1, 101) + message(1, 2, "from the known") + "nonsense, to end it ....");
  EXPECT_THAT(known.read_to_end(), Not(HasSubstr("[timeout]")));
  EXPECT_EQ(two.text({"RECEIVED"}), "message 1 5 from the known");
}

TEST(Peers, AMessageInAnotherNodesNameIsRefused) {
  Pair pair;
  pair.start();
  TestClient two(pair.two.client_port());
  ASSERT_EQ(ask_until(two, {"PEERS"}, "1:101"), "1:101");
  for (const auto& bytes : {message(2, 2, "x"), message(1, 3, "x")}) {
    TestClient liar(pair.two.peer_port());
    liar.send(hello(7, 1, 101) + bytes);
    EXPECT_THAT(liar.read_to_end(), Not(HasSubstr("[timeout]")));
  }
  EXPECT_EQ(two.text({"RECEIVED"}), "");
}

TEST(Peers, APeerThatComesBackIsReachedAgain) {
  LogCapture log;
  auto first = test_options(7, 1);
  first.peers = {{NodeId(2), {}}};
  TestServer one(first);
  auto options = test_options(7, 2);
  options.peers = {{NodeId(1), {"127.0.0.1", one.peer_port()}}};
  auto two = std::make_unique<TestServer>(options);
  options.peer_listener.port = two->peer_port();
  one.server().set_peer_address(NodeId(2), {"127.0.0.1", two->peer_port()});
  one.start();
  two->start();
  TestClient client(one.client_port());
  ASSERT_EQ(ask_until(client, {"PEERS"}, "2:102"), "2:102");
  two.reset();
  ASSERT_EQ(ask_until(client, {"PEERS"}, ""), "");
  EXPECT_NE(log.wait_for("link to node 2 at"), "");
  options.incarnation = Incarnation(222);
  two = std::make_unique<TestServer>(options);
  two->start();
  EXPECT_EQ(ask_until(client, {"PEERS"}, "2:222"), "2:222");
}

TEST(Peers, AFullQueueDropsAndSaysSoOnce) {
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
  // In one turn: the second finds the queue full.
  client.send(command({"SEND", "2", Bytes(5000, 'a')}) + command({"SEND", "2", "dropped"}));
  EXPECT_EQ(client.receive().text + client.receive().text, "OKOK");
  EXPECT_NE(log.wait_for("node 2 does not keep up"), "");
  client.call({"SEND", "2", "sent"});
  const auto want = "message 1 5 " + Bytes(5000, 'a') + ", message 1 5 sent";
  EXPECT_EQ(ask_until(other, {"RECEIVED"}, want), want);
}

TEST(Peers, TheLongestRunPasses) {
  Pair pair;
  pair.start();
  TestClient one(pair.one.client_port());
  TestClient two(pair.two.client_port());
  ASSERT_EQ(ask_until(one, {"PEERS"}, "2:102"), "2:102");
  // Longer than any single request may be: as a run with others in front of it.
  const wire::RequestLimits limits;
  const auto bytes = std::to_string(limits.request_bytes + kMaxEntryBytes);
  one.call({"LONG", "2", bytes});
  const auto want = "long " + bytes;
  EXPECT_EQ(ask_until(two, {"LAST"}, want), want);
}

}  // namespace
}  // namespace kvorum::net
