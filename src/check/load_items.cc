// Where one JSON object ends and the next begins.
#include <fmt/format.h>

#include "check/load_parts.h"

namespace kvorum::check {

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

namespace {

// Length of the value at the front of an array's rest: up to the comma or bracket behind it.
std::size_t value_length(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      --depth;
    } else if (depth == 0 && (c == ',' || c == ']')) {
      return i;
    }
  }
  return text.size();
}

std::uint32_t newlines(std::string_view text) {
  std::uint32_t count = 0;
  for (const char c : text) {
    count += c == '\n' ? 1 : 0;
  }
  return count;
}

}  // namespace

void JsonItems::skip_blanks() {
  while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string::npos) {
    line_ += rest_.front() == '\n' ? 1 : 0;
    rest_.remove_prefix(1);
  }
}

Result<std::optional<JsonItems::Item>> JsonItems::next() {
  if (!started_) {
    started_ = true;
    skip_blanks();
    array_ = rest_.starts_with('[');
    rest_.remove_prefix(array_ ? 1 : 0);
  }
  if (array_) {
    return next_of_array();
  }
  while (!rest_.empty()) {
    const auto line = line_++;
    if (const auto text = trim(take_line(rest_)); !text.empty()) {
      return Item{text, line};
    }
  }
  return std::nullopt;
}

Result<std::optional<JsonItems::Item>> JsonItems::next_of_array() {
  skip_blanks();
  if (rest_.starts_with(']')) {
    rest_.remove_prefix(1);
    skip_blanks();
    if (!rest_.empty()) {
      return source_.error(line_, "something follows the array");
    }
    return std::nullopt;
  }
  if (!first_) {
    if (!rest_.starts_with(',')) {
      return source_.error(line_, "the array is not closed");
    }
    rest_.remove_prefix(1);
    skip_blanks();
  }
  first_ = false;
  const auto length = value_length(rest_);
  const Item item{trim(rest_.substr(0, length)), line_};
  if (item.text.empty()) {
    return source_.error(line_, "{}",
                         rest_.empty() ? "the array is not closed" : "a value is missing");
  }
  line_ += newlines(rest_.substr(0, length));
  rest_.remove_prefix(length);
  return item;
}

}  // namespace kvorum::check
