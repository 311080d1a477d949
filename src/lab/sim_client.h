// As client::Client, of a simulated cluster: nothing waits, and what comes of a call is told later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "sim/cluster.h"
#include "wire/reply_parser.h"

namespace kvorum::lab {

class SimClient;

// A simulated cluster, and who is at the other ends of its clients' connections.
class SimPort final : private sim::Audience {
 public:
  explicit SimPort(const sim::Options& options) : cluster_(options, {}, *this) {}

  sim::Cluster& cluster() { return cluster_; }
  std::uint64_t open(NodeId node, SimClient& client);  // 0: refused
  void close(std::uint64_t conn);

 private:
  void reply(std::uint64_t conn, ByteView bytes) override;
  void hung_up(std::uint64_t conn) override;

  sim::Cluster cluster_;
  std::map<std::uint64_t, SimClient*> ends_;
  std::uint64_t next_conn_ = 1;
};

// Must live for as long as the cluster runs.
class SimClient {
 public:
  using Connected = std::function<void(Result<void>)>;
  using Done = std::function<void(Result<wire::Reply>)>;

  SimClient(SimPort& port, std::uint32_t nodes, NodeId first, Duration patience)
      : port_(port), nodes_(nodes), node_(first), patience_(patience) {}

  // One at a time. The results are those of client::Client; reads may be repeated once.
  void connect(const Connected& done);
  void call(const std::vector<std::string>& words, bool is_read, Done done);

  NodeId node() const { return node_; }
  std::size_t connections() const { return connections_; }
  // A request to begin every new connection with.
  void set_prelude(const std::vector<std::string>& words);

  // From the port.
  void reply(ByteView bytes);
  void hung_up();

 private:
  struct Call {
    Bytes request;
    bool is_read = false;
    bool repeated = false;
    Done done;
  };

  void open(std::size_t tries, const Connected& done);
  void attempt(Call call);
  void exchange(Bytes request, Done done);
  void settle(Result<wire::Reply> reply);
  void drop();
  void move_on() { node_ = NodeId(node_.value() % nodes_ + 1); }

  SimPort& port_;
  const std::uint32_t nodes_;
  NodeId node_;
  const Duration patience_;
  Bytes prelude_;
  std::uint64_t conn_ = 0;
  std::size_t connections_ = 0;
  std::optional<wire::ReplyParser> parser_;  // of the connection
  Done waiting_;
  std::uint64_t round_ = 0;  // of exchanges: time-outs of older ones do nothing
};

}  // namespace kvorum::lab
