#include "base/checksum.h"

#include <xxhash.h>

#include <array>

namespace kvorum {
namespace {

constexpr std::array<std::uint16_t, 256> make_crc16_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}

constexpr auto kCrc16Table = make_crc16_table();

}  // namespace

std::uint64_t checksum(ByteView bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint16_t crc16(ByteView bytes) {
  unsigned crc = 0;
  for (const char c : bytes) {
    crc = (crc << 8) ^ kCrc16Table[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return static_cast<std::uint16_t>(crc);
}

Slot slot_of(ByteView key) {
  const auto open = key.find('{');
  if (open != ByteView::npos) {
    const auto close = key.find('}', open + 1);
    if (close != ByteView::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return Slot(static_cast<std::uint16_t>(crc16(key) % kSlotCount));
}

}  // namespace kvorum
