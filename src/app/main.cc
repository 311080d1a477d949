// kvorum: one program, several verbs.
#include <CLI/CLI.hpp>

#include "app/verbs.h"
#include "app/version.h"

int main(int argc, char** argv) {
  using namespace kvorum::app;
  CLI::App app("kvorum: a replicated key-value store that speaks the Redis protocol", "kvorum");
  app.set_version_flag("--version", std::string("kvorum ") + kVersion);
  app.require_subcommand(1);
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    std::string line = error.what();
    for (auto& c : line) {
      c = c == '\n' ? ' ' : c;
    }
    const auto named = failed->get_subcommands().empty()
                           ? "kvorum"
                           : "kvorum " + failed->get_subcommands().front()->get_name();
    return "kvorum: " + line + " (try `" + named + " --help`)\n";
  });
  int exit_code = kOk;
  add_server_verb(app, exit_code);
  add_cluster_verb(app, exit_code);
  add_cli_verb(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kBadInput;
  }
  return exit_code;
}
