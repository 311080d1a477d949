// The command line of `kvorum cli`.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "app/cli_session.h"
#include "app/cli_shell.h"
#include "app/config.h"
#include "app/verbs.h"

namespace kvorum::app {
namespace {

struct Flags {
  client::Endpoint endpoint;
  std::string data = "./kvorum-data";
  std::string config;
  std::string file;
  std::string rules;
  bool json = false;
};

std::string number_of(const std::string& host) { return host == "localhost" ? "127.0.0.1" : host; }

// The node asked for, and behind it the others of its cluster, if a cluster.toml names it: from the
// next higher id on, and round.
Result<void> find_nodes(const Flags& flags, CliOptions& options) {
  options.endpoints = {flags.endpoint};
  const auto config =
      load_config(flags.config.empty() ? flags.data + "/cluster.toml" : flags.config);
  if (!config) {
    return flags.config.empty() ? Result<void>() : tl::unexpected(config.error());
  }
  auto nodes = config->nodes;
  const auto asked = std::find_if(nodes.begin(), nodes.end(), [&flags](const NodeConfig& node) {
    return node.resp_port == flags.endpoint.port &&
           number_of(node.host) == number_of(flags.endpoint.host);
  });
  if (asked == nodes.end()) {
    return {};
  }
  std::rotate(nodes.begin(), asked, nodes.end());
  for (const auto& node : nodes) {
    options.node_ids.push_back(node.id.value());
    if (options.node_ids.size() > 1) {
      options.endpoints.push_back({node.host, node.resp_port});
    }
  }
  return {};
}

int run_file(CliSession& session, const std::string& path) {
  auto* in = std::fopen(path.c_str(), "r");
  if (in == nullptr) {
    return complain(kBadInput, fmt::format("{}: {}", path, std::strerror(errno)));
  }
  const int exit_code = session.run_script(in);
  std::fclose(in);
  return exit_code;
}

int run_cli(const Flags& flags, const std::vector<std::string>& command) {
  CliOptions options;
  if (const auto found = find_nodes(flags, options); !found) {
    return complain(kBadInput, found.error().detail);
  }
  if (!flags.file.empty() && !command.empty()) {
    return complain(kBadInput, "--file and a command exclude each other");
  }
  options.json = flags.json;
  options.rules = flags.rules.empty() ? Rules::kPlain : Rules::k2015;
  options.colour =
      !flags.json && ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  CliSession session(options, stdout, stderr);
  if (!command.empty()) {
    const std::vector<ByteView> args(command.begin(), command.end());
    const auto result = session.run_command(args, {});
    return result == LineResult::kDone || result == LineResult::kLeave ? kOk : kFailed;
  }
  if (!flags.file.empty()) {
    return run_file(session, flags.file);
  }
  return ::isatty(STDIN_FILENO) == 1 ? run_shell(session) : session.run_script(stdin);
}

}  // namespace

void add_cli_verb(CLI::App& app, int& exit_code) {
  const auto flags = std::make_shared<Flags>();
  auto* cli = app.add_subcommand(
      "cli",
      "Talk to a cluster: a shell, or commands from stdin, or the one given behind the options");
  cli->set_help_flag("--help",
                     "Print this help message and exit");  // -h is the host, as in redis-cli
  cli->add_option("-h,--host", flags->endpoint.host, "The node's address")->capture_default_str();
  cli->add_option("-p,--port", flags->endpoint.port, "The node's port for Redis clients")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  cli->add_flag("--json", flags->json, "Print every reply as one JSON value");
  cli->add_option("--file", flags->file, "Run the commands of this file, a line each, and end");
  cli->add_option("--rules", flags->rules,
                  "2015: level 1 is linearizable, 2 sequential, 3 w=1,r=1 and 4 w=2,r=2")
      ->check(CLI::IsMember({"2015"}));
  auto* data =
      cli->add_option(
             "--data", flags->data,
             "Directory of a cluster on this machine; if the node is one of its nodes, the "
             "others stand in when it dies")
          ->capture_default_str();
  cli->add_option("--config", flags->config, "A cluster.toml to take the other nodes from instead")
      ->excludes(data);
  cli->prefix_command();
  cli->callback([flags, cli, &exit_code] { exit_code = run_cli(*flags, cli->remaining()); });
}

}  // namespace kvorum::app
