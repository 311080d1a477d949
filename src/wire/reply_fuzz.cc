// Any bytes, in any pieces, as replies: the same replies come out.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "wire/reply_parser.h"

namespace kvorum::wire {
namespace {

std::vector<Reply> parse(ByteView bytes, std::size_t step) {
  ReplyParser parser({.bulk_bytes = 256, .elements = 64, .line_bytes = 256, .depth = 8});
  std::vector<Reply> out;
  while (!bytes.empty()) {
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    parser.feed(piece);
    auto reply = parser.next();
    for (; reply && *reply; reply = parser.next()) {
      out.push_back(std::move(**reply));
    }
    if (!reply) {
      return out;
    }
  }
  return out;
}

}  // namespace
}  // namespace kvorum::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvorum::ByteView bytes(reinterpret_cast<const char*>(data), size);
  CHECK(kvorum::wire::parse(bytes, SIZE_MAX) == kvorum::wire::parse(bytes, 1));
  return 0;
}
