// A node that is made up, for tests: real sockets, no cluster.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "load/connection.h"
#include "wire/resp.h"

namespace kvorum::load {

// A node that serves one connection after the other; what it answers to a request, the test says.
// An empty answer ends the connection.
class FakeNode {
 public:
  using Answer = std::function<std::string(const std::vector<std::string>&)>;

  FakeNode(std::size_t connections, Answer answer)
      : door_(io_, boost::asio::ip::tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)),
        address_(door_.local_endpoint()),
        thread_([this, connections, answer = std::move(answer)] {
          for (std::size_t i = 0; i < connections; ++i) {
            serve(door_.accept(), answer);
          }
          door_.close();
        }) {}
  ~FakeNode() { thread_.join(); }

  Target target() const { return {{"127.0.0.1", address_.port()}, address_}; }

 private:
  static void serve(boost::asio::ip::tcp::socket socket, const Answer& answer) {
    wire::RequestParser parser;
    std::string chunk(4096, '\0');
    boost::system::error_code error;
    while (true) {
      const auto count = socket.read_some(boost::asio::buffer(chunk), error);
      if (error) {
        return;
      }
      parser.feed(ByteView(chunk).substr(0, count));
      std::string replies;
      while (parser.next() == wire::RequestParser::Status::kRequest) {
        const auto reply = answer({parser.args().begin(), parser.args().end()});
        replies += reply;
        if (reply.empty()) {
          boost::asio::write(socket, boost::asio::buffer(replies), error);
          return;
        }
      }
      parser.keep();
      boost::asio::write(socket, boost::asio::buffer(replies), error);
    }
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor door_;
  boost::asio::ip::tcp::endpoint address_;
  std::thread thread_;
};

inline std::string good(const std::vector<std::string>& words) {
  return words[0] == "GET" ? "$1\r\nv\r\n" : "+OK\r\n";
}

}  // namespace kvorum::load
