// RocksDB's CRC32C by the processor's instruction. Debian builds RocksDB for processors without it,
// and looking bytes up in tables took a fifteenth of the processor time of a leaderless SET. The
// dynamic linker takes a program's function before a library's of the same name, so this one stands
// in for it; the checksums are the same.
#include <dlfcn.h>
#include <nmmintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace rocksdb::crc32c {
namespace {

using Extending = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);

__attribute__((target("sse4.2"))) std::uint32_t extend(std::uint32_t before, const char* bytes,
                                                       std::size_t size) {
  std::uint64_t crc = ~before;
  for (; size >= sizeof crc; size -= sizeof crc, bytes += sizeof crc) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    crc = _mm_crc32_u64(crc, word);
  }
  auto rest = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++bytes) {
    rest = _mm_crc32_u8(rest, static_cast<unsigned char>(*bytes));
  }
  return ~rest;
}

// The library's own, if the processor is too old.
Extending choose() {
  if (__builtin_cpu_supports("sse4.2") != 0) {
    return extend;
  }
  void* const found = dlsym(RTLD_NEXT, "_ZN7rocksdb6crc32c6ExtendEjPKcm");
  CHECK(found != nullptr, "RocksDB has no crc32c::Extend");
  return reinterpret_cast<Extending>(found);
}

}  // namespace

// The CRC32C of what `before` is the checksum of, and of these bytes behind it. Any thread.
std::uint32_t Extend(std::uint32_t before, const char* bytes, std::size_t size);

std::uint32_t Extend(std::uint32_t before, const char* bytes, std::size_t size) {
  static const Extending chosen = choose();
  return chosen(before, bytes, size);
}

}  // namespace rocksdb::crc32c
