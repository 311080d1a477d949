#include "app/cli_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "node/command_table.h"

namespace kvorum::app {
namespace {

using node::Verb;

constexpr ByteView kShellWords[] = {"help", "exit", "quit"};
constexpr ByteView kLevelWords[] = {"linearizable", "sequential", "prefix", "bounded:", "session",
                                    "causal",       "eventual",   "quorum", "one",      "all"};
constexpr node::Group kGroups[] = {node::Group::kString, node::Group::kGeneric,
                                   node::Group::kKvorum, node::Group::kConnection,
                                   node::Group::kServer};

std::string with_case(ByteView text, int (*change)(int)) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [&](char c) { return static_cast<char>(change(static_cast<unsigned char>(c))); });
  return out;
}
std::string lower(ByteView text) { return with_case(text, std::tolower); }
std::string upper(ByteView text) { return with_case(text, std::toupper); }

// How many words in front of the command that a wrapper runs; 0: it is none, or runs none here.
std::size_t wrapper_words(std::span<const ByteView> args) {
  const auto* spec = args.empty() ? nullptr : node::find_command(args[0]);
  if (spec == nullptr) {
    return 0;
  }
  const bool two = spec->verb == Verb::kKvAt || spec->verb == Verb::kKvContext;
  return two ? 2 : spec->verb == Verb::kKvReceipt ? 1 : 0;
}

const node::CommandSpec* innermost(std::span<const ByteView> args) {
  for (auto words = wrapper_words(args); words != 0 && words < args.size();
       words = wrapper_words(args)) {
    args = args.subspan(words);
  }
  return args.empty() ? nullptr : node::find_command(args[0]);
}

void offer(std::vector<std::string>& out, ByteView word, ByteView typed, bool keep_case) {
  if (!lower(word).starts_with(lower(typed))) {
    return;
  }
  const bool typed_lower = typed.empty() ? keep_case : typed == lower(typed);
  out.push_back(keep_case || typed_lower ? lower(word) : upper(word));
}

void offer_commands(std::vector<std::string>& out, ByteView typed) {
  for (const auto& spec : node::command_table()) {
    offer(out, spec.name, typed, false);
  }
}

std::string one_line(const node::CommandSpec& spec) {
  return fmt::format("  {:<13} {}\n", upper(spec.name), spec.summary);
}

}  // namespace

bool is_repeatable(std::span<const ByteView> args) {
  const auto* spec = innermost(args);
  if (spec == nullptr) {
    return false;
  }
  switch (spec->verb) {
    case Verb::kData:
      return (spec->traits & node::trait::kReadOnly) != 0;
    case Verb::kKvKeyspace:
    case Verb::kKvFault:
      return false;
    default:
      return true;  // KV.ONCE too: that is what its number is for
  }
}

bool answers_text(std::span<const ByteView> args) {
  const auto* spec = innermost(args);
  return spec != nullptr && spec->verb != Verb::kData && spec->verb != Verb::kEcho &&
         spec->verb != Verb::kPing && spec->verb != Verb::kKvOnce;
}

std::vector<std::string> complete(ByteView line) {
  std::vector<ByteView> words;
  for (std::size_t at = line.find_first_not_of(' '); at != ByteView::npos;) {
    const auto end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(' ', end);
  }
  ByteView typed;
  if (!words.empty() && !line.ends_with(' ')) {
    typed = words.back();
    words.pop_back();
  }
  std::vector<std::string> out;
  std::span<const ByteView> before = words;
  while (const auto wrapped = wrapper_words(before)) {
    if (before.size() < wrapped) {  // KV.AT, and then a level; or KV.CONTEXT
      if (lower(before[0]) == "kv.at") {
        for (const auto level : kLevelWords) {
          offer(out, level, typed, true);
        }
      }
      return out;
    }
    before = before.subspan(wrapped);
  }
  const bool first = before.empty();
  if (first || (before.size() == 1 && lower(before[0]) == "help")) {
    offer_commands(out, typed);
  }
  if (first && words.empty()) {
    for (const auto word : kShellWords) {
      offer(out, word, typed, true);
    }
  }
  if (!before.empty() && lower(before[0]) == "kv.level") {
    for (const auto level : kLevelWords) {
      offer(out, level, typed, true);
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string help(ByteView topic) {
  if (const auto* spec = node::find_command(topic)) {
    return fmt::format("  {} {}\n  {}\n  group: {}\n", upper(spec->name), spec->syntax,
                       spec->summary, to_string(spec->group));
  }
  std::string out;
  for (const auto group : kGroups) {
    if (!topic.empty() && lower(topic) != to_string(group)) {
      continue;
    }
    out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", to_string(group));
    for (const auto& spec : node::command_table()) {
      out += spec.group == group ? one_line(spec) : "";
    }
  }
  if (out.empty()) {
    return fmt::format("no help for '{}'; try help\n", topic);
  }
  return out + (topic.empty() ? "\nhelp NAME tells more about a command; exit leaves.\n" : "");
}

}  // namespace kvorum::app
