#include "sim/sim.h"

#include <fmt/format.h>

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "sim/chance.h"
#include "sim/free_load.h"
#include "sim/nemesis.h"
#include "sim/network.h"
#include "sim/server.h"
#include "sim/versions.h"
#include "sim/watch.h"
#include "sim/workload.h"

namespace kvorum::sim {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLookInterval = 10ms;  // between looks at whether a phase is over
constexpr Duration kDrainTime = 10s;      // for requests that are open when the faults end
constexpr Duration kPatience = 120s;      // to come to rest without faults
constexpr Duration kClientDelayMin = std::chrono::microseconds(5);  // longer than any burst lasts
constexpr Duration kClientDelayMean = std::chrono::microseconds(20);

// The parts of a run and the wires between them.
class World final : private Hosts, private ServerHost, private Access {
 public:
  World(const Options& options, const Trace::Sink& sink)
      : options_(options),
        trace_(sink),
        network_(events_, *this, options_),
        nemesis_(options_, events_, network_, servers_, trace_, [this](NodeId id) { start(id); }),
        workload_(options_, events_, trace_, *this,
                  [this](const std::string& why) { fail(Failure::kSafety, "replies", why); }),
        free_load_(
            options_, events_, trace_, *this,
            [this](const std::string& why) { fail(Failure::kSafety, "replies", why); },
            [this](const FreeWrite& write, const FreeAck& ack) {
              versions_.acknowledged(write, ack, events_.now());
            },
            [this](const FreeRead& read) { versions_.answered(read, events_.now()); }),
        watch_(servers_, static_cast<std::uint32_t>(options.partitions),
               [this](const char* invariant, const std::string& why) {
                 fail(Failure::kSafety, invariant, why);
               }),
        versions_(servers_, options_, [this](const char* invariant, const std::string& why) {
          fail(Failure::kSafety, invariant, why);
        }) {
    for (std::uint32_t id = 1; id <= options.nodes; ++id) {
      ServerHost& host = *this;
      servers_.emplace(NodeId(id),
                       std::make_unique<Server>(NodeId(id), options_, events_, trace_, host));
    }
  }

  Outcome run();

 private:
  // Hosts
  bool running(NodeId node) const override { return servers_.at(node)->running(); }
  Bytes hello(NodeId node) const override { return servers_.at(node)->hello(); }
  void connected(NodeId node, NodeId peer, Bytes hello) override {
    servers_.at(node)->connected(peer, std::move(hello));
  }
  void disconnected(NodeId node, NodeId peer) override { servers_.at(node)->disconnected(peer); }
  void packet(NodeId from, NodeId to, Bytes frames) override {
    servers_.at(to)->packet(from, std::move(frames));
  }

  // ServerHost
  void on_turn(NodeId node, const node::Output& out) override {
    watch_.turn(*servers_.at(node), out);
    versions_.turn(*servers_.at(node));
  }
  void send(NodeId from, NodeId to, Bytes frames) override {
    network_.send(from, to, std::move(frames));
  }
  void reset(NodeId from, NodeId to) override { network_.reset(from, to); }
  void reply(ConnId conn, Bytes bytes) override;
  void hang_up(ConnId conn) override;
  void exited(NodeId node, bool disk_damaged) override {
    network_.crashed(node, false);
    nemesis_.exited(node, disk_damaged);
  }

  // Access
  bool connect(NodeId node, std::uint64_t conn) override;
  void request(std::uint64_t conn, Bytes bytes) override;
  void disconnect(std::uint64_t conn) override;

  void start(NodeId id);
  void fail(Failure failure, const char* kind, const std::string& why);
  bool run_until(Instant end, const std::function<bool()>& done);
  bool idle() const { return workload_.idle() && free_load_.idle(); }
  std::string unrest() const;
  std::string unrest(PartitionId id) const;
  Instant client_arrival(std::uint64_t conn);
  void tell(Outcome& outcome);

