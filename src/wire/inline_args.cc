#include "wire/inline_args.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace kvorum::wire {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\v' || c == '\f' || c == '\0';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Reads a quoted stretch; `at` stands behind the opening quote, then behind the closing one.
bool read_quoted(ByteView line, std::size_t& at, char quote, Bytes& text) {
  while (at < line.size()) {
    const char c = line[at++];
    if (c == quote) {
      return at == line.size() || is_blank(line[at]);
    }
    if (c != '\\' || at == line.size()) {
      text.push_back(c);
    } else if (quote == '\'') {
      if (line[at] == '\'') {
        ++at;
        text.push_back('\'');
      } else {
        text.push_back(c);
      }
    } else if (line[at] == 'x' && at + 2 < line.size() && hex_digit(line[at + 1]) >= 0 &&
               hex_digit(line[at + 2]) >= 0) {
      text.push_back(static_cast<char>(hex_digit(line[at + 1]) * 16 + hex_digit(line[at + 2])));
      at += 3;
    } else {
      text.push_back(unescape(line[at++]));
    }
  }
  return false;
}

bool equals_ignoring_case(ByteView a, ByteView lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x | 0x20) : x) == y;
  });
}

}  // namespace

bool split_inline(ByteView line, std::vector<ByteView>& args, Bytes& text) {
  args.clear();
  text.clear();
  text.reserve(line.size());  // unquoting never makes it longer, so views into it stay good
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) {
      ++at;
    }
    if (at == line.size()) {
      return true;
    }
    const auto start = text.size();
    while (at < line.size() && !is_blank(line[at])) {
      const char c = line[at++];
      if (c != '"' && c != '\'') {
        text.push_back(c);
      } else if (!read_quoted(line, at, c, text)) {
        return false;
      }
    }
    args.emplace_back(text.data() + start, text.size() - start);
  }
}

bool is_http(ByteView word) {
  return equals_ignoring_case(word, "post") || equals_ignoring_case(word, "host:");
}

}  // namespace kvorum::wire
