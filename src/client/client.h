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

class Client {
 public:
  explicit Client(Options options) : options_(std::move(options)) {}

  // One request, one reply; an error reply of the node is a reply. A request is sent again, perhaps
  // to another node, only if it was not sent whole, or is a read. Errors: kUnknown, a write was
  // sent and no reply came: it may have taken effect, now or later; kIo: nothing was done, and no
  // node answers.
  Result<wire::Reply> call(std::span<const ByteView> args, bool is_read);

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
  std::optional<Connection> connection_;
};

}  // namespace kvorum::client
