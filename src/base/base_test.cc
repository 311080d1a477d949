#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "base/checksum.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/prng.h"

namespace kvorum {
namespace {

TEST(Checksum, Crc16MatchesTheRedisClusterSpecification) { EXPECT_EQ(crc16("123456789"), 0x31c3); }

// By the definition, a bit at a time.
std::uint16_t slow_crc16(ByteView bytes) {
  unsigned crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned>(static_cast<unsigned char>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = ((crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xffff;
    }
  }
  return static_cast<std::uint16_t>(crc);
}

TEST(Checksum, Crc16OfEveryLengthIsThatOfTheDefinition) {
  Prng prng(1);
  Bytes bytes;
  for (int length = 0; length < 300; ++length) {
    EXPECT_EQ(crc16(bytes), slow_crc16(bytes)) << length;
    bytes.push_back(static_cast<char>(prng.below(256)));
  }
}

TEST(Checksum, SlotHashesOnlyTheFirstNonEmptyTag) {
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  EXPECT_EQ(slot_of("foo{}{bar}"), Slot(static_cast<std::uint16_t>(crc16("foo{}{bar}") % 16384)));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), Slot(static_cast<std::uint16_t>(crc16("{bar") % 16384)));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
}

TEST(Codec, RoundTripsAndStopsAtTheEnd) {
  Bytes out;
  put_fixed<std::uint32_t>(out, 0xdeadbeef);
  put_varint(out, 300);
  put_varint(out, ~0ull);
  put_bytes(out, "hello");
  Reader reader(out);
  EXPECT_EQ(reader.fixed<std::uint32_t>(), 0xdeadbeefu);
  EXPECT_EQ(reader.varint(), 300u);
  EXPECT_EQ(reader.varint(), ~0ull);
  EXPECT_EQ(reader.bytes(), "hello");
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(reader.varint(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, ALengthBeyondTheEndFailsAndGivesNothing) {
  Bytes out;
  put_varint(out, 1ull << 40);
  out += "short";
  Reader reader(out);
  EXPECT_EQ(reader.bytes(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(Codec, AnOverlongVarintIsRefused) {
  Reader reader(ByteView("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
  reader.varint();
  EXPECT_FALSE(reader.ok());
}

TEST(Error, EveryErrorSaysWhetherTheOutcomeIsDefinite) {
  EXPECT_EQ(outcome_of(ErrorCode::kUnknown), Outcome::kUnknown);
  EXPECT_EQ(outcome_of(ErrorCode::kNoLeader), Outcome::kDefinite);
  EXPECT_EQ(to_string(Error{ErrorCode::kSyntax, ""}), "ERR syntax error");
}

TEST(Prng, SameSeedSameDrawsAndWithinTheBound) {
  Prng a(7), b(7);
  for (int i = 0; i < 1000; ++i) {
    const auto x = a.below(10);
    EXPECT_LT(x, 10u);
    EXPECT_EQ(x, b.below(10));
  }
}

TEST(Check, ComparesWhatATemporaryHolds) {
  const auto held = [] { return std::optional<std::uint64_t>(7); };
  CHECK_EQ(*held(), 7u);
}

TEST(CheckDeathTest, PrintsTheExpressionAndBothValues) {
  EXPECT_DEATH(CHECK_EQ(Index(1), Index(2)), "Index\\(1\\) == Index\\(2\\).*1 against 2");
}

TEST(CheckDeathTest, NamesTheInnermostContextOfItsThread) {
  const CheckContext outer("input 1");
  EXPECT_DEATH(
      {
        const CheckContext inner("input 2");
        CHECK(false);
      },
      "broken invariant: false.*\n  input 2");
  EXPECT_DEATH(CHECK(false), "input 1");
  EXPECT_DEATH(std::thread([] { CHECK(false, "elsewhere"); }).join(), "elsewhere\\)\n$");
}

}  // namespace
}  // namespace kvorum
