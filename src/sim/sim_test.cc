#include "sim/sim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kv/machine.h"
#include "model/fault.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/events.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/watch.h"

namespace kvorum::sim {
namespace {

TEST(Events, EqualTimesGoByOrderOfArrival) {
  EventQueue events;
  std::string order;
  events.after(2ms, [&] { order += 'c'; });
  events.after(1ms, [&] {
    order += 'a';
    events.after(1ms, [&] { order += 'e'; });
  });
  events.after(1ms, [&] { order += 'b'; });
  events.after(2ms, [&] { order += 'd'; });
  while (events.step()) {
  }
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(events.now(), Instant(2ms));
  EXPECT_EQ(events.ran(), 5u);
}

TEST(Events, ExponentialHasItsMean) {
  Prng prng(1);
  constexpr int kDraws = 100'000;
  Duration sum{};
  Duration longest{};
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = draw_exponential(prng, 1ms);
    ASSERT_GE(drawn.count(), 0);
    sum += drawn;
    longest = std::max(longest, drawn);
  }
  EXPECT_NEAR(static_cast<double>((sum / kDraws).count()), 1e6, 3e4);
  EXPECT_GT(longest, 8ms);
}

TEST(ClockTest, TrueTimeIsWhenTheLocalTimeIsReached) {
  for (const std::int64_t drift : {-10'000, -1, 0, 1, 10'000}) {
    const Clock clock(drift, 5);
    for (const std::int64_t ns : {0L, 1L, 999'999'937L, 3'600'000'000'000L}) {
      const auto local = clock.now(Instant(Duration(ns))).mono;
      const auto back = clock.true_time(local);
      EXPECT_GE(clock.now(back).mono, local) << drift << ' ' << ns;
      EXPECT_LE((back - Instant(Duration(ns))).count(), 2) << drift << ' ' << ns;
    }
    EXPECT_EQ(clock.true_time(Instant::max()), Instant::max());
  }
}

TEST(ClockTest, OnlyTheWallClockJumps) {
  Clock clock(0, 0);
  const auto before = clock.now(Instant(1s));
  clock.jump(-1500);
  const auto after = clock.now(Instant(1s));
  EXPECT_EQ(after.mono, before.mono);
  EXPECT_EQ(after.wall - before.wall, -1500);
}

store::Batch put(const std::string& name, bool sync) {
  store::Batch batch;
  batch.sync = sync;
  batch.operations.push_back(store::PutRecord{name, "v"});
  return batch;
}

Entry entry(Index index, Term term) {
  Entry out;
  out.index = index;
  out.term = term;
  return out;
}

std::string found(const SimStore& store) {
  std::string names;
  for (const char* name : {"a", "b", "c", "d"}) {
    names += store.record(name)->has_value() ? name : "-";
  }
  return names;
}

TEST(Store, APowerCutKeepsWhatWasSyncedAndSomeOfTheRestInOrder) {
  std::map<std::string, int> outcomes;
  Prng prng(1);
  for (int i = 0; i < 100; ++i) {
    SimStore store;
    const auto a = put("a", true), b = put("b", false), c = put("c", false), d = put("d", true);
    ASSERT_TRUE(store.write({&a}) && store.write({&b}) && store.write({&c}));
    EXPECT_EQ(found(store), "abc-");
    store.crash(prng, true, &d);
    ++outcomes[found(store)];
  }
  std::vector<std::string> seen;
  for (const auto& [names, unused] : outcomes) {
    seen.push_back(names);
  }
  EXPECT_THAT(seen, testing::UnorderedElementsAre("a---", "ab--", "abc-", "abcd"));
}

TEST(Store, AKilledProcessLosesNothingThatItHadWritten) {
  Prng prng(1);
  SimStore store;
  const auto a = put("a", true), b = put("b", false);
  ASSERT_TRUE(store.write({&a}) && store.write({&b}));
  store.crash(prng, false, nullptr);
  EXPECT_EQ(found(store), "ab--");
}

TEST(Store, AFailedWriteFailsAllThatFollowAndLeavesAllPartOrNothing) {
  for (const bool power : {false, true}) {
    std::set<std::string> outcomes;
    Prng prng(1);
    for (int i = 0; i < 100; ++i) {
      SimStore store;
      const auto a = put("a", true), b = put("b", false), c = put("c", true), d = put("d", true);
      ASSERT_TRUE(store.write({&a}) && store.write({&b}));
      store.fail_next_write(true);
      EXPECT_FALSE(store.write({&c}));
      EXPECT_FALSE(store.write({&d}));
      EXPECT_EQ(found(store), "ab--");
      store.crash(prng, power, &d);
      outcomes.insert(found(store));
      EXPECT_TRUE(store.write({&d}));
    }
    EXPECT_THAT(outcomes, testing::ElementsAre("a---", "ab--", "abc-"));
  }
}

// A node whose disk is damaged while it runs must be told by whatever reads it.
TEST(Store, EveryReadOfADamagedPartStopsTheNode) {
  const PartitionId id(1);
  store::Batch batch;
  batch.operations.push_back(store::AppendLog{id, {entry(Index(1), Term(1))}});
  kv::Machine::Record record;
  record.generation = Generation(1);
  raft::Config config;
  config.voters = {NodeId(1)};
  record.config = raft::encode(config);
  batch.operations.push_back(store::PutPartition{id, kv::Machine::encode(record)});
  raft::LoadRequest load;
  load.prev_index = load.last_index = Index(1);
  const std::map<Damage, node::DiskJob> readers = {{Damage::kLog, node::LoadJob{id, load}},
                                                   {Damage::kRecord, node::SnapshotJob{id, {}}},
                                                   {Damage::kRows, node::SnapshotJob{id, {}}}};
  for (const auto& [part, job] : readers) {
    SimStore store;
    ASSERT_TRUE(store.write({&batch}));
    node::Disk disk(store);
    std::vector<node::DiskDone> done;
    disk.run({job}, done);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_FALSE(std::holds_alternative<node::DiskFailed>(done.front()));
    store.damage(part, 9);
    EXPECT_FALSE(store.look_over());
    disk.run({job}, done);
    ASSERT_TRUE(std::holds_alternative<node::DiskFailed>(done.back())) << static_cast<int>(part);
    EXPECT_EQ(std::get<node::DiskFailed>(done.back()).error.code, ErrorCode::kCorrupt);
    EXPECT_TRUE(store.damage_read());
  }
}

TEST(Store, AWriteMeetsTheDamageInTheEnd) {
  SimStore store;
  const auto a = put("a", true), b = put("b", true);
  store.damage(Damage::kRows, 1);
  EXPECT_TRUE(store.write({&a}));
  const auto met = store.write({&b});
  ASSERT_FALSE(met);
  EXPECT_EQ(met.error().code, ErrorCode::kCorrupt);
}

// Two hosts that only count what they are told.
struct TwoHosts final : Hosts {
  bool running(NodeId node) const override { return !down.contains(node); }
  Bytes hello(NodeId) const override { return {}; }
  void connected(NodeId, NodeId, Bytes) override { ++connects; }
  void disconnected(NodeId, NodeId) override { ++disconnects; }
  void packet(NodeId, NodeId, Bytes frames) override {
    ++packets;
    arrived += frames;
  }

