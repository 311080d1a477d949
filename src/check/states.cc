#include "check/states.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/parse.h"

namespace kvorum::check {
namespace {

constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
// Two arbitrary bases: two texts of n bytes share a hash with a chance of about (n / 2^61)^2.
constexpr std::uint64_t kLowBase = 0x0a5f3c91d27e84b6;
constexpr std::uint64_t kHighBase = 0x13c6ef372fe94f82;

constexpr std::uint64_t kLongestNumber = 20;  // bytes of an int64

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  const auto folded =
      static_cast<std::uint64_t>(product & kPrime) + static_cast<std::uint64_t>(product >> 61);
  return folded >= kPrime ? folded - kPrime : folded;
}

std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
  const auto sum = a + b;
  return sum >= kPrime ? sum - kPrime : sum;
}

std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return plus(a, kPrime - b); }

std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) {
      result = times(result, base);
    }
    base = times(base, base);
  }
  return result;
}

// Canonical decimal, as the store writes it: whatever else stands there is not a number.
std::optional<std::int64_t> canonical_number(std::string_view text) {
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.front() == '0' && text.size() > 1)) {
    return std::nullopt;
  }
  return parse_number<std::int64_t>(text);
}

}  // namespace

States::States(const Texts& texts, std::vector<Text> named, bool composing)
    : texts_(texts), named_(std::move(named)) {
  std::sort(named_.begin(), named_.end());
  named_.erase(std::unique(named_.begin(), named_.end()), named_.end());
  if (!named_.empty() && named_.front() == kAbsent) {
    named_.erase(named_.begin());
  }
  entries_.resize(2);
  entries_[kNoValue].number = 0;
  entries_.reserve(named_.size() + 2);
  for (const Text text : named_) {
    Entry entry;
    entry.whole = texts_[text];
    if (composing) {
      entry.hash = hash_of(texts_[text]);
      entry.number = canonical_number(texts_[text]);
      index_.emplace(entry.hash, static_cast<State>(entries_.size()));
    }
    entries_.push_back(entry);
  }
}

State States::of(Text text) const {
  if (text == kAbsent) {
    return kNoValue;
  }
  const auto found = std::lower_bound(named_.begin(), named_.end(), text);
  return static_cast<State>(found - named_.begin()) + 2;
}

// Low-order byte first, so that a prefix's hash is a difference: sum of (byte + 1) * base^i.
States::Hash States::hash_of(std::string_view text) {
  Hash hash;
  hash.length = text.size();
  for (std::size_t i = text.size(); i-- > 0;) {
    const auto byte = std::uint64_t{static_cast<unsigned char>(text[i])} + 1;
    hash.low = plus(times(hash.low, kLowBase), byte);
    hash.high = plus(times(hash.high, kHighBase), byte);
  }
  return hash;
}

States::Hash States::joined(const Hash& left, const Hash& right) {
  return {plus(left.low, times(power(kLowBase, left.length), right.low)),
          plus(left.high, times(power(kHighBase, left.length), right.high)),
          left.length + right.length};
}

State States::intern(const Entry& entry) {
  const auto [found, fresh] = index_.try_emplace(entry.hash, static_cast<State>(entries_.size()));
  if (fresh) {
    entries_.push_back(entry);
  }
  return found->second;
}

State States::of_number(std::int64_t number) {
  const auto text = fmt::to_string(number);
  Entry entry;
  entry.hash = hash_of(text);
  if (const auto known = index_.find(entry.hash); known != index_.end()) {
    return known->second;
  }
  entry.number = number;
  entry.whole = numbers_.emplace_back(text);
  return intern(entry);
}

State States::empty() { return intern(Entry{}); }

State States::append(State state, Text token) {
  if (state == kDeadState) {
    return kDeadState;
  }
  const auto key = (std::uint64_t{state} << 32) | token;
  if (const auto known = appended_.find(key); known != appended_.end()) {
    return known->second;
  }
  Entry entry;
  const auto right = entries_[of(token)].hash;
  entry.hash = state == kNoValue ? right : joined(entries_[state].hash, right);
  entry.parent = state;
  entry.token = token;
  if (entry.hash.length <= kLongestNumber) {
    entry.number = canonical_number(text(state) + texts_[token]);
  }
  const auto result = intern(entry);
  appended_.emplace(key, result);
  return result;
}

State States::incr(State state, std::int64_t by) {
  const auto& before = entries_[state].number;
  std::int64_t after = 0;
  if (!before || __builtin_add_overflow(*before, by, &after)) {
    return kNoState;
  }
  return of_number(after);
}

std::optional<std::int64_t> States::number(State state) const { return entries_[state].number; }

bool States::ends_with(State state, Text token) const {
  return state > kDeadState && entries_[state].whole.ends_with(texts_[token]);
}

State States::before_append(State state, Text token) {
  if (!ends_with(state, token)) {
    return kNoState;
  }
  const auto& after = entries_[state];
  const auto& tail = entries_[of(token)].hash;
  const auto length = after.hash.length - tail.length;
  Entry entry;
  entry.hash.length = length;
  entry.hash.low = minus(after.hash.low, times(power(kLowBase, length), tail.low));
  entry.hash.high = minus(after.hash.high, times(power(kHighBase, length), tail.high));
  entry.whole = after.whole.substr(0, length);
  entry.number = length <= kLongestNumber ? canonical_number(entry.whole) : std::nullopt;
  return intern(entry);
}

std::string States::text(State state) const {
  std::vector<Text> tail;
  while (entries_[state].parent != kNoState) {
    tail.push_back(entries_[state].token);
    state = entries_[state].parent;
  }
  std::string out(entries_[state].whole);
  for (auto token = tail.rbegin(); token != tail.rend(); ++token) {
    out += texts_[*token];
  }
  return out;
}

std::size_t States::bytes() const {
  return entries_.size() * sizeof(Entry) + index_.size() * 64 + appended_.size() * 40;
}

}  // namespace kvorum::check
