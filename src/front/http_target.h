// The target of a request: a path and what it asks (RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"

namespace kvorum::front {

struct HttpTarget {
  Bytes path;                                  // as it came: percent-encoded
  std::vector<std::pair<Bytes, Bytes>> query;  // decoded

  // Null: not asked. A name that comes twice is refused by parse_target().
  const Bytes* find(ByteView name) const;
};

// kGeneric, one line, for bad percent-encoding and repeated names. An absolute target
// ("http://host/path") is taken for its path.
Result<HttpTarget> parse_target(ByteView target);

// Empty: an incomplete or malformed %XX. `plus` reads + as a blank, as in a query.
std::optional<Bytes> percent_decode(ByteView text, bool plus);

// RFC 4648, with padding.
std::string base64(ByteView bytes);

}  // namespace kvorum::front
