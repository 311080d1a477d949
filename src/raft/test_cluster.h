// Test support: a group of nodes with a network, disks and a clock that only do what the test says.
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

#include "raft/log.h"
#include "raft/raft.h"

namespace kvorum::raft::test {

// A state machine that only remembers what it was fed: the number and a digest of all entries so
// far.
struct Machine {
  Index applied;
  std::uint64_t digest = 0;

  void apply(const Entry& entry);
};

// What survives a crash.
struct Disk {
  HardState hard;
  SnapshotMeta base;
  std::vector<Entry> entries;  // from base.index + 1
  Machine machine;             // durable, never ahead of the entries
  Config config;               // at machine.applied
  WallMs stamp;

  Index last() const { return base.index + entries.size(); }
  Term term_at(Index index) const;
};

// A turn's writes, and the messages that wait for them.
struct Write {
  std::uint64_t ticket = 0;
  std::optional<HardState> hard;
  std::optional<Index> truncate_from;
  std::vector<Entry> append;
  std::vector<SnapshotWrite> chunks;
  std::vector<Message> messages;
};

struct Node {
  NodeId id;
  Options options;
  std::unique_ptr<Raft> raft;  // null: crashed
  Disk disk;
  std::deque<Write> writes;
  std::vector<SnapshotWrite> incoming;  // chunks on disk, not yet installed
  std::optional<SnapshotMeta> outgoing;
  std::deque<std::function<void(Raft&, Now)>> answers;  // of its own host: loads, snapshot chunks
  Machine machine;
  Config applied_config;
  WallMs applied_stamp;
  Machine installed;  // what the newest installed snapshot held
  std::map<std::uint64_t, Index> reads;
  std::set<std::uint64_t> failed;
  std::vector<Entry> applied;  // since the start or restart
  bool disk_paused = false;
  Output last;  // of the latest drain, for tests that look at it
};

struct ClusterSetup {
  std::vector<unsigned> voters = {1, 2, 3};
  std::vector<unsigned> learners = {};
  std::uint64_t seed = 1;
  Options options = {};
};

class Cluster {
 public:
  explicit Cluster(const ClusterSetup& setup);
  ~Cluster();

  Node& node(unsigned id) { return nodes_.at(NodeId(id)); }
  std::map<NodeId, Node>& nodes() { return nodes_; }
  Raft& raft(unsigned id) { return *node(id).raft; }
  Now now() const { return now_; }
  std::deque<Message>& network() { return network_; }

  // Single events. Everything that steps a node also drains it.
  void tick(unsigned id);
  void drain(unsigned id);
  void deliver(Message message);  // even over a cut link
  bool deliver_at(
      std::size_t position);  // from the network; false if the link is cut or the node down
  void write(unsigned id);    // the disk finishes its oldest batch
  void answer(unsigned id);   // the host answers its oldest load or chunk request
  bool propose(unsigned id, const std::string& payload, unsigned notify = 0);
  bool propose_config(unsigned id, const Config& config);
  void read(unsigned id, std::uint64_t tag);

  // Without time passing: everything that is under way arrives, until nothing is.
  void settle();
  // settle(), with the clock jumping from timer to timer.
  void run_for(Duration duration);
  bool run_until(const std::function<bool()>& done, Duration limit = 20s);
  // Lets time pass until node `id` stands for election, ticking nobody else.
  void campaign(unsigned id);
  // campaign and settle; the node must win.
  void elect(unsigned id);
  unsigned leader() const;  // of the highest term, 0 if there is none
  void pass(Duration duration) { now_.mono += duration, now_.wall = now_.wall + duration / 1ms; }

  void cut(unsigned a, unsigned b);
  void isolate(unsigned id);
  void heal() { cut_.clear(); }
  bool is_cut(NodeId from, NodeId to) const { return cut_.contains({from, to}); }
  void crash(unsigned id, std::size_t writes_done = 0);  // the oldest batches may have got through
  void restart(unsigned id);
  void checkpoint(unsigned id);  // its machine's state becomes durable
  void compact(unsigned id, Index first);

  // Called for what happens; the fuzz checks and the stories print.
  std::function<void(const Message&, bool arrives)> on_deliver;
  std::function<void(Node&)> on_drain;

 private:
  void start(Node& node);
  void finish(Node& node, const Write& write);
  void collect(Node& node);
  void load(Node& node, const LoadRequest& request);
  void read_chunk(Node& node, const SnapshotRead& request);

  Now now_{Instant(1s), WallMs(1000)};
  std::uint64_t seed_;
  Output output_;
  std::map<NodeId, Node> nodes_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;
};

std::string to_string(const Message& message);
std::vector<std::string> texts(const std::vector<Message>& messages);
std::vector<MessageType> types(const std::vector<Message>& messages);
Config config_of(const std::vector<unsigned>& voters, const std::vector<unsigned>& learners = {});

// Messages made by hand.
Message message(MessageType type, unsigned from, unsigned to, std::uint64_t term);
Message ask_vote(unsigned from, unsigned to, std::uint64_t term, Position last);
Message append_to(unsigned from, unsigned to, std::uint64_t term, Position prev,
                  const std::vector<unsigned>& terms, std::uint64_t commit = 0);
inline Position at(std::uint64_t index, std::uint64_t term) { return {Index(index), Term(term)}; }

// Logs made by hand: one number per entry, its term.
std::vector<Entry> entries_of(const std::vector<unsigned>& terms, std::uint64_t first = 1);
void restart_with(Cluster& cluster, unsigned id, const std::vector<unsigned>& terms,
                  std::uint64_t term);
std::vector<unsigned> terms_on_disk(Cluster& cluster, unsigned id);

}  // namespace kvorum::raft::test
