// For tests: nodes in one thread over memory stores, with a network and a clock that the test
// controls.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/prng.h"
#include "node/identity.h"
#include "node/node.h"

namespace kvorum::node {

// Renders replies as text: OK, (integer) 1 as 1, bulk as "v", nil, -ERR ..., [a b].
class TextConnections final : public Connections, private ReplyWriter {
 public:
  ReplyWriter& reply(ConnId conn) override;
  void set_protocol(ConnId, int) override {}
  void close_after_replies(ConnId conn) override { closed.insert(conn); }
  void pause(bool on) override { paused = on; }

  std::map<ConnId, std::vector<std::string>> replies;
  std::set<ConnId> closed;
  bool paused = false;

 private:
  void status(ByteView text) override { add(std::string(text)); }
  void integer(std::int64_t value) override { add(std::to_string(value)); }
  void bulk(ByteView bytes) override { add('"' + std::string(bytes) + '"'); }
  void nil() override { add("nil"); }
  void error(const Error& error) override { add('-' + to_string(error)); }
  void array(std::size_t count) override { open(count); }
  void map(std::size_t pairs) override { open(2 * pairs); }
  void add(std::string text);
  void open(std::size_t count);
  void close_full();

  struct Array {
    std::size_t left;
    std::string text;
  };
  ConnId current_;
  std::map<ConnId, std::vector<Array>> open_;
};

struct TestNode {
  NodeId id;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Disk> disk;
  std::unique_ptr<TextConnections> connections;
  std::unique_ptr<Node> node;  // null: down
  std::vector<DiskJob> jobs;   // handed out and not run
  bool disk_held = false;
  std::unique_ptr<Disk> fetcher;
  std::vector<DiskJob> fetches;  // handed out and not run
  bool fetches_held = false;
  Output out;
  std::string notes;  // its log, since it was made
  Incarnation incarnation;
};

class TestCluster {
 public:
  explicit TestCluster(std::size_t nodes, std::uint64_t seed = 1,
                       std::function<void(Options&)> tune = {});

  TestNode& node(std::uint32_t id) { return nodes_.at(NodeId(id)); }
  Now now() const { return now_; }

  void start(std::uint32_t id, bool init = true);
  void crash(std::uint32_t id);  // loses what its disk had not run
  void wipe(std::uint32_t id);   // crash, and the store is empty
  void cut(std::uint32_t a, std::uint32_t b);
  void isolate(std::uint32_t id);
  void heal();
  void drop_chance(std::uint64_t percent) { drop_percent_ = percent; }

  // A new connection to the node.
  ConnId connect(std::uint32_t id);
  void send(std::uint32_t id, ConnId conn, const std::vector<std::string>& args);
  // Replies so far on that connection.
  const std::vector<std::string>& replies(std::uint32_t id, ConnId conn) {
    return node(id).connections->replies[conn];
  }
  // One request on a connection of its own, answered (or, after 20 s of simulated time, "no
  // reply").
  std::string ask(std::uint32_t id, const std::string& line);

  std::uint64_t turns() const { return turns_; }
  // Turns until the condition holds; false after `limit` of simulated time.
  bool run_until(const std::function<bool()>& condition, Duration limit = 20s);
  void run_for(Duration duration);
  // Waits until some node leads partition 1 and all running nodes know it; its id.
  std::uint32_t wait_leader();
  std::uint32_t leader();  // 0: none that a majority follows

 private:
  void turn();
  void deliver();
  bool connected(NodeId a, NodeId b) const;
  void link(NodeId a, NodeId b);
  bool run_disk(TestNode& node);
  bool run_jobs(TestNode& node, Disk& disk, std::vector<DiskJob>& jobs, bool held);

  struct Packet {
    NodeId from;
    NodeId to;
    std::variant<Output::PeerMessage, Forward, dynamo::Message, Query, Answer> body;
  };

  std::map<NodeId, TestNode> nodes_;
  std::map<NodeId, std::uint64_t> next_conn_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::deque<Packet> packets_;
  Now now_{Instant(1s), WallMs(1'000'000)};
  Prng prng_;
  std::uint64_t drop_percent_ = 0;
  std::uint64_t turns_ = 0;
  std::function<void(Options&)> tune_;
};

// "SET k v" to {"SET", "k", "v"}.
std::vector<std::string> words(const std::string& line);
// The value of `name:` in a KV.STATUS text's first line.
std::string status_word(const std::string& status, const std::string& name);

}  // namespace kvorum::node
