#include "kv/clients.h"

#include "kv/kept_reply.h"

namespace kvorum::kv {

void NodeClient::save(Bytes& out) const { put_varint(out, next); }

bool NodeClient::load(Reader& reader) {
  next = reader.varint();
  return reader.ok() && next > 0;
}

void OnceClient::raise_mark(std::uint64_t to) {
  if (to <= mark) {
    return;
  }
  mark = to;
  while (!replies.empty() && replies.begin()->first < mark) {
    bytes -= replies.begin()->second.size();
    replies.erase(replies.begin());
  }
}

void OnceClient::keep(std::uint64_t seq, Bytes reply) {
  bytes += reply.size();
  replies.emplace(seq, std::move(reply));
}

void OnceClient::save(Bytes& out) const {
  put_varint(out, mark);
  put_varint(out, replies.size());
  for (const auto& [seq, reply] : replies) {
    put_varint(out, seq);
    put_bytes(out, reply);
  }
}

bool OnceClient::load(Reader& reader) {
  mark = reader.varint();
  const auto count = reader.varint();
  NoReply nobody;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const auto seq = reader.varint();
    const auto reply = reader.bytes();
    if (!reader.ok() || seq < mark || replies.contains(seq) || !replay(reply, nobody)) {
      return false;
    }
    keep(seq, Bytes(reply));
  }
  return reader.ok();
}

}  // namespace kvorum::kv
