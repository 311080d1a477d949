#include "client/client.h"

#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "wire/resp.h"

namespace kvorum::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr ByteView kGet[] = {"GET", "k"};
constexpr ByteView kSet[] = {"SET", "k", "v"};

// A node that plays one script per accepted connection, in order, and then closes its door.
class FakeNode {
 public:
  using Script = std::function<void(tcp::socket&)>;

  explicit FakeNode(std::vector<Script> scripts)
      : door_(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        port_(door_.local_endpoint().port()),
        thread_([this, scripts = std::move(scripts)] {
          for (const auto& script : scripts) {
            auto socket = door_.accept();
            script(socket);
          }
          door_.close();
        }) {}
  ~FakeNode() { thread_.join(); }

  Endpoint endpoint() const { return {"127.0.0.1", port_}; }

 private:
  asio::io_context io_;
  tcp::acceptor door_;
  std::uint16_t port_;
  std::thread thread_;
};

// Reads one request and answers.
FakeNode::Script answer(std::string request, std::string reply) {
  return [=](tcp::socket& socket) {
    std::string got(request.size(), '\0');
    boost::system::error_code error;
    asio::read(socket, asio::buffer(got), error);
    EXPECT_EQ(got, request);
    asio::write(socket, asio::buffer(reply), error);
  };
}

std::string encoded(std::span<const ByteView> args) {
  Bytes out;
  wire::append_request(args, out);
  return out;
}

Endpoint closed_port() {
  asio::io_context io;
  tcp::acceptor door(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  return {"127.0.0.1", door.local_endpoint().port()};
}

TEST(Request, IsAnArrayOfBulkStrings) {
  EXPECT_EQ(encoded(kSet), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
}

TEST(Client, GetsTheReplyHoweverItIsCut) {
  FakeNode node({[](tcp::socket& socket) {
    std::string got(encoded(kGet).size(), '\0');
    asio::read(socket, asio::buffer(got));
    for (const char c : std::string("$3\r\nabc\r\n")) {
      asio::write(socket, asio::buffer(&c, 1));
    }
  }});
  Client client({.endpoints = {node.endpoint()}});
  const auto reply = client.call(kGet, Repeat::kHarmless);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->text, "abc");
}

TEST(Client, PassesOverANodeThatIsDown) {
  FakeNode node({answer(encoded(kSet), "+OK\r\n")});
  Client client({.endpoints = {closed_port(), node.endpoint()}});
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->text, "OK");
  EXPECT_EQ(client.endpoint(), node.endpoint());
}

TEST(Client, AReadIsRepeatedElsewhereWhenTheNodeDies) {
  FakeNode dies({answer(encoded(kGet), "$3\r\na")});
  FakeNode lives({answer(encoded(kGet), "$1\r\nb\r\n")});
  Client client({.endpoints = {dies.endpoint(), lives.endpoint()}});
  const auto reply = client.call(kGet, Repeat::kHarmless);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->text, "b");
}

TEST(Client, AWriteThatWasSentIsUnknownAndIsNotRepeated) {
  FakeNode dies({answer(encoded(kSet), "")});
  Client client({.endpoints = {dies.endpoint(), closed_port()}});
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kUnknown);
  EXPECT_EQ(outcome_of(reply.error().code), Outcome::kUnknown);
}

TEST(Client, ANumberedWriteIsRepeatedOnceAndUnknownWithoutAReply) {
  FakeNode first({answer(encoded(kSet), "")});
  FakeNode second({answer(encoded(kSet), "+OK\r\n"), answer(encoded(kSet), "")});
  FakeNode third({answer(encoded(kSet), "")});
  Client client({.endpoints = {first.endpoint(), second.endpoint(), third.endpoint()}});
  const auto reply = client.call(kSet, Repeat::kNumbered);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->text, "OK");
  EXPECT_TRUE(client.repeated());
  while (client.connected()) {
    std::this_thread::yield();
  }
  const auto lost = client.call(kSet, Repeat::kNumbered);
  ASSERT_FALSE(lost) << "two nodes took it and died: there is no third try";
  EXPECT_EQ(lost.error().code, ErrorCode::kUnknown);
}

