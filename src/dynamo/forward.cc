// Writes of a node that holds no replica: only replicas make dots.
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {
namespace {

constexpr std::uint8_t kDeleted = 1;
constexpr std::uint8_t kTtl = 2;
constexpr std::uint8_t kDeadline = 4;
constexpr std::uint8_t kSeen = 8;
constexpr std::uint8_t kSloppy = 16;

constexpr std::uint8_t kExisted = 1;
constexpr std::uint8_t kStandIns = 2;

}  // namespace

Bytes encode(Incarnation receiver, const WriteRequest& request) {
  Bytes out;
  put_fixed(out, receiver.value());
  put_varint(out, request.partition.value());
  put_bytes(out, request.key);
  put_bytes(out, request.value);
  put_fixed(out, static_cast<std::uint8_t>(
                     (request.deleted ? kDeleted : 0) | (request.ttl_ms ? kTtl : 0) |
                     (request.deadline ? kDeadline : 0) | (request.seen ? kSeen : 0) |
                     (request.sloppy ? kSloppy : 0)));
  put_fixed(out, request.w);
  if (request.ttl_ms) {
    put_fixed(out, *request.ttl_ms);
  }
  if (request.deadline) {
    put_fixed(out, request.deadline->value());
  }
  if (request.seen) {
    encode(*request.seen, out);
  }
  return out;
}

bool decode(ByteView bytes, Incarnation& receiver, WriteRequest& request) {
  Reader reader(bytes);
  receiver = Incarnation(reader.fixed<std::uint64_t>());
  request.partition = PartitionId(static_cast<PartitionId::rep>(reader.varint()));
  request.key = reader.bytes();
  request.value = reader.bytes();
  const auto flags = reader.fixed<std::uint8_t>();
  request.w = reader.fixed<std::uint8_t>();
  request.deleted = (flags & kDeleted) != 0;
  request.sloppy = (flags & kSloppy) != 0;
  if ((flags & kTtl) != 0) {
    request.ttl_ms = reader.fixed<std::int64_t>();
  }
  if ((flags & kDeadline) != 0) {
    request.deadline = WallMs(reader.fixed<std::int64_t>());
  }
  if ((flags & kSeen) != 0 && !decode(reader, request.seen.emplace())) {
    return false;
  }
  return reader.done();
}

Bytes encode(Incarnation receiver, const Result& result) {
  Bytes out;
  put_fixed(out, receiver.value());
  put_fixed(out, static_cast<std::uint8_t>(result.ended));
  put_fixed(out, static_cast<std::uint8_t>(result.code));
  put_bytes(out, result.why);
  put_varint(out, result.acks);
  put_fixed(out, static_cast<std::uint8_t>((result.existed ? kExisted : 0) |
                                           (result.stand_ins ? kStandIns : 0)));
  put_varint(out, result.dot.replica.node.value());
  put_fixed(out, result.dot.replica.incarnation.value());
  put_varint(out, result.dot.counter);
  put_varint(out, result.coordinator.value());
  encode(result.row, out);
  return out;
}

bool decode(ByteView bytes, Incarnation& receiver, Result& result) {
  Reader reader(bytes);
  receiver = Incarnation(reader.fixed<std::uint64_t>());
  const auto ended = reader.fixed<std::uint8_t>();
  result.ended = static_cast<Ended>(ended);
  const auto code = reader.fixed<std::uint8_t>();
  result.code = static_cast<ErrorCode>(code);
  result.why = reader.bytes();
  result.acks = reader.varint();
  const auto flags = reader.fixed<std::uint8_t>();
  result.existed = (flags & kExisted) != 0;
  result.stand_ins = (flags & kStandIns) != 0;
  result.dot.replica.node = NodeId(static_cast<NodeId::rep>(reader.varint()));
  result.dot.replica.incarnation = Incarnation(reader.fixed<std::uint64_t>());
  result.dot.counter = reader.varint();
  result.coordinator = NodeId(static_cast<NodeId::rep>(reader.varint()));
  return ended <= static_cast<std::uint8_t>(Ended::kUnknown) && is_error_code(code) &&
         decode(reader, result.row) && reader.done();
}

void Core::Impl::forward(const Partition& partition, std::unique_ptr<Write> write) {
  Nodes up;
  for (const NodeId node : partition.config.replicas) {
    if (node != options_.self.node && is_up(node)) {
      up.push_back(node);
    }
  }
  if (up.empty()) {
    return refuse(*write, {ErrorCode::kNoQuorum,
                           fmt::format("0 of {} replicas are up, w={}",
                                       partition.config.replicas.size(), write->request.w)});
  }
  const NodeId to = up[prng_.below(up.size())];
  Message message = make(MessageType::kWrite, partition, to);
  // In one space with the dots, so that it is never used again, whatever crashes.
  message.id = ++counter_;
  stamped_ = true;
  message.command = encode(*peers_.at(to).incarnation, write->request);
  write->forwarded = true;
  deadlines_.push_back({now_.mono + options_.request_timeout, message.id});
  writes_.emplace(message.id, std::move(write));
  send_now_.push_back(std::move(message));
}

// Whether a forwarded write of this number was not taken yet. The network may repeat it, and done
// again, later, it would undo what came between.
bool Core::Impl::is_fresh(const ReplicaId& sender, std::uint64_t number) {
  if (forwarders_.size() >= kSenders && !forwarders_.contains(sender)) {
    return false;
  }
  Forwarder& from = forwarders_[sender];
  if (number > from.highest) {
    const auto skipped = std::min(number - from.highest, kForwarded);
    from.taken.insert(from.taken.begin(), skipped, false);
    from.highest = number;
    from.taken.resize(std::min<std::size_t>(from.taken.size(), kForwarded));
  }
  const auto age = from.highest - number;
  return age < from.taken.size() &&
         (!std::exchange(from.taken[age], true) || KVORUM_MUTANT(kForwardTwice));
}

void Core::Impl::on_write(const Message& message) {
  Incarnation receiver;
  auto write = std::make_unique<Write>();
  if (!decode(message.command, receiver, write->request) ||
      write->request.partition != message.partition || receiver != options_.self.incarnation ||
      !is_fresh({message.from, message.incarnation}, message.id)) {
    return;  // its sender will say unknown, which is true
  }
  write->asker = {message.from, message.incarnation};
  write->asker_id = message.id;
  write->deadline = now_.mono + options_.request_timeout;
  begin_write(std::move(write));
}

void Core::Impl::on_write_done(const Message& message) {
  const auto at = writes_.find(message.id);
  Incarnation receiver;
  Result result;
  if (at == writes_.end() || !at->second->forwarded || !decode(message.command, receiver, result) ||
      receiver != options_.self.incarnation) {
    return;  // an earlier incarnation's counter may have been at the same number
  }
  result.ticket = at->second->request.ticket;
  writes_.erase(at);
  results_.push_back(std::move(result));
}

}  // namespace kvorum::dynamo
