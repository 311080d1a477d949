// Text to numbers, strictly: no blanks, no sign for unsigned types, nothing left over.
#pragma once

#include <charconv>
#include <optional>

#include "base/bytes.h"

namespace kvorum {

template <class Int>
std::optional<Int> parse_number(ByteView text, int base = 10) {
  Int value{};
  const auto end = text.data() + text.size();
  const auto [at, failed] = std::from_chars(text.data(), end, value, base);
  return failed == std::errc() && at == end && !text.empty() ? std::optional(value) : std::nullopt;
}

}  // namespace kvorum
