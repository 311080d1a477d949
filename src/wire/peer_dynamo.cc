// Messages of leaderless partitions. The body is: known, cut, rows, keys, sums, prints, ranges,
// each list behind its count, then the command.
#include <utility>

#include "base/codec.h"
#include "wire/peer_frame.h"

namespace kvorum::wire {
namespace {

constexpr std::size_t kRangeBytes = 5;
constexpr std::size_t kSumBytes = kRangeBytes + 8;
constexpr std::size_t kPrintBytes = 16;

std::size_t varint_bytes(std::uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) {
    ++bytes;
  }
  return bytes;
}

// Of what follows `known` and `cut`.
std::size_t lists_bytes(const dynamo::Message& message) {
  return varint_bytes(message.rows.size()) + message.rows.bytes().size() +
         varint_bytes(message.keys.size()) + message.keys.bytes().size() +
         varint_bytes(message.sums.size()) + message.sums.size() * kSumBytes +
         varint_bytes(message.prints.size()) + message.prints.size() * kPrintBytes +
         varint_bytes(message.ranges.size()) + message.ranges.size() * kRangeBytes +
         message.command.size();
}

pb::Head make_head(const dynamo::Message& message) {
  pb::Head head;
  head.set_kind(pb::KIND_DYNAMO);
  head.set_partition(message.partition.value());
  head.set_from(message.from.value());
  head.set_to(message.to.value());
  head.set_type(static_cast<std::uint32_t>(message.type));
  auto& fields = *head.mutable_dynamo();
  fields.set_generation(message.generation.value());
  fields.set_id(message.id);
  fields.set_incarnation(message.incarnation.value());
  fields.set_hint(message.hint);
  fields.set_hint_for(message.hint_for.value());
  fields.set_refilling(message.refilling);
  return head;
}

template <class List, class Put>
void put_list(const List& list, Bytes& out, Put put) {
  put_varint(out, list.size());
  for (const auto& item : list) {
    put(item);
  }
}

void put_range(dynamo::Range range, Bytes& out) {
  put_fixed(out, range.level);
  put_fixed(out, range.number);
}

void put_lists(const dynamo::Message& message, Bytes& out) {
  put_varint(out, message.rows.size());
  out.append(message.rows.bytes());
  put_varint(out, message.keys.size());
  out.append(message.keys.bytes());
  put_list(message.sums, out, [&](const auto& sum) {
    put_range(sum.first, out);
    put_fixed(out, sum.second);
  });
  put_list(message.prints, out, [&](const dynamo::KeyPrint& print) {
    put_fixed(out, print.hash);
    put_fixed(out, print.fingerprint);
  });
  put_list(message.ranges, out, [&](dynamo::Range range) { put_range(range, out); });
}

// Items of at least `least` bytes each. False: malformed, or more than what a message may hold.
template <class List, class Get>
bool get_list(Reader& reader, std::size_t least, List& list, Get get) {
  const auto count = reader.varint();
  if (count > kMaxDynamoItems || count > reader.rest().size() / least) {
    return false;
  }
  list.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    list.push_back(get());
  }
  return reader.ok();
}

// Items that lie in one piece of memory.
template <class List>
bool get_packed(Reader& reader, List& list) {
  const auto count = reader.varint();
  return count <= kMaxDynamoItems && list.read(reader, count);
}

dynamo::Range get_range(Reader& reader, bool& known) {
  dynamo::Range range;
  range.level = reader.fixed<std::uint8_t>();
  range.number = reader.fixed<std::uint32_t>();
  known = known && dynamo::Table::has(range);
  return range;
}

bool get_lists(Reader& reader, dynamo::Message& message) {
  bool known = true;
  const auto get_sum = [&] {
    const auto range = get_range(reader, known);
    return std::pair(range, reader.fixed<std::uint64_t>());
  };
  const auto get_print = [&] {
    const auto hash = reader.fixed<std::uint64_t>();
    return dynamo::KeyPrint{hash, reader.fixed<std::uint64_t>()};
  };
  return get_packed(reader, message.rows) && get_packed(reader, message.keys) &&
         get_list(reader, kSumBytes, message.sums, get_sum) &&
         get_list(reader, kPrintBytes, message.prints, get_print) &&
         get_list(reader, kRangeBytes, message.ranges, [&] { return get_range(reader, known); }) &&
         known;
}

}  // namespace

bool encode_dynamo(const dynamo::Message& message, Bytes& out) {
  for (const auto count : {message.rows.size(), message.keys.size(), message.sums.size(),
                           message.prints.size(), message.ranges.size()}) {
    if (count > kMaxDynamoItems) {
      return false;
    }
  }
  Bytes contexts;
  encode(message.known, contexts);
  encode(message.cut, contexts);
  const auto start = out.size();
  if (!begin_frame(make_head(message), contexts.size() + lists_bytes(message), out)) {
    return false;
  }
  out.append(contexts);
  put_lists(message, out);
  out.append(message.command);
  seal(start, out);
  return true;
}

Result<Frame> get_dynamo(const pb::Head& head, ByteView body) {
  if (head.type() > static_cast<std::uint32_t>(dynamo::MessageType::kPrintsDone)) {
    return fail(ErrorCode::kProtocol, "unknown leaderless message type {}", head.type());
  }
  dynamo::Message message;
  message.type = static_cast<dynamo::MessageType>(head.type());
  message.from = NodeId(head.from());
  message.to = NodeId(head.to());
  message.partition = PartitionId(head.partition());
  const auto& fields = head.dynamo();
  message.generation = Generation(fields.generation());
  message.id = fields.id();
  message.incarnation = Incarnation(fields.incarnation());
  message.hint = fields.hint();
  message.hint_for = NodeId(fields.hint_for());
  message.refilling = fields.refilling();
  Reader reader(body);
  if (!decode(reader, message.known) || !decode(reader, message.cut) ||
      !get_lists(reader, message)) {
    return fail(ErrorCode::kProtocol, "malformed leaderless message");
  }
  message.command = Bytes(reader.rest());
  return message;
}

}  // namespace kvorum::wire