TEST(Client, AReadIsRepeatedOnceOnly) {
  FakeNode first({answer(encoded(kGet), "")});
  FakeNode second({answer(encoded(kGet), "")});
  Client client({.endpoints = {first.endpoint(), second.endpoint(), closed_port()}});
  const auto reply = client.call(kGet, Repeat::kHarmless);
  ASSERT_FALSE(reply);
  EXPECT_EQ(outcome_of(reply.error().code), Outcome::kDefinite);
  EXPECT_TRUE(client.repeated());
}

TEST(Client, ANumberedWriteThatNobodyTookIsDefinite) {
  Client client({.endpoints = {closed_port()}});
  const auto reply = client.call(kSet, Repeat::kNumbered);
  ASSERT_FALSE(reply);
  EXPECT_EQ(outcome_of(reply.error().code), Outcome::kDefinite);
}

TEST(Client, PartingWaitsForNothing) {
  FakeNode node({[](tcp::socket& socket) {
    answer(encoded(kGet), "$1\r\na\r\n")(socket);
    std::string got(encoded(kSet).size(), '\0');
    asio::read(socket, asio::buffer(got));
    EXPECT_EQ(got, encoded(kSet));
  }});
  Client client({.endpoints = {node.endpoint()}});
  client.part_with(kSet);  // not connected: to nobody
  ASSERT_TRUE(client.call(kGet, Repeat::kHarmless));
  client.part_with(kSet);
  EXPECT_FALSE(client.connected());
}

TEST(Client, AWriteIsDefiniteWhenNoNodeAnswers) {
  Client client({.endpoints = {closed_port()}});
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_FALSE(reply);
  EXPECT_EQ(outcome_of(reply.error().code), Outcome::kDefinite);
}

TEST(Client, ASilentNodeTimesOut) {
  FakeNode silent({[](tcp::socket& socket) {
    std::string got(encoded(kSet).size(), '\0');
    asio::read(socket, asio::buffer(got));
    char byte = 0;
    boost::system::error_code error;
    socket.read_some(asio::buffer(&byte, 1), error);  // until the client gives up
    EXPECT_EQ(error, asio::error::eof);
  }});
  Client client({.endpoints = {silent.endpoint()}, .request_timeout = 50ms});
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kUnknown);
  EXPECT_NE(reply.error().detail.find("timed out"), std::string::npos);
}

TEST(Client, AClosedConnectionIsSeenBeforeAWriteIsSent) {
  FakeNode node({answer(encoded(kGet), "$1\r\na\r\n"), answer(encoded(kSet), "+OK\r\n")});
  Client client({.endpoints = {node.endpoint()}});
  ASSERT_TRUE(client.call(kGet, Repeat::kHarmless));
  while (
      client.connected()) {  // the node's close is on its way; the test's time-out is the deadline
    std::this_thread::yield();
  }
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(client.connections(), 2u);
}

TEST(Client, APreludeBeginsEveryConnection) {
  static constexpr ByteView kLevel[] = {"KV.LEVEL", "prefix"};
  FakeNode node({[](tcp::socket& socket) {
    answer(encoded(kLevel), "+OK\r\n")(socket);
    answer(encoded(kGet), "$1\r\na\r\n")(socket);
  }});
  FakeNode refuses({answer(encoded(kLevel), "-LEVEL no\r\n")});
  Client client({.endpoints = {refuses.endpoint(), node.endpoint()}});
  client.set_prelude({encoded(kLevel)});
  const auto reply = client.call(kGet, Repeat::kHarmless);
  ASSERT_TRUE(reply) << reply.error().detail;
  EXPECT_EQ(reply->text, "a");
  EXPECT_EQ(client.endpoint(), node.endpoint());
}

TEST(Client, GarbageIsAnErrorNotAReply) {
  FakeNode node({answer(encoded(kSet), "hello\r\n")});
  Client client({.endpoints = {node.endpoint()}});
  const auto reply = client.call(kSet, Repeat::kNever);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kUnknown);
}

}  // namespace
}  // namespace kvorum::client
