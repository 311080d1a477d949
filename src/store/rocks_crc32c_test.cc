#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/prng.h"

namespace kvorum::store {
namespace {

using Crc32c = std::uint32_t (*)(std::uint32_t, const char*, std::size_t);

// The program's, which stands in for RocksDB's own (rocks_crc32c.cc), and that one: a log written
// with either is read with the other.
TEST(Crc32c, IsTheLibrarysOwn) {
  constexpr auto kName = "_ZN7rocksdb6crc32c6ExtendEjPKcm";
  const auto ours = reinterpret_cast<Crc32c>(dlsym(RTLD_DEFAULT, kName));
  const auto theirs = reinterpret_cast<Crc32c>(dlsym(RTLD_NEXT, kName));
  ASSERT_NE(ours, nullptr);
  ASSERT_NE(theirs, nullptr);
#ifdef __x86_64__
  EXPECT_NE(ours, theirs) << "the library's is used";
#endif
  EXPECT_EQ(ours(0, "123456789", 9), 0xe3069283u);
  Prng prng(1);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes(prng.below(200), '\0');
    for (auto& byte : bytes) {
      byte = static_cast<char>(prng.next());
    }
    const auto before = static_cast<std::uint32_t>(prng.next());
    const auto from = prng.below(bytes.size() + 1);
    EXPECT_EQ(ours(before, bytes.data() + from, bytes.size() - from),
              theirs(before, bytes.data() + from, bytes.size() - from));
  }
}

}  // namespace
}  // namespace kvorum::store
