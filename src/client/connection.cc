#include "client/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

namespace kvorum::client {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = std::size_t{64} << 10;

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  return fmt::format("{}:{}", endpoint.host, endpoint.port);
}

struct Connection::State {
  explicit State(Endpoint to) : endpoint(std::move(to)), socket(io) {}

  // Runs what was started; when time is out, closes the socket, so that it ends. False: it took too
  // long.
  bool run(Duration timeout) {
    io.restart();
    io.run_for(timeout);
    if (io.stopped()) {
      return true;
    }
    error_code ignored;
    socket.close(ignored);
    io.run();
    return false;
  }

  tl::unexpected<Error> broken(bool in_time, const error_code& error, const char* doing) const {
    const auto why = !in_time                    ? std::string("timed out")
                     : error == asio::error::eof ? std::string("the node closed the connection")
                                                 : error.message();
    return fail(ErrorCode::kIo, "{} {}: {}", doing, to_string(endpoint), why);
  }

  Endpoint endpoint;
  asio::io_context io{1};
  tcp::socket socket;
  wire::ReplyParser parser;
  std::array<char, kReadBytes> chunk{};
};

Connection::Connection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

const Endpoint& Connection::endpoint() const { return state_->endpoint; }

Result<Connection> Connection::open(const Endpoint& endpoint, Duration timeout) {
  auto state = std::make_unique<State>(endpoint);
  error_code error;
  // Not under the time-out: the system's resolver has its own.
  const auto found =
      tcp::resolver(state->io).resolve(endpoint.host, std::to_string(endpoint.port), error);
  if (error) {
    return state->broken(true, error, "connecting to");
  }
  asio::async_connect(state->socket, found,
                      [&error](const error_code& result, const tcp::endpoint&) { error = result; });
  const bool in_time = state->run(timeout);
  if (!in_time || error) {
    return state->broken(in_time, error, "connecting to");
  }
  state->socket.set_option(tcp::no_delay(true), error);
  return Connection(std::move(state));
}

Result<void> Connection::send(ByteView bytes, Duration timeout) {
  error_code error;
  std::size_t sent = 0;
  asio::async_write(state_->socket, asio::buffer(bytes.data(), bytes.size()),
                    [&](const error_code& result, std::size_t count) {
                      error = result;
                      sent = count;
                    });
  const bool in_time = state_->run(timeout);
  return sent == bytes.size() ? Result<void>() : state_->broken(in_time, error, "sending to");
}

Result<wire::Reply> Connection::receive(Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    auto reply = state_->parser.next();
    if (!reply) {
      return tl::unexpected(std::move(reply.error()));
    }
    if (*reply) {
      return std::move(**reply);
    }
    error_code error;
    std::size_t count = 0;
    state_->socket.async_read_some(asio::buffer(state_->chunk),
                                   [&](const error_code& result, std::size_t received) {
                                     error = result;
                                     count = received;
                                   });
    const bool in_time = state_->run(deadline - std::chrono::steady_clock::now());
    if (!in_time || error) {
      return state_->broken(in_time, error, "reading from");
    }
    state_->parser.feed(ByteView(state_->chunk.data(), count));
  }
}

bool Connection::alive() {
  char byte = 0;
  const auto seen = ::recv(state_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return seen > 0 || (seen < 0 && (errno == EAGAIN || errno == EINTR));
}

}  // namespace kvorum::client
