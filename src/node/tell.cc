// KV.SEND: a text for the log of other nodes, to see what a link does to a message. It goes as a
// question (queries.h) whose answer is the time of arrival.
#include <algorithm>

#include "base/parse.h"
#include "kv/kept_reply.h"
#include "node/gather.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

constexpr std::size_t kMaxTextBytes = 1024;

// One line, whatever it is made of.
std::string printable(ByteView text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < ' ' || byte == 0x7f ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
  }
  return out;
}

}  // namespace

// Whom it names, in the order of their ids.
Result<std::vector<NodeId>> Replica::receivers(std::span<const ByteView> args) const {
  if (args[2].size() > kMaxTextBytes) {
    return fail(ErrorCode::kTooLong, "a text may have {} bytes", kMaxTextBytes);
  }
  if (args[1] == "*") {
    return options_.members;
  }
  const auto id = parse_number<std::uint32_t>(args[1]);
  const auto& members = options_.members;
  if (!id || std::find(members.begin(), members.end(), NodeId(*id)) == members.end()) {
    return fail(ErrorCode::kGeneric, "no node '{}' in this cluster", printable(args[1]));
  }
  return std::vector{NodeId(*id)};
}

// At the front of the queue; nothing behind it begins before it is answered.
void Replica::begin_sending(Session& session, Item& item) {
  item.begun = item.asks = true;
  item.tag = static_cast<std::uint64_t>(now_.wall.value());
  ++session.begun;
  const auto args = unpack(item.body);
  const auto to = receivers(args);
  if (!to) {
    item.kind = Item::Kind::kError;
    item.error = to.error();
    item.asks = false;
    return;
  }
  Command command;
  command.op = Op::kTell;
  command.number = now_.wall.value();
  command.args = {args[2]};
  Bytes encoded;
  encode(command, encoded);
  for (const auto node : *to) {
    if (node == options_.self) {
      note_text(node, command);
    } else if (is_up(node)) {
      queries_.ask(session.id, Query{options_.self, node, 0, KeyspaceId(), {}, encoded});
    }
  }
}

// [[node, sent ms, arrived ms], ...]; of one that did not answer [node, why].
void Replica::reply_sent(Session& session, const Item& item) {
  const auto to = *receivers(unpack(item.body));
  const auto asked = queries_.take(session.id);
  auto& reply = connections_.reply(session.id);
  reply.array(to.size());
  for (const auto node : to) {
    const auto found = std::find_if(asked.begin(), asked.end(), [node](const Queries::Asked& one) {
      return one.query.to == node;
    });
    const bool here = node == options_.self;
    Gather arrived;
    const bool answered = found != asked.end() && found->answer && !found->answer->refused &&
                          kv::replay(found->answer->reply, arrived);
    reply.array(here || answered ? 3 : 2);
    reply.integer(node.value());
    if (here || answered) {
      reply.integer(static_cast<std::int64_t>(item.tag));
      reply.integer(here ? static_cast<std::int64_t>(item.tag) : arrived.sum());
    } else {
      reply.bulk(found == asked.end() ? "down" : found->answer->reply);
    }
  }
}

// Both times in ms since 1970, each by its own node's clock.
void Replica::note_text(NodeId from, const Command& command) {
  note(LogLevel::kInfo, fmt::format("message from node {}: {} (sent at {}, arrived at {}, {} ms)",
                                    from.value(), printable(command.args[0]), command.number,
                                    now_.wall.value(), now_.wall.value() - command.number));
}

}  // namespace kvorum::node
