// kvorum cluster stop, status, kill and restart
#include "app/cluster_ops.h"

#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "app/cluster_run.h"
#include "app/verbs.h"
#include "client/status.h"

namespace kvorum::app {
namespace {

// The cluster's configuration, locked for a change; or the exit code.
Result<ClusterConfig> open_for_change(ClusterDir& dir) {
  auto config = dir.config();
  if (!config) {
    return config;
  }
  if (auto locked = dir.lock(false); !locked) {
    return tl::unexpected(std::move(locked.error()));
  }
  return config;
}

Result<NodeConfig> find_node(const ClusterConfig& config, NodeId id) {
  const auto* node = config.find(id);
  if (node == nullptr) {
    return fail(ErrorCode::kConfig, "there is no node {}; the cluster has nodes {} to {}",
                id.value(), config.nodes.front().id.value(), config.nodes.back().id.value());
  }
  return *node;
}

int exit_code_of(const Error& error) {
  return error.code == ErrorCode::kConfig ? kBadInput : kFailed;
}

void print_row(const NodeConfig& node, const std::optional<Process>& process) {
  const auto pid = process ? std::to_string(process->pid()) : "-";
  const auto status = process ? ask_status(node) : fail(ErrorCode::kGeneric, "down");
  const auto word = [&](const char* key) {
    const auto value = status ? client::status_word(*status, key) : "";
    return value.empty() ? "-" : value;
  };
  fmt::print("{:<5} {:<7} {:>8} {:>6}  {:<10} {:>6} {:>8} {:>12}\n", node.id.value(),
             status    ? "up"
             : process ? "silent"
                       : "down",
             pid, node.resp_port, word("role"), word("leader"), word("term"), word("applied"));
}

}  // namespace

int cluster_stop(const std::string& data) {
  ClusterDir dir(data);
  const auto config = open_for_change(dir);
  if (!config) {
    return complain(exit_code_of(config.error()), config.error().detail);
  }
  const auto members = running(dir, *config);
  stop_all(members);
  if (members.empty()) {
    fmt::print("the cluster in {} was not running\n", dir.shown());
  } else {
    fmt::print("stopped {} node{}\n", members.size(), members.size() == 1 ? "" : "s");
  }
  return kOk;
}

int cluster_status(const std::string& data) {
  const ClusterDir dir(data);
  const auto config = dir.config();
  if (!config) {
    return complain(kBadInput, config.error().detail);
  }
  fmt::print("cluster {:016x} in {}\n", config->cluster.value(), dir.shown());
  fmt::print("{:<5} {:<7} {:>8} {:>6}  {:<10} {:>6} {:>8} {:>12}\n", "node", "state", "pid", "port",
             "role", "leader", "term", "applied");
  for (const auto& node : config->nodes) {
    print_row(node, dir.find(node.id));
  }
  return kOk;
}

int cluster_kill(const std::string& data, NodeId id, bool hard) {
  ClusterDir dir(data);
  const auto config = open_for_change(dir);
  if (!config) {
    return complain(exit_code_of(config.error()), config.error().detail);
  }
  const auto node = find_node(*config, id);
  if (!node) {
    return complain(kBadInput, node.error().detail);
  }
  const auto process = dir.find(id);
  if (!process) {
    return complain(kFailed, fmt::format("node {} is not running", id.value()));
  }
  process->signal(hard ? SIGKILL : SIGTERM);
  if (!process->wait(kStopPatience)) {
    return complain(kFailed, fmt::format("node {} did not stop in time; use --hard", id.value()));
  }
  fmt::print("node {} {}\n", id.value(), hard ? "killed" : "stopped");
  return kOk;
}

int cluster_restart(const std::string& data, NodeId id) {
  ClusterDir dir(data);
  const auto config = open_for_change(dir);
  if (!config) {
    return complain(exit_code_of(config.error()), config.error().detail);
  }
  const auto node = find_node(*config, id);
  if (!node) {
    return complain(kBadInput, node.error().detail);
  }
  if (const auto process = dir.find(id)) {
    process->signal(SIGTERM);
    if (!process->wait(kStopPatience)) {
      return complain(kFailed,
                      fmt::format("node {} did not stop in time; see `kvorum cluster kill --hard`",
                                  id.value()));
    }
  }
  if (const auto taken = taken_port(*node)) {
    return complain(kFailed, *taken);
  }
  hold_signals();
  auto process = dir.start(id, Orphan::kLives);
  if (!process) {
    return complain(kFailed, process.error().detail);
  }
  const Member member{*node, std::move(*process)};
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  if (const auto up = await(dir, member, Readiness::kAnswers, deadline); !up) {
    return complain(kFailed, up.error().detail);
  }
  fmt::print("node {} runs: redis-cli -p {}\n", id.value(), node->resp_port);
  return kOk;
}

}  // namespace kvorum::app
