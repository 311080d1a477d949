// Random clusters from seeds: a network that loses, repeats and reorders, disks that are slow and
// forget what they had not finished, crashes and partitions. First only safety is judged, then
// everything heals and it must converge.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include "base/prng.h"
#include "raft/test_cluster.h"

namespace kvorum::raft::test {
namespace {

using raft::to_string;

constexpr int kSteps = 2500;

// Drawn per run, so that runs differ in kind and not only in order.
struct Odds {
  std::uint64_t drop, repeat, reorder, crash, cut, propose, read, disk, compact, transfer, config;
};

class Storm {
 public:
  explicit Storm(std::uint64_t seed) : prng_(seed), cluster_(setup(prng_, seed)) {
    learners_ = cluster_.raft(1).config().learners;
    cluster_.on_drain = [this](Node& node) { judge(node); };
    odds_ = {prng_.below(20), prng_.below(10),     prng_.below(60),     prng_.below(6),
             prng_.below(6),  5 + prng_.below(40), 2 + prng_.below(20), 10 + prng_.below(80),
             prng_.below(8),  prng_.below(4),      prng_.below(4)};
  }

  void go() {
    for (int i = 0; i < kSteps; ++i) {
      event();
    }
    recover();
  }

  std::size_t committed() const { return committed_.size(); }
  std::size_t reads() const { return reads_done_; }
  std::size_t snapshots() const { return snapshots_; }

 private:
  static ClusterSetup setup(Prng& prng, std::uint64_t seed) {
    ClusterSetup setup;
    const auto voters = 1 + prng.below(5);
    setup.voters.clear();
    for (unsigned id = 1; id <= voters; ++id) {
      setup.voters.push_back(id);
    }
    if (prng.chance(1, 3)) {
      setup.learners.push_back(static_cast<unsigned>(voters + 1));
    }
    setup.seed = seed;
    setup.options.append_bytes = 50 + prng.below(400);
    setup.options.inflight_messages = 1 + prng.below(8);
    setup.options.inflight_bytes = 100 + prng.below(4000);
    setup.options.window_bytes = prng.below(2000);
    setup.options.uncommitted_bytes = 500 + prng.below(5000);
    return setup;
  }

  unsigned any_node() { return 1 + static_cast<unsigned>(prng_.below(cluster_.nodes().size())); }
  bool percent(std::uint64_t odds) { return prng_.chance(odds, 100); }

  void event() {
    const unsigned id = any_node();
    freeze(id);
    if (id == frozen_) {
      return;
    }
    Node& node = cluster_.node(id);
    if (!node.raft) {
      if (percent(5)) {
        cluster_.restart(id);
      }
      return;
    }
    deliver();
    if (!node.writes.empty() && percent(odds_.disk)) {
      cluster_.write(id);
    }
    if (!node.answers.empty() && percent(50)) {
      cluster_.answer(id);
    }
    if (percent(odds_.propose)) {
      const auto burst = 1 + prng_.below(3);
      for (std::uint64_t i = 0; i < burst; ++i) {
        propose(node);
      }
      cluster_.drain(id);
    }
    if (percent(odds_.read)) {
      read(node);
    }
    if (percent(30)) {
      cluster_.pass(Duration(static_cast<Duration::rep>(prng_.below(20'000'000))));
      cluster_.tick(id);
    }
    disturb(id);
  }

  // A process may be stopped for long and go on as if nothing had been: with a read, before any
  // timer runs.
  void freeze(unsigned id) {
    if (frozen_ == 0 && prng_.chance(odds_.cut, 400)) {
      frozen_ = percent(70) && cluster_.leader() != 0 ? cluster_.leader() : id;
      frozen_events_ = 50 + prng_.below(300);
    } else if (frozen_ != 0 && --frozen_events_ == 0) {
      Node& thawed = cluster_.node(std::exchange(frozen_, 0));
      if (thawed.raft) {
        read(thawed);
      }
    }
  }

