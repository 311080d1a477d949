// Any bytes to a front, in any pieces, the node fast or slow: the same answers, and the same
// requests to the node.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/check.h"
#include "front/memcached_front.h"
#include "front/test_node.h"
#include "front/three_byte_front.h"

namespace kvorum::front {
namespace {

constexpr MemcachedLimits kLimits{.line_bytes = 64, .value_bytes = 16, .drain_bytes = 64};

// The first byte says which front, and whether another client meddles.
Factory front_of(char choice, Bytes& log) {
  if (choice % 2 == 0) {
    return [&log](Bytes& out) {
      return std::make_unique<ThreeByteFront>([&log](ByteView line) { log += line; }, out);
    };
  }
  return [](Bytes& out) {
    MemcachedOptions options;
    options.limits = kLimits;
    options.version = "1";
    return std::make_unique<MemcachedFront>(options, out);
  };
}

Bytes outcome(ByteView bytes, std::size_t step, TestConnection::Node speed) {
  TestNode node;
  node.errors = {{"e", {ErrorCode::kUnknown, {}}}};
  node.meddlings = static_cast<unsigned char>(bytes[0]) / 16;
  Bytes log;
  TestConnection connection(node, front_of(bytes[0], log), speed);
  connection.send(bytes.substr(1), step);
  Bytes all = connection.received() + '\0' + log;
  for (const auto& request : node.log) {
    all += '\0' + request;
  }
  for (const auto& [key, row] : node.rows) {
    CHECK_LE(row.value.size(), kLimits.value_bytes);
  }
  return all;
}

}  // namespace
}  // namespace kvorum::front

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kvorum::front::outcome;
  using Node = kvorum::front::TestConnection::Node;
  const kvorum::ByteView bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.empty()) {
    return 0;
  }
  const auto whole = outcome(bytes, SIZE_MAX, Node::kFast);
  for (const auto step : {SIZE_MAX, std::size_t{1}, std::size_t{7}}) {
    CHECK(whole == outcome(bytes, step, Node::kSlow));
    CHECK(whole == outcome(bytes, step, Node::kFast));
  }
  return 0;
}
