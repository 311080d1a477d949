// Any bytes as peer frames, as they are and inside a frame whose checksum fits: refused, or decoded
// and encoded to a frame that decodes again.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/checksum.h"
#include "base/codec.h"
#include "wire/peer.h"

namespace kvorum::wire {
namespace {

void reencode(const Frame& frame, Bytes& out) {
  if (const auto* hello = std::get_if<PeerHello>(&frame)) {
    encode_hello(*hello, out);
  } else if (const auto* forward = std::get_if<Forward>(&frame)) {
    CHECK(encode_forward(*forward, out));
  } else if (const auto* dynamo = std::get_if<dynamo::Message>(&frame)) {
    CHECK(encode_dynamo(*dynamo, out));
  } else if (const auto* fault = std::get_if<FaultFrame>(&frame)) {
    CHECK(encode_fault(*fault, out));
  } else if (const auto* query = std::get_if<Query>(&frame)) {
    CHECK(encode_query(*query, out));
  } else if (const auto* answer = std::get_if<Answer>(&frame)) {
    CHECK(encode_answer(*answer, out));
  } else {
    const auto& message = std::get<PeerMessage>(frame);
    CHECK(encode_message(message.partition, message.message, out));
  }
}

void parse(ByteView bytes, bool again) {
  FrameParser parser;
  parser.feed(bytes);
  for (auto frame = parser.next(); frame && *frame; frame = parser.next()) {
    if (again) {
      Bytes out;
      reencode(**frame, out);
      FrameParser second;
      second.feed(out);
      const auto back = second.next();
      CHECK(back && *back);
      CHECK_EQ((*back)->index(), (*frame)->index());
      if (const auto* dynamo = std::get_if<dynamo::Message>(&**frame)) {
        CHECK(std::get<dynamo::Message>(**back) == *dynamo);
      } else if (const auto* query = std::get_if<Query>(&**frame)) {
        CHECK(std::get<Query>(**back) == *query);
      } else if (const auto* answer = std::get_if<Answer>(&**frame)) {
        CHECK(std::get<Answer>(**back) == *answer);
      }
    }
  }
}

}  // namespace
}  // namespace kvorum::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvorum::ByteView bytes(reinterpret_cast<const char*>(data), size);
  kvorum::wire::parse(bytes, true);
  kvorum::Bytes framed;
  kvorum::put_fixed(framed, static_cast<std::uint32_t>(size));
  kvorum::put_fixed(framed, kvorum::checksum(bytes));
  framed.append(bytes);
  kvorum::wire::parse(framed, true);
  return 0;
}
