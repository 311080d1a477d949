#include "app/cli_session.h"

#include <fmt/format.h>

#include <cstdlib>
#include <thread>

#include "app/cli_words.h"
#include "app/shell_replies.h"
#include "app/verbs.h"
#include "base/ascii.h"
#include "wire/inline_args.h"

namespace kvorum::app {
namespace {

ByteView trimmed(ByteView line) {
  const auto start = line.find_first_not_of(" \t\r\n");
  return start == ByteView::npos ? ByteView()
                                 : line.substr(start, line.find_last_not_of(" \t\r\n") - start + 1);
}

}  // namespace

LineResult CliSession::run_line(ByteView line, const std::string& where) {
  line = trimmed(line);
  if (line.empty() || line.starts_with('#')) {
    return LineResult::kDone;
  }
  std::vector<ByteView> args;
  Bytes text;
  if (!wire::split_inline(line, args, text)) {
    return tell_failure({ErrorCode::kSyntax, "unbalanced quotes"}, where);
  }
  return args.empty() ? LineResult::kDone : run_command(args, where);
}

bool CliSession::is_local(std::span<const ByteView> args, LineResult& result) {
  if (same_word(args[0], "exit") || same_word(args[0], "quit")) {
    result = LineResult::kLeave;
    return true;
  }
  if (same_word(args[0], "help") || args[0] == "?") {
    const auto text = help(args.size() > 1 ? args[1] : ByteView());
    std::fwrite(text.data(), 1, text.size(), out_);
    result = LineResult::kDone;
    return true;
  }
  return false;
}

LineResult CliSession::run_command(std::span<const ByteView> args, const std::string& where) {
  LineResult result = LineResult::kDone;
  if (is_local(args, result)) {
    return result;
  }
  const auto planned = plan(args, options_.rules);
  if (!planned) {
    return tell_failure(planned.error(), where);
  }
  if (*planned) {
    return run_plan(**planned, where);
  }
  const auto reply = sender_.send(args);
  const Style style{.colour = options_.colour, .raw_text = answers_text(args)};
  return tell(reply, where, [&] { return format_reply(*reply, style); });
}

LineResult CliSession::run_plan(const Plan& plan, const std::string& where) {
  const auto reply = carry_out(plan);
  return tell(reply, where, [&] {
    switch (plan.word) {
      case Word::kShowAll:
        return format_pairs(*reply);
      case Word::kSend:
      case Word::kBcast:
        return format_deliveries(*reply);
      default:
        return format_reply(*reply, {.colour = options_.colour, .raw_text = true});
    }
  });
}

Result<wire::Reply> CliSession::carry_out(const Plan& plan) {
  if (plan.word == Word::kDelay) {
    std::fflush(out_);
    std::this_thread::sleep_for(plan.delay);
    return status_reply("OK");
  }
  if (!plan.check.empty()) {
    return check_and_write(plan);
  }
  auto reply = send(plan.command);
  if (reply && !reply->is_error() && plan.word == Word::kShowAll) {
    return pairs_of(*reply);
  }
  return reply;
}

// Atomically where there is one order of writes; else it looks first, and says so.
Result<wire::Reply> CliSession::check_and_write(const Plan& plan) {
  std::optional<wire::Reply> refused;
  const auto leaderless = sender_.is_leaderless(refused);
  if (!leaderless) {
    return tl::unexpected(leaderless.error());
  }
  if (refused) {
    return std::move(*refused);
  }
  if (!*leaderless) {
    auto reply = send(plan.command);
    if (!reply || reply->is_error()) {
      return reply;
    }
    const bool done = plan.word == Word::kDelete ? reply->integer != 0 : !reply->is_nil();
    return done ? status_reply("OK") : refusal_of(plan);
  }
  auto found = send(plan.check);
  if (!found || found->is_error()) {
    return found;
  }
  if ((found->integer != 0) == (plan.word == Word::kInsert)) {
    return refusal_of(plan);
  }
  auto reply = send(plan.unchecked);
  return !reply || reply->is_error() ? reply : status_reply("OK (checked, not atomic)");
}

Result<wire::Reply> CliSession::send(const std::vector<Bytes>& words) {
  return sender_.send(std::vector<ByteView>(words.begin(), words.end()));
}

// `text` makes the reply readable, if it is no error.
template <class Text>
LineResult CliSession::tell(const Result<wire::Reply>& reply, const std::string& where, Text text) {
  if (!reply) {
    return tell_failure(reply.error(), where);
  }
  if (!reply->is_error()) {
    fmt::print(out_, "{}\n", options_.json ? format_json(*reply) : text());
    return LineResult::kDone;
  }
  const auto error = format_reply(*reply, {.colour = options_.colour});
  if (where.empty() || options_.json) {
    fmt::print(out_, "{}\n", options_.json ? format_json(*reply) : error);
  }
  if (!where.empty()) {
    say(where + error);
  }
  if (reply->text.starts_with("ERR unknown command") && !options_.json) {
    say("help lists the commands");
  }
  return LineResult::kFailed;
}

// Behind what was printed before, also when both streams end in one file.
void CliSession::say(const std::string& text) {
  std::fflush(out_);
  fmt::print(err_, "{}\n", text);
}

LineResult CliSession::tell_failure(const Error& error, const std::string& where) {
  const auto text = to_string(error);
  if (options_.json) {
    fmt::print(out_, "{}\n", format_failure_json(text));
  }
  if (!options_.json || !where.empty()) {
    say(where + format_failure(text, {.colour = options_.colour}));
  }
  return error.code == ErrorCode::kIo ? LineResult::kNoNode : LineResult::kFailed;
}

int CliSession::run_script(std::FILE* in) {
  bool failed = false;
  char* line = nullptr;
  std::size_t capacity = 0;
  for (std::size_t number = 1;; ++number) {
    const auto size = ::getline(&line, &capacity, in);
    if (size < 0) {
      break;
    }
    const auto result =
        run_line(ByteView(line, static_cast<std::size_t>(size)), fmt::format("line {}: ", number));
    std::fflush(out_);  // a program at the other end of a pipe may wait for it
    failed = failed || result == LineResult::kFailed || result == LineResult::kNoNode;
    if (result == LineResult::kLeave || result == LineResult::kNoNode) {
      break;
    }
  }
  std::free(line);
  return failed ? kFailed : kOk;
}

bool CliSession::connect() {
  const auto connected = sender_.connect();
  if (!connected) {
    tell_failure(connected.error(), {});
  }
  return connected.has_value();
}

std::string CliSession::prompt() {
  return sender_.connected() ? to_string(sender_.endpoint()) + "> " : "not connected> ";
}

}  // namespace kvorum::app