  Options options_;
  EventQueue events_;
  Trace trace_;
  std::map<NodeId, std::unique_ptr<Server>> servers_;
  Network network_;
  Nemesis nemesis_;
  Workload workload_;
  FreeLoad free_load_;
  Watch watch_;
  Versions versions_;
  struct Route {
    NodeId node;
    Prng delays;
    Instant last_in{};  // a connection's bytes never overtake one another
    Instant last_out{};
  };
  std::map<std::uint64_t, Route> routes_;
  Failure failure_ = Failure::kNone;
  std::string kind_;
  std::string why_;
};

void World::start(NodeId id) {
  auto& server = *servers_.at(id);
  server.start();
  if (server.running()) {
    watch_.started(server);
    versions_.started(server);
    network_.started(id);
  }
}

void World::fail(Failure failure, const char* kind, const std::string& why) {
  if (failure_ == Failure::kNone) {
    failure_ = failure;
    kind_ = kind;
    why_ = failure == Failure::kSafety ? kind_ + ": " + why : why;
    trace_.text(events_.now(), "FAILED", 0, why_);
  }
}

bool World::connect(NodeId node, std::uint64_t conn) {
  auto& server = *servers_.at(node);
  if (!server.running()) {
    return false;
  }
  routes_.try_emplace(conn, Route{node, chance_of(options_.seed, "client delay", conn)});
  server.connect(ConnId(conn));
  return true;
}

void World::request(std::uint64_t conn, Bytes bytes) {
  auto& route = routes_.at(conn);
  const auto takes = kClientDelayMin + draw_exponential(route.delays, kClientDelayMean);
  route.last_in = std::max(route.last_in, events_.now() + takes);
  // A client that leaves does not take back what it has sent.
  events_.at(route.last_in, [this, conn, node = route.node, bytes = std::move(bytes)]() mutable {
    servers_.at(node)->request(ConnId(conn), std::move(bytes));
  });
}

void World::disconnect(std::uint64_t conn) {
  const auto route = routes_.at(conn);
  routes_.erase(conn);
  events_.at(std::max(route.last_in, events_.now()),
             [this, node = route.node, conn] { servers_.at(node)->disconnect(ConnId(conn)); });
}

void World::reply(ConnId conn, Bytes bytes) {
  const auto found = routes_.find(conn.value());
  if (found == routes_.end()) {
    return;
  }
  if (FreeLoad::owns(conn.value())) {
    free_load_.leaves(conn.value(), bytes);
  }
  auto& route = found->second;
  route.last_out =
      std::max(route.last_out, events_.now() + draw_exponential(route.delays, kClientDelayMean));
  events_.at(route.last_out, [this, conn, bytes = std::move(bytes)] {
    if (routes_.contains(conn.value())) {
      FreeLoad::owns(conn.value()) ? free_load_.reply(conn.value(), bytes)
                                   : workload_.reply(conn.value(), bytes);
    }
  });
}

void World::hang_up(ConnId conn) {
  const auto found = routes_.find(conn.value());
  if (found == routes_.end()) {
    return;
  }
  const auto at = std::max(found->second.last_out, events_.now());
  events_.at(at, [this, conn] {
    if (routes_.erase(conn.value()) > 0) {
      FreeLoad::owns(conn.value()) ? free_load_.hung_up(conn.value())
                                   : workload_.hung_up(conn.value());
    }
  });
}

bool World::run_until(Instant end, const std::function<bool()>& done) {
  auto look_at = events_.now();
  bool over = false;
  while (failure_ == Failure::kNone && !over && events_.now() < end) {
    if (!events_.step()) {
      break;
    }
    if (events_.now() >= look_at) {
      look_at = events_.now() + kLookInterval;
      over = done();
    }
  }
  return over;
}

// Why the cluster is not at rest; empty: it is.
std::string World::unrest() const {
  for (const auto& [id, server] : servers_) {
    if (!server->running()) {
      return fmt::format("node {} is down", id.value());
    }
  }
  for (std::uint32_t i = 0; i <= options_.partitions; ++i) {
    if (auto why = unrest(PartitionId(i)); !why.empty()) {
      return why;
    }
  }
  return versions_.unrest();
}

std::string World::unrest(PartitionId id) const {
  std::size_t leaders = 0;
  const kv::Machine* first = nullptr;
  for (const auto& [node, server] : servers_) {
    const auto* group = server->node().group(id);
    const auto* machine = server->node().machine(id);
    if (group == nullptr) {
      return fmt::format("node {} does not have partition {}", node.value(), id.value());
    }
    if (server->node().writes(id)) {
      return fmt::format("node {} waits for its writes of partition {}", node.value(), id.value());
    }
    leaders += group->role() == raft::Role::kLeader ? 1 : 0;
    first = first == nullptr ? machine : first;
    if (group->last_index() != group->commit() || machine->applied() != group->commit() ||
        machine->applied() != first->applied() || machine->digest() != first->digest()) {
      return fmt::format(
          "node {} has {} entries of partition {}, {} of them committed and {} applied, digest "
          "{:016x}; the first node has applied {}, digest {:016x}",
          node.value(), group->last_index().value(), id.value(), group->commit().value(),
          machine->applied().value(), machine->digest(), first->applied().value(), first->digest());
    }
  }
  return leaders == 1 ? std::string()
                      : fmt::format("partition {} has {} leaders", id.value(), leaders);
}

Outcome World::run() {
  for (const auto& [id, unused] : servers_) {
    start(id);
  }
  workload_.start();
  free_load_.start();
  nemesis_.begin();
  const auto faults_end = Instant(milliseconds(options_.faults_end_ms));
  run_until(faults_end, [this] { return idle(); });
  nemesis_.end();
  workload_.calm();
  run_until(events_.now() + kDrainTime, [this] { return idle(); });
  workload_.stop();
  free_load_.stop();
  const auto rests = [this] { return idle() && unrest().empty(); };
  if (!run_until(events_.now() + kPatience, rests)) {
    fail(Failure::kLiveness, "not converged", idle() ? unrest() : "a client still waits");
  }
  if (failure_ == Failure::kNone) {
    versions_.judge();
  }
  workload_.read_finally();
  if (!run_until(events_.now() + kPatience, rests)) {
    fail(Failure::kLiveness, "not converged",
         workload_.idle() ? unrest() : "the final reads of all keys are not answered");
  }
  Outcome outcome;
  tell(outcome);
  return outcome;
}

void World::tell(Outcome& outcome) {
  outcome.failure = failure_;
  outcome.kind = kind_;
  outcome.why = why_;
  outcome.history = workload_.take_history();
  auto more = free_load_.take_history();
  std::move(more.begin(), more.end(), std::back_inserter(outcome.history));
  outcome.counts = nemesis_.counts();
  outcome.counts["requests"] = workload_.requests();
  outcome.counts["unknown outcomes"] = workload_.unknown();
  outcome.counts["repeated writes"] = workload_.repeated();
  outcome.counts["leaderless requests"] = free_load_.requests();
  outcome.counts["versions"] = versions_.made();
  outcome.counts["versions acknowledged"] = versions_.acked();
  outcome.counts["versions lost"] = versions_.lost();
  outcome.counts["fenced"] = versions_.fenced();
  outcome.counts["losers"] = versions_.losers();
  outcome.counts["elections"] = watch_.elections();
  outcome.counts["entries"] = watch_.committed();
  outcome.counts["snapshots"] = watch_.snapshots();
  outcome.counts["packets"] = network_.packets();
  outcome.counts["packets lost"] = network_.lost();
  outcome.trace_hash = trace_.hash();
  outcome.simulated_ms = events_.now().time_since_epoch() / 1ms;
  outcome.events = events_.ran();
}

}  // namespace

Outcome run(const Options& options, const std::function<void(const std::string& line)>& trace) {
  return World(options, trace).run();
}

}  // namespace kvorum::sim
