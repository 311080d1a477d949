#include "load/reply_scanner.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "wire/reply_parser.h"

namespace kvorum::load {
namespace {

using What = ReplyScanner::What;

struct Seen {
  What what;
  std::string text;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// What the scanner makes of the pieces; empty: no replies.
std::optional<std::vector<Seen>> scan(const std::vector<ByteView>& pieces) {
  ReplyScanner scanner;
  std::vector<Seen> seen;
  for (const auto piece : pieces) {
    const Bytes copy(piece);  // so that nothing beyond the piece is there to be read
    const auto on_reply = [&seen](What what, ByteView text) {
      seen.push_back({what, std::string(text)});
    };
    if (!scanner.feed(copy, on_reply)) {
      return std::nullopt;
    }
  }
  return seen;
}

// The same by the parser that builds trees.
std::optional<std::vector<Seen>> parse(ByteView bytes) {
  wire::ReplyParser parser;
  parser.feed(bytes);
  std::vector<Seen> seen;
  while (true) {
    auto reply = parser.next();
    if (!reply) {
      return std::nullopt;
    }
    if (!*reply) {
      return seen;
    }
    if ((*reply)->is_error()) {
      seen.push_back({What::kError, (*reply)->text});
    } else {
      seen.push_back({(*reply)->is_nil() ? What::kNil : What::kValue, {}});
    }
  }
}

void append_random(Prng& prng, int depth, Bytes& out) {
  switch (prng.below(depth > 3 ? 7 : 9)) {
    case 0:
      out += "+OK\r\n";
      return;
    case 1:
      out += "-UNKNOWN the outcome is unknown\r\n";
      return;
    case 2:
      out += ":-42\r\n";
      return;
    case 3:
      out += "$-1\r\n";
      return;
    case 4:
      out += "$0\r\n\r\n";
      return;
    case 5:
      out += "$7\r\n\r\n+OK\r\n\r\n";  // what looks like a reply is a value
      return;
    case 6:
      out += prng.below(2) == 0 ? "*0\r\n" : "*-1\r\n";
      return;
    default:
      const auto count = 1 + prng.below(3);
      out += "*" + std::to_string(count) + "\r\n";
      for (std::uint64_t i = 0; i < count; ++i) {
        append_random(prng, depth + 1, out);
      }
  }
}

TEST(ReplyScanner, SeesWhatTheParserSeesHoweverTheBytesAreCut) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Prng prng(seed);
    Bytes bytes;
    for (int i = 0; i < 8; ++i) {
      append_random(prng, 0, bytes);
    }
    const auto wanted = parse(bytes);
    ASSERT_TRUE(wanted);
    ASSERT_EQ(wanted->size(), 8u);
    ASSERT_EQ(scan({bytes}), wanted) << bytes;
    const ByteView all(bytes);
    std::vector<ByteView> single;
    for (std::size_t at = 0; at < all.size(); ++at) {
      ASSERT_EQ(scan({all.substr(0, at), all.substr(at)}), wanted) << bytes << " cut at " << at;
      single.push_back(all.substr(at, 1));
    }
    ASSERT_EQ(scan(single), wanted) << bytes;
  }
}

TEST(ReplyScanner, WhatIsNoReplyIsSaidToBeNone) {
  for (const ByteView bytes :
       {"hello\r\n", "+OK\n", "\r\n", "\n", "$x\r\n", "$-2\r\n", "*-2\r\n", "*x\r\n", ":\r\n",
        ":1x\r\n", "$1\r\nabc\r\n", "$99999999999999999999\r\n", "*99999999999\r\n"}) {
    EXPECT_FALSE(parse(bytes)) << bytes;
    EXPECT_FALSE(scan({bytes})) << bytes;
    std::vector<ByteView> single;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      single.push_back(bytes.substr(at, 1));
    }
    EXPECT_FALSE(scan(single)) << bytes;
  }
}

TEST(ReplyScanner, ALineWithoutEndIsGivenUp) {
  ReplyScanner scanner;
  const Bytes piece(std::size_t{64} << 10, 'x');
  const auto nothing = [](What, ByteView) { FAIL(); };
  bool going = scanner.feed("+", nothing);
  for (int i = 0; i < 17 && going; ++i) {
    going = scanner.feed(piece, nothing);
  }
  EXPECT_FALSE(going);
}

}  // namespace
}  // namespace kvorum::load
