#include "app/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <toml.hpp>
#include <utility>

#include "base/parse.h"

namespace kvorum::app {
namespace {

constexpr std::int64_t kMaxMs = 86'400'000;

// One table of the file: hands out its keys, and at the end whatever nobody asked for. Keeps the
// first error.
class Section {
 public:
  Section(const toml::value& value, std::string name, const std::string& file_name)
      : table_(value.as_table()),
        line_(value.location().line()),
        name_(std::move(name)),
        file_name_(file_name) {}

  void number(const char* key, std::int64_t least, std::int64_t most, auto& out) {
    const auto* value = find(key);
    if (value == nullptr) {
      return;
    }
    if (!value->is_integer()) {
      return complain(*value, fmt::format("{} must be a whole number", key));
    }
    if (value->as_integer() < least || value->as_integer() > most) {
      return complain(*value, fmt::format("{} must be from {} to {}", key, least, most));
    }
    out = static_cast<std::remove_reference_t<decltype(out)>>(value->as_integer());
  }

  void text(const char* key, std::string& out) {
    const auto* value = find(key);
    if (value == nullptr) {
      return;
    }
    if (!value->is_string() || value->as_string().str.empty()) {
      return complain(*value, fmt::format("{} must be a text in quotes", key));
    }
    out = value->as_string().str;
  }

  void texts(const char* key, std::vector<std::string>& out) {
    const auto* value = find(key);
    if (value == nullptr) {
      return;
    }
    const auto wrong = fmt::format("{} must be a list of texts: [\"...\"]", key);
    if (!value->is_array()) {
      return complain(*value, wrong);
    }
    for (const auto& one : value->as_array()) {
      if (!one.is_string() || one.as_string().str.empty()) {
        return complain(*value, wrong);
      }
      out.push_back(one.as_string().str);
    }
  }

  void choice(const char* key, bool (*fits)(const std::string&), const char* choices,
              std::string& out) {
    text(key, out);
    if (!fits(out)) {
      complain_at(line_of(key), fmt::format("{} must be one of {}", key, choices));
    }
  }

  void require(const char* key) {
    if (table_.find(key) == table_.end()) {
      complain_at(line_, fmt::format("key '{}' is missing in {}", key, name_));
    }
  }

  const toml::value* find(const char* key) {
    known_.insert(key);
    const auto at = table_.find(key);
    return at == table_.end() ? nullptr : &at->second;
  }

  std::size_t line_of(const char* key) const {
    const auto at = table_.find(key);
    return at == table_.end() ? line_ : at->second.location().line();
  }

  void complain(const toml::value& value, const std::string& text) {
    complain_at(value.location().line(), text);
  }
  void complain_at(std::size_t line, const std::string& text) {
    if (!error_) {
      error_ = fmt::format("{}:{}: {}", file_name_, line, text);
    }
  }

  // Typos come first: a misspelt key also makes a key missing.
  std::optional<std::string> finish() {
    const toml::value* first = nullptr;
    std::string first_key;
    for (const auto& [key, value] : table_) {
      if (!known_.contains(key) &&
          (first == nullptr || value.location().line() < first->location().line())) {
        first = &value;
        first_key = key;
      }
    }
    if (first != nullptr) {
      error_ = fmt::format("{}:{}: unknown key '{}' in {}", file_name_, first->location().line(),
                           first_key, name_);
    }
    return error_;
  }

