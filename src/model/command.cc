#include "model/command.h"

#include "base/checksum.h"

namespace kvorum {
namespace {

std::uint64_t zigzag(std::int64_t n) {
  return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
}
std::int64_t unzigzag(std::uint64_t n) {
  return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

}  // namespace

void encode(const Command& command, Bytes& out) {
  put_fixed(out, static_cast<std::uint8_t>(command.op));
  put_varint(out, command.flags);
  put_varint(out, zigzag(command.number));
  put_varint(out, zigzag(command.number2));
  put_varint(out, command.args.size());
  for (const auto arg : command.args) {
    put_bytes(out, arg);
  }
}

bool decode(Reader& reader, Command& command) {
  command.op = static_cast<Op>(reader.fixed<std::uint8_t>());
  command.flags = static_cast<std::uint16_t>(reader.varint());
  command.number = unzigzag(reader.varint());
  command.number2 = unzigzag(reader.varint());
  const auto count = reader.varint();
  command.args.clear();
  // Each argument takes a byte at least, so a huge count ends with the bytes.
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    command.args.push_back(reader.bytes());
  }
  return reader.ok();
}

void encode(const RunHead& head, Bytes& out) {
  put_fixed(out, head.client.value());
  put_fixed(out, head.first_seq);
  put_fixed(out, head.count);
  put_fixed(out, head.bytes);
}

std::optional<RunHead> decode_run_head(Reader& reader) {
  RunHead head;
  head.client = ClientId(reader.fixed<std::uint64_t>());
  head.first_seq = reader.fixed<std::uint64_t>();
  head.count = reader.fixed<std::uint32_t>();
  head.bytes = reader.fixed<std::uint32_t>();
  if (!reader.ok() || head.bytes > reader.rest().size() || head.client == ClientId() ||
      head.first_seq == 0) {
    return std::nullopt;
  }
  return head;
}

ClientId client_of(NodeId node, Incarnation incarnation, std::uint64_t boot) {
  Bytes name;
  put_fixed(name, node.value());
  put_fixed(name, incarnation.value());
  put_fixed(name, boot);
  const auto hash = checksum(name);
  return ClientId(hash == 0 ? 1 : hash);
}

}  // namespace kvorum
