#include "kv/kept_reply.h"

#include "base/error.h"

namespace kvorum::kv {
namespace {

bool replay_one(Reader& reader, ReplyWriter& reply) {
  switch (reader.fixed<char>()) {
    case '+':
      reply.status(reader.bytes());
      break;
    case ':':
      reply.integer(reader.fixed<std::int64_t>());
      break;
    case '$':
      reply.bulk(reader.bytes());
      break;
    case '_':
      reply.nil();
      break;
    case '-': {
      const auto code = reader.fixed<std::uint8_t>();
      Error error{ErrorCode::kGeneric, Bytes(reader.bytes())};
      if (!is_error_code(code)) {
        return false;
      }
      error.code = static_cast<ErrorCode>(code);
      reply.error(error);
      break;
    }
    case '*':
      reply.array(reader.varint());
      break;
    case '%':
      reply.map(reader.varint());
      break;
    default:
      return false;
  }
  return reader.ok();
}

bool replay_all(ByteView recorded, ReplyWriter& reply) {
  Reader reader(recorded);
  while (!reader.done()) {
    if (!replay_one(reader, reply)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void ReplyRecorder::tagged(char tag, ByteView bytes) {
  out_.push_back(tag);
  put_bytes(out_, bytes);
}

void ReplyRecorder::integer(std::int64_t value) {
  out_.push_back(':');
  put_fixed(out_, value);
}

void ReplyRecorder::error(const Error& error) {
  out_.push_back('-');
  put_fixed(out_, static_cast<std::uint8_t>(error.code));
  put_bytes(out_, error.detail);
}

void ReplyRecorder::array(std::size_t count) {
  out_.push_back('*');
  put_varint(out_, count);
}

void ReplyRecorder::map(std::size_t pairs) {
  out_.push_back('%');
  put_varint(out_, pairs);
}

bool replay(ByteView recorded, ReplyWriter& reply) {
  NoReply nobody;
  return replay_all(recorded, nobody) && replay_all(recorded, reply);
}

}  // namespace kvorum::kv
