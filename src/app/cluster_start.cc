// kvorum cluster start
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>
#include <vector>

#include "app/cluster_ops.h"
#include "app/cluster_run.h"
#include "app/verbs.h"

namespace kvorum::app {
namespace {

constexpr std::uint32_t kDefaultNodes = 3;
constexpr std::uint32_t kDefaultBasePort = 7001;
constexpr std::uint32_t kPeerOffset = 1000;
constexpr std::uint32_t kHttpOffset = 2000;
constexpr std::uint32_t kMemcachedOffset = 3000;
constexpr std::uint32_t kThreeByteOffset = 4000;
constexpr Duration kWatchInterval = 500ms;

Result<ClusterConfig> new_config(const StartOptions& options) {
  ClusterConfig config;
  const auto nodes = options.nodes.value_or(kDefaultNodes);
  const auto base = options.base_port.value_or(kDefaultBasePort);
  const auto highest = base + nodes - 1 +
                       (options.three_byte  ? kThreeByteOffset
                        : options.memcached ? kMemcachedOffset
                                            : kHttpOffset);
  if (highest > 65535) {
    return fail(ErrorCode::kConfig,
                "--base-port {} leaves no room for {} nodes: the highest port "
                "would be {}",
                base, nodes, highest);
  }
  std::random_device random;
  while (!config.cluster) {
    config.cluster = ClusterId(std::uint64_t{random()} << 32 | random());
  }
  config.store = options.store.value_or(config.store);
  config.memory_budget_bytes = options.memory_budget_bytes.value_or(config.memory_budget_bytes);
  if (config.memory_budget_bytes > 0 && config.store == "mem") {
    return fail(ErrorCode::kConfig,
                "--memory-budget needs --store rocks: where else should rows go?");
  }
  config.level = options.main.level.value_or(config.level);
  config.http_origins = options.http_origins.value_or(config.http_origins);
  auto main = describe_main(options.main, nodes);
  if (!main) {
    return tl::unexpected(std::move(main.error()));
  }
  config.main = std::move(*main);
  for (std::uint32_t i = 0; i < nodes; ++i) {
    const auto port = [&](std::uint32_t offset, bool wanted = true) {
      return static_cast<std::uint16_t>(wanted ? base + i + offset : 0);
    };
    config.nodes.push_back({.id = NodeId(i + 1),
                            .resp_port = port(0),
                            .peer_port = port(kPeerOffset),
                            .http_port = port(kHttpOffset),
                            .memcached_port = port(kMemcachedOffset, options.memcached),
                            .three_byte_port = port(kThreeByteOffset, options.three_byte)});
  }
  return config;
}

// A cluster that was formed keeps what it was formed with.
Result<void> check_unchanged(const StartOptions& options, const ClusterConfig& config,
                             const std::string& path) {
  const auto differs = [&](const char* flag, const auto& wanted, const auto& is) -> Result<void> {
    if (!wanted || *wanted == is) {
      return {};
    }
    return fail(ErrorCode::kConfig, "{} {} differs from the cluster that exists ({}; see {})", flag,
                *wanted, is, path);
  };
  const auto same = differs("--nodes", options.nodes, config.nodes.size());
  const auto same_port = differs("--base-port", options.base_port, config.nodes[0].resp_port);
  const auto same_store = differs("--store", options.store, config.store);
  const auto same_budget =
      differs("--memory-budget", options.memory_budget_bytes, config.memory_budget_bytes);
  const auto same_level = differs("--level", options.main.level, config.level);
  const bool same_origins = !options.http_origins || *options.http_origins == config.http_origins;
  if (!same_origins) {
    return fail(ErrorCode::kConfig, "--http-origin differs from the cluster that exists (see {})",
                path);
  }
  const auto has_port = [&](const char* flag, bool wanted, auto port) -> Result<void> {
    const auto& nodes = config.nodes;
    return !wanted || std::all_of(nodes.begin(), nodes.end(),
                                  [port](const NodeConfig& node) { return node.*port != 0; })
               ? Result<void>()
               : fail(ErrorCode::kConfig,
                      "{} needs a port of each node: name them in {}, as "
                      "docs/cluster.example.toml shows",
                      flag, path);
  };
  const auto memcached = has_port("--memcached", options.memcached, &NodeConfig::memcached_port);
  const auto three = has_port("--three-byte", options.three_byte, &NodeConfig::three_byte_port);
  for (const auto& check :
       {same, same_port, same_store, same_budget, same_level, memcached, three}) {
    if (!check) {
      return check;
    }
  }
  auto wanted = options.main;
  wanted.level = config.level;
  if (const auto possible = describe_main(wanted, config.nodes.size()); !possible) {
    return tl::unexpected(possible.error());
  }
  const auto& main = config.main;
  const auto same_partitions = differs("--partitions", wanted.partitions, main.partitions);
  const auto same_n = differs("-N", wanted.n, main.n);
  const auto same_w = differs("-W", wanted.w, main.w);
  const auto same_r = differs("-R", wanted.r, main.r);
  const auto same_conflict =
      differs("--conflict", wanted.conflict, std::string(to_string(main.conflict)));
  const auto same_durability = differs("--durability", wanted.durability, durability_word(main));
  for (const auto& check :
       {same_partitions, same_n, same_w, same_r, same_conflict, same_durability}) {
    if (!check) {
      return check;
    }
  }
  return {};
}

std::string list_ids(const std::vector<Member>& members) {
  std::string out = members.size() == 1 ? "node " : "nodes ";
  for (std::size_t i = 0; i < members.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : ", ", members[i].config.id.value());
  }
  return out;
}

void print_summary(const ClusterDir& dir, const ClusterConfig& config, bool detach) {
  const auto port = config.nodes[0].resp_port;
  const auto data = dir.shown() == "./kvorum-data" ? "" : " --data " + dir.shown();
  fmt::print("{} node{} of cluster {:016x} serve{}; data and logs in {}\n", config.nodes.size(),
             config.nodes.size() == 1 ? "" : "s", config.cluster.value(),
             config.nodes.size() == 1 ? "s" : "", dir.shown());
  for (const auto& node : config.nodes) {
    const auto beside = [](const char* name, std::uint16_t number) {
      return number == 0 ? std::string() : fmt::format("   {} on port {}", name, number);
    };
    fmt::print("  node {}   redis-cli -p {}{}{}\n", node.id.value(), node.resp_port,
               beside("memcached", node.memcached_port),
               beside("three bytes", node.three_byte_port));
  }
  fmt::print("Try:    kvorum cli -p {}   or   redis-cli -p {} set k v\n", port, port);
  fmt::print("Look:   kvorum cluster status{}\n", data);
  fmt::print("Stop:   {}kvorum cluster stop{}\n", detach ? "" : "Ctrl-C, or ", data);
  std::fflush(stdout);
}

// Until a signal asks us to stop, or no node is left.
int stay(const ClusterDir& dir, const ClusterConfig& config, std::vector<Member> members) {
  while (true) {
    const int number = held_signal(kWatchInterval);
    for (auto& member : members) {
      if (!member.process.wait(Duration(0))) {
        continue;
      }
      fmt::print("node {} ended: {}\n", member.config.id.value(),
                 dir.last_log_line(member.config.id));
      std::fflush(stdout);
    }
    std::erase_if(members, [](const Member& member) { return member.process.wait(Duration(0)); });
    auto now = running(dir, config);
    if (number != 0) {
      fmt::print("stopping {} nodes\n", now.size());
      stop_all(now);
      return kOk;
    }
    if (now.empty()) {
      fmt::print("no node is left\n");
      return kOk;
    }
    members = std::move(now);  // those that `cluster restart` started, too
  }
}

}  // namespace

