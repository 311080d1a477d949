// One blocking connection to a node: requests out, replies in, each within a time-out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "wire/reply_parser.h"

namespace kvorum::client {

struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7001;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

std::string to_string(const Endpoint& endpoint);

// Every error is kIo or kProtocol, and the connection is of no further use after it.
class Connection {
 public:
  static Result<Connection> open(const Endpoint& endpoint, Duration timeout);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  // Fails only if the node can't have received all of it: then none of its last request was
  // executed.
  Result<void> send(ByteView bytes, Duration timeout);

  // The next reply; kPush ones are handed out like any other.
  Result<wire::Reply> receive(Duration timeout);

  // False once the node has closed its end: known without sending anything.
  bool alive();

  const Endpoint& endpoint() const;

 private:
  struct State;
  explicit Connection(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace kvorum::client
