// Questions between nodes, and their answers. The body is the encoded command; the recorded reply;
// or, where the head has an error's number, its text.
#include "wire/peer_frame.h"

namespace kvorum::wire {
namespace {

enum Type : std::uint32_t { kQuestion = 0, kAnswered = 1, kRefused = 2 };

pb::Head make_head(NodeId from, NodeId to, Type type, std::uint64_t id) {
  pb::Head head;
  head.set_kind(pb::KIND_QUERY);
  head.set_from(from.value());
  head.set_to(to.value());
  head.set_type(type);
  head.mutable_query()->set_id(id);
  return head;
}

bool put(const pb::Head& head, ByteView body, Bytes& out) {
  const auto start = out.size();
  if (!begin_frame(head, body.size(), out)) {
    return false;
  }
  out.append(body);
  seal(start, out);
  return true;
}

}  // namespace

bool encode_query(const Query& query, Bytes& out) {
  auto head = make_head(query.from, query.to, kQuestion, query.id);
  auto& fields = *head.mutable_query();
  fields.set_keyspace(query.keyspace.value());
  for (const auto partition : query.partitions) {
    fields.add_partitions(partition.value());
  }
  return put(head, query.command, out);
}

bool encode_answer(const Answer& answer, Bytes& out) {
  auto head = make_head(answer.from, answer.to, answer.refused ? kRefused : kAnswered, answer.id);
  if (answer.refused) {
    head.mutable_query()->set_error(static_cast<std::uint32_t>(*answer.refused));
  }
  return put(head, answer.reply, out);
}

Result<Frame> get_query(const pb::Head& head, ByteView body) {
  const NodeId from(head.from()), to(head.to());
  const auto& fields = head.query();
  if (head.type() == kQuestion) {
    Query query{from, to, fields.id(), KeyspaceId(fields.keyspace()), {}, Bytes(body)};
    query.partitions.reserve(static_cast<std::size_t>(fields.partitions_size()));
    for (const auto partition : fields.partitions()) {
      query.partitions.emplace_back(partition);
    }
    return query;
  }
  if (head.type() == kAnswered) {
    return Answer{from, to, fields.id(), std::nullopt, Bytes(body)};
  }
  if (head.type() != kRefused || !is_error_code(fields.error())) {
    return fail(ErrorCode::kProtocol, "malformed answer to a question");
  }
  return Answer{from, to, fields.id(), static_cast<ErrorCode>(fields.error()), Bytes(body)};
}

}  // namespace kvorum::wire