int cluster_start(const StartOptions& options) {
  ClusterDir dir(options.data);
  const bool exists = dir.has_config();
  const auto config = exists ? dir.config() : new_config(options);
  if (!config) {
    return complain(kBadInput, config.error().detail);
  }
  if (exists) {
    if (const auto same = check_unchanged(options, *config, dir.config_path()); !same) {
      return complain(kBadInput, same.error().detail);
    }
    if (const auto up = running(dir, *config); !up.empty()) {
      return complain(kFailed, fmt::format("the cluster in {} is already running ({})", dir.shown(),
                                           list_ids(up)));
    }
  }
  for (const auto& node : config->nodes) {
    if (const auto taken = taken_port(node)) {
      return complain(kFailed, *taken);
    }
  }
  if (const auto locked = dir.lock(true); !locked) {
    return complain(kFailed, locked.error().detail);
  }
  if (!exists) {
    if (const auto written = dir.write_config(*config); !written) {
      return complain(kFailed, written.error().detail);
    }
  }
  hold_signals();
  auto members = start_all(dir, *config, options.detach ? Orphan::kLives : Orphan::kStops);
  if (!members) {
    return complain(kFailed, members.error().detail);
  }
  dir.unlock();
  print_summary(dir, *config, options.detach);
  return options.detach ? kOk : stay(dir, *config, std::move(*members));
}

}  // namespace kvorum::app