  std::set<NodeId> down;
  int connects = 0;
  int disconnects = 0;
  int packets = 0;
  std::string arrived;
};

struct TwoNodes {
  TwoNodes() : options(of_two()) {
    network.started(a);
    run(10ms);
  }
  static Options of_two() {
    Options options;
    options.nodes = 2;
    return options;
  }
  void run(Duration duration) {
    bool over = false;
    events.after(duration, [&over] { over = true; });
    while (!over && events.step()) {
    }
  }
  void crash(bool power) {
    hosts.down.insert(b);
    network.crashed(b, power);
  }

  const NodeId a{1}, b{2};
  Options options;
  EventQueue events;
  TwoHosts hosts;
  Network network{events, hosts, options};
};

TEST(NetworkTest, APeerHearsOfAKillAtOnceAndOfAPowerCutByItsOwnPatience) {
  TwoNodes killed;
  ASSERT_EQ(killed.hosts.connects, 2);
  killed.crash(false);
  EXPECT_EQ(killed.hosts.disconnects, 1);

  TwoNodes dark;
  dark.crash(true);
  dark.network.send(dark.a, dark.b, "x");
  dark.run(99ms);
  EXPECT_EQ(dark.hosts.disconnects, 0);
  dark.run(20s);
  EXPECT_EQ(dark.hosts.disconnects, 1);
  EXPECT_EQ(dark.hosts.packets, 0);
}

TEST(NetworkTest, AMachineThatIsUpAgainResetsWhatItDoesNotKnow) {
  TwoNodes two;
  two.crash(true);
  two.run(20ms);
  two.hosts.down.clear();
  two.network.started(two.b);
  two.network.send(two.a, two.b, "x");
  two.run(30ms);
  EXPECT_EQ(two.hosts.packets, 0);
  EXPECT_EQ(two.hosts.disconnects, 1);
  two.network.send(two.a, two.b, "y");
  two.run(5ms);
  EXPECT_EQ(two.hosts.packets, 1);
}

void fault(TwoNodes& two, const std::vector<ByteView>& words) {
  const auto command = parse_fault(words, std::vector{two.a, two.b});
  ASSERT_TRUE(command.has_value()) << to_string(command.error());
  two.network.fault(*command);
}

TEST(NetworkTest, AHeldLinkKeepsItsPacketsInOrderForTheRelease) {
  TwoNodes two;
  fault(two, {"hold", "1", "*", "oneway"});
  for (const char* const packet : {"1", "2", "3"}) {
    two.network.send(two.a, two.b, packet);
  }
  two.network.send(two.b, two.a, "answer");
  two.run(10s);
  EXPECT_EQ(two.hosts.arrived, "answer");
  fault(two, {"delay", "1", "2", "50ms"});
  fault(two, {"release", "1", "2"});
  two.network.send(two.a, two.b, "4");
  two.run(49ms);
  EXPECT_EQ(two.hosts.arrived, "answer123");
  two.run(10ms);
  EXPECT_EQ(two.hosts.arrived, "answer1234");
  EXPECT_EQ(two.hosts.disconnects, 0);
}

TEST(NetworkTest, ACutLinkIsClosedAndItsPacketsAreLost) {
  TwoNodes two;
  fault(two, {"hold", "1", "2"});
  two.network.send(two.a, two.b, "held");
  fault(two, {"cut", "1", "2", "for", "1s"});
  EXPECT_EQ(two.hosts.disconnects, 2);
  fault(two, {"release", "1", "2"});
  two.run(900ms);
  EXPECT_EQ(two.hosts.connects, 2);
  two.run(200ms);
  EXPECT_EQ(two.hosts.connects, 4);
  EXPECT_EQ(two.hosts.packets, 0);
}

TEST(NetworkTest, RulesLoseAndDelayOneWayOrBoth) {
  TwoNodes two;
  fault(two, {"cut", "2", "1", "oneway"});
  fault(two, {"drop", "1", "2", "25%"});
  for (int i = 0; i < 1000; ++i) {
    two.network.send(two.a, two.b, "x");
    two.network.send(two.b, two.a, "y");
  }
  two.run(10ms);
  EXPECT_NEAR(two.hosts.packets, 750, 60);
  EXPECT_EQ(two.hosts.arrived.find('y'), std::string::npos);
  fault(two, {"heal"});
  fault(two, {"delay", "2", "1", "20ms", "jitter", "10ms", "unordered"});
  const auto lost = 1000 - two.hosts.packets;
  for (int i = 0; i < 1000; ++i) {
    two.network.send(two.b, two.a, std::string(1, static_cast<char>('a' + i / 50)));
  }
  two.run(9ms);
  EXPECT_EQ(two.hosts.packets, 1000 - lost);
  two.run(25ms);
  EXPECT_EQ(two.hosts.packets, 2000 - lost);
  EXPECT_FALSE(std::is_sorted(two.hosts.arrived.end() - 1000, two.hosts.arrived.end()));
}

// A server without peers, and who watches it.
struct OneServer final : ServerHost {
  OneServer() {
    options.nodes = 1;
    options.partitions = 1;
    servers.emplace(NodeId(1), std::make_unique<Server>(NodeId(1), options, events, trace, *this));
    server().start();
    while (!leads() && events.step()) {
    }
  }
  Server& server() { return *servers.at(NodeId(1)); }
  bool leads() {
    const auto* group = server().node().group(PartitionId(0));
    return group != nullptr && group->role() == raft::Role::kLeader && group->commit();
  }
  void on_turn(NodeId, const node::Output&) override {}
  void send(NodeId, NodeId, Bytes) override {}
  void reset(NodeId, NodeId) override {}
  void reply(ConnId, Bytes) override {}
  void hang_up(ConnId conn) override { hung_up.push_back(conn); }
  void exited(NodeId, bool) override {}

