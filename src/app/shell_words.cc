#include "app/shell_words.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "base/ascii.h"
#include "base/parse.h"
#include "model/level.h"

namespace kvorum::app {
namespace {

constexpr std::size_t kMaxWords = 1000;

constexpr WordSpec kWords[] = {
    {Word::kGet, "get", "key [level]", "Gives the value of a key", 1, 2},
    {Word::kPut, "put", "key value [level]", "Sets a key, be it there or not", 2, 3},
    {Word::kInsert, "insert", "key value [level]", "Sets a key that does not exist", 2, 3},
    {Word::kUpdate, "update", "key value [level]", "Sets a key that exists", 2, 3},
    {Word::kDelete, "delete", "key [level]", "Deletes a key that exists", 1, 2},
    {Word::kShowAll, "show-all", "", "Lists the pairs that this node holds", 0, 0},
    {Word::kSearch, "search", "key", "Tells which nodes hold a key, and what (KV.SEARCH)", 1, 1},
    {Word::kWhere, "where", "key", "Tells which nodes a key belongs to (KV.WHERE)", 1, 1},
    {Word::kDump, "dump", "", "Lists the rows that this node holds (KV.DUMP)", 0, 0},
    {Word::kDelay, "delay", "milliseconds", "Waits; what is typed meanwhile comes after it", 1, 1},
    {Word::kSend, "send", "node text", "Writes a text into a node's log (KV.SEND)", 2, kMaxWords},
    {Word::kBcast, "bcast", "text", "Writes a text into the log of every node", 1, kMaxWords},
};

constexpr std::array<ByteView, 4> kLevels2015 = {"linearizable", "sequential", "w=1,r=1",
                                                 "w=2,r=2"};
constexpr std::int64_t kLongestDelayMs = std::int64_t{24} * 3600 * 1000;

tl::unexpected<Error> usage(const WordSpec& spec) {
  return fail(ErrorCode::kGeneric, "usage: {}{}{}", spec.name, spec.syntax.empty() ? "" : " ",
              spec.syntax);
}

// None: there is no such level.
std::optional<Bytes> level_word(ByteView typed, Rules rules) {
  const auto number = parse_number<std::size_t>(typed);
  if (rules == Rules::k2015 && number) {
    return *number >= 1 && *number <= kLevels2015.size()
               ? std::optional(Bytes(kLevels2015[*number - 1]))
               : std::nullopt;
  }
  return parse_level(typed) ? std::optional(Bytes(typed)) : std::nullopt;
}

tl::unexpected<Error> bad_level(ByteView typed, const WordSpec& spec, Rules rules) {
  return fail(ErrorCode::kGeneric,
              "bad level '{}': linearizable, sequential, prefix, eventual, one, quorum, all, "
              "w=2,r=2, ... or {}; usage: {} {}",
              typed, rules == Rules::k2015 ? "1 to 4" : "1 (one) or 9 (all)", spec.name,
              spec.syntax);
}

using Words = std::vector<Bytes>;

Words at_level(const Bytes& level, Words command) {
  if (!level.empty()) {
    command.insert(command.begin(), {"KV.AT", level});
  }
  return command;
}

void plan_data(Plan& plan, const Bytes& value, const Bytes& level) {
  const auto& key = plan.key;
  plan.check = at_level(level, {"EXISTS", key});
  plan.unchecked = at_level(level, {"SET", key, value});
  switch (plan.word) {
    case Word::kGet:
      plan.command = at_level(level, {"GET", key});
      break;
    case Word::kInsert:
      plan.command = at_level(level, {"SET", key, value, "NX"});
      return;
    case Word::kUpdate:
      plan.command = at_level(level, {"SET", key, value, "XX"});
      return;
    case Word::kDelete:
      plan.command = plan.unchecked = at_level(level, {"DEL", key});
      return;
    default:
      plan.command = plan.unchecked;
      break;
  }
  plan.check.clear();
  plan.unchecked.clear();
}

// The rest of the line as one text, as it was meant.
Bytes joined(std::span<const ByteView> words) {
  Bytes text;
  for (const auto word : words) {
    text += text.empty() ? "" : " ";
    text += word;
  }
  return text;
}

bool is_data(Word word) { return word <= Word::kDelete; }

}  // namespace

std::span<const WordSpec> shell_words() { return kWords; }

const WordSpec* find_word(ByteView name) {
  const auto found = std::find_if(std::begin(kWords), std::end(kWords),
                                  [name](const auto& spec) { return same_word(name, spec.name); });
  return found == std::end(kWords) ? nullptr : found;
}

Result<std::optional<Plan>> plan(std::span<const ByteView> args, Rules rules) {
  const auto* spec = args.empty() ? nullptr : find_word(args[0]);
  if (spec == nullptr) {
    return std::optional<Plan>();
  }
  args = args.subspan(1);
  if (args.size() < spec->least || args.size() > spec->most) {
    return usage(*spec);
  }
  Plan out;
  out.word = spec->word;
  if (is_data(spec->word)) {
    out.key = args[0];
    Bytes level;
    if (args.size() == spec->most) {
      auto word = level_word(args.back(), rules);
      if (!word) {
        return bad_level(args.back(), *spec, rules);
      }
      level = std::move(*word);
    }
    plan_data(out, spec->least > 1 ? Bytes(args[1]) : Bytes(), level);
    return out;
  }
  if (spec->word == Word::kDelay) {
    const auto ms = parse_number<std::int64_t>(args[0]);
    if (!ms || *ms < 0 || *ms > kLongestDelayMs) {
      return usage(*spec);
    }
    out.delay = std::chrono::milliseconds(*ms);
  } else if (spec->word == Word::kSearch || spec->word == Word::kWhere) {
    out.key = args[0];
    out.command = {spec->word == Word::kSearch ? "KV.SEARCH" : "KV.WHERE", out.key};
  } else if (spec->word == Word::kSend) {
    out.command = {"KV.SEND", Bytes(args[0]), joined(args.subspan(1))};
  } else if (spec->word == Word::kBcast) {
    out.command = {"KV.SEND", "*", joined(args)};
  } else {
    out.command = {"KV.DUMP"};
  }
  return out;
}

}  // namespace kvorum::app
