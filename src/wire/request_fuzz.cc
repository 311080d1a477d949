// Any bytes, in any pieces, as requests: the same requests come out, within the bounds.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "wire/resp.h"

namespace kvorum::wire {
namespace {

constexpr RequestLimits kLimits{
    .args = 64, .inline_bytes = 64, .bulk_bytes = 32, .drain_bytes = 256, .request_bytes = 1024};

// A digest of all outcomes.
std::uint64_t parse(ByteView bytes, std::size_t step) {
  RequestParser parser(kLimits);
  std::uint64_t digest = 0;
  const auto mix = [&digest](std::uint64_t value) { digest = digest * 1099511628211U + value; };
  while (!bytes.empty()) {
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    parser.feed(piece);
    auto status = parser.next();
    for (; status == RequestParser::Status::kRequest || status == RequestParser::Status::kRefused;
         status = parser.next()) {
      mix(static_cast<std::uint64_t>(status));
      for (const auto arg : parser.args()) {
        CHECK_LE(arg.size(), kLimits.inline_bytes);
        mix(arg.size());
        for (const char c : arg) {
          mix(static_cast<unsigned char>(c));
        }
      }
    }
    if (status == RequestParser::Status::kFatal) {
      mix(99);
      return digest;
    }
    parser.keep();
    CHECK_LE(parser.buffered(), kLimits.request_bytes + kLimits.inline_bytes);
  }
  return digest;
}

}  // namespace
}  // namespace kvorum::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvorum::ByteView bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = kvorum::wire::parse(bytes, SIZE_MAX);
  CHECK_EQ(whole, kvorum::wire::parse(bytes, 1));
  CHECK_EQ(whole, kvorum::wire::parse(bytes, 7));
  return 0;
}