  Options options;
  EventQueue events;
  Trace trace{{}};
  std::map<NodeId, std::unique_ptr<Server>> servers;
  std::vector<ConnId> hung_up;
};

TEST(ServerTest, ClientsHearOfAKillButNotOfAPowerCut) {
  for (const bool power : {false, true}) {
    OneServer one;
    one.server().connect(ConnId(5));
    for (int i = 0; i < 10; ++i) {
      one.events.step();
    }
    one.server().crash(power);
    EXPECT_EQ(one.hung_up.size(), power ? 0u : 1u);
    one.server().start();
    one.server().request(ConnId(5), "PING\r\n");  // on a connection that the machine forgot
    for (int i = 0; i < 10; ++i) {
      one.events.step();
    }
    EXPECT_EQ(one.hung_up.size(), power ? 1u : 2u);
  }
}

TEST(WatchTest, AnAcknowledgedEntryMustBeTheLeadersNotOnlyThere) {
  OneServer one;
  const PartitionId id(0);
  const auto& group = *one.server().node().group(id);
  const auto last = one.server().store().durable().log(id)->last;
  ASSERT_TRUE(last);
  std::vector<std::string> broken;
  Watch watch(one.servers, 1, [&broken](const char* invariant, const std::string&) {
    broken.emplace_back(invariant);
  });
  watch.started(one.server());
  node::Output out;
  out.messages.push_back({id, {}});
  auto& ack = out.messages.back().message;
  ack.type = raft::MessageType::kAppendReply;
  ack.term = group.term();
  ack.log_index = last;
  watch.turn(one.server(), {});
  watch.turn(one.server(), out);
  EXPECT_THAT(broken, testing::IsEmpty());

  // Another log of the leader's, as far as the watch has seen: the disk holds an entry of another
  // term there.
  Watch other(one.servers, 1, [&broken](const char* invariant, const std::string&) {
    broken.emplace_back(invariant);
  });
  other.started(one.server());
  node::Output rewrite;
  node::WriteJob write;
  write.batch.operations.push_back(store::TruncateLog{id, last});
  write.batch.operations.push_back(store::AppendLog{id, {entry(last, group.term().next())}});
  rewrite.disk.push_back(std::move(write));
  other.turn(one.server(), rewrite);
  broken.clear();
  other.turn(one.server(), out);
  EXPECT_THAT(broken, testing::Contains("durable acknowledgements"));
}

// The times at which `fault` struck.
std::vector<std::string> strikes(const Options& options, const std::string& fault) {
  std::vector<std::string> times;
  run(options, [&](const std::string& line) {
    if (line.find(' ' + fault + ' ') != std::string::npos) {
      times.push_back(line.substr(0, line.find('.') + 7));
    }
  });
  return times;
}

TEST(Sim, TakingOneKindOfFaultAwayLeavesTheOthersInPlace) {
  Options options;
  options.clients = 2;
  options.operations = 1'000'000;
  options.faults_end_ms = 3000;
  options.clock_ms = 100;
  options.slow_ms = 100;
  options.crash_ms = 500;
  options.cut_ms = 300;
  const auto jumps = strikes(options, "clock jump");
  const auto slowed = strikes(options, "slow");
  EXPECT_GT(jumps.size(), 10u);
  options.cut_ms = options.crash_ms = 0;
  options.loss_ppm = 1000;
  EXPECT_EQ(strikes(options, "clock jump"), jumps);
  EXPECT_EQ(strikes(options, "slow"), slowed);
}

TEST(OptionsTest, GoThroughTextAndRefuseNonsense) {
  const auto drawn = draw(5);
  Options read;
  read.seed = 5;
  std::string word;
  for (const char c : to_string(drawn) + ' ') {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      EXPECT_TRUE(set(read, word)) << word;
      word.clear();
    }
  }
  EXPECT_EQ(to_string(read), to_string(drawn));
  const auto before = to_string(read);
  for (const char* bad : {"", "nodes", "nodes=", "nodes=0", "nodes=x", "nodes=3 ", "nods=3", "=3",
                          "loss_ppm=1000001", "seed=3"}) {
    const auto done = set(read, bad);
    ASSERT_FALSE(done) << bad;
    EXPECT_FALSE(done.error().detail.empty());
  }
  EXPECT_EQ(to_string(read), before);
}

