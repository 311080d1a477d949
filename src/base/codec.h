// Little-endian integers and length-prefixed bytes, written to a string and read back with bounds.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace kvorum {

template <class Int>
void put_fixed(Bytes& out, Int value) {
  // x86-64 and AArch64 are both little-endian; a big-endian build would fail this assertion.
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

// Base-128, least significant group first; at most 10 bytes.
void put_long_varint(Bytes& out, std::uint64_t value);  // of two bytes at least
inline void put_varint(Bytes& out, std::uint64_t value) {
  value < 0x80 ? out.push_back(static_cast<char>(value)) : put_long_varint(out, value);
}

// A varint of the length, then the bytes.
void put_bytes(Bytes& out, ByteView bytes);

// Reads what the functions above wrote. After the first read past the end, or of a malformed
// varint, ok() is false, every further read gives zero or empty, and nothing is consumed. Borrows
// the bytes that it reads.
class Reader {
 public:
  explicit Reader(ByteView bytes) : rest_(bytes) {}

  template <class Int>
  Int fixed() {
    Int value{};
    if (rest_.size() < sizeof value) {
      return fail(), value;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::uint64_t varint() {
    if (!rest_.empty() && static_cast<unsigned char>(rest_.front()) < 0x80) {
      const auto value = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      return value;
    }
    return long_varint();
  }
  ByteView bytes() { return take(varint()); }
  ByteView take(std::size_t count) {
    if (rest_.size() < count) {
      return fail(), ByteView();
    }
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  ByteView rest() const { return rest_; }

 private:
  void fail() {
    ok_ = false;
    rest_ = {};
  }
  std::uint64_t long_varint();

  ByteView rest_;
  bool ok_ = true;
};

}  // namespace kvorum
