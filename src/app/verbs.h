// The program's verbs: each adds its options to the command line and, when chosen, runs and leaves
// its exit code.
#pragma once

#include <cstdio>
#include <string>

namespace CLI {
class App;
}

namespace kvorum::app {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kBadInput = 2;
inline constexpr int kUndecided = 3;  // a judge ran out of its budget

void add_server_verb(CLI::App& app, int& exit_code);
void add_cluster_verb(CLI::App& app, int& exit_code);
void add_cli_verb(CLI::App& app, int& exit_code);
void add_sim_verb(CLI::App& app, int& exit_code);
void add_check_verb(CLI::App& app, int& exit_code);
void add_bench_verb(CLI::App& app, int& exit_code);
void add_run_verb(CLI::App& app, int& exit_code);

// One line on stderr. Gives `exit_code` back, so that it can stand in a return.
inline int complain(int exit_code, const std::string& text) {
  std::fprintf(stderr, "kvorum: %s\n", text.c_str());
  return exit_code;
}

}  // namespace kvorum::app
