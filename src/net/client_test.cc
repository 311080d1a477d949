// What a client meets: order, halves, limits, ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/parse.h"
#include "net/test_node.h"

namespace kvorum::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::size_t number(const Bytes& text) { return parse_number<std::size_t>(text).value_or(0); }

TEST(Client, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  client.send(command({"ECHO", "a"}) + command({"PING"}) + "ECHO 'b c'\r\n" +
              command({"ECHO", ""}));
  EXPECT_EQ(client.receive().text, "a");
  EXPECT_EQ(client.receive().text, "PONG");
  EXPECT_EQ(client.receive().text, "b c");
  EXPECT_EQ(client.receive().text, "");
}

TEST(Client, ARequestMayComeByteByByte) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  for (const char c : command({"ECHO", "slow"}) + command({"PING"})) {
    client.send({&c, 1});
  }
  EXPECT_EQ(client.receive().text, "slow");
  EXPECT_EQ(client.receive().text, "PONG");
}

TEST(Client, LargeValuesPassBothWays) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  Bytes value(5'000'000, 'v');
  value[4'999'999] = 'w';
  EXPECT_EQ(client.text({"ECHO", value}), value);
  EXPECT_EQ(client.text({"PING"}), "PONG");
}

TEST(Client, TenThousandPipelinedRequestsAreAllAnsweredAndDoNotStarveOthers) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  constexpr int kCount = 10'000;
  Bytes all;
  for (int i = 0; i < kCount; ++i) {
    all += command({"ECHO", std::to_string(i)});
  }
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(client.receive().text, std::to_string(i));
  }
  sender.join();
  const auto most = number(client.text({"MOST"}));
  EXPECT_GT(most, 1u);
  EXPECT_LE(most, 2048u);
}

TEST(Client, AClientThatOnlyStoppedSendingGetsItsReplies) {
  TestServer server(test_options());
  server.start();
  TestClient other(server.client_port());
  {
    TestClient client(server.client_port());
    client.send(command({"ECHO", "a"}) + command({"PING"}) + "*2\r\n$4\r\nEC");
    client.shutdown_write();
    EXPECT_EQ(client.read_to_end(), "$1\r\na\r\n+PONG\r\n");
  }
  TestClient client(server.client_port());
  client.send(command({"HOLD"}) + command({"ECHO", "late"}));
  client.shutdown_write();
  EXPECT_EQ(client.receive().text, "OK");
  EXPECT_EQ(other.text({"RELEASE"}), "OK");
  EXPECT_EQ(client.read_to_end(), "$4\r\nlate\r\n");
  EXPECT_EQ(ask_until(other, {"CONNECTIONS"}, "1"), "1");
}

TEST(Client, QuitEndsTheConnectionAndWhatFollowsIsIgnored) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  client.send(command({"ECHO", "a"}) + command({"QUIT"}) + command({"ECHO", "b"}));
  EXPECT_EQ(client.read_to_end(), "$1\r\na\r\n+OK\r\n");
}

