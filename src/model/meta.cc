#include "model/meta.h"

#include <fmt/format.h>

#include "base/checksum.h"
#include "base/parse.h"

namespace kvorum {
namespace {

// The next word of a line, taken off its front; empty at the end.
ByteView next_word(ByteView& line) {
  const auto start = line.find_first_not_of(' ');
  if (start == ByteView::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(start);
  const auto word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

constexpr ByteView kKeyspacePrefix = "keyspace/";

}  // namespace

PartitionId Keyspace::partition_of(Slot slot) const {
  const auto offset =
      static_cast<std::uint32_t>(std::uint64_t{slot.value()} * partitions / kSlotCount);
  return PartitionId(first_partition.value() + offset);
}

Bytes keyspace_row_key(KeyspaceId id) { return fmt::format("{}{}", kKeyspacePrefix, id.value()); }

Bytes encode(const Keyspace& keyspace) {
  return fmt::format("{} {} {} {}", keyspace.name,
                     keyspace.core == Core::kOrdered ? "ordered" : "leaderless",
                     keyspace.first_partition.value(), keyspace.partitions);
}

std::optional<Keyspace> decode_keyspace(ByteView row_key, ByteView value) {
  if (!row_key.starts_with(kKeyspacePrefix)) {
    return std::nullopt;
  }
  const auto id = parse_number<std::uint32_t>(row_key.substr(kKeyspacePrefix.size()));
  const auto name = next_word(value);
  const auto core = next_word(value);
  const auto first = parse_number<std::uint32_t>(next_word(value));
  const auto count = parse_number<std::uint32_t>(next_word(value));
  if (!id || !first || !count || *count == 0 || *count > kSlotCount ||
      (core != "ordered" && core != "leaderless")) {
    return std::nullopt;
  }
  return Keyspace{KeyspaceId(*id), std::string(name),
                  core == "ordered" ? Core::kOrdered : Core::kLeaderless, PartitionId(*first),
                  *count};
}

Bytes member_row_key(NodeId node) { return fmt::format("member/{}", node.value()); }

Bytes encode(Incarnation incarnation) { return fmt::format("{:016x}", incarnation.value()); }

std::optional<Incarnation> decode_incarnation(ByteView value) {
  const auto parsed = parse_number<std::uint64_t>(value, 16);
  return parsed ? std::optional(Incarnation(*parsed)) : std::nullopt;
}

Bytes encode(const std::vector<NodeId>& nodes) {
  Bytes out;
  for (const auto node : nodes) {
    out += fmt::format("{}{}", out.empty() ? "" : " ", node.value());
  }
  return out;
}

std::optional<std::vector<NodeId>> decode_nodes(ByteView value) {
  std::vector<NodeId> nodes;
  for (auto word = next_word(value); !word.empty(); word = next_word(value)) {
    const auto id = parse_number<std::uint32_t>(word);
    if (!id || *id == 0) {
      return std::nullopt;
    }
    nodes.push_back(NodeId(*id));
  }
  return nodes;
}

}  // namespace kvorum
