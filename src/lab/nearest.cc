#include "lab/nearest.h"

#include <algorithm>
#include <sstream>

#include "base/ascii.h"

namespace kvorum::lab {
namespace {

constexpr std::size_t kLongest = 64;

// Optimal string alignment.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> meaning(std::string_view word, Words words) {
  const auto at =
      std::find_if(words.begin(), words.end(), [&](const Word& one) { return one.word == word; });
  return at == words.end() ? std::nullopt : std::optional(at->means);
}

std::optional<std::string_view> nearest(std::string_view word, Words words) {
  if (word.size() > kLongest) {
    return std::nullopt;
  }
  const auto typed = lower(word);
  std::optional<std::string_view> found;
  auto least = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& one : words) {
    const auto cost = distance(typed, one.word);
    // A word of two letters is near to any other.
    if (cost < least && cost < one.word.size()) {
      least = cost;
      found = one.word;
    }
  }
  return found;
}

std::string listed(Words words) {
  std::string out;
  for (const auto& one : words) {
    if (one.word == one.means) {
      out += (out.empty() ? "" : ", ") + std::string(one.word);
    }
  }
  return out;
}

std::vector<std::string> split_words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) {
    words.push_back(word);
  }
  return words;
}

}  // namespace kvorum::lab
