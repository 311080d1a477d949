#include "sim/sim.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "sim/cluster.h"
#include "sim/free_load.h"
#include "sim/nemesis.h"
#include "sim/versions.h"
#include "sim/workload.h"

namespace kvorum::sim {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLookInterval = 10ms;  // between looks at whether a phase is over
constexpr Duration kDrainTime = 10s;      // for requests that are open when the faults end
constexpr Duration kPatience = 120s;      // to come to rest without faults

// The parts of a run and the wires between them.
class World final : private Audience {
 public:
  World(const Options& options, const Trace::Sink& sink)
      : options_(options),
        cluster_(options_, sink, *this),
        nemesis_(options_, cluster_.events(), cluster_.network(), cluster_.servers(),
                 cluster_.trace(), [this](NodeId id) { cluster_.start(id); }),
        workload_(options_, cluster_.events(), cluster_.trace(), cluster_,
                  [this](const std::string& why) { fail("replies", why); }),
        free_load_(
            options_, cluster_.events(), cluster_.trace(), cluster_,
            [this](const std::string& why) { fail("replies", why); },
            [this](const FreeWrite& write, const FreeAck& ack) {
              versions_.acknowledged(write, ack, cluster_.now());
            },
            [this](const FreeRead& read) { versions_.answered(read, cluster_.now()); }),
        versions_(cluster_.servers(), options_,
                  [this](const char* invariant, const std::string& why) { fail(invariant, why); }) {
  }

  Outcome run();

 private:
  // Audience
  void reply(std::uint64_t conn, ByteView bytes) override {
    FreeLoad::owns(conn) ? free_load_.reply(conn, bytes) : workload_.reply(conn, bytes);
  }
  void hung_up(std::uint64_t conn) override {
    FreeLoad::owns(conn) ? free_load_.hung_up(conn) : workload_.hung_up(conn);
  }
  void answered(std::uint64_t conn, ByteView bytes) override {
    if (FreeLoad::owns(conn)) {
      free_load_.leaves(conn, bytes);
    }
  }
  void started(const Server& server) override { versions_.started(server); }
  void turned(const Server& server) override { versions_.turn(server); }
  void exited(NodeId node, bool disk_damaged) override { nemesis_.exited(node, disk_damaged); }

  void fail(const char* invariant, const std::string& why) {
    cluster_.fail(Failure::kSafety, invariant, why);
  }
  bool run_until(Instant end, const std::function<bool()>& done);
  bool idle() const { return workload_.idle() && free_load_.idle(); }
  std::string unrest() const;
  void tell(Outcome& outcome);

  const Options options_;
  Cluster cluster_;
  Nemesis nemesis_;
  Workload workload_;
  FreeLoad free_load_;
  Versions versions_;
};

bool World::run_until(Instant end, const std::function<bool()>& done) {
  auto look_at = cluster_.now();
  bool over = false;
  while (!over && cluster_.now() < end && cluster_.step()) {
    if (cluster_.now() >= look_at) {
      look_at = cluster_.now() + kLookInterval;
      over = done();
    }
  }
  return over;
}

// Why the cluster is not at rest; empty: it is.
std::string World::unrest() const {
  auto why = cluster_.unrest();
  return why.empty() ? versions_.unrest() : why;
}

Outcome World::run() {
  for (std::uint32_t id = 1; id <= options_.nodes; ++id) {
    cluster_.start(NodeId(id));
  }
  workload_.start();
  free_load_.start();
  nemesis_.begin();
  const auto faults_end = Instant(milliseconds(options_.faults_end_ms));
  run_until(faults_end, [this] { return idle(); });
  nemesis_.end();
  workload_.calm();
  run_until(cluster_.now() + kDrainTime, [this] { return idle(); });
  workload_.stop();
  free_load_.stop();
  const auto rests = [this] { return idle() && unrest().empty(); };
  if (!run_until(cluster_.now() + kPatience, rests)) {
    cluster_.fail(Failure::kLiveness, "not converged", idle() ? unrest() : "a client still waits");
  }
  if (cluster_.failure() == Failure::kNone) {
    versions_.judge();
  }
  workload_.read_finally();
  if (!run_until(cluster_.now() + kPatience, rests)) {
    cluster_.fail(Failure::kLiveness, "not converged",
                  workload_.idle() ? unrest() : "the final reads of all keys are not answered");
  }
  Outcome outcome;
  tell(outcome);
  return outcome;
}

void World::tell(Outcome& outcome) {
  outcome.failure = cluster_.failure();
  outcome.kind = cluster_.kind();
  outcome.why = cluster_.why();
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
  outcome.counts["leaderless fetches"] = versions_.fetches();
  outcome.counts["elections"] = cluster_.watch().elections();
  outcome.counts["entries"] = cluster_.watch().committed();
  outcome.counts["snapshots"] = cluster_.watch().snapshots();
  outcome.counts["packets"] = cluster_.network().packets();
  outcome.counts["packets lost"] = cluster_.network().lost();
  outcome.trace_hash = cluster_.trace().hash();
  outcome.simulated_ms = cluster_.events().now().time_since_epoch() / 1ms;
  outcome.events = cluster_.events().ran();
}

}  // namespace

Outcome run(const Options& options, const std::function<void(const std::string& line)>& trace) {
  return World(options, trace).run();
}

}  // namespace kvorum::sim
