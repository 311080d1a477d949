#include "model/keyspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/parse.h"

namespace kvorum {
namespace {

constexpr std::size_t kMaxName = 64;
// Divisible by every number of members up to four, and by six: all hold as many.
constexpr std::uint32_t kLeaderlessPartitions = 12;

// The next piece of a line, taken off its front; empty at the end.
ByteView next_piece(ByteView& text, char end) {
  const auto piece = text.substr(0, text.find(end));
  text.remove_prefix(std::min(piece.size() + 1, text.size()));
  return piece;
}

bool is_name(ByteView name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !name.empty() && name.size() <= kMaxName && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
         });
}

template <class Int>
bool take(std::optional<Int> value, Int least, Int most, Int& into) {
  into = value.value_or(Int());
  return value && *value >= least && *value <= most;
}

bool take_durability(ByteView word, std::uint32_t& flush_ms) {
  constexpr ByteView kInterval = "interval:";
  flush_ms = 0;
  if (word == "fsync") {
    return true;
  }
  if (!word.starts_with(kInterval) || !word.ends_with("ms")) {
    return false;
  }
  const auto ms = word.substr(kInterval.size(), word.size() - kInterval.size() - 2);
  return take<std::uint32_t>(parse_number<std::uint32_t>(ms), 1, Keyspace::kMaxFlushMs, flush_ms);
}

std::optional<Keyspace> decode_keyspace(ByteView line) {
  const auto number = [&] { return parse_number<std::uint32_t>(next_piece(line, ' ')); };
  const auto count = [&](std::uint8_t& into) {
    return take<std::uint8_t>(parse_number<std::uint8_t>(next_piece(line, ' ')), 1,
                              Keyspace::kMaxReplicas, into);
  };
  Keyspace keyspace;
  const auto id = number();
  keyspace.name = next_piece(line, ' ');
  const auto core = next_piece(line, ' ');
  const auto first = number();
  if (!id || !first || !is_name(keyspace.name) ||
      !take<std::uint32_t>(number(), 1, Keyspace::kMaxPartitions, keyspace.partitions)) {
    return std::nullopt;
  }
  keyspace.id = KeyspaceId(*id);
  keyspace.first_partition = PartitionId(*first);
  if (core == "ordered") {
    return line.empty() ? std::optional(keyspace) : std::nullopt;
  }
  keyspace.core = Core::kLeaderless;
  if (core != "leaderless" || !count(keyspace.n) || !count(keyspace.w) || !count(keyspace.r)) {
    return std::nullopt;
  }
  const auto conflict = parse_conflict(next_piece(line, ' '));
  const bool durable = take_durability(next_piece(line, ' '), keyspace.flush_ms);
  const auto generation = parse_number<std::uint64_t>(next_piece(line, ' '));
  if (!conflict || !durable || !generation || !line.empty()) {
    return std::nullopt;
  }
  keyspace.conflict = *conflict;
  keyspace.generation = Generation(*generation);
  return keyspace;
}

// One word of KV.KEYSPACE CREATE. False: there is no such word, or not with that value.
bool take_word(ByteView word, Keyspace& keyspace) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  const auto value = equals == ByteView::npos ? ByteView() : word.substr(equals + 1);
  const auto count = [&](std::uint8_t& into) {
    return take<std::uint8_t>(parse_number<std::uint8_t>(value), 1, Keyspace::kMaxReplicas, into);
  };
  if (name == "partitions") {
    return take<std::uint32_t>(parse_number<std::uint32_t>(value), 1, Keyspace::kMaxPartitions,
                               keyspace.partitions);
  }
  if (!keyspace.leaderless()) {
    return false;
  }
  if (name == "n") {
    return count(keyspace.n);
  }
  if (name == "w") {
    return count(keyspace.w);
  }
  if (name == "r") {
    return count(keyspace.r);
  }
  if (name == "conflict") {
    const auto conflict = parse_conflict(value);
    keyspace.conflict = conflict.value_or(Conflict::kLww);
    return conflict.has_value();
  }
  return name == "durability" && take_durability(value, keyspace.flush_ms);
}

}  // namespace

std::optional<Conflict> parse_conflict(ByteView word) {
  for (const auto conflict : {Conflict::kLww, Conflict::kSiblings, Conflict::kLexical}) {
    if (word == to_string(conflict)) {
      return conflict;
    }
  }
  return std::nullopt;
}

const char* to_string(Conflict conflict) {
  switch (conflict) {
    case Conflict::kLww:
      return "lww";
    case Conflict::kSiblings:
      return "siblings";
    case Conflict::kLexical:
      return "lexical";
  }
  return "?";
}

PartitionId Keyspace::partition_of(Slot slot) const {
  const auto offset =
      static_cast<std::uint32_t>(std::uint64_t{slot.value()} * partitions / kSlotCount);
  return PartitionId(first_partition.value() + offset);
}

