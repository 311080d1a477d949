#include "lab/sim_play.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "lab/director.h"
#include "lab/form.h"
#include "lab/requests.h"
#include "lab/sim_actor.h"
#include "lab/sim_client.h"
#include "sim/clock.h"

namespace kvorum::lab {
namespace {

constexpr Duration kStartPatience = 60s;
constexpr Duration kLookInterval = 10ms;  // between looks at whether the cluster is at rest
constexpr PartitionId kFirstPartition{1};

std::int64_t in_ms(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

// Good machines on a good network: what goes wrong is the scenario's. Small delays that differ a
// little, so that seeds differ in who comes first.
sim::Options options_of(const Scenario& scenario, const Formation& formation, std::uint64_t seed) {
  sim::Options options;
  options.seed = seed;
  options.nodes = scenario.nodes;
  options.main = formation.main;
  options.read_level = *parse_level(formation.level);  // `main` was described by it
  options.election_ms = in_ms(formation.election_timeout);
  options.heartbeat_ms = in_ms(formation.heartbeat);
  options.request_timeout_ms = in_ms(formation.request_timeout);
  options.delay_min_us = 50;
  options.delay_mean_us = 10;
  options.disk_min_us = 50;
  options.disk_mean_us = 10;
  options.drift_ppm = 0;
  return options;
}

class SimVenue final : public Venue {
 public:
  SimVenue(const Scenario& scenario, const Formation& formation, std::uint64_t seed)
      : scenario_(scenario),
        seed_(seed),
        port_(options_of(scenario, formation, seed)),
        cluster_(port_.cluster()),
        asker_(port_, scenario.nodes, NodeId(1), patience_of(scenario)) {}

  // Until the cluster serves.
  Result<void> start();

  Duration now() override { return cluster_.now().time_since_epoch(); }
  std::int64_t wall_ms() override { return sim::Clock::kEpochMs + in_ms(now()); }
  void pause(Duration time) override;
  Result<void> look() override;

  Result<wire::Reply> ask(const std::vector<std::string>& words, bool is_read) override;
  Result<void> put_links(const FaultCommand& command, const std::string& words) override;
  std::optional<NodeId> leader() override { return cluster_.leader(kFirstPartition); }
  Result<void> act(FaultVerb verb, NodeId node) override;
  Result<void> mend() override;

  void begin(const std::vector<ScenarioClient>& cast, Recorder& recorder) override;
  void attend(Duration at_most) override;
  void dismiss() override {}

 private:
  bool step();

  const Scenario& scenario_;
  const std::uint64_t seed_;
  SimPort port_;
  sim::Cluster& cluster_;
  SimClient asker_;
  std::vector<std::unique_ptr<SimActor>> actors_;
  Recorder* recorder_ = nullptr;
};

// What clients make of what has happened, and the next event. False: nothing goes on any more.
bool SimVenue::step() {
  for (const auto& actor : actors_) {
    actor->look();
  }
  return cluster_.step();
}

void SimVenue::pause(Duration time) {
  const auto until = cluster_.now() + time;
  cluster_.at(until, [] {});  // so that an event comes at that very time
  while (cluster_.now() < until && step()) {
  }
}

Result<void> SimVenue::look() {
  if (cluster_.failure() != sim::Failure::kNone) {
    return fail(ErrorCode::kGeneric, "an invariant broke: {}", cluster_.why());
  }
  const bool stuck = std::all_of(actors_.begin(), actors_.end(), [](const auto& actor) {
    return actor->finished() || actor->awaits();
  });
  const bool done = std::all_of(actors_.begin(), actors_.end(),
                                [](const auto& actor) { return actor->finished(); });
  if (stuck && !done) {
    return fail(ErrorCode::kGeneric, "every client waits for another one");
  }
  return {};
}

Result<void> SimVenue::start() {
  for (std::uint32_t id = 1; id <= scenario_.nodes; ++id) {
    cluster_.start(NodeId(id));
  }
  const auto deadline = now() + kStartPatience;
  while (!cluster_.unrest().empty()) {
    pause(kLookInterval);
    if (auto fine = look(); !fine) {
      return fine;
    }
    if (now() >= deadline) {
      return fail(ErrorCode::kTimeout, "the cluster does not serve: {}", cluster_.unrest());
    }
  }
  return {};
}

Result<wire::Reply> SimVenue::ask(const std::vector<std::string>& words, bool is_read) {
  std::optional<Result<wire::Reply>> answer;
  asker_.call(words, is_read, [&answer](Result<wire::Reply> reply) { answer = std::move(reply); });
  while (!answer && step()) {
  }
  if (!answer) {
    return tl::unexpected(look().error());
  }
  return *answer ? no_error(words, std::move(**answer)) : std::move(*answer);
}

Result<void> SimVenue::put_links(const FaultCommand& command, const std::string& words) {
  if (command.verb == FaultCommand::Verb::kRule && is_of_node(command.kind)) {
    return fail(ErrorCode::kGeneric, "'{}' is not simulated; only real processes have it", words);
  }
  cluster_.fault(command);
  return {};
}

Result<void> SimVenue::act(FaultVerb verb, NodeId node) {
  switch (verb) {
    case FaultVerb::kKill:
      cluster_.kill(node);
      return {};
    case FaultVerb::kStop:
      cluster_.stop(node);
      while (cluster_.running(node) && step()) {
      }
      return look();
    case FaultVerb::kRestart:
      cluster_.start(node);
      return {};
    case FaultVerb::kPause:
    case FaultVerb::kResume:
      cluster_.freeze(node, verb == FaultVerb::kPause);
      return {};
    case FaultVerb::kLinks:
      break;
  }
  return fail(ErrorCode::kGeneric, "links are not a node's");
}

Result<void> SimVenue::mend() {
  for (std::uint32_t id = 1; id <= scenario_.nodes; ++id) {
    cluster_.freeze(NodeId(id), false);
    cluster_.start(NodeId(id));
  }
  return {};
}

void SimVenue::begin(const std::vector<ScenarioClient>& cast, Recorder& recorder) {
  recorder_ = &recorder;
  for (const auto& client : cast) {
    actors_.push_back(std::make_unique<SimActor>(scenario_, client, seed_, port_, recorder));
  }
  for (const auto& actor : actors_) {
    actor->go();
  }
}

// Also until a request has ended: a timed fault may have waited for that.
void SimVenue::attend(Duration at_most) {
  const auto behind = recorder_->behind();
  const auto until = cluster_.now() + at_most;
  cluster_.at(until, [] {});  // so that an event comes at that very time
  while (cluster_.now() < until && !recorder_->wants() && recorder_->behind() == behind &&
         !recorder_->all_finished(actors_.size()) && step()) {
  }
}

}  // namespace

Result<RunRecord> play_simulated(const Scenario& scenario, const PlayOptions& options) {
  const auto formation = form(scenario);
  if (!formation) {
    return tl::unexpected(formation.error());
  }
  SimVenue venue(scenario, *formation, options.seed);
  if (auto started = venue.start(); !started) {
    return tl::unexpected(std::move(started.error()));
  }
  auto record = conduct(scenario, venue, options);
  if (auto fine = venue.look(); record && !fine) {
    return tl::unexpected(std::move(fine.error()));
  }
  if (record) {
    record->simulated = true;
  }
  return record;
}

}  // namespace kvorum::lab
