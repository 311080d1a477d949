#include "app/units.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <initializer_list>
#include <string>
#include <utility>

namespace kvorum::app {
namespace {

// A number with one of the units, each worth so much.
std::optional<std::int64_t> with_unit(
    std::string_view word, std::initializer_list<std::pair<std::string_view, std::int64_t>> units) {
  double number = 0;
  const auto end = word.data() + word.size();
  const auto [at, failed] = std::from_chars(word.data(), end, number);
  for (const auto& [name, worth] : units) {
    const auto scaled = number * static_cast<double>(worth);
    if (failed == std::errc() && number >= 0 && scaled < 4e18 &&
        name == std::string_view(at, end)) {
      return static_cast<std::int64_t>(scaled);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view word) {
  return with_unit(word, {{"s", 1'000'000'000},
                          {"ms", 1'000'000},
                          {"us", 1'000},
                          {"ns", 1},
                          {"m", 60'000'000'000},
                          {"h", 3'600'000'000'000}});
}

std::optional<std::int64_t> parse_size(std::string_view word) {
  if (word.size() > 1 && word.ends_with('B')) {
    word.remove_suffix(1);
  }
  return with_unit(word, {{"G", 1LL << 30}, {"M", 1LL << 20}, {"K", 1LL << 10}, {"", 1}});
}

void add_memory_budget(CLI::App* verb, std::optional<std::uint64_t>& out) {
  verb->add_option_function<std::string>(
          "--memory-budget",
          [&out](const std::string& word) {
            const auto bytes = parse_size(word);
            if (!bytes) {
              throw CLI::ValidationError("--memory-budget",
                                         "'" + word + "' is not a size such as 512MB or 4G");
            }
            out = static_cast<std::uint64_t>(*bytes);
          },
          "What rows may take of each node's memory, such as 512MB: above, values that are used "
          "least stay on disk alone; keys stay in memory. Default: no bound")
      ->type_name("SIZE");
}

}  // namespace kvorum::app