std::vector<NodeId> Keyspace::replicas(PartitionId partition,
                                       const std::vector<NodeId>& members) const {
  std::vector<NodeId> nodes;
  const auto first = partition.value() - first_partition.value();
  for (std::size_t i = 0; i < n && i < members.size(); ++i) {
    nodes.push_back(members[(first + i) % members.size()]);
  }
  return nodes;
}

Keyspace main_keyspace() {
  Keyspace keyspace;
  keyspace.name = "main";
  return keyspace;
}

std::string durability_word(const Keyspace& keyspace) {
  return keyspace.flush_ms == 0 ? "fsync" : fmt::format("interval:{}ms", keyspace.flush_ms);
}

const Keyspace* KeyspaceTable::find(KeyspaceId id) const {
  const auto at = std::find_if(keyspaces.begin(), keyspaces.end(),
                               [id](const Keyspace& keyspace) { return keyspace.id == id; });
  return at == keyspaces.end() ? nullptr : &*at;
}

const Keyspace* KeyspaceTable::find(ByteView name_or_number) const {
  const auto at = std::find_if(keyspaces.begin(), keyspaces.end(), [&](const Keyspace& keyspace) {
    return name_or_number == keyspace.name || name_or_number == std::to_string(keyspace.id.value());
  });
  return at == keyspaces.end() ? nullptr : &*at;
}

void KeyspaceTable::add(Keyspace keyspace) {
  keyspace.id = std::exchange(next_id, next_id.next());
  keyspace.first_partition = next_partition;
  next_partition = PartitionId(next_partition.value() + keyspace.partitions);
  keyspaces.push_back(std::move(keyspace));
}

Bytes encode(const KeyspaceTable& table) {
  Bytes out =
      fmt::format("{} {} {}\n", table.version, table.next_id.value(), table.next_partition.value());
  for (const auto& keyspace : table.keyspaces) {
    out += fmt::format("{} {} {} {} {}", keyspace.id.value(), keyspace.name,
                       keyspace.leaderless() ? "leaderless" : "ordered",
                       keyspace.first_partition.value(), keyspace.partitions);
    if (keyspace.leaderless()) {
      out += fmt::format(" {} {} {} {} {} {}", keyspace.n, keyspace.w, keyspace.r,
                         to_string(keyspace.conflict), durability_word(keyspace),
                         keyspace.generation.value());
    }
    out += '\n';
  }
  return out;
}

std::optional<KeyspaceTable> decode_keyspaces(ByteView value) {
  KeyspaceTable table;
  auto head = next_piece(value, '\n');
  const auto version = parse_number<std::uint64_t>(next_piece(head, ' '));
  const auto next_id = parse_number<std::uint32_t>(next_piece(head, ' '));
  const auto next_partition = parse_number<std::uint32_t>(next_piece(head, ' '));
  if (!version || !next_id || !next_partition || !head.empty()) {
    return std::nullopt;
  }
  table.version = *version;
  table.next_id = KeyspaceId(*next_id);
  table.next_partition = PartitionId(*next_partition);
  while (!value.empty()) {
    auto keyspace = decode_keyspace(next_piece(value, '\n'));
    if (!keyspace) {
      return std::nullopt;
    }
    table.keyspaces.push_back(std::move(*keyspace));
  }
  return table;
}

Result<Keyspace> parse_keyspace(ByteView name, const std::vector<ByteView>& words,
                                std::size_t members) {
  if (!is_name(name)) {
    return fail(ErrorCode::kGeneric,
                "a keyspace's name is a letter, then letters, digits, _ - . up to {} in all",
                kMaxName);
  }
  const auto has = [&](ByteView word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  Keyspace keyspace;
  keyspace.name = name;
  keyspace.n = static_cast<std::uint8_t>(std::min<std::size_t>(keyspace.n, members));
  if (has("leaderless")) {
    keyspace.core = Core::kLeaderless;
    keyspace.partitions = kLeaderlessPartitions;
  }
  bool core_named = false;
  for (const auto word : words) {
    const bool core = word == "ordered" || word == "leaderless";
    if (core ? std::exchange(core_named, true) : !take_word(word, keyspace)) {
      return fail(ErrorCode::kGeneric, "'{}' does not describe {} keyspace", word,
                  keyspace.leaderless() ? "a leaderless" : "an ordered");
    }
  }
  if (keyspace.leaderless() &&
      (keyspace.n > members || keyspace.w > keyspace.n || keyspace.r > keyspace.n)) {
    return fail(ErrorCode::kGeneric,
                "n={} w={} r={}: there are {} nodes, and w and r are at most n", keyspace.n,
                keyspace.w, keyspace.r, members);
  }
  return keyspace;
}

}  // namespace kvorum
