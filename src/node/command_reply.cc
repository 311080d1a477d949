// COMMAND and its subcommands.
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "base/ascii.h"
#include "node/command_table.h"
#include "node/commands.h"

namespace kvorum::node {
namespace {

using Args = std::span<const ByteView>;

struct TraitName {
  std::uint8_t trait;
  ByteView name;
};
constexpr TraitName kTraitNames[] = {
    {trait::kWrite, "write"},     {trait::kReadOnly, "readonly"},
    {trait::kDenyOom, "denyoom"}, {trait::kFast, "fast"},
    {trait::kAdmin, "admin"},     {trait::kLoading, "loading"},
    {trait::kLoading, "stale"},   {trait::kMovableKeys, "movablekeys"},
};

void reply_flags(const CommandSpec& spec, ReplyWriter& reply) {
  std::size_t count = 0;
  for (const auto& [bit, name] : kTraitNames) {
    count += (spec.traits & bit) != 0;
  }
  reply.array(count);
  for (const auto& [bit, name] : kTraitNames) {
    if ((spec.traits & bit) != 0) {
      reply.status(name);
    }
  }
}

void reply_categories(const CommandSpec& spec, ReplyWriter& reply) {
  std::vector<ByteView> names;
  if ((spec.traits & trait::kWrite) != 0) {
    names.push_back("@write");
  }
  if ((spec.traits & trait::kReadOnly) != 0) {
    names.push_back("@read");
  }
  if (spec.group == Group::kString) {
    names.push_back("@string");
  } else if (spec.group == Group::kGeneric) {
    names.push_back("@keyspace");
  } else if (spec.group == Group::kConnection) {
    names.push_back("@connection");
  }
  names.push_back((spec.traits & trait::kFast) != 0 ? "@fast" : "@slow");
  reply.array(names.size());
  for (const auto name : names) {
    reply.status(name);
  }
}

// The ten fields of Redis 7.
void reply_info(const CommandSpec& spec, ReplyWriter& reply) {
  reply.array(10);
  reply.bulk(spec.name);
  reply.integer(spec.arity);
  reply_flags(spec, reply);
  reply.integer(spec.first_key);
  reply.integer(spec.last_key);
  reply.integer(spec.key_step);
  reply_categories(spec, reply);
  reply.array(0);  // tips
  reply.array(0);  // key specifications
  reply.array(0);  // subcommands
}

void reply_docs(const CommandSpec& spec, ReplyWriter& reply) {
  reply.bulk(spec.name);
  reply.map(spec.syntax.empty() ? 3 : 4);
  reply.bulk("summary");
  reply.bulk(spec.summary);
  reply.bulk("since");
  reply.bulk(spec.group == Group::kKvorum ? "0.1.0" : "1.0.0");
  reply.bulk("group");
  reply.bulk(to_string(spec.group));
  if (!spec.syntax.empty()) {
    // One argument whose name is the whole syntax: clients that show help print just that.
    reply.bulk("arguments");
    reply.array(1);
    reply.map(2);
    reply.bulk("name");
    reply.bulk(spec.syntax);
    reply.bulk("type");
    reply.bulk("string");
  }
}

void reply_info_list(Args names, ReplyWriter& reply) {
  if (names.empty()) {
    reply.array(command_table().size());
    for (const auto& spec : command_table()) {
      reply_info(spec, reply);
    }
    return;
  }
  reply.array(names.size());
  for (const auto name : names) {
    if (const auto* spec = find_command(name)) {
      reply_info(*spec, reply);
    } else {
      reply.nil();
    }
  }
}

void reply_docs_list(Args names, ReplyWriter& reply) {
  std::vector<const CommandSpec*> found;
  for (const auto name : names) {
    if (const auto* spec = find_command(name)) {
      found.push_back(spec);
    }
  }
  if (names.empty()) {
    for (const auto& spec : command_table()) {
      found.push_back(&spec);
    }
  }
  reply.map(found.size());
  for (const auto* spec : found) {
    reply_docs(*spec, reply);
  }
}

void reply_list(Args options, ReplyWriter& reply) {
  if (!options.empty()) {
    return reply.error({ErrorCode::kSyntax, {}});
  }
  reply.array(command_table().size());
  for (const auto& spec : command_table()) {
    reply.bulk(spec.name);
  }
}

void reply_get_keys(Args request, ReplyWriter& reply) {
  constexpr std::size_t kOnceWords = 3;  // KV.ONCE client-id sequence
  request = unwrapped(request);
  const auto* spec = request.empty() ? nullptr : find_command(request[0]);
  if (spec != nullptr && spec->verb == Verb::kKvOnce && request.size() > kOnceWords) {
    request = request.subspan(kOnceWords);
    spec = find_command(request[0]);
  }
  if (spec == nullptr) {
    return reply.error({ErrorCode::kGeneric, "Invalid command specified"});
  }
  const auto count = static_cast<int>(request.size());
  if (spec->arity >= 0 ? count != spec->arity : count < -spec->arity) {
    return reply.error({ErrorCode::kGeneric, "Invalid number of arguments specified for command"});
  }
  if (spec->first_key == 0) {
    return reply.error({ErrorCode::kGeneric, "The command has no key arguments"});
  }
  const int last = spec->last_key < 0 ? count + spec->last_key : spec->last_key;
  reply.array(static_cast<std::size_t>((last - spec->first_key) / spec->key_step + 1));
  for (int i = spec->first_key; i <= last; i += spec->key_step) {
    reply.bulk(request[static_cast<std::size_t>(i)]);
  }
}

constexpr ByteView kHelp[] = {
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands.",
    "DOCS [<command-name> [<command-name> ...]]",
    "    Return documentation about commands; all of them if none is named.",
    "GETKEYS <full-command>",
    "    Return the keys of a full command.",
    "INFO [<command-name> [<command-name> ...]]",
    "    Return details about commands; all of them if none is named.",
    "LIST",
    "    Return the names of all commands.",
};

}  // namespace

void reply_command(std::span<const ByteView> args, ReplyWriter& reply) {
  if (args.size() <= 1) {
    return reply_info_list({}, reply);
  }
  const auto subcommand = lower(args[1].substr(0, 64));
  const auto rest = args.subspan(2);
  if (subcommand == "count" && rest.empty()) {
    return reply.integer(static_cast<std::int64_t>(command_table().size()));
  }
  if (subcommand == "info") {
    return reply_info_list(rest, reply);
  }
  if (subcommand == "docs") {
    return reply_docs_list(rest, reply);
  }
  if (subcommand == "list") {
    return reply_list(rest, reply);
  }
  if (subcommand == "getkeys" && !rest.empty()) {
    return reply_get_keys(rest, reply);
  }
  if (subcommand == "help" && rest.empty()) {
    reply.array(std::size(kHelp));
    for (const auto line : kHelp) {
      reply.status(line);
    }
    return;
  }
  if (subcommand == "count" || subcommand == "getkeys" || subcommand == "help") {
    return reply.error({ErrorCode::kGeneric,
                        "wrong number of arguments for 'command|" + subcommand + "' command"});
  }
  std::string name(args[1].substr(0, 128));
  for (auto& c : name) {
    c = c == '\r' || c == '\n' ? ' ' : c;
  }
  reply.error({ErrorCode::kGeneric, "unknown subcommand '" + name + "'. Try COMMAND HELP."});
}

}  // namespace kvorum::node
