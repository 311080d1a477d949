// The shell's requests on their way: to which node, under which request id, and once more when that
// node dies.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/client.h"

namespace kvorum::app {

class CliSender {
 public:
  // `node_ids` are the endpoints', in their order; empty: not known. `say` gets a line for people
  // when the connection has moved.
  CliSender(const std::vector<client::Endpoint>& endpoints, std::vector<std::uint32_t> node_ids,
            std::function<void(const std::string&)> say)
      : client_({.endpoints = endpoints}),
        endpoints_(endpoints),
        node_ids_(std::move(node_ids)),
        say_(std::move(say)) {}
  ~CliSender();  // gives the request id back
  CliSender(const CliSender&) = delete;
  CliSender& operator=(const CliSender&) = delete;

  // Errors as client::Client::call() has them. In a keyspace with one order, writes go under a
  // request id, so that the repeat on another node is never a second effect.
  Result<wire::Reply> send(std::span<const ByteView> args);

  // Whether the connection's keyspace is leaderless. Asks a node if need be; an error reply is in
  // `refused`.
  Result<bool> is_leaderless(std::optional<wire::Reply>& refused);

  Result<void> connect() { return client_.connect(); }
  bool connected() { return client_.connected(); }
  const client::Endpoint& endpoint() const { return client_.endpoint(); }

 private:
  enum class Core : unsigned char { kUnknown, kOrdered, kLeaderless };

  Result<wire::Reply> call(std::span<const ByteView> args, client::Repeat repeat, bool is_users);
  Result<wire::Reply> send_numbered(std::span<const ByteView> args);
  void remember_settings(std::span<const ByteView> args);
  void tell_move(std::size_t connections_before, const client::Endpoint& before, bool repeated);
  std::string name(const client::Endpoint& endpoint) const;

  client::Client client_;
  std::vector<client::Endpoint> endpoints_;
  std::vector<std::uint32_t> node_ids_;
  std::function<void(const std::string&)> say_;
  Bytes select_;  // the last successful SELECT and KV.LEVEL, to begin a new connection with
  std::vector<Bytes> levels_;
  // Of the keyspace that is selected.
  Core core_ = Core::kUnknown;
  Bytes id_;  // kOrdered: from KV.ONCE OPEN
  std::uint64_t seq_ = 0;
  std::chrono::steady_clock::time_point id_used_;
};

}  // namespace kvorum::app
