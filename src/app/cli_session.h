// The shell without its terminal: takes lines, talks to the cluster, prints what came of them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "app/cli_format.h"
#include "app/cli_sender.h"
#include "app/shell_words.h"

namespace kvorum::app {

struct CliOptions {
  std::vector<client::Endpoint> endpoints;   // the one asked for first, each before its stand-in
  std::vector<std::uint32_t> node_ids = {};  // of these; empty: not known
  Rules rules = Rules::kPlain;
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
      : options_(options),
        sender_(options.endpoints, options.node_ids,
                [this](const std::string& text) { say(text); }),
        out_(out),
        err_(err) {}

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
  LineResult run_plan(const Plan& plan, const std::string& where);
  Result<wire::Reply> carry_out(const Plan& plan);
  Result<wire::Reply> check_and_write(const Plan& plan);
  Result<wire::Reply> send(const std::vector<Bytes>& words);
  template <class Text>
  LineResult tell(const Result<wire::Reply>& reply, const std::string& where, Text text);
  void say(const std::string& text);
  LineResult tell_failure(const Error& error, const std::string& where);
  bool is_local(std::span<const ByteView> args, LineResult& result);

  CliOptions options_;
  CliSender sender_;
  std::FILE* out_;
  std::FILE* err_;
};

}  // namespace kvorum::app
