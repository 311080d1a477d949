// The command line of `kvorum cluster`.
#include <CLI/CLI.hpp>
#include <memory>

#include "app/cluster_ops.h"
#include "app/config.h"
#include "app/verbs.h"
#include "model/level.h"

namespace kvorum::app {
namespace {

struct Flags {
  StartOptions start;
  std::string data = "./kvorum-data";
  std::uint32_t node = 0;
  bool hard = false;
};

// This version has ordered keyspaces only, and connections begin linearizable.
std::string check_level(const std::string& word) {
  const auto level = parse_level(word);
  if (!level) {
    return level.error().detail;
  }
  if (is_read_level(word)) {
    return {};
  }
  return "'" + word + "' needs a leaderless keyspace, which this version does not have";
}

void add_data(CLI::App* verb, Flags& flags) {
  verb->add_option("--data", flags.data, "The cluster's directory")->capture_default_str();
}

void add_start(CLI::App* cluster, const std::shared_ptr<Flags>& flags, int& exit_code) {
  auto* start =
      cluster->add_subcommand("start", "Start the nodes; form the cluster the first time");
  auto& options = flags->start;
  add_data(start, *flags);
  start->add_option("--nodes", options.nodes, "How many (default 3)")
      ->check(CLI::Range(1u, kMaxNodes));
  start
      ->add_option(
          "--base-port", options.base_port,
          "Node i serves Redis clients here + i - 1, peers 1000 and HTTP 2000 above (default 7001)")
      ->check(CLI::Range(1u, 65535u));
  start->add_flag("--detach", options.detach, "Return once it serves; without, stay until Ctrl-C");
  start
      ->add_option("--partitions", options.partitions,
                   "Raft groups that share the keys (default 1)")
      ->check(CLI::Range(1u, kMaxPartitions));
  start->add_option("--store", options.store, "rocks (on disk, the default) or mem (for trials)")
      ->check(CLI::IsMember({"rocks", "mem"}));
  start
      ->add_option("--level", options.level,
                   "What reads get on a connection that says nothing else (default linearizable)")
      ->check(check_level);
  const auto leaderless = [](const std::string&) {
    return std::string(
        "counts replicas of a leaderless keyspace, which this version does not have");
  };
  start->add_option("-W", "Write acknowledgements (leaderless keyspaces)")->check(leaderless);
  start->add_option("-R", "Read answers (leaderless keyspaces)")->check(leaderless);
  start->callback([flags, &exit_code] {
    flags->start.data = flags->data;
    exit_code = cluster_start(flags->start);
  });
}

}  // namespace

void add_cluster_verb(CLI::App& app, int& exit_code) {
  auto* cluster =
      app.add_subcommand("cluster", "Run a cluster of server processes on this machine");
  cluster->require_subcommand(1);
  const auto flags = std::make_shared<Flags>();
  add_start(cluster, flags, exit_code);

  auto* stop = cluster->add_subcommand("stop", "Stop every node");
  add_data(stop, *flags);
  stop->callback([flags, &exit_code] { exit_code = cluster_stop(flags->data); });

  auto* status =
      cluster->add_subcommand("status", "Show every node: up or down, role, leader, term");
  add_data(status, *flags);
  status->callback([flags, &exit_code] { exit_code = cluster_status(flags->data); });

  auto* kill = cluster->add_subcommand("kill", "Stop one node");
  kill->add_option("node", flags->node, "Its number")->required();
  kill->add_flag("--hard", flags->hard, "At once (SIGKILL), as a crash would");
  add_data(kill, *flags);
  kill->callback([flags, &exit_code] {
    exit_code = cluster_kill(flags->data, NodeId(flags->node), flags->hard);
  });

  auto* restart =
      cluster->add_subcommand("restart", "Start one node again, stopping it first if need be");
  restart->add_option("node", flags->node, "Its number")->required();
  add_data(restart, *flags);
  restart->callback(
      [flags, &exit_code] { exit_code = cluster_restart(flags->data, NodeId(flags->node)); });
}

}  // namespace kvorum::app
