#include "load/figures.h"

#include <charconv>

#include "base/parse.h"
#include "client/client.h"

namespace kvorum::load {
namespace {

// The value behind "name:" at the begin of a line.
ByteView field(ByteView info, ByteView name) {
  while (!info.empty()) {
    const auto end = info.find("\r\n");
    const auto line = info.substr(0, end);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return line.substr(name.size() + 1);
    }
    info = end == ByteView::npos ? ByteView() : info.substr(end + 2);
  }
  return {};
}

std::optional<double> seconds(ByteView text) {
  double value = 0;
  const auto* const end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, value);
  return failed == std::errc() && at == end && value >= 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<NodeFigures> parse_figures(ByteView info) {
  const auto user = seconds(field(info, "used_cpu_user"));
  const auto system = seconds(field(info, "used_cpu_sys"));
  const auto messages = parse_number<std::uint64_t>(field(info, "peer_messages_sent"));
  const auto bytes = parse_number<std::uint64_t>(field(info, "peer_bytes_sent"));
  const auto syncs = parse_number<std::uint64_t>(field(info, "disk_syncs"));
  if (!user || !system || !messages || !bytes || !syncs) {
    return std::nullopt;
  }
  return NodeFigures{*user + *system, *messages, *bytes, *syncs};
}

Result<NodeFigures> look_at(const client::Endpoint& node) {
  constexpr ByteView kInfo[] = {"INFO"};
  client::Client client({.endpoints = {node}, .request_timeout = 5s});
  const auto reply = client.call(kInfo, client::Repeat::kHarmless);
  if (!reply) {
    return tl::unexpected(reply.error());
  }
  const auto figures = parse_figures(reply->text);
  if (reply->is_error() || !figures) {
    return fail(ErrorCode::kGeneric, "{} tells no figures of a kvorum node (--redis asks for none)",
                client::to_string(node));
  }
  return *figures;
}

std::optional<NodeFigures> difference(const NodeFigures& before, const NodeFigures& after) {
  if (after.cpu_seconds < before.cpu_seconds || after.peer_messages < before.peer_messages ||
      after.peer_bytes < before.peer_bytes || after.disk_syncs < before.disk_syncs) {
    return std::nullopt;
  }
  return NodeFigures{after.cpu_seconds - before.cpu_seconds,
                     after.peer_messages - before.peer_messages,
                     after.peer_bytes - before.peer_bytes, after.disk_syncs - before.disk_syncs};
}

}  // namespace kvorum::load
