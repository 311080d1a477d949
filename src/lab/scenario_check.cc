// What no field of a scenario's file can tell alone.
#include <algorithm>
#include <map>
#include <variant>

#include "lab/scenario_parts.h"

namespace kvorum::lab {
namespace {

enum class CoreKind : std::uint8_t { kOrdered, kLeaderless, kOther };

CoreKind core_of(const Level& level) {
  switch (level.kind) {
    case LevelKind::kLinearizable:
    case LevelKind::kSequential:
    case LevelKind::kPrefix:
      return CoreKind::kOrdered;
    case LevelKind::kEventual:
    case LevelKind::kQuorum:
    case LevelKind::kAll:
      return CoreKind::kLeaderless;
    default:
      return CoreKind::kOther;
  }
}

std::size_t operations_of(const ScenarioClient& client) {
  return static_cast<std::size_t>(
      std::count_if(client.steps.begin(), client.steps.end(),
                    [](const Step& step) { return std::holds_alternative<Operation>(step); }));
}

class Checker {
 public:
  Checker(const Object& file, const Scenario& scenario)
      : file_(file), problem_(file.problem()), scenario_(scenario) {
    for (const auto& client : scenario.clients) {
      clients_[client.number] = &client;
      first_random_ = std::max(first_random_, client.number + 1);
    }
  }

  void keyspace() {
    if (core_of(scenario_.level) == CoreKind::kOrdered) {
      for (const auto* name : {"n", "w", "r", "conflict", "durability"}) {
        if (file_.find(name) != nullptr) {
          problem_.add(name, "is for leaderless levels (eventual, one, quorum, all); '{}' is not",
                       to_string(scenario_.level));
        }
      }
      return;
    }
    if (scenario_.n && *scenario_.n > scenario_.nodes) {
      problem_.add("n", "{} replicas of each key need as many nodes, and there are {}",
                   *scenario_.n, scenario_.nodes);
    }
    for (const auto& [name, count] : {std::pair("w", scenario_.w), std::pair("r", scenario_.r)}) {
      if (count && *count > replicas()) {
        problem_.add(name, "{} is more than the {} replicas of each key", *count, replicas());
      }
    }
    counts(file_.path_of("level"), scenario_.level);
  }

  void clients() {
    for (std::size_t i = 0; i < scenario_.clients.size(); ++i) {
      const auto& client = scenario_.clients[i];
      const auto path = fmt::format("clients[{}]", i);
      counts(path + ".level", client.level);
      for (std::size_t j = 0; j < client.steps.size(); ++j) {
        step(client, client.steps[j], fmt::format("{}.requests[{}]", path, j));
      }
    }
    if (scenario_.load) {
      counts("workload.level", scenario_.load->level);
    }
  }

  void faults() {
    for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
      const auto& fault = scenario_.faults[i];
      const auto path = fmt::format("faults[{}]", i);
      if (fault.after) {
        await(*fault.after, path + ".after");
      }
      leader(fault.action, path);
    }
  }

  // Plays the waits alone: whoever stands still when nobody can move waits for ever.
  void stuck() {
    std::map<std::uint32_t, Progress> all;
    bool moved = true;
    while (moved) {
      moved = false;
      for (const auto& client : scenario_.clients) {
        auto& own = all[client.number];
        while (own.step < client.steps.size() && may_go(client.steps[own.step], all)) {
          own.requests += std::holds_alternative<Operation>(client.steps[own.step]) ? 1 : 0;
          ++own.step;
          moved = true;
        }
      }
    }
    for (std::size_t i = 0; i < scenario_.clients.size(); ++i) {
      const auto& client = scenario_.clients[i];
      if (const auto at = all[client.number].step; at < client.steps.size()) {
        problem_.add(fmt::format("clients[{}].requests[{}]", i, at),
                     "waits for ever: client {} waits for this one, or for another that does",
                     std::get<Await>(client.steps[at]).client);
      }
    }
  }

  void sightings(const char* name, const std::vector<std::vector<Sighting>>& all) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (const auto& one : all[i]) {
        const auto path = fmt::format("expect.{}[{}].client{}", name, i, one.client);
        if (!has(one.client)) {
          problem_.add(path, "there is no client {}", one.client);
        } else if (!gets(one.client, one.key)) {
          problem_.add(path, "client {} never gets {}", one.client, in_quotes(one.key));
        }
      }
    }
  }

 private:
  struct Progress {
    std::size_t step = 0;
    std::size_t requests = 0;
  };

  std::uint32_t replicas() const {
    return scenario_.n.value_or(std::min<std::uint32_t>(3, scenario_.nodes));
  }

  void counts(const std::string& path, const std::optional<Level>& level) {
    if (core_of(scenario_.level) != CoreKind::kOrdered && level &&
        std::max(level->w, level->r) > replicas()) {
      problem_.add(path, "'{}' asks for more than the {} replicas of each key", to_string(*level),
                   replicas());
    }
  }

  void step(const ScenarioClient& client, const Step& step, const std::string& path) {
    if (const auto* operation = std::get_if<Operation>(&step)) {
      counts(path + ".level", operation->level);
    } else if (const auto* action = std::get_if<FaultAction>(&step)) {
      leader(*action, path);
    } else if (const auto* wait = std::get_if<Await>(&step)) {
      if (wait->client == client.number) {
        problem_.add(path + ".client", "client {} waits for itself", client.number);
      }
      await(*wait, path);
    }
  }

  void leader(const FaultAction& action, const std::string& path) {
    if (action.verb != FaultVerb::kLinks && !action.node &&
        core_of(scenario_.level) == CoreKind::kLeaderless) {
      problem_.add(path + ".node", "there is no leader at the level '{}'",
                   to_string(scenario_.level));
    }
  }

  bool is_random(std::uint32_t client) const {
    return scenario_.load && client >= first_random_ &&
           client - first_random_ < scenario_.load->clients;
  }
  bool has(std::uint32_t client) const { return clients_.contains(client) || is_random(client); }

  bool gets(std::uint32_t client, const std::string& key) const {
    if (is_random(client)) {
      const auto& keys = scenario_.load->keys;
      return std::find(keys.begin(), keys.end(), key) != keys.end();
    }
    const auto& steps = clients_.at(client)->steps;
    return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
      const auto* operation = std::get_if<Operation>(&step);
      return operation != nullptr && operation->op == HistoryOp::kGet && operation->key == key;
    });
  }

  void await(const Await& wait, const std::string& path) {
    if (!has(wait.client)) {
      return problem_.add(path + ".client", "there is no client {}", wait.client);
    }
    const auto most = is_random(wait.client) ? scenario_.load->operations
                                             : operations_of(*clients_.at(wait.client));
    if (wait.requests > most) {
      problem_.add(path + ".requests", "client {} has {} requests", wait.client, most);
    }
  }

  bool may_go(const Step& step, std::map<std::uint32_t, Progress>& all) const {
    const auto* wait = std::get_if<Await>(&step);
    return wait == nullptr || is_random(wait->client) ||
           all[wait->client].requests >= wait->requests;
  }

  const Object& file_;
  Problem& problem_;
  const Scenario& scenario_;
  std::map<std::uint32_t, const ScenarioClient*> clients_;
  std::uint32_t first_random_ = 0;
};

}  // namespace

void check_scenario(const Object& file, const Scenario& scenario) {
  Checker checker(file, scenario);
  checker.keyspace();
  checker.clients();
  checker.faults();
  if (!file.problem().found()) {
    checker.stuck();
  }
  checker.sightings("never", scenario.expect.never);
  checker.sightings("once", scenario.expect.once);
}

}  // namespace kvorum::lab
