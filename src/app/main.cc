// kvorum: one program, several verbs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "app/verbs.h"
#include "app/version.h"
#include "base/mutant.h"

namespace kvorum::app {
namespace {

// One line that says what is wrong with the command line, and where to read on.
std::string failure_message(const CLI::App* app, const CLI::Error& error) {
  std::string verb = "kvorum";
  const auto* chosen = app;
  for (; !chosen->get_subcommands().empty(); chosen = chosen->get_subcommands().front()) {
    verb += ' ' + chosen->get_subcommands().front()->get_name();
  }
  std::string line = error.what();
  const auto rest = app->remaining(true);
  const bool verb_missing = line == "A subcommand is required";
  if (verb_missing) {
    line = rest.empty() ? "a verb is missing" : "unknown verb '" + rest.front() + "'";
  }
  for (auto& c : line) {
    c = c == '\n' ? ' ' : c;
  }
  return "kvorum: " + line + " (try `" + verb + " --help`)\n";
}

int run(int argc, char** argv) {
  CLI::App app("kvorum: a replicated key-value store that speaks the Redis protocol", "kvorum");
  app.set_version_flag("--version", std::string("kvorum ") + kVersion);
  app.require_subcommand(1);
  app.failure_message(failure_message);
  int exit_code = kOk;
  add_server_verb(app, exit_code);
  add_cluster_verb(app, exit_code);
  add_cli_verb(app, exit_code);
  add_run_verb(app, exit_code);
  add_check_verb(app, exit_code);
  add_sim_verb(app, exit_code);
  add_bench_verb(app, exit_code);
#ifdef KVORUM_MUTANTS
  app.add_option("--mutant", "the planted bug to wake")->each([](const std::string& word) {
    if (!pick_mutant(word)) {
      throw CLI::ValidationError("--mutant", "no planted bug is called " + word);
    }
  });
  app.add_flag_callback("--mutants", [] {
    for (const auto& [word, text] : mutants()) {
      fmt::print("{:<28} {}\n", word, text);
    }
    throw CLI::Success();
  });
#endif
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kBadInput;
  }
  return exit_code;
}

}  // namespace
}  // namespace kvorum::app

// jemalloc looks for it. A thread that only waits has an arena whose freed memory nobody would give
// back: jemalloc's own thread does, after 5 s, in which what is used again costs no page fault.
extern "C" const char* malloc_conf;
const char* malloc_conf = "background_thread:true,max_background_threads:1,dirty_decay_ms:5000";

int main(int argc, char** argv) { return kvorum::app::run(argc, argv); }