TEST(Client, NonsenseIsAnsweredInItsPlaceAndEndsOnlyThatConnection) {
  TestServer server(test_options());
  server.start();
  TestClient other(server.client_port());
  EXPECT_EQ(other.text({"PING"}), "PONG");
  TestClient client(server.client_port());
  // More than the server reads behind the error: the reply must arrive all the same.
  client.send(command({"ECHO", "a"}) + "*x\r\n" + Bytes(300'000, 'z'));
  EXPECT_EQ(client.read_to_end(), "$1\r\na\r\n-ERR Protocol error: invalid multibulk length\r\n");
  EXPECT_EQ(other.text({"PING"}), "PONG");
}

TEST(Client, AMegabyteWithoutALineEndIsRefused) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  client.send(Bytes(std::size_t{1} << 20, 'a'));
  EXPECT_EQ(client.read_to_end(), "-ERR Protocol error: too big inline request\r\n");
}

TEST(Client, ATooLongValueIsRefusedAndTheConnectionGoesOn) {
  auto options = test_options();
  options.requests.bulk_bytes = 1000;
  TestServer server(options);
  server.start();
  TestClient client(server.client_port());
  client.send(command({"ECHO", "a"}) + command({"ECHO", Bytes(500'000, 'v')}) +
              command({"ECHO", "b"}));
  EXPECT_EQ(client.receive().text, "a");
  EXPECT_THAT(client.receive().text, HasSubstr("exceeds maximum allowed size"));
  EXPECT_EQ(client.receive().text, "b");
}

TEST(Client, HalfACommandAndACloseLeaveNothingBehind) {
  TestServer server(test_options());
  server.start();
  TestClient other(server.client_port());
  {
    TestClient client(server.client_port());
    EXPECT_EQ(client.text({"PING"}), "PONG");
    client.send("*3\r\n$3\r\nSET\r\n$100\r\nhalf");
  }
  EXPECT_EQ(ask_until(other, {"CONNECTIONS"}, "1"), "1");
}

TEST(Client, TheProtocolVersionHoldsFromTheNextReplyOn) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  client.send(command({"QUIT"}));
  EXPECT_EQ(client.read_to_end(), "+OK\r\n");
  TestClient third(server.client_port());
  EXPECT_EQ(third.call({"HELLO", "3"}).type, wire::Reply::Type::kMap);
}

TEST(Client, OneThatDoesNotReadIsNotReadFrom) {
  TestServer server(test_options());
  server.start();
  TestClient other(server.client_port());
  TestClient client(server.client_port());
  constexpr int kCount = 60;
  Bytes all;
  for (int i = 0; i < kCount; ++i) {
    all += command({"BIG", "1000000"});
  }
  client.send(all);
  std::size_t seen = 0;
  for (int i = 0; i < 200; ++i) {
    seen = number(other.text({"REQUESTS"}));
  }
  EXPECT_LT(seen, 200u + kCount);  // all 60 MB cannot be in the system's buffers
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(client.receive().text.size(), 1'000'000u);
  }
}

TEST(Client, OneThatNeverReadsIsCutOff) {
  LogCapture log;
  auto options = test_options();
  options.output_limit_bytes = 1'000'000;
  options.output_patience = 10ms;
  TestServer server(options);
  server.start();
  TestClient other(server.client_port());
  TestClient client(server.client_port(), 4096);
  client.send(command({"BIG", "30000000"}));
  EXPECT_THAT(log.wait_for("cut off"), HasSubstr("bytes of replies unread"));
  EXPECT_LT(client.read_to_end().size(), 30'000'000u);
  EXPECT_EQ(ask_until(other, {"CONNECTIONS"}, "1"), "1");
}

TEST(Client, FurtherRepliesOverTheBoundCutOffAtOnce) {
  LogCapture log;
  auto options = test_options();
  options.output_limit_bytes = 1'000'000;
  TestServer server(options);
  server.start();
  TestClient client(server.client_port(), 4096);
  client.send(command({"BIG", "20000000"}) + command({"BIG", "20000000"}) + command({"BIG", "9"}));
  EXPECT_NE(log.wait_for("cut off"), "");
}

TEST(Client, PausedClientsWaitAndLoseNothing) {
  TestServer server(test_options());
  server.start();
  TestClient other(server.client_port());
  TestClient client(server.client_port());
  EXPECT_EQ(other.text({"PING"}), "PONG");
  for (int i = 0; i < 3; ++i) {
    client.send(command({"PAUSE"}));
    EXPECT_EQ(client.receive().text, "OK");
    client.send(command({"ECHO", "a"}));
    other.send(command({"ECHO", "b"}));
    EXPECT_EQ(client.receive().text, "a");
    EXPECT_EQ(other.receive().text, "b");
  }
}

TEST(Client, ManyConnections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto count = std::min<std::size_t>(2000, limit.rlim_max / 4);
  TestServer server(test_options());
  server.start();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<TestClient>(server.client_port()));
    clients.back()->send(command({"ECHO", std::to_string(i)}));
  }
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(clients[i]->receive().text, std::to_string(i));
  }
  EXPECT_EQ(clients[0]->text({"CONNECTIONS"}), std::to_string(count));
  clients.resize(1);
  EXPECT_EQ(ask_until(*clients[0], {"CONNECTIONS"}, "1"), "1");
}

