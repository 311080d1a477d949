#include "check/values.h"

#include <fmt/format.h>

#include "base/parse.h"

namespace kvorum::check {

std::optional<std::int64_t> number_in(std::string_view text) {
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.front() == '0' && text.size() > 1)) {
    return std::nullopt;
  }
  return parse_number<std::int64_t>(text);
}

const std::string& Values::text(Text value) const {
  return value < texts_.size() ? texts_[value] : made_[value - texts_.size()];
}

Text Values::of(const std::string& text) {
  if (const auto known = texts_.find(text); known != kAbsent) {
    return known;
  }
  if (const auto known = index_.find(text); known != index_.end()) {
    return known->second;
  }
  const auto number = static_cast<Text>(texts_.size() + made_.size());
  made_.push_back(text);
  index_.emplace(made_.back(), number);
  bytes_ += text.size() + 128;
  return number;
}

Text Values::of_number(std::int64_t number) { return of(fmt::to_string(number)); }

Text Values::appended(Text value, Text token) {
  const auto key = (std::uint64_t{value} << 32) | token;
  if (const auto known = appended_.find(key); known != appended_.end()) {
    return known->second;
  }
  const auto result = of(text(value) + text(token));
  appended_.emplace(key, result);
  bytes_ += 48;
  return result;
}

std::optional<Text> Values::increased(Text value, std::int64_t by) {
  const auto before = number(value);
  std::int64_t after = 0;
  if (!before || __builtin_add_overflow(*before, by, &after)) {
    return std::nullopt;
  }
  return of_number(after);
}

std::optional<std::int64_t> Values::number(Text value) const {
  return value == kAbsent ? std::optional<std::int64_t>(0) : number_in(text(value));
}

}  // namespace kvorum::check