TEST(OptionsTest, EveryDrawIsWithinItsRange) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto options = draw(seed);
    for (const auto& option : option_table()) {
      EXPECT_GE(options.*(option.field), option.min) << option.name;
      EXPECT_LE(options.*(option.field), option.max) << option.name;
    }
  }
}

TEST(Sim, SameSeedSameRunAndAnotherSeedAnother) {
  std::string first, second;
  const auto one = run(draw(11), [&](const std::string& line) { first += line + '\n'; });
  const auto two = run(draw(11), [&](const std::string& line) { second += line + '\n'; });
  const auto silent = run(draw(11));
  EXPECT_EQ(first, second);
  EXPECT_EQ(one.trace_hash, silent.trace_hash);
  EXPECT_EQ(one.events, silent.events);
  EXPECT_NE(one.trace_hash, run(draw(12)).trace_hash);
}

// A fault that never strikes tests nothing.
TEST(Sim, EveryKindOfFaultHappens) {
  std::map<std::string, std::uint64_t> counts;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    auto options = draw(seed);
    options.operations = std::min<std::int64_t>(options.operations, 2000);
    options.free_operations = std::min<std::int64_t>(options.free_operations, 500);
    if (seed % 4 == 0) {
      options.disk_lost_ms = 500;  // a disk is lost once or twice at most
    }
    const auto outcome = run(options);
    EXPECT_EQ(outcome.failure, Failure::kNone) << "seed " << seed << ": " << outcome.why;
    for (const auto& [name, count] : outcome.counts) {
      counts[name] += count;
    }
  }
  for (const char* name : {"kill",
                           "power cut",
                           "stop",
                           "pause",
                           "slow",
                           "cut",
                           "cut one way",
                           "partition",
                           "clog",
                           "disk slow",
                           "disk fail",
                           "disk damaged",
                           "disk damaged running",
                           "disk damage read",
                           "disk damage found",
                           "disk emptied",
                           "clock jump",
                           "packets lost",
                           "snapshots",
                           "elections",
                           "unknown outcomes",
                           "repeated writes",
                           "leaderless fetches"}) {
    EXPECT_GT(counts[name], 0u) << name;
  }
}

