#include "kv/number.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/parse.h"

namespace kvorum::kv {
namespace {

constexpr std::size_t kMaxFloatText = 5 * 1024;  // the same bound as in Redis

}  // namespace

std::optional<std::int64_t> parse_integer(ByteView text) {
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.front() == '0' && text.size() > 1)) {
    return std::nullopt;
  }
  return parse_number<std::int64_t>(text);
}

std::optional<long double> parse_float(ByteView text) {
  if (text.empty() || text.size() >= kMaxFloatText ||
      std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    return std::nullopt;
  }
  std::array<char, kMaxFloatText> buffer;
  std::memcpy(buffer.data(), text.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const auto value = std::strtold(buffer.data(), &end);
  const bool out_of_range = errno == ERANGE && (value == HUGE_VALL || value == -HUGE_VALL ||
                                                std::fpclassify(value) == FP_ZERO);
  if (end != buffer.data() + text.size() || out_of_range || std::isnan(value)) {
    return std::nullopt;
  }
  return value;
}

Bytes format_float(long double value) {
  std::array<char, kMaxFloatText> buffer;
  const auto length = std::snprintf(buffer.data(), buffer.size(), "%.17Lf", value);
  Bytes text(buffer.data(), static_cast<std::size_t>(length));
  if (text.find('.') != Bytes::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') {
      text.pop_back();
    }
  }
  return text == "-0" ? "0" : text;
}

}  // namespace kvorum::kv
