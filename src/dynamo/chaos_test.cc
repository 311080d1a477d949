// Random clusters from seeds: a network that loses, repeats, reorders and keeps old messages, disks
// that are slow and forget, crashes, cuts, emptied disks. Then everything heals, and it must be as
// core.h promises.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/sanitized.h"
#include "dynamo/test_cluster.h"

namespace kvorum::dynamo::test {
namespace {

constexpr int kKeys = 4;

// What may happen in a run.
enum class Kind {
  kLossless,  // nobody loses what it had: orderly stops only
  kCrashes,   // what was not synced is lost
  kWipes,     // ... or everything
};

struct Odds {
  std::uint64_t drop, repeat, hoard, reorder, crash, cut, stop, put, del, get, disk, calm;
};

struct Issued {  // a write
  std::uint64_t ticket = 0;
  std::string key;
  std::string value;
  unsigned node = 0;
  unsigned w = 0;
  bool deleted = false;
  std::optional<std::set<Dot>> given;  // what the writer said that it had seen
  std::optional<std::set<Dot>> saw;    // the siblings that it replaced
};

class Storm {
 public:
  Storm(std::uint64_t seed, Kind kind)
      : prng_(seed), kind_(kind), setup_(make_setup(prng_, seed)), cluster_(setup_) {
    odds_ = {prng_.below(20), prng_.below(15),     prng_.below(10),      prng_.below(60),
             prng_.below(6),  prng_.below(6),      prng_.below(3),       1 + prng_.below(40),
             prng_.below(20), 2 + prng_.below(20), 10 + prng_.below(80), prng_.below(20)};
    keys_ = 1 + prng_.below(kKeys);
    cluster_.on_drain = [this](Node& node) { judge(node); };
    if (prng_.chance(1, 2)) {
      for (auto& [id, node] : cluster_.nodes()) {
        node.clock_ms = static_cast<std::int64_t>(prng_.below(200));
      }
    }
    cluster_.run_for(prng_.chance(1, 2) ? 1s : 0s);
  }

  void go(int events) {
    for (int i = 0; i < events && !testing::Test::HasFatalFailure(); ++i) {
      event();
    }
    in_storm_ = dropped_;
    recover();
  }

  std::size_t acked() const { return acked_; }
  std::size_t unseen() const { return unseen_; }
  std::size_t dropped() const { return dropped_; }
  std::size_t dropped_in_storm() const { return in_storm_; }
  std::size_t lost() const { return lost_; }
  std::size_t old_news() const { return old_news_; }
  std::size_t conflicts() const { return conflicts_; }
  std::size_t fetches() const { return fetches_; }  // of rows, from the disk, since the last start

 private:
  static ClusterSetup make_setup(Prng& prng, std::uint64_t seed) {
    ClusterSetup setup;
    setup.nodes = 2 + static_cast<unsigned>(prng.below(4));
    setup.replicas.clear();
    const auto n = prng.chance(3, 4) ? 3 : 1 + prng.below(4);
    for (unsigned id = 1; id <= std::min<std::uint64_t>(n, setup.nodes); ++id) {
      setup.replicas.push_back(id);
    }
    setup.conflict = prng.chance(1, 2) ? Conflict::kLww : Conflict::kSiblings;
    setup.fsync = prng.chance(1, 3);
    setup.seed = seed;
    setup.cold = seed % 3 == 0;
    // In a hurry, tombstones come and go during the storm; else mostly after it.
    const bool hurry = prng.chance(1, 2);
    setup.options.request_timeout = hurry ? 50ms : 300ms;
    setup.options.sync_interval = hurry ? 3ms : 50ms;
    setup.options.sync_idle_interval = hurry ? 10ms : 200ms;
    setup.options.hint_life = hurry ? 20ms : 400ms;
    setup.interval = hurry ? 5ms : 20ms;
    setup.options.hints = prng.below(20);
    setup.options.sync_bytes_per_s = prng.chance(1, 4) ? 20'000 : 4'000'000;
    return setup;
  }

  unsigned any_node() { return 1 + static_cast<unsigned>(prng_.below(setup_.nodes)); }
  unsigned any_replica() { return setup_.replicas[prng_.below(setup_.replicas.size())]; }
  std::string any_key() { return fmt::format("k{}", prng_.below(keys_)); }
  bool percent(std::uint64_t odds) { return prng_.chance(odds, 100); }
  unsigned any_count() { return 1 + static_cast<unsigned>(prng_.below(setup_.replicas.size())); }

