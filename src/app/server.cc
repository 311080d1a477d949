// kvorum server: one replica process.
#include "net/server.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "app/config.h"
#include "app/fronts.h"
#include "app/process.h"
#include "app/process_figures.h"
#include "app/units.h"
#include "app/verbs.h"
#include "app/version.h"
#include "node/disk.h"
#include "node/identity.h"
#include "node/node.h"
#include "store/store.h"

namespace kvorum::app {
namespace {

// What the log, votes and checkpoints may still fill once clients are refused: this much stays
// free.
constexpr std::uint64_t kOwnReserveBytes = std::uint64_t{16} << 20;

struct Flags {
  std::uint32_t node = 0;
  std::string config;
  std::string data;
  std::string bind = "127.0.0.1";
  std::vector<std::string> http_origins;
  std::string store;      // empty: as the configuration says
  std::string log_level;  // empty: as the configuration says
  // As the configuration says, unless named.
  std::optional<std::uint64_t> memory_budget_bytes;
  std::optional<std::uint16_t> memcached;
  std::optional<std::uint16_t> three_byte;
  bool init = false;
  bool faults = false;
};

void set_up_log(const std::string& level) {
  auto log = spdlog::stderr_color_mt("kvorum");
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  log->set_level(spdlog::level::from_str(level));
  log->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(log));
}

std::uint64_t draw() {
  std::random_device random;
  std::uint64_t value = 0;
  while (value == 0) {
    value = std::uint64_t{random()} << 32 | random();
  }
  return value;
}

Now now() {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return {Instant(std::chrono::steady_clock::now().time_since_epoch()),
          WallMs(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count())};
}

// Before anything is written. The server binds again: somebody may come in between.
Result<void> check_ports(const std::string& host, const NodeConfig& node) {
  for (const auto port : {node.resp_port, node.peer_port, node.http_port, node.memcached_port,
                          node.three_byte_port}) {
    if (port != 0 && !port_is_free(host, port) && errno == EADDRINUSE) {
      return fail(ErrorCode::kConfig, "port {} is in use", port);
    }
  }
  return {};
}

Result<std::unique_ptr<store::Store>> open_store(const Flags& flags, const ClusterConfig& config) {
  if (config.store == "mem") {
    return store::open_mem();
  }
  std::error_code error;
  std::filesystem::create_directories(flags.data, error);
  if (error) {
    return fail(ErrorCode::kIo, "{}: {}", flags.data, error.message());
  }
  store::RocksOptions options;
  options.path = flags.data;
  options.create = true;
  // Clients are refused at the reserve; what the node writes by itself may use most of it.
  options.low_bytes = config.reserve_bytes;
  options.reserve_bytes = std::min<std::uint64_t>(config.reserve_bytes / 4, kOwnReserveBytes);
  options.finds_rows = config.memory_budget_bytes > 0;
  options.notice = [](const std::string& text) { spdlog::warn("{}", text); };
  return store::open_rocks(options);
}

node::Options node_options(const ClusterConfig& config, const NodeConfig& self,
                           const node::Identity& identity) {
  using std::chrono::milliseconds;
  node::Options options;
  options.cluster = config.cluster;
  options.self = self.id;
  options.incarnation = identity.incarnation;
  options.boot = identity.boot;
  for (const auto& node : config.nodes) {
    options.members.push_back(node.id);
  }
  options.main = config.main;
  options.seed = draw();
  options.may_vote = identity.may_vote;
  options.election_timeout = milliseconds(config.election_timeout_ms);
  options.heartbeat = milliseconds(config.heartbeat_ms);
  options.request_timeout = milliseconds(config.request_timeout_ms);
  options.memory_budget = config.memory_budget_bytes;
  options.kv.max_value_bytes = config.max_value_bytes;
  if (!config.main.leaderless()) {
    options.read_level = *parse_level(config.level);  // the configuration was checked
  }
  options.version = kVersion;
  options.resp_port = self.resp_port;
  return options;
}

net::ServerOptions server_options(const Flags& flags, const ClusterConfig& config,
                                  const NodeConfig& self, const node::Identity& identity) {
  constexpr std::size_t kRoomBesideValue = std::size_t{1} << 20;
  net::ServerOptions options;
  options.cluster = config.cluster;
  options.self = self.id;
  options.incarnation = identity.incarnation;
  options.clients = {flags.bind, self.resp_port};
  options.peer_listener = {flags.bind, self.peer_port};
  for (const auto& node : config.nodes) {
    options.peers.push_back({node.id, {node.host, node.peer_port}});
  }
  auto& requests = options.requests;
  requests.bulk_bytes = config.max_value_bytes;
  requests.request_bytes =
      std::max<std::size_t>(requests.request_bytes, config.max_value_bytes + kRoomBesideValue);
  options.fronts = fronts_of(config, self, flags.bind, flags.http_origins, requests);
  return options;
}

// Serves until a signal; the error is what kept it from serving.
Result<int> serve(const Flags& flags, const ClusterConfig& config, const NodeConfig& self) {
  auto store = open_store(flags, config);
  if (!store) {
    return tl::unexpected(std::move(store.error()));
  }
  const auto identity =
      node::identify(**store, config.cluster, self.id, Incarnation(draw()), flags.init);
  if (!identity) {
    return tl::unexpected(identity.error());
  }
  auto server = net::Server::open(server_options(flags, config, self, *identity));
  if (!server) {
    return tl::unexpected(std::move(server.error()));
  }
  auto options = node_options(config, self, *identity);
  options.faults = flags.faults;
  options.cpu_time = cpu_time;
  options.durable = config.store != "mem";
  auto node = node::Node::open(options, **store, **server, now());
  if (!node) {
    return tl::unexpected(std::move(node.error()));
  }
  spdlog::info(
      "node {} of cluster {:016x}: on {}, clients on port {}, peers on port {}, start {}{}",
      self.id.value(), config.cluster.value(), flags.bind, self.resp_port, self.peer_port,
      identity->boot, identity->may_vote ? "" : ", without a vote (its disk was empty)");
  if (config.memory_budget_bytes > 0) {
    spdlog::info("memory budget {} bytes: for rows; above it their values are on disk alone",
                 config.memory_budget_bytes);
  }
  log_fronts(self);
  node::Disk disk(**store);
  return (*server)->run(**node, disk);
}

int run_server(const Flags& flags) {
  auto config = load_config(flags.config);
  if (!config) {
    return complain(kBadInput, config.error().detail);
  }
  config->store = flags.store.empty() ? config->store : flags.store;
  config->memory_budget_bytes = flags.memory_budget_bytes.value_or(config->memory_budget_bytes);
  if (config->memory_budget_bytes > 0 && config->store == "mem") {
    return complain(kBadInput, "a memory budget needs --store rocks: where else should rows go?");
  }
  const auto* found = config->find(NodeId(flags.node));
  if (found == nullptr) {
    return complain(kBadInput, fmt::format("{} names no node {}", flags.config, flags.node));
  }
  auto self = *found;
  self.memcached_port = flags.memcached.value_or(self.memcached_port);
  self.three_byte_port = flags.three_byte.value_or(self.three_byte_port);
  if (const auto free = check_ports(flags.bind, self); !free) {
    return complain(kFailed, free.error().detail);
  }
  set_up_log(flags.log_level.empty() ? config->log_level : flags.log_level);
  const auto ended = serve(flags, *config, self);
  if (!ended) {
    spdlog::shutdown();
    const auto& error = ended.error();
    return complain(kFailed, error.detail.empty() ? default_text(error.code) : error.detail);
  }
  spdlog::info("node {} ends", self.id.value());
  return *ended == 0 ? kOk : kFailed;
}

}  // namespace

