#include "app/cli_session.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>

#include "app/cli_words.h"
#include "app/verbs.h"
#include "node/command_table.h"
#include "wire/inline_args.h"
#include "wire/resp.h"

namespace kvorum::app {
namespace {

bool same_word(ByteView word, ByteView lower_case) {
  return std::equal(
      word.begin(), word.end(), lower_case.begin(), lower_case.end(),
      [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

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
  const auto connections = client_.connections();
  const auto before = client_.endpoint();
  const auto reply = client_.call(
      args, is_repeatable(args) ? client::Repeat::kHarmless : client::Repeat::kNever);
  tell_move(connections, before);
  if (!reply) {
    return tell_failure(reply.error(), where);
  }
  const Style style{.colour = options_.colour, .raw_text = answers_text(args)};
  const auto text = options_.json ? format_json(*reply) : format_reply(*reply, style);
  if (!reply->is_error()) {
    remember_settings(args);
    fmt::print(out_, "{}\n", text);
    return LineResult::kDone;
  }
  if (where.empty() || options_.json) {
    fmt::print(out_, "{}\n", text);
  }
  if (!where.empty()) {
    say(where + format_reply(*reply, style));
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

// A new connection starts at the default level: what was set on the old one is set again.
void CliSession::remember_settings(std::span<const ByteView> args) {
  const auto* spec = node::find_command(args[0]);
  if (spec == nullptr || args.size() < 2) {
    if (spec != nullptr && spec->verb == node::Verb::kReset) {
      select_.clear();
      levels_.clear();
    }
  } else if (spec->verb == node::Verb::kSelect) {
    select_.clear();
    wire::append_request(args, select_);
  } else if (spec->verb == node::Verb::kKvLevel) {
    Bytes request;
    wire::append_request(args, request);
    std::erase(levels_, request);
    levels_.push_back(std::move(request));
  } else {
    return;
  }
  auto prelude = levels_;
  if (!select_.empty()) {
    prelude.insert(prelude.begin(), select_);
  }
  client_.set_prelude(std::move(prelude));
}

void CliSession::tell_move(std::size_t connections_before, const client::Endpoint& before) {
  const bool moved = !(client_.endpoint() == before);
  if (client_.connections() == connections_before || (connections_before == 0 && !moved)) {
    return;
  }
  if (!moved) {
    say(fmt::format("(connected again to {})", to_string(before)));
  } else {
    say(fmt::format("({} is gone; now on {})", to_string(before), to_string(client_.endpoint())));
  }
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
    failed = failed || result == LineResult::kFailed || result == LineResult::kNoNode;
    if (result == LineResult::kLeave || result == LineResult::kNoNode) {
      break;
    }
  }
  std::free(line);
  return failed ? kFailed : kOk;
}

bool CliSession::connect() {
  const auto connected = client_.connect();
  if (!connected) {
    tell_failure(connected.error(), {});
  }
  return connected.has_value();
}

std::string CliSession::prompt() {
  return client_.connected() ? to_string(client_.endpoint()) + "> " : "not connected> ";
}

}  // namespace kvorum::app
