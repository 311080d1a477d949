#include "model/meta.h"

#include <fmt/format.h>

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

}  // namespace

Bytes member_row_key(NodeId node) { return fmt::format("member/{}", node.value()); }

Bytes encode(Incarnation incarnation) { return fmt::format("{:016x}", incarnation.value()); }

std::optional<Incarnation> decode_incarnation(ByteView value) {
  const auto parsed = parse_number<std::uint64_t>(value, 16);
  return parsed ? std::optional(Incarnation(*parsed)) : std::nullopt;
}

Bytes replica_row_key(NodeId node) { return fmt::format("replica/{}", node.value()); }

Bytes encode(const ReplicaRow& row) {
  return fmt::format("{:016x} {}{}", row.incarnation.value(), row.checked.value(),
                     row.fenced ? " fenced" : "");
}

std::optional<ReplicaRow> decode_replica(ByteView value) {
  const auto incarnation = decode_incarnation(next_word(value));
  const auto checked = parse_number<std::int64_t>(next_word(value));
  const auto state = next_word(value);
  if (!incarnation || !checked || (!state.empty() && state != "fenced") || !value.empty()) {
    return std::nullopt;
  }
  return ReplicaRow{*incarnation, WallMs(*checked), !state.empty()};
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