void add_server_verb(CLI::App& app, int& exit_code) {
  const auto flags = std::make_shared<Flags>();
  auto* server = app.add_subcommand("server", "Run one replica");
  server->add_option("--node", flags->node, "Its id in the configuration")->required();
  server
      ->add_option("--config", flags->config, "cluster.toml; docs/cluster.example.toml explains it")
      ->required();
  server->add_option("--data", flags->data, "Its data directory, made if it is not there")
      ->required();
  server->add_flag(
      "--init", flags->init,
      "Form a new node in an empty directory. Only the first time: a node that lost its "
      "data must come back without it, and then has no vote");
  server->add_option("--store", flags->store, "rocks or mem; overrides the configuration")
      ->check(CLI::IsMember({"rocks", "mem"}));
  add_memory_budget(server, flags->memory_budget_bytes);
  server->add_flag("--faults", flags->faults, "Allow KV.FAULT");
  server
      ->add_option("--memcached", flags->memcached,
                   "Serve memcached clients on this port; 0: none. Overrides the configuration")
      ->check(CLI::Range(0u, 65535u));
  server
      ->add_option("--three-byte", flags->three_byte,
                   "Serve the protocol of three bytes (px2, gx, d) on this port; 0: none. "
                   "Overrides the configuration")
      ->check(CLI::Range(0u, 65535u));
  server->add_option("--bind", flags->bind, "Address to listen on")->capture_default_str();
  server->add_option("--http-origin", flags->http_origins,
                     "Lets web pages of this origin, like http://localhost:8080, use HTTP (/v1/kv "
                     "and the older forms); * for all. May be repeated");
  server
      ->add_option("--log-level", flags->log_level,
                   "debug, info, warn or error; overrides the configuration")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  server->callback([flags, &exit_code] { exit_code = run_server(*flags); });
}

}  // namespace kvorum::app
