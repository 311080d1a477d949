// The command line of `kvorum cluster`.
#include <CLI/CLI.hpp>
#include <memory>

#include "app/cluster_ops.h"
#include "app/config.h"
#include "app/units.h"
#include "app/verbs.h"

namespace kvorum::app {
namespace {

struct Flags {
  StartOptions start;
  std::string data = "./kvorum-data";
  std::uint32_t node = 0;
  bool hard = false;
};

std::string check_level(const std::string& word) {
  const auto level = parse_main_level(word);
  return level ? std::string() : level.error().detail;
}

// The keyspace `main`, when the cluster is formed.
void add_main(CLI::App* start, MainWords& main) {
  const CLI::Range count(1u, std::uint32_t{Keyspace::kMaxReplicas});
  start
      ->add_option("--partitions", main.partitions,
                   "Parts that the keys are shared among (default 1; leaderless 12)")
      ->check(CLI::Range(1u, kMaxPartitions));
  start
      ->add_option("--level", main.level,
                   "What a connection gets that says nothing else. linearizable (default), "
                   "sequential, prefix; or eventual, one, quorum, all: then `main` is leaderless")
      ->check(check_level);
  start->add_option("-N", main.n, "Leaderless: replicas of each key (default 3)")->check(count);
  start->add_option("-W", main.w, "Leaderless: acknowledgements that a write waits for")
      ->check(count);
  start->add_option("-R", main.r, "Leaderless: answers that a read waits for")->check(count);
  start
      ->add_option("--conflict", main.conflict,
                   "Leaderless: of concurrent writes, lww (default) keeps the latest, siblings "
                   "all, lexical the smallest value")
      ->check(CLI::IsMember({"lww", "siblings", "lexical"}));
  start->add_option("--durability", main.durability,
                    "Leaderless: fsync before an acknowledgement, or interval:100ms (default)");
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
  start->add_option("--store", options.store, "rocks (on disk, the default) or mem (for trials)")
      ->check(CLI::IsMember({"rocks", "mem"}));
  add_memory_budget(start, options.memory_budget_bytes);
  start->add_option(
      "--http-origin", options.http_origins,
      "Lets web pages of this origin, like http://localhost:8080, use HTTP; * for all. "
      "May be repeated");
  start->add_flag("--memcached", options.memcached,
                  "Serve memcached clients, too, 3000 above the base port");
  start->add_flag("--three-byte", options.three_byte,
                  "Serve the protocol of three bytes (px2, gx, d), 4000 above the base port");
  add_main(start, options.main);
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
