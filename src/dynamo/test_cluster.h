// Test support: nodes with a network, disks and clocks that only do what the test says.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "dynamo/core.h"

namespace kvorum::dynamo::test {

inline constexpr PartitionId kPartition(1);

// A turn's writes, and the messages that wait for them.
struct Batch {
  std::uint64_t ticket = 0;
  bool must_sync = false;
  std::vector<RowsWrite> rows;
  std::vector<CutWrite> cuts;
  std::optional<Bounds> bounds;
  std::vector<Message> messages;
};

// What survives the end of a process; and of the power, once it is synced.
struct Disk {
  Bounds bounds;
  std::map<std::pair<PartitionId, Bytes>, std::pair<Generation, Bytes>> rows;
  std::map<PartitionId, CutWrite> cuts;

  void apply(const Batch& batch);
};

struct Node {
  NodeId id;
  Incarnation incarnation;
  std::unique_ptr<Core> core;  // null: down
  Disk synced;
  std::deque<Batch> written;    // not synced yet
  std::deque<Batch> queue;      // given to the disk, not done
  std::deque<Missing> missing;  // asked of the disk, not answered
  std::int64_t clock_ms = 0;    // how far its wall clock is off
  bool disk_paused = false;
  std::map<std::uint64_t, Result> results;
  std::vector<Loss> losses;  // of all its lives
  std::uint64_t conflicts = 0;
  std::vector<std::string> log;
  Output last;  // of the latest drain, for tests that look at it
  Instant wake_at;
};

struct ClusterSetup {
  unsigned nodes = 3;
  std::vector<unsigned> replicas = {1, 2, 3};
  unsigned partitions = 1;
  Conflict conflict = Conflict::kLww;
  bool fsync = false;
  Duration interval = 100ms;
  bool cold = false;  // what the disk has leaves memory at the end of every turn
  std::uint64_t seed = 1;
  Options options = {};
};

class Cluster {
 public:
  explicit Cluster(const ClusterSetup& setup);
  ~Cluster();

  Node& node(unsigned id) { return nodes_.at(NodeId(id)); }
  std::map<NodeId, Node>& nodes() { return nodes_; }
  Core& core(unsigned id) { return *node(id).core; }
  Now now(unsigned id) { return {mono_, wall_ + node(id).clock_ms}; }
  std::deque<Message>& network() { return network_; }
  PartitionConfig& config() { return config_; }  // of every partition, but for the id
  void configure();                              // everybody, after a change of it
  ReplicaId replica(unsigned id) { return {NodeId(id), node(id).incarnation}; }

  // Requests; the answer is in results() under the ticket. Everything that steps also drains.
  std::uint64_t write(unsigned id, WriteRequest request);
  std::uint64_t put(unsigned id, const std::string& key, const std::string& value, unsigned w = 1);
  std::uint64_t del(unsigned id, const std::string& key, unsigned w = 1);
  std::uint64_t get(unsigned id, const std::string& key, unsigned r = 1);
  const Result* result(unsigned id, std::uint64_t ticket);
  // With everything delivered: what a reader sees, "-" for nothing, "a|b" for siblings, or why not.
  std::string put_now(unsigned id, const std::string& key, const std::string& value,
                      unsigned w = 1);
  std::string del_now(unsigned id, const std::string& key, unsigned w = 1);
  std::string get_now(unsigned id, const std::string& key, unsigned r = 1);
  std::string at(unsigned id, const std::string& key);  // in its own table
  std::string show(unsigned id, const Row& row);
  std::string show(unsigned id, const Result& result);

  // Single events.
  void tick(unsigned id);
  void drain(unsigned id);
  void deliver(const Message& message);  // even over a cut link
  bool deliver_at(std::size_t position);
  void write_disk(unsigned id);              // the disk finishes its oldest batch
  void read_disk(unsigned id);               // the disk answers what it was asked first
  void lose(MessageType type, unsigned to);  // what is under way
  // What waits for company leaves without it. Whether something is under way now.
  bool depart();

  // Everything arrives, until nothing is under way. Time passes only for what waits for company.
  void settle();
  void run_for(Duration duration);
  bool run_until(const std::function<bool()>& done, Duration limit = 120s);
  void pass(Duration duration);

  // A cut link loses what is on it. Noticed: both ends are told that the other one is down.
  void cut(unsigned a, unsigned b, bool noticed = true);
  void isolate(unsigned id, bool noticed = true);
  void heal();
  bool is_cut(NodeId a, NodeId b) const { return cut_.contains({a, b}); }
  // The power goes: what is not synced is lost, but for the `keep` oldest batches of it. It comes
  // back as another replica.
  void crash(unsigned id, std::size_t keep = 0);
  void stop(unsigned id);  // orderly
  void wipe(unsigned id);  // of a node that is down: its disk is empty
  void start(unsigned id);
  bool is_up(unsigned id) { return node(id).core != nullptr; }

  bool converged();  // all that are up hold the same rows
  bool converge(Duration limit = 120s);
  std::string digests();

  std::function<void(Node&)> on_drain;
  std::function<void(const Message&)> on_send;  // for tests that count
  std::function<bool(const Message&)> loses;    // what the network does not deliver

 private:
  void collect(Node& node);
  void evict(Node& node);
  void meet(NodeId a, NodeId b);

  Instant mono_{Duration(1s)};
  WallMs wall_{1'000'000};
  Prng prng_;
  Options options_;
  unsigned partitions_;
  bool cold_;
  PartitionConfig config_;
  std::map<NodeId, Node> nodes_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  std::set<std::pair<NodeId, NodeId>> noticed_;
  std::uint64_t tickets_ = 0;
};

std::vector<Message> of_type(const std::deque<Message>& messages, MessageType type,
                             unsigned to = 0);

ClusterSetup quick();                        // its anti-entropy is in a hurry
void rest(Cluster& cluster);                 // until everybody has heard what everybody knows
std::uint64_t tombstones(Cluster& cluster);  // at all that are up
void fill(Cluster& cluster, unsigned id, int from, int to);  // keys by number, in one turn

}  // namespace kvorum::dynamo::test
