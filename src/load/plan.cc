#include "load/plan.h"

#include <cstring>

#include "base/check.h"
#include "wire/resp.h"

namespace kvorum::load {
namespace {

constexpr ByteView kKeyPrefix = "key:";
constexpr std::size_t kOtherValues = 4096;  // values differ by where in the letters they begin
constexpr ByteView kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
constexpr ByteView kLineEnd = "\r\n";

// The key 0: the prefix as far as there is room, and noughts.
Bytes first_key(const PlanOptions& options) {
  Bytes key(options.key_size, '0');
  const auto room = options.key_size - key_digits(options.keys);
  const auto prefix = kKeyPrefix.substr(0, room);
  key.replace(0, prefix.size(), prefix);
  return key;
}

}  // namespace

std::size_t key_digits(std::uint64_t keys) { return std::to_string(keys - 1).size(); }

Plan::Plan(const PlanOptions& options, std::uint64_t thread)
    : keys_(options.distribution, options.keys),
      // Drawn, as the generators of neighbouring seeds could run over the same numbers.
      prng_(Prng(options.seed + thread).next()),
      read_below_(static_cast<std::uint64_t>(options.reads * 0x1p32)),
      value_size_(options.value_size) {
  CHECK(options.key_size >= key_digits(options.keys));
  const auto key = first_key(options);
  letters_.resize(options.value_size + kOtherValues);
  for (auto& letter : letters_) {
    letter = kAlphabet[prng_.below(kAlphabet.size())];
  }
  const ByteView get[] = {"GET", key};
  wire::append_request(get, get_);
  get_key_end_ = get_.size() - kLineEnd.size();
  const ByteView set[] = {"SET", key, ByteView(letters_).substr(0, value_size_)};
  wire::append_request(set, set_);
  set_key_end_ = set_.find(key) + key.size();
}

void Plan::append(const Bytes& request, std::size_t key_end, std::uint64_t key, Bytes& out) const {
  const auto at = out.size();
  out.append(request);
  for (auto* digit = out.data() + at + key_end; key > 0; key /= 10) {
    *--digit = static_cast<char>('0' + key % 10);
  }
}

Kind Plan::next(Bytes& out) {
  if (fill_step_ == 0 && prng_.next() >> 32 < read_below_) {
    append(get_, get_key_end_, keys_.next(prng_), out);
    return Kind::kRead;
  }
  auto key = fill_next_;
  if (fill_step_ == 0) {
    key = keys_.next(prng_);
  } else {
    fill_next_ += fill_step_;
  }
  append(set_, set_key_end_, key, out);
  std::memcpy(out.data() + out.size() - kLineEnd.size() - value_size_,
              letters_.data() + prng_.below(kOtherValues), value_size_);
  return Kind::kWrite;
}

void Plan::fill(std::uint64_t first, std::uint64_t step) {
  fill_next_ = first;
  fill_step_ = step;
}

}  // namespace kvorum::load
