// Any bytes as a row and as a client's context: refused, or what they hold is what its own encoding
// holds, merging it with itself changes nothing, and a rule leaves at least one sibling.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "dynamo/version.h"

namespace kvorum::dynamo {
namespace {

void try_row(ByteView bytes) {
  Row row;
  Reader reader(bytes);
  if (!decode(reader, row)) {
    return;
  }
  Bytes again;
  encode(row, again);
  Row back;
  Reader second(again);
  CHECK(decode(second, back) && second.done());
  CHECK(back == row);
  CHECK(fingerprint("key", back) == fingerprint("key", row));
  CHECK(!merge(back, row) && back == row);
  for (const auto conflict : {Conflict::kLww, Conflict::kLexical}) {
    std::vector<Sibling> losers;
    settle(back, conflict, losers);
    CHECK_EQ(back.siblings.size(), row.siblings.empty() ? 0u : 1u);
    CHECK_EQ(back.siblings.size() + losers.size(), row.siblings.size());
    back = row;
  }
}

void try_context(ByteView text) {
  if (const auto context = parse_context(text)) {
    CHECK(to_text(*context) == text);
  }
}

}  // namespace
}  // namespace kvorum::dynamo

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvorum::ByteView bytes(reinterpret_cast<const char*>(data), size);
  kvorum::dynamo::try_row(bytes);
  kvorum::dynamo::try_context(bytes);
  return 0;
}