 private:
  const toml::table& table_;
  std::size_t line_;
  std::string name_;
  const std::string& file_name_;
  std::set<std::string> known_;
  std::optional<std::string> error_;
};

using MaybeError = std::optional<std::string>;

MaybeError read_node(const toml::value& value, const std::string& file_name, NodeConfig& node) {
  if (!value.is_table()) {
    return fmt::format("{}:{}: node must be written as [[node]]", file_name,
                       value.location().line());
  }
  Section section(value, "[[node]]", file_name);
  std::uint32_t id = 0;
  section.number("id", 1, kMaxNodes, id);
  section.text("host", node.host);
  section.number("resp_port", 1, 65535, node.resp_port);
  section.number("peer_port", 1, 65535, node.peer_port);
  section.number("http_port", 0, 65535, node.http_port);
  section.number("memcached_port", 0, 65535, node.memcached_port);
  section.number("three_byte_port", 0, 65535, node.three_byte_port);
  section.require("id");
  section.require("resp_port");
  section.require("peer_port");
  node.id = NodeId(id);
  return section.finish();
}

// Two nodes of one id, or two listeners at one address.
MaybeError check_clashes(const ClusterConfig& config, const std::string& file_name) {
  std::set<NodeId> ids;
  std::set<std::pair<std::string, std::uint16_t>> addresses;
  for (const auto& node : config.nodes) {
    if (!ids.insert(node.id).second) {
      return fmt::format("{}: two nodes have the id {}", file_name, node.id.value());
    }
    for (const auto port : node.ports()) {
      if (port != 0 && !addresses.emplace(node.host, port).second) {
        return fmt::format("{}: {}:{} is named twice", file_name, node.host, port);
      }
    }
  }
  return std::nullopt;
}

MaybeError read_nodes(Section& top, const std::string& file_name, ClusterConfig& config) {
  const auto* nodes = top.find("node");
  if (nodes == nullptr) {
    top.complain_at(1, "no [[node]] is named");
    return std::nullopt;
  }
  if (!nodes->is_array()) {
    top.complain(*nodes, "node must be written as [[node]]");
    return std::nullopt;
  }
  for (const auto& value : nodes->as_array()) {
    if (auto error = read_node(value, file_name, config.nodes.emplace_back())) {
      return error;
    }
  }
  if (config.nodes.empty()) {
    top.complain(*nodes, "no [[node]] is named");
  }
  std::sort(config.nodes.begin(), config.nodes.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return check_clashes(config, file_name);
}

// When the nodes are known: the counts must fit them.
void read_main(Section& top, ClusterConfig& config) {
  MainWords words;
  const auto number = [&](const char* key, std::uint32_t most, auto& into) {
    std::uint32_t value = 0;
    top.number(key, 1, most, value);
    into = value == 0 ? into : value;
  };
  const auto text = [&](const char* key, auto& into) {
    std::string value;
    top.text(key, value);
    into = value.empty() ? into : value;
  };
  number("partitions", kMaxPartitions, words.partitions);
  number("n", Keyspace::kMaxReplicas, words.n);
  number("w", Keyspace::kMaxReplicas, words.w);
  number("r", Keyspace::kMaxReplicas, words.r);
  text("level", words.level);
  text("conflict", words.conflict);
  text("durability", words.durability);
  config.level = words.level.value_or(config.level);
  auto main = describe_main(words, config.nodes.size());
  if (!main) {
    return top.complain_at(top.line_of("level"), main.error().detail);
  }
  config.main = std::move(*main);
}

MaybeError read_top(const toml::value& root, const std::string& file_name, ClusterConfig& config) {
  Section top(root, "the cluster's settings", file_name);
  std::string cluster;
  top.text("cluster", cluster);
  const auto id = parse_number<std::uint64_t>(cluster, 16);
  if (!cluster.empty() && (!id || *id == 0)) {
    top.complain_at(top.line_of("cluster"), "cluster must be 1 to 16 hex digits, not all zero");
  }
  config.cluster = ClusterId(id.value_or(0));
  top.number("election_timeout_ms", 10, kMaxMs, config.election_timeout_ms);
  top.number("heartbeat_ms", 1, kMaxMs, config.heartbeat_ms);
  top.number("request_timeout_ms", 1, kMaxMs, config.request_timeout_ms);
  top.number("max_value_bytes", 1, static_cast<std::int64_t>(kMaxValueBytes),
             config.max_value_bytes);
  top.number("reserve_bytes", 0, INT64_MAX, config.reserve_bytes);
  top.number("memory_budget_bytes", 0, INT64_MAX, config.memory_budget_bytes);
  top.choice("store", is_store, "rocks, mem", config.store);
  top.texts("http_origins", config.http_origins);
  top.choice("log_level", is_log_level, "debug, info, warn, error", config.log_level);
  if (config.election_timeout_ms < 2 * config.heartbeat_ms) {
    top.complain_at(top.line_of("election_timeout_ms"),
                    "election_timeout_ms must be at least twice heartbeat_ms");
  }
  if (config.memory_budget_bytes > 0 && config.store == "mem") {
    top.complain_at(top.line_of("memory_budget_bytes"),
                    "memory_budget_bytes needs store = \"rocks\": where else should rows go?");
  }
  top.require("cluster");
  auto nodes_error = read_nodes(top, file_name, config);
  read_main(top, config);
  auto error = top.finish();
  return error ? error : nodes_error;
}

// toml11 explains over several lines with a drawing; its first line without the function's name
// says what is wrong.
std::string first_line(std::string what) {
  what = what.substr(0, what.find('\n'));
  for (const std::string prefix : {"[error] ", "toml::"}) {
    if (what.starts_with(prefix)) {
      what.erase(0, prefix.size());
    }
  }
  const auto colon = what.find(": ");
  return what.starts_with("parse_") && colon != std::string::npos ? what.substr(colon + 2) : what;
}

}  // namespace

const NodeConfig* ClusterConfig::find(NodeId id) const {
  const auto at = std::find_if(nodes.begin(), nodes.end(),
                               [&](const NodeConfig& node) { return node.id == id; });
  return at == nodes.end() ? nullptr : &*at;
}

bool is_log_level(const std::string& word) {
  return word == "debug" || word == "info" || word == "warn" || word == "error";
}

bool is_store(const std::string& word) { return word == "rocks" || word == "mem"; }

Result<ClusterConfig> parse_config(const std::string& text, const std::string& file_name) {
  ClusterConfig config;
  try {
    std::istringstream stream(text);
    const auto root = toml::parse(stream, file_name);
    if (const auto error = read_top(root, file_name, config)) {
      return fail(ErrorCode::kConfig, "{}", *error);
    }
  } catch (const toml::exception& error) {
    return fail(ErrorCode::kConfig, "{}:{}: {}", file_name, error.location().line(),
                first_line(error.what()));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kConfig, "{}: {}", file_name, first_line(error.what()));
  }
  return config;
}

Result<ClusterConfig> load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return fail(ErrorCode::kConfig, "{}: {}", path,
                file ? "the file is empty" : std::strerror(errno));
  }
  return parse_config(text.str(), path);
}

