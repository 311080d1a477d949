// What one key can hold, as numbers. States made by appending are known by length and a 122-bit
// polynomial hash, not by their bytes, so a chain of appends costs the same memory per state
// however long the value has become.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "check/history.h"

namespace kvorum::check {

using State = std::uint32_t;
inline constexpr State kNoValue = 0;  // the key is absent
// Stands for every text that no operation can tell from another one.
inline constexpr State kDeadState = 1;
inline constexpr State kNoState = 0xffffffff;

class States {
 public:
  // `named`: the values that the key's operations name, in any order, kAbsent among them or not.
  // Without `composing` there are no other states, and texts are never looked into.
  States(const Texts& texts, std::vector<Text> named, bool composing);

  State of(Text text) const;  // one of the named
  State of_number(std::int64_t number);
  State empty();  // the text ""
  State append(State state, Text token);
  // As our store counts: absent is 0, what is no canonical integer or would overflow fails.
  State incr(State state, std::int64_t by);
  std::optional<std::int64_t> number(State state) const;
  // The state that becomes `state` by appending `token`; kNoState if it does not end so. Only for
  // states that were named, and what this returned.
  State before_append(State state, Text token);
  bool ends_with(State state, Text token) const;
  std::string text(State state) const;
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const;

 private:
  struct Hash {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint64_t length = 0;
    friend bool operator==(const Hash&, const Hash&) = default;
  };
  struct HashHash {
    std::size_t operator()(const Hash& hash) const { return hash.low ^ (hash.high << 3); }
  };
  // `whole`, or, if there is a parent, that followed by `token`.
  struct Entry {
    Hash hash;
    State parent = kNoState;
    Text token = kAbsent;
    std::string_view whole;
    std::optional<std::int64_t> number;
  };

  static Hash hash_of(std::string_view text);
  static Hash joined(const Hash& left, const Hash& right);
  State intern(const Entry& entry);

  const Texts& texts_;
  std::vector<Text> named_;  // ascending; named_[i] is state i + 2
  std::vector<Entry> entries_;
  std::deque<std::string> numbers_;  // texts that nobody named
  std::unordered_map<Hash, State, HashHash> index_;
  std::unordered_map<std::uint64_t, State> appended_;  // (state, token)
};

}  // namespace kvorum::check
