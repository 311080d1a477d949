#include "front/http_target.h"

#include <algorithm>
#include <cstdint>

#include "base/parse.h"

namespace kvorum::front {

const Bytes* HttpTarget::find(ByteView name) const {
  const auto at = std::find_if(query.begin(), query.end(),
                               [name](const auto& pair) { return pair.first == name; });
  return at == query.end() ? nullptr : &at->second;
}

std::optional<Bytes> percent_decode(ByteView text, bool plus) {
  Bytes out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto digits = text.substr(i + 1, 2);
      const auto byte = digits.size() == 2 ? parse_number<unsigned>(digits, 16) : std::nullopt;
      if (!byte) {
        return std::nullopt;
      }
      out += static_cast<char>(*byte);
      i += 2;
    } else {
      out += plus && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

Result<HttpTarget> parse_target(ByteView target) {
  constexpr ByteView kScheme = "http://";
  if (target.starts_with(kScheme)) {
    const auto slash = target.find('/', kScheme.size());
    target = slash == ByteView::npos ? "/" : target.substr(slash);
  }
  HttpTarget out;
  if (target.find('#') != ByteView::npos) {
    return fail(ErrorCode::kGeneric, "a request's target has no fragment: write # as %23");
  }
  const auto mark = target.find('?');
  out.path = target.substr(0, mark);
  auto rest = mark == ByteView::npos ? ByteView() : target.substr(mark + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const auto pair = rest.substr(0, end);
    rest = end == ByteView::npos ? ByteView() : rest.substr(end + 1);
    if (pair.empty()) {
      continue;
    }
    const auto equals = pair.find('=');
    const auto name = percent_decode(pair.substr(0, equals), true);
    const auto value =
        percent_decode(equals == ByteView::npos ? ByteView() : pair.substr(equals + 1), true);
    if (!name || !value) {
      return fail(ErrorCode::kGeneric, "bad percent-encoding in the query");
    }
    if (out.find(*name) != nullptr) {
      return fail(ErrorCode::kGeneric, "a name comes twice in the query");
    }
    out.query.emplace_back(*name, *value);
  }
  return out;
}

std::string base64(ByteView bytes) {
  constexpr ByteView kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto three = bytes.substr(i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < three.size() ? static_cast<unsigned char>(three[k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= three.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

}  // namespace kvorum::front