std::string format_config(const ClusterConfig& config) {
  std::string out = fmt::format(
      "# Written by `kvorum cluster start`. docs/cluster.example.toml explains every key.\n"
      "cluster = \"{:016x}\"\nelection_timeout_ms = {}\nheartbeat_ms = {}\n"
      "request_timeout_ms = {}\nmax_value_bytes = {}\nreserve_bytes = {}\nstore = \"{}\"\n"
      "level = \"{}\"\nlog_level = \"{}\"\npartitions = {}\n",
      config.cluster.value(), config.election_timeout_ms, config.heartbeat_ms,
      config.request_timeout_ms, config.max_value_bytes, config.reserve_bytes, config.store,
      config.level, config.log_level, config.main.partitions);
  if (config.memory_budget_bytes > 0) {
    out += fmt::format("memory_budget_bytes = {}\n", config.memory_budget_bytes);
  }
  if (!config.http_origins.empty()) {
    out += "http_origins = [";
    for (const auto& origin : config.http_origins) {
      out += fmt::format("{}{}", &origin == config.http_origins.data() ? "" : ", ",
                         toml::format(toml::value(origin)));
    }
    out += "]\n";
  }
  if (const auto& main = config.main; main.leaderless()) {
    out += fmt::format("n = {}\nw = {}\nr = {}\nconflict = \"{}\"\ndurability = \"{}\"\n", main.n,
                       main.w, main.r, to_string(main.conflict), durability_word(main));
  }
  for (const auto& node : config.nodes) {
    out += fmt::format(
        "\n[[node]]\nid = {}\nhost = \"{}\"\nresp_port = {}\npeer_port = {}\nhttp_port = {}\n",
        node.id.value(), node.host, node.resp_port, node.peer_port, node.http_port);
    for (const auto& [key, port] : {std::pair{"memcached_port", node.memcached_port},
                                    std::pair{"three_byte_port", node.three_byte_port}}) {
      out += port == 0 ? "" : fmt::format("{} = {}\n", key, port);
    }
  }
  return out;
}

}  // namespace kvorum::app
