// Words of a file format, and which of them a misspelt one was meant to be.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvorum::lab {

// A word and the one it stands for: itself, or what an older word is called now.
struct Word {
  std::string_view word;
  std::string_view means;
};
using Words = std::span<const Word>;

// What the word stands for; empty: none of them.
std::optional<std::string_view> meaning(std::string_view word, Words words);
// The word that needs the fewest letters put in, left out, replaced or swapped with their
// neighbour, if they are few.
std::optional<std::string_view> nearest(std::string_view word, Words words);
// Those that stand for themselves, with commas.
std::string listed(Words words);
// At its blanks and line breaks.
std::vector<std::string> split_words(const std::string& text);

}  // namespace kvorum::lab