  void deliver() {
    auto& network = cluster_.network();
    for (auto n = prng_.below(4); n > 0 && !network.empty(); --n) {
      const auto at = percent(odds_.reorder) ? prng_.below(network.size()) : 0;
      if (network[at].to == NodeId(frozen_)) {
        network.push_back(network[at]);
        network.erase(network.begin() + static_cast<std::ptrdiff_t>(at));
        continue;
      }
      if (percent(odds_.drop)) {
        network.erase(network.begin() + static_cast<std::ptrdiff_t>(at));
        continue;
      }
      if (percent(odds_.repeat)) {
        network.push_back(network[at]);
      }
      cluster_.deliver_at(at);
    }
  }

  void disturb(unsigned id) {
    Node& node = cluster_.node(id);
    if (percent(odds_.compact)) {
      cluster_.checkpoint(id);
      if (percent(50) && node.answers.empty()) {
        cluster_.compact(id, node.disk.machine.applied.next());
      }
    }
    if (prng_.chance(odds_.transfer, 500)) {
      cluster_.raft(id).transfer(NodeId(percent(50) ? any_node() : 0), cluster_.now());
      cluster_.drain(id);
    }
    if (prng_.chance(odds_.config, 100)) {
      propose_learner(id, percent(50));
    }
    if (prng_.chance(odds_.cut, 300)) {
      prng_.chance(1, 2) ? cluster_.isolate(id) : cluster_.cut(id, any_node());
    }
    if (prng_.chance(odds_.cut, 100) && percent(30)) {
      cluster_.heal();
    }
    if (prng_.chance(odds_.crash, 400)) {
      cluster_.crash(id, prng_.below(3));
    }
  }

  // The last node comes and goes as a learner, where there is one.
  bool propose_learner(unsigned id, bool in) {
    Config config = cluster_.raft(id).config();
    config.learners.clear();
    if (in) {
      config.learners = learners_;
    }
    return cluster_.propose_config(id, config);
  }

  void propose(Node& node) {
    const auto payload = fmt::format("{}", ++proposed_);
    node.raft->propose(EntryType::kCommands, share(payload),
                       NodeId(static_cast<std::uint32_t>(prng_.below(4))), cluster_.now());
  }

  // Whatever anyone has applied by now, this read must see.
  void read(Node& node) {
    const auto tag = ++tags_;
    asked_[{node.id, tag}] = applied_;
    node.raft->read_barrier(tag, cluster_.now());
    cluster_.drain(node.id.value());
  }

  void judge(Node& node) {
    const Raft& raft = *node.raft;
    if (raft.role() == Role::kLeader) {
      const auto [at, fresh] = leaders_.emplace(raft.term(), node.id);
      ASSERT_EQ(at->second, node.id) << "two leaders in term " << raft.term().value();
    }
    for (const Entry& entry : node.last.apply) {
      const auto [at, fresh] = committed_.emplace(entry.index, entry);
      ASSERT_EQ(at->second.term, entry.term) << "at " << entry.index.value();
      ASSERT_EQ(*at->second.payload, *entry.payload) << "at " << entry.index.value();
      ASSERT_EQ(at->second.stamp, entry.stamp);
      if (const auto before = committed_.find(entry.index.prev()); before != committed_.end()) {
        ASSERT_LE(before->second.stamp, entry.stamp);
      }
    }
    snapshots_ += node.last.installed ? 1 : 0;
    const auto [at, fresh] = digests_.emplace(node.machine.applied, node.machine.digest);
    ASSERT_EQ(at->second, node.machine.digest) << "at " << node.machine.applied.value();
    applied_ = std::max(applied_, node.machine.applied);
    for (const ReadReady& ready : node.last.reads) {
      const auto asked = asked_.find({node.id, ready.tag});
      ASSERT_NE(asked, asked_.end()) << "an answer to nothing, or the second one";
      ASSERT_GE(ready.index, asked->second) << "a stale read on n" << node.id.value();
      asked_.erase(asked);
      ++reads_done_;
    }
    for (const Message& message : node.last.send_now) {
      ASSERT_NE(message.type, MessageType::kVote);
      ASSERT_NE(message.type, MessageType::kVoteReply);
      ASSERT_FALSE(message.type == MessageType::kAppendReply && !message.reject);
      ASSERT_FALSE(message.type == MessageType::kSnapshotReply && !message.reject);
    }
    log_matching(node);
  }

