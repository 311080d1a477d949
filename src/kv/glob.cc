#include "kv/glob.h"

#include <algorithm>
#include <cstddef>

namespace kvorum::kv {
namespace {

// `at` is behind the '['. Moves it behind the ']', or to the end if there is none: Redis takes that
// for a ']'.
bool match_class(ByteView pattern, std::size_t& at, unsigned char c) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(pattern[i]); };
  const bool negated = at < pattern.size() && pattern[at] == '^';
  at += negated ? 1 : 0;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      found |= byte(at + 1) == c;
      at += 2;
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const auto [low, high] = std::minmax({byte(at), byte(at + 2)});
      found |= low <= c && c <= high;
      at += 3;
    } else {
      found |= byte(at) == c;
      ++at;
    }
  }
  at += at < pattern.size() ? 1 : 0;
  return found != negated;
}

// Matches one character against the element at `at`, no '*', and moves `at` behind it.
bool match_one(ByteView pattern, std::size_t& at, char c) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '[') {
    return match_class(pattern, ++at, static_cast<unsigned char>(c));
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    ++at;
  }
  return pattern[at++] == c;
}

}  // namespace

// Going back to the last '*' is enough: what an earlier one could take, the last one can take too.
// So the time is bounded by the product of the lengths, whatever the pattern.
bool glob_match(ByteView pattern, ByteView text) {
  std::size_t at = 0;
  std::size_t star = ByteView::npos;
  std::size_t star_text = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_text = i;
      continue;
    }
    if (at < pattern.size() && match_one(pattern, at, text[i])) {
      ++i;
      continue;
    }
    if (star == ByteView::npos) {
      return false;
    }
    at = star;
    i = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') {
    ++at;
  }
  return at == pattern.size();
}

}  // namespace kvorum::kv
