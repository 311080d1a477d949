// Clients and what they do.
#include <algorithm>
#include <cstdint>
#include <set>

#include "lab/scenario_parts.h"
#include "lab/scenario_words.h"
#include "model/fault.h"

namespace kvorum::lab {
namespace {

constexpr std::int64_t kMostClients = 1000;
constexpr std::int64_t kMostClientNumber = 999'999;
constexpr std::int64_t kMostOperations = 1'000'000;
constexpr std::int64_t kMostKeys = 100'000;

// The words of KV.FAULT.
void read_links(const Object& object, const std::vector<std::string>& words, std::uint32_t nodes,
                FaultAction& action) {
  std::vector<NodeId> members;
  for (std::uint32_t node = 1; node <= nodes; ++node) {
    members.emplace_back(node);
  }
  const auto command = parse_fault(std::vector<ByteView>(words.begin(), words.end()), members);
  if (!command) {
    constexpr std::string_view kCommand = "KV.FAULT: ";
    const auto& why = command.error().detail;
    object.problem().add(object.path_of("do"), "{}",
                         why.starts_with(kCommand) ? why.substr(kCommand.size()) : why);
  }
  if (object.find("node") != nullptr) {
    object.problem().add(object.path_of("node"), "the nodes of '{}' are among its words",
                         words.front());
  }
  action.words = fmt::format("{}", fmt::join(words, " "));
}

void read_fault_node(const Object& object, std::uint32_t nodes, FaultAction& action) {
  const auto* node = object.require("node");
  if (node == nullptr || *node == "leader") {
    return;
  }
  if (!node->is_number_integer()) {
    return object.problem().add(object.path_of("node"), "must be a node's number or \"leader\"");
  }
  const auto number = node->get<std::int64_t>();
  if (number < 1 || number > nodes) {
    return object.problem().add(object.path_of("node"), "node {} is not in the cluster of {}",
                                node->dump(), nodes);
  }
  action.node = NodeId(static_cast<std::uint32_t>(number));
}

// Of two words for two ways of counting, the one that is there.
NodeId read_client_node(const Object& object, std::uint32_t client, std::uint32_t nodes) {
  const bool older = object.find("server_number") != nullptr;
  const auto name = older ? "server_number" : "node";
  const auto* value = object.find(name);
  if (older && object.find("node") != nullptr) {
    object.problem().add(object.path_of("server_number"), "'node' says the same");
  }
  if (value == nullptr) {
    return NodeId(1 + client % nodes);
  }
  if (!value->is_number_integer()) {
    object.problem().add(object.path_of(name), "must be a whole number");
    return NodeId(1);
  }
  const auto number = value->get<std::int64_t>();
  const std::int64_t first = older ? 0 : 1;
  if (number < first || number - first >= nodes) {
    object.problem().add(object.path_of(name), "{} {} is not in the cluster of {}{}",
                         older ? "server" : "node", value->dump(), nodes,
                         older ? "; they count from 0" : "");
    return NodeId(1);
  }
  return NodeId(static_cast<std::uint32_t>(number - first + 1));
}

Operation read_operation(const Object& object, const RequestShape& shape) {
  Operation out;
  out.op = *shape.op;
  const auto needs = [&](std::string_view name) {
    return std::find(shape.fields.begin(), shape.fields.end(), name) != shape.fields.end();
  };
  object.require("key");
  object.text("key", out.key);
  if (needs("value")) {
    if (const auto* value = object.require("value")) {
      out.value = read_value(*value, object.path_of("value"), object.problem());
    }
  }
  if (needs("expect")) {
    if (!object.names("expect")) {
      object.problem().add(object.path(), "'expect' is missing; null stands for an absent key");
    } else if (const auto* expect = object.find("expect")) {
      out.expect = read_value(*expect, object.path_of("expect"), object.problem());
    }
  }
  object.number("by", INT64_MIN, INT64_MAX, out.by);
  read_level(object, out.level);
  return out;
}

Step read_step(const Object& object, std::uint32_t nodes) {
  std::string word;
  object.require("type");
  object.text("type", word);
  const auto types = words_of("request_type");
  const auto* shape = find_request(meaning(word, types).value_or(""));
  if (shape == nullptr) {
    object.problem().add_unknown(object.path_of("type"), word, "request", types);
    return Sleep{};
  }
  for (const auto& field : words_of("request")) {
    const auto& taken = shape->fields;
    if (field.means != "type" && object.find(field.means) != nullptr &&
        std::find(taken.begin(), taken.end(), field.means) == taken.end()) {
      object.problem().add(object.path_of(field.means), "a request '{}' has no such field",
                           shape->type);
    }
  }
  if (shape->op) {
    return read_operation(object, *shape);
  }
  if (shape->type == "await") {
    return read_await(object);
  }
  if (shape->type == "fault") {
    return read_action(object, nodes);
  }
  Sleep sleep{{Duration(), std::chrono::seconds(1)}};
  object.range("ms", sleep.time);
  return sleep;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "a-d", a list, or how many.
void read_keys(const Object& object, std::vector<std::string>& out) {
  const auto* keys = object.require("keys");
  if (keys == nullptr) {
    return;
  }
  const auto path = object.path_of("keys");
  if (keys->is_number()) {
    std::int64_t count = 0;
    object.number("keys", 1, kMostKeys, count);
    for (std::int64_t i = 1; i <= count; ++i) {
      out.push_back(fmt::format("k{}", i));
    }
  } else if (keys->is_array()) {
    std::set<std::string> used;
    for (const auto& [at, key] : object.list("keys")) {
      if (!key->is_string()) {
        return object.problem().add(at, "must be a text");
      }
      out.push_back(key->get<std::string>());
      if (!used.insert(out.back()).second) {
        object.problem().add(at, "{} is there twice", in_quotes(out.back()));
      }
    }
  } else if (const auto range = keys->is_string() ? keys->get<std::string>() : "";
             range.size() == 3 && range[1] == '-' && is_letter(range[0]) && is_letter(range[2])) {
    for (char key = range[0]; key <= range[2]; ++key) {
      out.emplace_back(1, key);
    }
  }
  if (out.empty()) {
    object.problem().add(path, "must be a list of keys, a range like \"a-d\", or their number");
  }
}

}  // namespace

void read_level(const Object& object, std::optional<Level>& out) {
  const auto* json = object.find("level");
  if (json == nullptr) {
    return;
  }
  const auto path = object.path_of("level");
  if (!json->is_string() && !json->is_number_integer()) {
    return object.problem().add(path, "must be a level's word");
  }
  const auto word = json->is_string() ? json->get<std::string>() : json->dump();
  const auto level = parse_level(meaning(word, words_of("level")).value_or(word));
  if (!level) {
    return object.problem().add_unknown(path, word, "level", words_of("level"));
  }
  out = *level;
}

Await read_await(const Object& object) {
  Await out;
  if (object.require("client") != nullptr && object.require("requests") != nullptr) {
    object.number("client", 0, kMostClientNumber, out.client);
    object.number("requests", 1, INT64_MAX, out.requests);
  }
  return out;
}

FaultAction read_action(const Object& object, std::uint32_t nodes) {
  FaultAction out;
  std::string text;
  object.require("do");
  object.text("do", text);
  const auto words = split_words(text);
  const auto first = words.empty() ? text : words.front();
  const auto verb = find_verb(first);
  if (!verb) {
    object.problem().add_unknown(object.path_of("do"), first, "fault", words_of("do"));
    return out;
  }
  out.verb = *verb;
  if (out.verb == FaultVerb::kLinks) {
    read_links(object, words, nodes, out);
  } else if (words.size() > 1) {
    object.problem().add(object.path_of("do"), "'{}' stands alone; its node is a field", first);
  } else {
    read_fault_node(object, nodes, out);
  }
  return out;
}

void read_clients(const Object& file, Scenario& scenario) {
  const auto clients = file.list("clients");
  if (clients.size() > kMostClients) {
    return file.problem().add(file.path_of("clients"), "{} are too many; at most {}",
                              clients.size(), kMostClients);
  }
  std::set<std::uint32_t> numbers;
  for (const auto& [path, json] : clients) {
    const Object object(*json, path, words_of("client"), file.problem());
    auto& client = scenario.clients.emplace_back();
    client.number = static_cast<std::uint32_t>(scenario.clients.size() - 1);
    object.number("client", 0, kMostClientNumber, client.number);
    if (!numbers.insert(client.number).second) {
      file.problem().add(object.path_of("client"), "there are two clients {}", client.number);
    }
    client.node = read_client_node(object, client.number, scenario.nodes);
    read_level(object, client.level);
    object.require("requests");
    for (const auto& [at, request] : object.list("requests")) {
      client.steps.push_back(
          read_step(Object(*request, at, words_of("request"), file.problem()), scenario.nodes));
    }
  }
}

void read_workload(const Object& object, Scenario& scenario) {
  RandomLoad load;
  if (object.require("clients") != nullptr && object.require("operations") != nullptr) {
    const auto most = kMostClients - static_cast<std::int64_t>(scenario.clients.size());
    object.number("clients", 1, std::max<std::int64_t>(1, most), load.clients);
    object.number("operations", 1, kMostOperations, load.operations);
  }
  read_keys(object, load.keys);
  object.number("read_percent", 0, 100, load.read_percent);
  object.number("delete_percent", 0, 100, load.delete_percent);
  if (load.read_percent + load.delete_percent > 100) {
    object.problem().add(object.path_of("delete_percent"),
                         "{} and 'read_percent' {} are more than 100", load.delete_percent,
                         load.read_percent);
  }
  object.range("think_ms", load.think);
  read_level(object, load.level);
  scenario.load = std::move(load);
}

}  // namespace kvorum::lab
