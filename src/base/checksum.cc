#include "base/checksum.h"

#include <xxhash.h>

#include <array>

namespace kvorum {
namespace {

constexpr std::size_t kCrc16Step = 4;  // bytes that are looked up at once
using Crc16Table = std::array<std::uint16_t, 256>;

// The n-th: of a byte with n zeros behind it.
constexpr std::array<Crc16Table, kCrc16Step> make_crc16_tables() {
  std::array<Crc16Table, kCrc16Step> tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unsigned crc = byte << 8;
    for (auto& table : tables) {
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
      }
      table[byte] = static_cast<std::uint16_t>(crc);
    }
  }
  return tables;
}

constexpr auto kCrc16Tables = make_crc16_tables();

}  // namespace

std::uint64_t checksum(ByteView bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::uint16_t crc16(ByteView bytes) {
  const auto& [last, third, second, first] = kCrc16Tables;
  unsigned crc = 0;
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  for (; bytes.size() >= kCrc16Step; bytes.remove_prefix(kCrc16Step)) {
    crc = first[(crc >> 8) ^ byte(0)] ^ second[(crc & 0xff) ^ byte(1)] ^ third[byte(2)] ^
          last[byte(3)];
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    crc = ((crc << 8) & 0xff00) ^ last[(crc >> 8) ^ byte(at)];
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
