// Any bytes, in any pieces, as HTTP: the same questions to the node, the same responses, each
// whole.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/checksum.h"
#include "front/http_front.h"
#include "front/test_node.h"

namespace kvorum::front {
namespace {

constexpr ByteView kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

HttpOptions small_options() {
  HttpOptions options;
  options.limits = {.header_bytes = 512, .body_bytes = 256};
  options.value_bytes = 128;
  options.origins = {"http://good"};
  return options;
}

// What the node answers depends on the question alone.
void answer(const Request& request, ReplyWriter& reply) {
  std::uint64_t hash = 0;
  for (const auto& word : request) {
    hash = hash * 31 + checksum(word);
  }
  if (request[0] == "SELECT" || request[0] == "KV.SESSION") {
    return hash % 4 == 0 ? reply.error({ErrorCode::kToken, {}}) : reply.status("OK");
  }
  if (hash % 8 == 0) {
    return reply.error({ErrorCode::kUnknown, {}});
  }
  const bool receipt = request[0] == "KV.RECEIPT";
  if (receipt) {
    reply.array(2);
  }
  const auto scan = std::find(request.begin(), request.end(), "SCAN");
  if (scan != request.end()) {
    reply.array(2);
    reply.bulk(*(scan + 1) == "0" ? "5" : "0");
    reply.array(hash % 5);
    for (std::uint64_t i = 0; i < hash % 5; ++i) {
      reply.bulk("key");
    }
  } else if (hash % 3 == 0) {
    reply.nil();
  } else if (hash % 3 == 1) {
    reply.bulk(ByteView("v\0\xff", 3));
  } else {
    reply.array(2);
    reply.bulk("one");
    reply.bulk("two");
  }
  if (receipt) {
    reply.map(1);
    reply.bulk("version");
    reply.integer(static_cast<std::int64_t>(hash % 3));
  }
}

struct Outcome {
  std::vector<Request> asked;
  Bytes out;
  bool finished = false;
};

Outcome play(ByteView bytes, std::size_t step) {
  static const HttpOptions kOptions = small_options();
  TestNode node([](Bytes& out) { return std::make_unique<HttpFront>(kOptions, out); }, answer);
  while (!bytes.empty() && !node.finished()) {
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    node.send(piece);
    CHECK(node.asked().size() < 10'000, "an exchange that does not end");
  }
  Outcome outcome{node.asked(), node.take(), node.finished()};
  // Whether a client is told to go on depends on whether it waited.
  for (auto at = outcome.out.find(kContinue); at != Bytes::npos; at = outcome.out.find(kContinue)) {
    outcome.out.erase(at, kContinue.size());
  }
  CHECK(outcome.out.empty() || outcome.out.starts_with("HTTP/1.1 "));
  return outcome;
}

}  // namespace
}  // namespace kvorum::front

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kvorum::front::play;
  // With an end to the last line and header: how soon a line without one is seen to be wrong
  // depends on its pieces.
  const auto bytes = kvorum::Bytes(reinterpret_cast<const char*>(data), size) + "\r\n\r\n";
  const auto whole = play(bytes, SIZE_MAX);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
    const auto parts = play(bytes, step);
    CHECK(whole.asked == parts.asked, "other questions");
    CHECK(whole.out == parts.out, "other responses");
    CHECK_EQ(whole.finished, parts.finished);
  }
  return 0;
}