  // Raft paper, figure 3: equal index and term, equal entry. The disks are compared, which lag the
  // memory.
  void log_matching(const Node& node) {
    for (const Entry& entry : node.last.append) {
      const auto [at, fresh] = written_.emplace(std::pair(entry.index, entry.term), *entry.payload);
      ASSERT_EQ(at->second, *entry.payload) << "at " << entry.index.value();
    }
  }

  void recover() {
    cluster_.heal();
    for (auto& [id, node] : cluster_.nodes()) {
      if (!node.raft) {
        cluster_.restart(id.value());
      }
    }
    ASSERT_TRUE(cluster_.run_until([&] { return cluster_.leader() != 0 && serves(); }))
        << "no leader after everything healed";
    ASSERT_TRUE(cluster_.run_until([&] { return all_applied(); })) << status();
    for (auto& [id, node] : cluster_.nodes()) {
      const auto tag = ++tags_;
      asked_[{id, tag}] = applied_;
      cluster_.read(id.value(), tag);
      ASSERT_TRUE(cluster_.run_until([&, n = &node, tag] { return n->reads.contains(tag); }));
    }
  }

  bool serves() {
    const unsigned leader = cluster_.leader();
    if (cluster_.raft(leader).config().learners != learners_) {
      propose_learner(leader, true);
      return false;
    }
    return cluster_.propose(leader, "after the storm");
  }

  bool all_applied() {
    const unsigned leader = cluster_.leader();
    return leader != 0 &&
           std::all_of(cluster_.nodes().begin(), cluster_.nodes().end(), [&](auto& item) {
             return item.second.machine.applied == cluster_.raft(leader).last_index();
           });
  }

  std::string status() {
    std::string text = "not all caught up:";
    for (auto& [id, node] : cluster_.nodes()) {
      text += fmt::format("\nn{} {} t{} leader n{} last {} commit {} applied {}", id.value(),
                          to_string(node.raft->role()), node.raft->term().value(),
                          node.raft->leader().value(), node.raft->last_index().value(),
                          node.raft->commit().value(), node.machine.applied.value());
      for (const auto& peer : node.raft->progress()) {
        text += fmt::format("\n  n{} {} match {} next {}", peer.node.value(), peer.state,
                            peer.match.value(), peer.next.value());
      }
    }
    return text;
  }

  Prng prng_;
  Cluster cluster_;
  Odds odds_{};
  std::vector<NodeId> learners_;
  std::uint64_t proposed_ = 0;
  std::uint64_t tags_ = 0;
  std::size_t reads_done_ = 0;
  std::size_t snapshots_ = 0;
  Index applied_;
  unsigned frozen_ = 0;
  std::uint64_t frozen_events_ = 0;
  std::map<Term, NodeId> leaders_;
  std::map<Index, Entry> committed_;
  std::map<Index, std::uint64_t> digests_;
  std::map<std::pair<Index, Term>, Bytes> written_;
  std::map<std::pair<NodeId, std::uint64_t>, Index> asked_;
};

// KVORUM_SEED=n runs that one alone, KVORUM_SEEDS=n that many.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Fuzz, SafeAlwaysAndLiveOnceHealed) {
  const auto only = from_environment("KVORUM_SEED", 0);
  const auto runs = from_environment("KVORUM_SEEDS", 300);
  std::size_t committed = 0;
  std::size_t reads = 0;
  std::size_t snapshots = 0;
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : runs); ++seed) {
    SCOPED_TRACE(fmt::format("KVORUM_SEED={}", seed));
    Storm run(seed);
    run.go();
    if (HasFatalFailure()) {
      return;
    }
    committed += run.committed();
    reads += run.reads();
    snapshots += run.snapshots();
  }
  // A fuzz in which nothing happens proves nothing.
  if (!only) {
    EXPECT_GT(committed, runs * 20);
    EXPECT_GT(reads, runs * 5);
    EXPECT_GT(snapshots, runs / 10);
  }
  fmt::print("{} committed, {} reads, {} snapshots\n", committed, reads, snapshots);
}

}  // namespace
}  // namespace kvorum::raft::test
