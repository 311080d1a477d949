// A client of a cluster: talks to one node, moves on to the next when that one is gone, and says of
// every request whether its outcome is known.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "client/connection.h"

namespace kvorum::client {

struct Options {
  std::vector<Endpoint> endpoints;  // at least one; the first is preferred at the start
  Duration connect_timeout = 2s;
  Duration request_timeout = 15s;  // longer than the nodes' own, so that they answer first
};

// What a request whose reply never came means for sending it again.
enum class Repeat : unsigned char {
  kNever,     // a write
  kHarmless,  // a read, a question
  kNumbered,  // a write under a request id: the nodes do it once, but only a reply tells that they
              // did
};

class Client {
 public:
  explicit Client(Options options) : options_(std::move(options)) {}

  // One request, one reply; an error reply of the node is a reply. A request that was not sent
  // whole is sent to the next node; one that was sent is repeated once, if it may be. Errors:
  // kUnknown, a write was sent and no reply came: it may have taken effect, now or later; kIo:
  // nothing was done, and no node answers.
  Result<wire::Reply> call(std::span<const ByteView> args, Repeat repeat);
  // Whether the last call sent its request whole a second time.
  bool repeated() const { return repeated_; }

  // Hands a request to the node if it is connected, waits for nothing, and closes the connection.
  void part_with(std::span<const ByteView> args);

  // Connects if need be.
  Result<void> connect();

  // The node that the last call went to, or that the next one will try first.
  const Endpoint& endpoint() const { return options_.endpoints[current_]; }
  bool connected() { return connection_ && connection_->alive(); }
  // How often a new connection was made: what a connection remembers (its level, its session) is
  // then lost.
  std::size_t connections() const { return connections_; }

  // Adds nodes to fail over to; those that are known already are skipped.
  void add(const std::vector<Endpoint>& endpoints);
  // Requests to begin every new connection with, such as the level that the last one had. One that
  // is not answered, or with an error, makes the connection count as failed.
  void set_prelude(std::vector<Bytes> requests) { prelude_ = std::move(requests); }

 private:
  Result<Connection> open();

  Options options_;
  std::vector<Bytes> prelude_;
  std::size_t current_ = 0;
  std::size_t connections_ = 0;
  bool repeated_ = false;
  std::optional<Connection> connection_;
};

}  // namespace kvorum::client
