#include "wire/peer.h"

#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/checksum.h"
#include "base/codec.h"
#include "wire/peer_frame.h"

namespace kvorum::wire {

bool begin_frame(const pb::Head& head, std::size_t body, Bytes& out) {
  const auto head_bytes = head.ByteSizeLong();
  const auto size = kFixedBytes + head_bytes + body;
  if (size > kMaxFrameBytes) {
    return false;
  }
  put_fixed(out, static_cast<std::uint32_t>(size));
  put_fixed(out, std::uint64_t{0});  // seal() fills in the checksum
  put_fixed(out, kFrameVersion);
  put_fixed(out, static_cast<std::uint32_t>(head_bytes));
  const auto at = out.size();
  out.resize(at + head_bytes);
  head.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(out.data() + at));
  return true;
}

void seal(std::size_t start, Bytes& out) {
  std::uint32_t size = 0;
  std::memcpy(&size, out.data() + start, sizeof size);
  CHECK_EQ(out.size() - start, kFramePrefixBytes + size);
  const auto sum = checksum(ByteView(out).substr(start + kFramePrefixBytes));
  std::memcpy(out.data() + start + sizeof size, &sum, sizeof sum);
}

namespace {

template <class Field>
void put_nodes(const std::vector<NodeId>& nodes, Field& field) {
  for (const auto node : nodes) {
    field.Add(node.value());
  }
}

template <class Field>
std::vector<NodeId> get_nodes(const Field& field) {
  std::vector<NodeId> nodes;
  nodes.reserve(static_cast<std::size_t>(field.size()));
  for (const auto node : field) {
    nodes.emplace_back(node);
  }
  return nodes;
}

void put_snapshot(const raft::SnapshotMeta& meta, pb::Snapshot& out) {
  out.set_index(meta.index.value());
  out.set_term(meta.term.value());
  put_nodes(meta.config.voters, *out.mutable_voters());
  put_nodes(meta.config.outgoing, *out.mutable_outgoing());
  put_nodes(meta.config.learners, *out.mutable_learners());
}

raft::SnapshotMeta get_snapshot(const pb::Snapshot& in) {
  raft::SnapshotMeta meta;
  meta.index = Index(in.index());
  meta.term = Term(in.term());
  meta.config.voters = get_nodes(in.voters());
  meta.config.outgoing = get_nodes(in.outgoing());
  meta.config.learners = get_nodes(in.learners());
  return meta;
}

pb::Head make_head(PartitionId partition, const raft::Message& message) {
  pb::Head head;
  head.set_kind(pb::KIND_RAFT);
  head.set_partition(partition.value());
  head.set_from(message.from.value());
  head.set_to(message.to.value());
  head.set_type(static_cast<std::uint32_t>(message.type));
  head.set_term(message.term.value());
  head.set_log_index(message.log_index.value());
  head.set_log_term(message.log_term.value());
  head.set_commit(message.commit.value());
  head.set_reject(message.reject);
  head.set_force(message.force);
  head.set_hint_index(message.hint_index.value());
  head.set_hint_term(message.hint_term.value());
  head.set_round(message.round);
  head.set_tag(message.tag);
  head.set_entries(static_cast<std::uint32_t>(message.entries.size()));
  if (message.snapshot != raft::SnapshotMeta{}) {
    put_snapshot(message.snapshot, *head.mutable_snapshot());
  }
  head.set_chunk(message.chunk);
  head.set_last_chunk(message.last_chunk);
  return head;
}

Result<Frame> get_message(const pb::Head& head, ByteView body) {
  if (head.type() > static_cast<std::uint32_t>(raft::MessageType::kTimeoutNow)) {
    return fail(ErrorCode::kProtocol, "unknown message type {}", head.type());
  }
  PeerMessage out{PartitionId(head.partition()), {}};
  auto& message = out.message;
  message.type = static_cast<raft::MessageType>(head.type());
  message.from = NodeId(head.from());
  message.to = NodeId(head.to());
  message.term = Term(head.term());
  message.log_index = Index(head.log_index());
  message.log_term = Term(head.log_term());
  message.commit = Index(head.commit());
  message.reject = head.reject();
  message.force = head.force();
  message.hint_index = Index(head.hint_index());
  message.hint_term = Term(head.hint_term());
  message.round = head.round();
  message.tag = head.tag();
  if (head.has_snapshot()) {
    message.snapshot = get_snapshot(head.snapshot());
  }
  message.chunk = head.chunk();
  message.last_chunk = head.last_chunk();
  if (head.entries() > body.size() / Entry::kHeadBytes) {
    return fail(ErrorCode::kProtocol, "{} entries cannot be in {} bytes", head.entries(),
                body.size());
  }
  Reader reader(body);
  message.entries.reserve(head.entries());
  for (std::uint32_t i = 0; i < head.entries(); ++i) {
    message.entries.push_back(decode_entry(reader));
    if (!reader.ok()) {
      return fail(ErrorCode::kProtocol, "malformed entry");
    }
  }
  message.data = Bytes(reader.rest());
  return out;
}

Result<Frame> get_hello(const pb::Head& head, ByteView body) {
  if (!head.has_hello() || !body.empty()) {
    return fail(ErrorCode::kProtocol, "malformed hello");
  }
  const auto& hello = head.hello();
  if (hello.format() != kPeerFormat) {
    return fail(ErrorCode::kFormat, "the peer speaks format {}, this node {}", hello.format(),
                kPeerFormat);
  }
  return PeerHello{ClusterId(hello.cluster()),       NodeId(hello.node()),
                   Incarnation(hello.incarnation()), hello.wall_ms(),
                   hello.max_value_bytes(),          Incarnation(hello.replica())};
}

Result<Frame> get_fault(const pb::Head& head, ByteView body) {
  if (head.type() > static_cast<std::uint32_t>(FaultFrame::Kind::kRefused)) {
    return fail(ErrorCode::kProtocol, "unknown fault type {}", head.type());
  }
  return FaultFrame{ClusterId(head.cluster()), NodeId(head.from()), NodeId(head.to()),
                    static_cast<FaultFrame::Kind>(head.type()), Bytes(body)};
}

// `frame` is what follows the prefix, its checksum verified.
Result<Frame> decode_frame(ByteView frame) {
  Reader reader(frame);
  const auto version = reader.fixed<std::uint8_t>();
  if (version != kFrameVersion) {
    return fail(ErrorCode::kFormat, "the peer sends frames of version {}, this node knows {}",
                version, kFrameVersion);
  }
  const auto head_bytes = reader.take(reader.fixed<std::uint32_t>());
  pb::Head head;
  if (!reader.ok() ||
      !head.ParseFromArray(head_bytes.data(), static_cast<int>(head_bytes.size()))) {
    return fail(ErrorCode::kProtocol, "malformed frame head");
  }
  switch (head.kind()) {
    case pb::KIND_HELLO:
      return get_hello(head, reader.rest());
    case pb::KIND_RAFT:
      return get_message(head, reader.rest());
    case pb::KIND_FORWARD:
      return Forward{PartitionId(head.partition()), NodeId(head.from()), NodeId(head.to()),
                     share(Bytes(reader.rest()))};
    case pb::KIND_DYNAMO:
      return get_dynamo(head, reader.rest());
    case pb::KIND_FAULT:
      return get_fault(head, reader.rest());
    case pb::KIND_QUERY:
      return get_query(head, reader.rest());
    default:
      return fail(ErrorCode::kProtocol, "unknown frame kind {}", static_cast<int>(head.kind()));
  }
}

}  // namespace

