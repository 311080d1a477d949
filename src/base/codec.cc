#include "base/codec.h"

namespace kvorum {

void put_long_varint(Bytes& out, std::uint64_t value) {
  char raw[10];
  std::size_t count = 0;
  for (; value >= 0x80; value >>= 7) {
    raw[count++] = static_cast<char>(value | 0x80);
  }
  raw[count++] = static_cast<char>(value);
  out.append(raw, count);
}

void put_bytes(Bytes& out, ByteView bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}

std::uint64_t Reader::long_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  fail();
  return 0;
}

}  // namespace kvorum