TEST(Sim, AQuietClusterAnswersEverything) {
  Options options;
  options.operations = 500;
  options.other_percent = 0;
  const auto outcome = run(options);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.why;
  EXPECT_EQ(outcome.counts.at("unknown outcomes"), 0u);
  std::size_t finals = 0;
  for (const auto& record : outcome.history) {
    EXPECT_LT(record.start_ns, record.end_ns);
    finals += record.final ? 1 : 0;
  }
  EXPECT_EQ(finals, static_cast<std::size_t>(options.keys));
  EXPECT_GE(outcome.history.size(), 450u);
}

// The judge goes by the starts to tell what a client asked first, also when it hangs up on a
// request and asks another node at the same instant.
TEST(Sim, NoTwoRequestsOfAClientStartTogether) {
  Options options;
  options.think_us = 0;
  options.hang_up_ppm = 200'000;
  options.token_percent = 100;
  options.other_percent = 0;
  options.pipeline = 4;
  std::map<std::uint32_t, std::int64_t> latest;  // per session, in the order of their ends
  std::size_t resumed = 0;
  for (const auto& record : run(options).history) {
    auto& before = latest[record.client];
    EXPECT_LT(before, record.start_ns) << "client " << record.client;
    resumed += record.ended == Ended::kUnknown ? 1 : 0;
    before = record.start_ns;
  }
  EXPECT_GT(resumed, 0u);
}

TEST(Sim, ClientsAreNotNeeded) {
  Options options;
  options.nodes = 1;
  options.operations = 0;
  options.clients = 0;
  const auto outcome = run(options);
  EXPECT_EQ(outcome.failure, Failure::kNone) << outcome.why;
  EXPECT_EQ(outcome.history.size(), static_cast<std::size_t>(options.keys));
}

}  // namespace
}  // namespace kvorum::sim