bool encode_message(PartitionId partition, const raft::Message& message, Bytes& out) {
  std::size_t body = message.data.size();
  for (const auto& entry : message.entries) {
    body += entry.byte_size();
  }
  const auto start = out.size();
  if (!begin_frame(make_head(partition, message), body, out)) {
    return false;
  }
  for (const auto& entry : message.entries) {
    encode(entry, out);
  }
  out.append(message.data);
  seal(start, out);
  return true;
}

bool encode_forward(const Forward& forward, Bytes& out) {
  pb::Head head;
  head.set_kind(pb::KIND_FORWARD);
  head.set_partition(forward.partition.value());
  head.set_from(forward.from.value());
  head.set_to(forward.to.value());
  const auto start = out.size();
  if (!begin_frame(head, forward.runs->size(), out)) {
    return false;
  }
  out.append(*forward.runs);
  seal(start, out);
  return true;
}

bool encode_fault(const FaultFrame& fault, Bytes& out) {
  pb::Head head;
  head.set_kind(pb::KIND_FAULT);
  head.set_from(fault.from.value());
  head.set_to(fault.to.value());
  head.set_type(static_cast<std::uint32_t>(fault.kind));
  head.set_cluster(fault.cluster.value());
  const auto start = out.size();
  if (!begin_frame(head, fault.text.size(), out)) {
    return false;
  }
  out.append(fault.text);
  seal(start, out);
  return true;
}

void encode_hello(const PeerHello& hello, Bytes& out) {
  pb::Head head;
  head.set_kind(pb::KIND_HELLO);
  auto& fields = *head.mutable_hello();
  fields.set_cluster(hello.cluster.value());
  fields.set_node(hello.node.value());
  fields.set_incarnation(hello.incarnation.value());
  fields.set_wall_ms(hello.wall_ms);
  fields.set_replica(hello.replica.value());
  fields.set_format(kPeerFormat);
  fields.set_max_value_bytes(hello.max_value_bytes);
  const auto start = out.size();
  CHECK(begin_frame(head, 0, out));
  seal(start, out);
}

Result<std::optional<Frame>> FrameParser::next() {
  if (error_) {
    return tl::unexpected(*error_);
  }
  Reader reader(buffer_.rest());
  const auto size = reader.fixed<std::uint32_t>();
  const auto sum = reader.fixed<std::uint64_t>();
  if (!reader.ok()) {
    return std::optional<Frame>();
  }
  if (size < kFixedBytes || size > max_frame_bytes_) {
    error_ = Error{ErrorCode::kProtocol, fmt::format("a frame of {} bytes", size)};
    return tl::unexpected(*error_);
  }
  if (reader.rest().size() < size) {
    return std::optional<Frame>();
  }
  const auto bytes = reader.take(size);
  auto frame = checksum(bytes) == sum
                   ? decode_frame(bytes)
                   : Result<Frame>(fail(ErrorCode::kProtocol, "a frame with a wrong checksum"));
  if (!frame) {
    error_ = frame.error();
    return tl::unexpected(*error_);
  }
  buffer_.consume(kFramePrefixBytes + size);
  return std::optional<Frame>(std::move(*frame));
}

}  // namespace kvorum::wire