  void event() {
    const unsigned id = any_node();
    Node& node = cluster_.node(id);
    if (!node.core) {
      if (percent(5)) {
        if (kind_ == Kind::kWipes && percent(20)) {
          wipe(id);
        }
        cluster_.start(id);
      }
      return;
    }
    deliver();
    if (!node.queue.empty() && percent(odds_.disk)) {
      cluster_.write_disk(id);
    }
    if (!node.missing.empty() && percent(odds_.disk)) {
      cluster_.read_disk(id);
    }
    if (percent(odds_.put)) {
      write(id, false);
    }
    if (percent(odds_.del)) {
      write(id, true);
    }
    if (percent(odds_.get)) {
      const auto key = any_key();
      const auto ticket = cluster_.get(id, key, any_count());
      if (const Result* result = cluster_.result(id, ticket)) {
        contexts_[key].push_back(result->row);
      }
      reads_[ticket] = key;
    }
    if (percent(40)) {
      cluster_.pass(Duration(prng_.below(percent(3) ? 500'000'000 : 10'000'000)));
      cluster_.tick(id);
    }
    disturb(id);
    if (prng_.chance(odds_.calm, 1000)) {
      cluster_.run_for(Duration(prng_.below(300'000'000)));  // all goes well, where links are whole
    }
  }

