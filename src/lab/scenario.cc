#include "lab/scenario.h"

#include <algorithm>
#include <set>
#include <variant>

#include "lab/scenario_parts.h"
#include "lab/scenario_words.h"
#include "model/keyspace.h"

namespace kvorum::lab {
namespace {

constexpr std::int64_t kMostNodes = 99;
constexpr std::int64_t kMostRepeats = 100'000;

// A list of client ports, or an older file's {"0": [_, _, client port]}.
void read_ports(const Object& file, Scenario& scenario) {
  const auto* ports = file.find("ports");
  if (ports == nullptr) {
    return;
  }
  const auto path = file.path_of("ports");
  if (!ports->is_array() && !ports->is_object()) {
    return file.problem().add(path, "must be a list of ports");
  }
  if (ports->size() != scenario.nodes) {
    return file.problem().add(path, "has {} entries for {} nodes", ports->size(), scenario.nodes);
  }
  std::set<std::int64_t> used;
  for (std::uint32_t node = 0; node < scenario.nodes; ++node) {
    const auto* port = ports->is_array() ? &(*ports)[node] : nullptr;
    auto at = fmt::format("{}[{}]", path, node);
    if (port == nullptr) {
      at = fmt::format("{}.{}", path, node);
      const auto entry = ports->find(fmt::to_string(node));
      if (entry == ports->end() || !entry->is_array() || entry->size() != 3) {
        return file.problem().add(at, "must be a list of three ports, the last one for clients");
      }
      port = &(*entry)[2];
      at += "[2]";
    }
    const auto number = port->is_number_integer() ? port->get<std::int64_t>() : -1;
    if (number < 0 || number > 65535) {
      return file.problem().add(at, "must be a port from 1 to 65535, or 0 for any");
    }
    if (number != 0 && !used.insert(number).second) {
      return file.problem().add(at, "port {} is there twice", number);
    }
    scenario.ports.push_back(static_cast<std::uint16_t>(number));
  }
}

// The keyspace `main`.
void read_keyspace(const Object& file, Scenario& scenario) {
  std::optional<Level> level;
  read_level(file, level);
  scenario.level = level.value_or(Level());
  if (scenario.level.kind == LevelKind::kBounded || scenario.level.kind == LevelKind::kSession ||
      scenario.level.sloppy) {
    file.problem().add(file.path_of("level"),
                       "'{}' is for clients and requests; the cluster's own is linearizable, "
                       "sequential, prefix, causal, eventual, one, quorum or all",
                       to_string(scenario.level));
  }
  file.number("partitions", 1, Keyspace::kMaxPartitions, scenario.partitions);
  file.number("n", 1, Keyspace::kMaxReplicas, scenario.n);
  file.number("w", 1, Keyspace::kMaxReplicas, scenario.w);
  file.number("r", 1, Keyspace::kMaxReplicas, scenario.r);
  file.text("conflict", scenario.conflict);
  if (scenario.conflict && !meaning(*scenario.conflict, words_of("conflict"))) {
    file.problem().add_unknown(file.path_of("conflict"), *scenario.conflict,
                               "way to settle a conflict", words_of("conflict"));
  }
  file.text("durability", scenario.durability);
  if (scenario.durability) {
    const auto word = "durability=" + *scenario.durability;
    if (!parse_keyspace("main", {"leaderless", word}, scenario.nodes)) {
      file.problem().add(file.path_of("durability"), "must be fsync, or like interval:100ms");
    }
  }
}

// A node, or 0 for each.
std::uint32_t read_end(const Object& object, std::string_view name, std::uint32_t nodes) {
  const auto* end = object.find(name);
  if (end == nullptr || *end == "*") {
    return 0;
  }
  const auto node = end->is_number_integer() ? end->get<std::int64_t>() : 0;
  if (!end->is_number_integer()) {
    object.problem().add(object.path_of(name), "must be a node's number or \"*\"");
  } else if (node < 1 || node > nodes) {
    object.problem().add(object.path_of(name), "node {} is not in the cluster of {}", end->dump(),
                         nodes);
  }
  return static_cast<std::uint32_t>(node);
}

DelayRange read_delay(const Object& object) {
  DelayRange delay;
  if (object.find("ms") != nullptr && object.find("mean_ms") != nullptr) {
    object.problem().add(object.path(), "has both 'ms' and 'mean_ms'");
  } else if (const auto* mean = object.find("mean_ms")) {
    const auto path = object.path_of("mean_ms");
    if (mean->is_array()) {
      object.problem().add(path, "must be a number of milliseconds");
    }
    delay = read_range(*mean, path, object.problem());
    delay.least = Duration();
    delay.most *= 2;
  } else if (object.require("ms") != nullptr) {
    object.range("ms", delay);
  }
  return delay;
}

// The last one that is about a link counts.
void read_delays(const Object& file, Scenario& scenario) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, DelayRange> links;
  for (const auto& [path, json] : file.list("delays")) {
    const Object object(*json, path, words_of("delay"), file.problem());
    const auto from = read_end(object, "from", scenario.nodes);
    const auto to = read_end(object, "to", scenario.nodes);
    const auto delay = read_delay(object);
    if (file.problem().found()) {
      return;
    }
    for (std::uint32_t a = 1; a <= scenario.nodes; ++a) {
      for (std::uint32_t b = 1; b <= scenario.nodes; ++b) {
        const bool named = from != 0 && to != 0;
        if ((from == 0 || from == a) && (to == 0 || to == b) && (named || a != b)) {
          links[{a, b}] = delay;
        }
      }
    }
  }
  for (const auto& [link, delay] : links) {
    scenario.delays.push_back({NodeId(link.first), NodeId(link.second), delay});
  }
}

void read_faults(const Object& file, Scenario& scenario) {
  for (const auto& [path, json] : file.list("faults")) {
    const Object object(*json, path, words_of("fault"), file.problem());
    TimedFault fault;
    if (const auto* at = object.find("at_ms")) {
      if (at->is_array()) {
        file.problem().add(object.path_of("at_ms"), "must be a number of milliseconds");
      }
      fault.at = read_range(*at, object.path_of("at_ms"), file.problem()).most;
    }
    if (const auto* after = object.find("after")) {
      fault.after =
          read_await(Object(*after, object.path_of("after"), words_of("after"), file.problem()));
    }
    fault.action = read_action(object, scenario.nodes);
    scenario.faults.push_back(std::move(fault));
  }
}

// In older files every key begins as 0.
void begin_with_zero(Scenario& scenario) {
  for (const auto& client : scenario.clients) {
    for (const auto& step : client.steps) {
      if (const auto* operation = std::get_if<Operation>(&step)) {
        scenario.initial.emplace(operation->key, "0");
      }
    }
  }
}

void read_file(const Object& file, bool older, Scenario& scenario) {
  auto& problem = file.problem();
  file.text("name", scenario.name);
  file.text("teaches", scenario.teaches);
  file.number("nodes", 1, kMostNodes, scenario.nodes);
  read_ports(file, scenario);
  read_keyspace(file, scenario);
  for (const auto& [key, value] : file.entries("initial")) {
    scenario.initial[key] = read_value(*value, file.path_of("initial") + "." + key, problem);
  }
  read_delays(file, scenario);
  file.flag("fifo", scenario.fifo);
  read_clients(file, scenario);
  if (const auto* workload = file.find("workload")) {
    const Object object(*workload, file.path_of("workload"), words_of("workload"), problem);
    read_workload(object, scenario);
  }
  if (scenario.clients.empty() && !scenario.load) {
    problem.add("", "has neither clients nor a workload");
  }
  if (older) {
    begin_with_zero(scenario);
  }
  read_faults(file, scenario);
  file.flag("until_quiet", scenario.until_quiet);
  read_expectations(file, scenario);
  file.number("repeat", 1, kMostRepeats, scenario.repeat);
  if (const auto* seed = file.find("seed")) {
    if (!seed->is_number_unsigned()) {
      problem.add(file.path_of("seed"), "must be a whole number, 0 or more");
    } else {
      scenario.seed = seed->get<std::uint64_t>();
    }
  }
}

}  // namespace

Result<Scenario> parse_scenario(const std::string& text, const std::string& name) {
  const auto json = parse_json(text);
  if (!json) {
    return tl::unexpected(json.error());
  }
  Problem problem;
  Scenario scenario;
  scenario.name = name;
  const Object file(*json, "", words_of("scenario"), problem);
  // One complaint is enough: what was read so far may not fit together.
  if (!problem.found()) {
    read_file(file, json->contains("num_servers"), scenario);
  }
  if (!problem.found()) {
    check_scenario(file, scenario);
  }
  if (problem.found()) {
    return problem.error();
  }
  return scenario;
}

}  // namespace kvorum::lab
