// Numbers in values, read and written exactly as Redis does, so that a client sees the same text.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace kvorum::kv {

// Canonical decimal only: no blanks, no plus sign, no leading zeros, no "-0".
std::optional<std::int64_t> parse_integer(ByteView text);

// What strtold takes as a whole, but for leading blanks, NaN and what is out of range. Infinity
// passes.
std::optional<long double> parse_float(ByteView text);

// Fixed notation with up to 17 digits behind the point, zeros at the end cut off.
Bytes format_float(long double value);

}  // namespace kvorum::kv
