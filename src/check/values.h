// What operations make of a key's value, for the judges that follow whole values.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "check/history.h"

namespace kvorum::check {

// The number in a text as the store counts: canonical decimal (no "+1", no "01"); absent is 0.
std::optional<std::int64_t> number_in(std::string_view text);

// A history's texts, and those that appending and counting make beyond them.
class Values {
 public:
  explicit Values(const Texts& texts) : texts_(texts) {}

  const std::string& text(Text value) const;
  Text of(const std::string& text);
  Text of_number(std::int64_t number);
  // Appending to absent acts on "".
  Text appended(Text value, Text token);
  // Empty if the value is no number or the sum is none.
  std::optional<Text> increased(Text value, std::int64_t by);
  std::optional<std::int64_t> number(Text value) const;
  std::size_t bytes() const { return bytes_; }

 private:
  const Texts& texts_;
  std::deque<std::string> made_;  // made_[i] is number texts_.size() + i
  std::unordered_map<std::string_view, Text> index_;
  std::unordered_map<std::uint64_t, Text> appended_;  // (value, token)
  std::size_t bytes_ = 0;
};

}  // namespace kvorum::check
