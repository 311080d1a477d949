#include "app/cli_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/shell_words.h"
#include "base/ascii.h"
#include "node/command_table.h"

namespace kvorum::app {
namespace {

using node::Verb;

constexpr ByteView kShellWords[] = {"help", "exit", "quit"};
constexpr ByteView kLevelWords[] = {"linearizable", "sequential", "prefix", "bounded:", "session",
                                    "causal",       "eventual",   "quorum", "one",      "all"};
constexpr ByteView kShellGroup = "shell";
constexpr node::Group kGroups[] = {node::Group::kString, node::Group::kGeneric,
                                   node::Group::kKvorum, node::Group::kConnection,
                                   node::Group::kServer};

const node::CommandSpec* innermost(std::span<const ByteView> args) {
  args = node::unwrapped(args);
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

void offer_levels(std::vector<std::string>& out, ByteView typed) {
  for (const auto level : kLevelWords) {
    offer(out, level, typed, true);
  }
}

// Where a level may stand: behind all other arguments of a word that takes one.
bool may_name_level(std::span<const ByteView> words) {
  const auto* spec = words.empty() ? nullptr : find_word(words[0]);
  return spec != nullptr && spec->syntax.ends_with("[level]") && words.size() == spec->most;
}

std::string one_line(const std::string& name, ByteView summary) {
  return fmt::format("  {:<13} {}\n", name, summary);
}

std::string help_word(const WordSpec& spec) {
  return fmt::format("  {}{}{}\n  {}\n  group: {}\n", spec.name, spec.syntax.empty() ? "" : " ",
                     spec.syntax, spec.summary, kShellGroup);
}

// A group with a headline, if it is asked for: by name, or with all others.
template <class Lines>
void help_group(std::string& out, ByteView topic, ByteView group, Lines lines) {
  if (topic.empty() || lower(topic) == group) {
    out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", group);
    lines();
  }
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
    case Verb::kKvSend:
      return false;
    default:
      return true;  // KV.ONCE too: that is what its number is for
  }
}

bool is_numbered(std::span<const ByteView> args) {
  const auto* spec = innermost(args);
  return spec != nullptr && spec->verb == Verb::kKvOnce;
}

bool is_key_write(std::span<const ByteView> args) {
  const auto* spec = innermost(args);
  return spec != nullptr && spec->verb == Verb::kData &&
         (spec->traits & node::trait::kWrite) != 0 && spec->first_key != 0;
}

std::vector<ByteView> numbered(std::span<const ByteView> args, ByteView id, ByteView seq) {
  const auto command = node::unwrapped(args);
  std::vector<ByteView> out(args.begin(), command.begin());
  out.insert(out.end(), {"KV.ONCE", id, seq});
  out.insert(out.end(), command.begin(), command.end());
  return out;
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
  while (const auto wrapped = node::wrapper_words(before)) {
    if (before.size() < wrapped) {  // KV.AT, and then a level; or KV.CONTEXT
      if (lower(before[0]) == "kv.at") {
        offer_levels(out, typed);
      }
      return out;
    }
    before = before.subspan(wrapped);
  }
  const bool first = before.empty();
  if (first || (before.size() == 1 && lower(before[0]) == "help")) {
    offer_commands(out, typed);
  }
  if (words.empty() || (words.size() == 1 && lower(words[0]) == "help")) {
    for (const auto& spec : shell_words()) {
      offer(out, spec.name, typed, false);
    }
  }
  if (words.empty()) {
    for (const auto word : kShellWords) {
      offer(out, word, typed, true);
    }
  }
  if ((!before.empty() && lower(before[0]) == "kv.level") || may_name_level(words)) {
    offer_levels(out, typed);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::string help(ByteView topic) {
  std::string out;
  if (const auto* spec = find_word(topic)) {
    out = help_word(*spec);
  }
  if (const auto* spec = node::find_command(topic)) {
    out += fmt::format("{}  {} {}\n  {}\n  group: {}\n", out.empty() ? "" : "\n", upper(spec->name),
                       spec->syntax, spec->summary, to_string(spec->group));
  }
  if (!out.empty()) {
    return out;
  }
  help_group(out, topic, kShellGroup, [&] {
    for (const auto& spec : shell_words()) {
      out += one_line(std::string(spec.name), spec.summary);
    }
  });
  for (const auto group : kGroups) {
    help_group(out, topic, to_string(group), [&] {
      for (const auto& spec : node::command_table()) {
        out += spec.group == group ? one_line(upper(spec.name), spec.summary) : "";
      }
    });
  }
  if (out.empty()) {
    return fmt::format("no help for '{}'; try help\n", topic);
  }
  return out + (topic.empty() ? "\nhelp NAME tells more about a command; exit leaves.\n" : "");
}

}  // namespace kvorum::app