  void deliver() {
    auto& network = cluster_.network();
    for (auto n = prng_.below(5); n > 0; --n) {
      if (!hoard_.empty() && percent(odds_.hoard)) {
        const auto at = prng_.below(hoard_.size());
        network.push_front(hoard_[at]);
      }
      if (network.empty()) {
        return;
      }
      const auto at = percent(odds_.reorder) ? prng_.below(network.size()) : 0;
      if (percent(odds_.hoard) && hoard_.size() < 200) {
        hoard_.push_back(network[at]);
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
    if (prng_.chance(odds_.cut, 300)) {
      const bool noticed = percent(60);
      prng_.chance(1, 2) ? cluster_.isolate(id, noticed)
                         : cluster_.cut(id, id % setup_.nodes + 1, noticed);
    }
    if (prng_.chance(odds_.cut, 100) && percent(30)) {
      cluster_.heal();
    }
    if (prng_.chance(odds_.stop, 400)) {
      cluster_.stop(id);
      std::erase_if(hoard_, [&](const Message& message) {
        return message.type == MessageType::kWrite && message.to == NodeId(id);
      });
    } else if (kind_ != Kind::kLossless && prng_.chance(odds_.crash, 400)) {
      crash(id);
    }
  }

  std::set<Dot> held_dots(unsigned id, const std::string& key) {
    std::set<Dot> dots;
    const Table* table = cluster_.core(id).table(kPartition);
    if (const Row* row = table != nullptr ? table->find(key) : nullptr) {
      for (const Sibling& sibling : row->siblings) {
        dots.insert(sibling.dot);
      }
    }
    return dots;
  }

  void write(unsigned id, bool deleted) {
    Issued& issued = writes_.emplace_back();
    WriteRequest request;
    issued.key = request.key = any_key();
    issued.value = request.value = deleted ? "" : fmt::format("v{}", writes_.size());
    if (setup_.cold && !deleted) {  // long enough to be worth a read of the disk
      issued.value = request.value += std::string(100, ' ');
    }
    issued.deleted = request.deleted = deleted;
    issued.w = any_count();
    issued.node = id;
    request.w = static_cast<std::uint8_t>(issued.w);
    request.sloppy = percent(20);
    const auto& seen = contexts_[request.key];
    // Without a stamp a context says nothing of who wins: not where a later one is demanded below.
    if (setup_.conflict == Conflict::kSiblings && !deleted && percent(40) && !seen.empty()) {
      const Row& row = seen[prng_.below(seen.size())];
      request.seen = row.context;
      issued.given.emplace();
      for (const Sibling& sibling : row.siblings) {
        issued.given->insert(sibling.dot);
      }
    }
    issued.ticket = cluster_.write(id, request);
  }

  // A dot that its maker's row shows for the first time: which write that is, and what it found.
  void note_made(const Sibling& sibling, const std::set<Dot>& before) {
    turn_.emplace_back(sibling.dot, before);
    const auto at = std::find_if(writes_.rbegin(), writes_.rend(), [&](const Issued& issued) {
      return !sibling.deleted && issued.value == sibling.value;
    });
    if (at != writes_.rend()) {
      at->saw = at->given ? at->given : before;
    } else {
      deletes_[sibling.dot] = before;
    }
  }

  // What arrived in the turn of a write, and is not there, may have been there before it and was
  // replaced then.
  void note_arrived(const std::string& key, const Row& row, const Context& covered) {
    for (const auto& entry : dots_) {
      const Dot& dot = entry.first;
      const auto is_it = [&dot](const Sibling& sibling) { return sibling.dot == dot; };
      if (entry.second.first == key && row.context.covers(dot) && !covered.covers(dot) &&
          std::none_of(row.siblings.begin(), row.siblings.end(), is_it)) {
        replaced_.insert(dot);
      }
    }
  }

  // Of what a node's table has seen, it loses what its disk has not.
  void note_lost(unsigned id, const Disk& kept) {
    for (const auto& [dot, made] : dots_) {
      const auto& key = made.first;
      const Row had = seen_by(cluster_.node(id), key);
      Row left;
      const auto at = kept.rows.find({kPartition, key});
      if (at != kept.rows.end()) {
        Reader reader(at->second.second);
        ASSERT_TRUE(decode(reader, left));
      }
      if (had.context.covers(dot) && !left.context.covers(dot)) {
        lost_by_[dot].insert(id);
      }
    }
  }

  static Row seen_by(const Node& node, const std::string& key) {
    if (node.core) {
      const Table* table = node.core->table(kPartition);
      const Row* row = table != nullptr ? table->find(key) : nullptr;
      return row != nullptr ? *row : Row();
    }
    Row row;
    const auto at = node.synced.rows.find({kPartition, key});
    if (at != node.synced.rows.end()) {
      Reader reader(at->second.second);
      EXPECT_TRUE(decode(reader, row));
    }
    return row;
  }

  void crash(unsigned id) {
    Node& node = cluster_.node(id);
    const auto keep = prng_.below(3);
    Disk kept = node.synced;
    std::deque<Batch> batches = node.written;
    batches.insert(batches.end(), node.queue.begin(), node.queue.end());
    for (std::size_t i = 0; i < std::min<std::size_t>(keep, batches.size()); ++i) {
      kept.apply(batches[i]);
    }
    note_lost(id, kept);
    cluster_.crash(id, keep);
    forget(id);
  }

  // A node that is down loses all that its disk has kept.
  void wipe(unsigned id) {
    note_lost(id, {});
    cluster_.wipe(id);
    forget(id);
  }

  // What it held in this life says nothing of the next one.
  void forget(unsigned id) {
    held_.erase(id);
    covered_.erase(id);
    buried_.erase(id);
    deleted_.erase(id);
  }

  void judge(Node& node) {
    const unsigned id = node.id.value();
    judge_results(node);
    auto& dropped = drops_[id];
    const auto now = node.core->stats().tombstones_dropped;
    dropped_ += now > dropped ? now - dropped : 0;
    dropped = now;
    const Table* table = node.core->table(kPartition);
    for (int i = 0; table != nullptr && i < kKeys && !testing::Test::HasFatalFailure(); ++i) {
      const auto key = fmt::format("k{}", i);
      const Row* row = table->find(key);
      judge_row(id, key, row != nullptr ? whole(*row) : Row());
    }
    auto& made = made_[cluster_.replica(id)];
    std::uint64_t newest = made;
    for (const auto& [dot, before] : turn_) {
      newest = std::max(newest, dot.counter);
    }
    // Of two that were stamped in one turn the first is never seen. It found what the next did.
    for (const auto& [dot, before] : turn_) {
      if (newest - made != turn_.size()) {
        replaced_.insert(before.begin(), before.end());
      }
    }
    made = newest;
    turn_.clear();
  }

  // What is cold is as it was before.
  Row whole(const Row& row) {
    Row whole = row;
    for (Sibling& sibling : whole.siblings) {
      if (sibling.cold) {
        sibling = dots_.at(sibling.dot).second;
      }
    }
    return whole;
  }

  void judge_results(const Node& node) {
    for (const Result& result : node.last.results) {
      const auto read = reads_.find(result.ticket);
      if (read != reads_.end() && result.ended == Ended::kDone) {
        contexts_[read->second].push_back(result.row);
      }
    }
  }

  void judge_row(unsigned id, const std::string& key, const Row& row) {
    auto& held = held_[id][key];
    auto& buried = buried_[id];
    std::set<Dot> now;
    for (const Sibling& sibling : row.siblings) {
      now.insert(sibling.dot);
      ASSERT_FALSE(buried.contains(sibling.dot))
          << "n" << id << " " << key << ": " << sibling.value << " came back";
      auto& newest = deleted_[id][key];
      if (sibling.deleted) {
        newest = std::max(newest, sibling.stamp);
      } else if (setup_.conflict == Conflict::kLww) {
        ASSERT_GE(sibling.stamp, newest)
            << "n" << id << " " << key << ": " << sibling.value << ", and a later delete is gone";
      }
      const bool fresh = judge_dot(key, sibling);
      if (fresh && sibling.dot.replica.node != NodeId(id)) {
        replaced_.insert(sibling.dot);  // in the same turn at its maker, where it never showed
      } else if (fresh && sibling.dot.replica == cluster_.replica(id)) {
        note_made(sibling, held);
        note_arrived(key, row, covered_[id][key]);
      }
    }
    for (const Dot& dot : held) {
      if (!now.contains(dot)) {
        buried.insert(dot);
      }
    }
    held = std::move(now);
    covered_[id][key] = row.context;
  }

  // A dot is one write. True: a new one.
  bool judge_dot(const std::string& key, const Sibling& sibling) {
    const auto [at, fresh] = dots_.emplace(sibling.dot, std::pair(key, sibling));
    EXPECT_TRUE(at->second == std::pair(key, sibling)) << "a counter was used twice";
    if (!fresh) {
      return false;
    }
    // A replica's counters and stamps rise together, over all its lives.
    auto& [counter, stamp] = newest_[sibling.dot.replica];
    const bool later = sibling.dot.counter > counter;
    EXPECT_EQ(later, sibling.stamp > stamp) << "a stamp went back";
    if (later) {
      counter = sibling.dot.counter;
      stamp = sibling.stamp;
    }
    return true;
  }

  void recover() {
    cluster_.heal();
    for (auto& [id, node] : cluster_.nodes()) {
      if (!node.core) {
        cluster_.start(id.value());
      }
    }
    ASSERT_TRUE(cluster_.converge()) << cluster_.digests();
    check("healed");
    // What is old comes now.
    for (const Message& message : hoard_) {
      cluster_.deliver(message);
    }
    cluster_.run_for(1s);
    ASSERT_TRUE(cluster_.converge()) << cluster_.digests();
    check("after old messages");
    ASSERT_TRUE(cluster_.run_until([&] { return tombstones() == 0; }))
        << tombstones() << " tombstones stay" << cluster_.digests();
    ASSERT_TRUE(cluster_.converge()) << cluster_.digests();
    for (const Message& message : hoard_) {
      cluster_.deliver(message);
    }
    cluster_.run_for(1s);
    ASSERT_TRUE(cluster_.converge()) << cluster_.digests();
    check("after old messages, once tombstones were dropped");
    for (auto& [id, node] : cluster_.nodes()) {
      old_news_ += node.core->stats().old_news;
      fetches_ += node.core->stats().fetches;
    }
  }

  std::uint64_t tombstones() {
    std::uint64_t sum = 0;
    for (auto& [id, node] : cluster_.nodes()) {
      sum += node.core->stats().tombstones;
    }
    return sum;
  }

  void check(const char* when) {
    std::set<Dot> losers;
    for (auto& [id, node] : cluster_.nodes()) {
      for (const Loss& loss : node.losses) {
        losers.insert(loss.lost.dot);
      }
    }
    std::set<Dot> present;
    for (int i = 0; i < kKeys; ++i) {
      const auto dots = held_dots(setup_.replicas.front(), fmt::format("k{}", i));
      present.insert(dots.begin(), dots.end());
    }
    std::set<Dot> replaced = replaced_;
    for (const Issued& issued : writes_) {
      const auto saw = issued.saw.value_or(std::set<Dot>());
      replaced.insert(saw.begin(), saw.end());
    }
    for (const auto& [dot, saw] : deletes_) {
      replaced.insert(saw.begin(), saw.end());
    }
    acked_ = lost_ = unseen_ = 0;
    conflicts_ = losers.size();
    for (Issued& issued : writes_) {
      const Result* result = cluster_.result(issued.node, issued.ticket);
      if (result == nullptr || result->ended != Ended::kDone) {
        continue;
      }
      ++acked_;
      ASSERT_GE(result->acks, issued.w);
      const Dot dot = result->dot;
      if (issued.deleted && deletes_.contains(dot)) {
        issued.saw = deletes_.at(dot);
      }
      // A stand-in keeps what it acknowledged only for a while, in memory.
      const auto lost_by = lost_by_[dot].size();
      if (lost_by >= issued.w || (result->stand_ins && lost_by > 0)) {
        ++lost_;
        continue;
      }
      // Two of a turn: nobody ever saw the first.
      const bool seen = dots_.contains(dot);
      unseen_ += seen ? 0 : 1;
      ASSERT_TRUE(!seen || present.contains(dot) || replaced.contains(dot) ||
                  losers.contains(dot) || issued.deleted)
          << when << ": " << issued.key << "=" << issued.value << " by n" << issued.node
          << " with w=" << issued.w << " is neither there, nor superseded, nor a known loser";
      for (const Dot& old : issued.saw.value_or(std::set<Dot>())) {
        ASSERT_FALSE(present.contains(old)) << when << ": " << issued.key << ": what "
                                            << (issued.deleted ? "a delete" : issued.value)
                                            << " replaced is back: " << dots_.at(old).second.value;
      }
    }
  }

  Prng prng_;
  Kind kind_;
  ClusterSetup setup_;
  Cluster cluster_;
  Odds odds_{};
  std::uint64_t keys_ = kKeys;
  std::deque<Message> hoard_;
  std::deque<Issued> writes_;
  std::map<Dot, std::set<Dot>> deletes_;             // and what they replaced
  std::vector<std::pair<Dot, std::set<Dot>>> turn_;  // new dots, and what was there before them
  std::map<ReplicaId, std::uint64_t> made_;          // the newest counter
  std::set<Dot> replaced_;                           // perhaps
  std::map<Dot, std::set<unsigned>> lost_by_;        // replicas that had it, and then not any more
  std::map<std::uint64_t, std::string> reads_;
  std::map<std::string, std::vector<Row>> contexts_;  // what readers saw
  std::map<unsigned, std::map<std::string, std::set<Dot>>> held_;
  std::map<unsigned, std::map<std::string, Context>> covered_;  // contexts of rows
  std::map<unsigned, std::set<Dot>> buried_;
  std::map<unsigned, std::map<std::string, HybridTime>> deleted_;
  std::map<Dot, std::pair<std::string, Sibling>> dots_;
  std::map<ReplicaId, std::pair<std::uint64_t, HybridTime>> newest_;
  std::size_t acked_ = 0;
  std::size_t unseen_ = 0;
  std::size_t dropped_ = 0;
  std::size_t in_storm_ = 0;
  std::map<unsigned, std::uint64_t> drops_;
  std::size_t lost_ = 0;
  std::size_t old_news_ = 0;
  std::size_t conflicts_ = 0;
  std::size_t fetches_ = 0;
};

// KVORUM_SEED=n runs that one alone, KVORUM_SEEDS=n that many of each kind.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

constexpr std::uint64_t kRuns = kSanitized ? 15 : 150;

class Chaos : public testing::TestWithParam<Kind> {};

TEST_P(Chaos, ConvergesLosesNothingAndBringsNothingBack) {
  const auto only = from_environment("KVORUM_SEED", 0);
  const auto runs = from_environment("KVORUM_SEEDS", kRuns);
  std::size_t acked = 0, unseen = 0, lost = 0, dropped = 0, in_storm = 0, old_news = 0,
              conflicts = 0, fetches = 0;
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : runs); ++seed) {
    SCOPED_TRACE(fmt::format("KVORUM_SEED={}", seed));
    Storm storm(seed, GetParam());
    storm.go(600);
    if (HasFatalFailure()) {
      return;
    }
    acked += storm.acked();
    lost += storm.lost();
    unseen += storm.unseen();
    dropped += storm.dropped();
    in_storm += storm.dropped_in_storm();
    old_news += storm.old_news();
    conflicts += storm.conflicts();
    fetches += storm.fetches();
  }
  fmt::print(
      "{} acked, {} of them lost with their replicas, {} tombstones dropped, {} of them in the "
      "storm, {} old news, "
      "{} losers, {} rows fetched\n",
      acked, lost, dropped, in_storm, old_news, conflicts, fetches);
  // Chaos in which nothing happens proves nothing.
  if (!only) {
    EXPECT_GT(acked, runs * 20);
    EXPECT_LT(unseen, acked / 10);
    EXPECT_GT(in_storm, runs / 2);
    EXPECT_GT(conflicts, runs / 4);
    EXPECT_GT(fetches, runs);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Chaos,
                         testing::Values(Kind::kLossless, Kind::kCrashes, Kind::kWipes));

}  // namespace
}  // namespace kvorum::dynamo::test
