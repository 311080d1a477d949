// The command line of `kvorum cli`.
#include <unistd.h>

#include <CLI/CLI.hpp>
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
  bool json = false;
};

std::string number_of(const std::string& host) { return host == "localhost" ? "127.0.0.1" : host; }

// The node asked for, and behind it the others of its cluster, if a cluster.toml names it.
Result<std::vector<client::Endpoint>> endpoints(const Flags& flags) {
  std::vector<client::Endpoint> out = {flags.endpoint};
  const auto config =
      load_config(flags.config.empty() ? flags.data + "/cluster.toml" : flags.config);
  if (!config) {
    return flags.config.empty() ? Result<std::vector<client::Endpoint>>(out)
                                : tl::unexpected(config.error());
  }
  bool named = false;
  for (const auto& node : config->nodes) {
    const client::Endpoint endpoint{node.host, node.resp_port};
    if (node.resp_port == flags.endpoint.port &&
        number_of(node.host) == number_of(flags.endpoint.host)) {
      named = true;
    } else {
      out.push_back(endpoint);
    }
  }
  if (!named) {
    out.resize(1);
  }
  return out;
}

int run_cli(const Flags& flags, const std::vector<std::string>& command) {
  auto found = endpoints(flags);
  if (!found) {
    return complain(kBadInput, found.error().detail);
  }
  const bool colour =
      !flags.json && ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  CliSession session({.endpoints = *found, .json = flags.json, .colour = colour}, stdout, stderr);
  if (!command.empty()) {
    const std::vector<ByteView> args(command.begin(), command.end());
    const auto result = session.run_command(args, {});
    return result == LineResult::kDone || result == LineResult::kLeave ? kOk : kFailed;
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
