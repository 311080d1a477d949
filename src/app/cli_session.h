// The shell without its terminal: takes lines, talks to the cluster, prints what came of them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "app/cli_format.h"
#include "client/client.h"

namespace kvorum::app {

struct CliOptions {
  std::vector<client::Endpoint> endpoints;  // the one asked for first
  bool json = false;
  bool colour = false;
};

enum class LineResult : unsigned char {
  kDone,    // also for empty lines and comments
  kFailed,  // an error reply, a malformed line, an unknown outcome
  kNoNode,  // nothing was done, and no node answers
  kLeave,   // exit, quit
};

class CliSession {
 public:
  CliSession(const CliOptions& options, std::FILE* out, std::FILE* err)
      : options_(options), client_({.endpoints = options.endpoints}), out_(out), err_(err) {}

  // `where` stands in front of what goes to stderr: "line 3: ", or nothing.
  LineResult run_line(ByteView line, const std::string& where);
  LineResult run_command(std::span<const ByteView> args, const std::string& where);

  // Lines from a file until it ends or no node answers; exit code.
  int run_script(std::FILE* in);

  // Connects, so that the prompt can say where to; false, with a line on stderr, if no node
  // answers.
  bool connect();
  std::string prompt();

 private:
  void remember_settings(std::span<const ByteView> args);
  void tell_move(std::size_t connections_before, const client::Endpoint& before);
  void say(const std::string& text);
  LineResult tell_failure(const Error& error, const std::string& where);
  bool is_local(std::span<const ByteView> args, LineResult& result);

  CliOptions options_;
  client::Client client_;
  std::FILE* out_;
  std::FILE* err_;
  Bytes select_;  // the last successful SELECT and KV.LEVEL, to begin a new connection with
  std::vector<Bytes> levels_;
};

}  // namespace kvorum::app
