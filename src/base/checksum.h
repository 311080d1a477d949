// Checksums: XXH3 for bytes that we wrote ourselves, CRC16 because Redis Cluster's slots are made
// of it.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"

namespace kvorum {

inline constexpr std::uint16_t kSlotCount = 16384;

// 64-bit XXH3 of the bytes.
std::uint64_t checksum(ByteView bytes);

// CRC16 (polynomial 0x1021, initial value 0: the XMODEM variant, as in the Redis Cluster
// specification).
std::uint16_t crc16(ByteView bytes);

// CRC16 of the key, or of its first non-empty {tag}, modulo 16384 (Redis Cluster specification,
// hash tags).
Slot slot_of(ByteView key);

}  // namespace kvorum