TEST(Client, OneTooManyIsTurnedAway) {
  auto options = test_options();
  options.max_clients = 2;
  TestServer server(options);
  server.start();
  TestClient first(server.client_port());
  auto second = std::make_unique<TestClient>(server.client_port());
  EXPECT_EQ(first.text({"PING"}) + second->text({"PING"}), "PONGPONG");
  EXPECT_EQ(TestClient(server.client_port()).read_to_end(),
            "-ERR max number of clients reached\r\n");
  second.reset();
  EXPECT_EQ(ask_until(first, {"CONNECTIONS"}, "1"), "1");
  EXPECT_EQ(TestClient(server.client_port()).text({"PING"}), "PONG");
}

TEST(Server, DiskAndTimerAreInputsOfTheNode) {
  TestServer server(test_options());
  server.start();
  TestClient client(server.client_port());
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(client.text({"DISK"}), "WRITTEN");
  }
  EXPECT_EQ(client.text({"LATER"}), "LATER");
  EXPECT_EQ(client.text({"LATER"}), "LATER");
}

TEST(Server, ATakenPortIsNamed) {
  TestServer server(test_options());
  auto options = test_options();
  options.clients.port = server.client_port();
  const auto second = Server::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConfig);
  EXPECT_EQ(second.error().detail, fmt::format("port {} is in use", server.client_port()));
  options.clients.port = 0;
  options.peer_listener.port = server.peer_port();
  const auto third = Server::open(options);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().detail, fmt::format("port {} is in use", server.peer_port()));
}

TEST(Server, AnAddressThatIsNotOursIsRefused) {
  auto options = test_options();
  options.clients.host = "192.0.2.1";
  const auto opened = Server::open(options);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, StartsWith("cannot listen on 192.0.2.1:0: "));
}

TEST(Server, AFatalErrorAcknowledgesNothingMore) {
  LogCapture log;
  auto server = std::make_unique<TestServer>(test_options());
  server->start();
  TestClient client(server->client_port());
  client.send(command({"ECHO", "unsure"}) + command({"FATAL"}));
  EXPECT_EQ(server->join(), 1);
  EXPECT_NE(log.wait_for("the disk broke"), "");
  server.reset();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Server, StoppingWaitsUntilOpenAnswersAreSent) {
  auto options = test_options();
  options.shutdown_patience = 20s;
  auto server = std::make_unique<TestServer>(options);
  server->start();
  TestClient client(server->client_port());
  // Longer than the system's buffers, so it is still on its way when the stop comes.
  client.send(command({"PING"}) + command({"BIG", "20000000"}));
  EXPECT_EQ(client.receive().text, "PONG");
  server->server().stop();
  std::thread stopping([&server] {
    server->join();
    server.reset();
  });
  EXPECT_EQ(client.receive().text.size(), 20'000'000u);
  EXPECT_EQ(client.read_to_end(), "");
  stopping.join();
}

TEST(Server, PatienceEnds) {
  LogCapture log;
  auto options = test_options();
  options.shutdown_patience = 20ms;
  TestServer server(options);
  server.start();
  TestClient client(server.client_port());
  EXPECT_EQ(client.text({"HOLD"}), "OK");
  client.send(command({"ECHO", "never"}));
  server.server().stop();
  EXPECT_EQ(server.join(), 0);
  EXPECT_NE(log.wait_for("shutting down"), "");
}

}  // namespace
}  // namespace kvorum::net
