#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "wire/reply_parser.h"
#include "wire/resp_writer.h"

namespace kvorum::wire {
namespace {

using Type = Reply::Type;

Reply text(Type type, Bytes bytes) { return Reply{type, 0, std::move(bytes), {}}; }
Reply integer(std::int64_t value) { return Reply{Type::kInteger, value, {}, {}}; }
Reply group(Type type, std::vector<Reply> elements) {
  return Reply{type, 0, {}, std::move(elements)};
}

// The replies in `bytes`, fed in pieces of `step`; the last is a kError "!" when the stream broke.
std::vector<Reply> parse(ByteView bytes, std::size_t step = SIZE_MAX,
                         const ReplyLimits& limits = {}) {
  ReplyParser parser(limits);
  std::vector<Reply> out;
  while (!bytes.empty()) {
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    parser.feed(piece);
    for (auto reply = parser.next();; reply = parser.next()) {
      if (!reply) {
        out.push_back(text(Type::kError, "!"));
        return out;
      }
      if (!*reply) {
        break;
      }
      out.push_back(std::move(**reply));
    }
  }
  return out;
}

struct Case {
  Bytes bytes;
  Reply reply;
};

std::vector<Case> every_form() {
  return {
      {"+OK\r\n", text(Type::kStatus, "OK")},
      {"+\r\n", text(Type::kStatus, "")},
      {"-ERR no\r\n", text(Type::kError, "ERR no")},
      {":-42\r\n", integer(-42)},
      {Bytes("$4\r\na\r\n\0\r\n", 10), text(Type::kBulk, Bytes("a\r\n\0", 4))},
      {"$0\r\n\r\n", text(Type::kBulk, "")},
      {"$-1\r\n", Reply{}},
      {"*-1\r\n", Reply{}},
      {"_\r\n", Reply{}},
      {"*0\r\n", group(Type::kArray, {})},
      {"*2\r\n*1\r\n:1\r\n*0\r\n",
       group(Type::kArray, {group(Type::kArray, {integer(1)}), group(Type::kArray, {})})},
      {"%1\r\n+a\r\n*1\r\n_\r\n",
       group(Type::kMap, {text(Type::kStatus, "a"), group(Type::kArray, {Reply{}})})},
      {"~1\r\n:5\r\n", group(Type::kSet, {integer(5)})},
      {">1\r\n$1\r\nx\r\n", group(Type::kPush, {text(Type::kBulk, "x")})},
      {"#t\r\n", Reply{Type::kBool, 1, {}, {}}},
      {",1.5\r\n", text(Type::kDouble, "1.5")},
      {"(123456789012345678901234567890\r\n",
       text(Type::kBigNumber, "123456789012345678901234567890")},
      {"=6\r\ntxt:ab\r\n", text(Type::kVerbatim, "ab")},
      {"!5\r\nERR x\r\n", text(Type::kError, "ERR x")},
      {"|1\r\n+ttl\r\n:3\r\n*1\r\n|1\r\n+a\r\n+b\r\n:7\r\n", group(Type::kArray, {integer(7)})},
      {"|0\r\n:7\r\n", integer(7)},
  };
}

TEST(ReplyParser, EveryFormInEverySplit) {
  Bytes all;
  std::vector<Reply> want;
  for (const auto& one : every_form()) {
    EXPECT_EQ(parse(one.bytes), std::vector<Reply>{one.reply}) << one.bytes;
    all += one.bytes;
    want.push_back(one.reply);
  }
  for (std::size_t step = 1; step <= all.size(); ++step) {
    EXPECT_EQ(parse(all, step), want) << step;
  }
}

TEST(ReplyParser, ATruncatedReplyWaits) {
  for (const auto& one : every_form()) {
    for (std::size_t size = 0; size < one.bytes.size(); ++size) {
      EXPECT_TRUE(parse(one.bytes.substr(0, size)).empty()) << one.bytes << " " << size;
    }
  }
}

TEST(ReplyParser, NonsenseIsRefused) {
  for (const auto* bytes :
       {"hello\r\n", ":\r\n", ":1x\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n", "*x\r\n", "%-1\r\n",
        "$?\r\n", "*?\r\n", "#x\r\n", "_x\r\n", "+a\n", "\r\n", "$1\r\nab\r\n", "=2\r\nab\r\n",
        "$99999999999999999999\r\n", "$600000000\r\n"}) {
    const auto replies = parse(bytes);
    ASSERT_EQ(replies.size(), 1u) << bytes;
    EXPECT_EQ(replies.back().text, "!") << bytes;
  }
}

TEST(ReplyParser, NestingLinesAndSizesAreBounded) {
  Bytes deep;
  for (int i = 0; i < 33; ++i) {
    deep += "*1\r\n";
  }
  EXPECT_EQ(parse(deep).back().text, "!");
  EXPECT_TRUE(parse(deep.substr(4)).empty());
  EXPECT_EQ(parse("+" + Bytes(100, 'a'), SIZE_MAX, {.line_bytes = 50}).back().text, "!");
  EXPECT_EQ(parse("$" + Bytes(100, '1')).back().text, "!");
  EXPECT_EQ(parse("*6\r\n", SIZE_MAX, {.elements = 5}).back().text, "!");
}

TEST(ReplyParser, ReadsWhatRespWriterWrites) {
  for (const int protocol : {2, 3}) {
    Bytes out;
    RespWriter writer(out);
    writer.set_protocol(protocol);
    writer.array(4);
    writer.bulk("v");
    writer.nil();
    writer.map(1);
    writer.status("k");
    writer.integer(12);
    writer.error(Error{ErrorCode::kSyntax, {}});
    const auto pair =
        group(protocol == 3 ? Type::kMap : Type::kArray, {text(Type::kStatus, "k"), integer(12)});
    EXPECT_EQ(parse(out),
              (std::vector<Reply>{group(Type::kArray, {text(Type::kBulk, "v"), Reply{}, pair,
                                                       text(Type::kError, "ERR syntax error")})}));
  }
}

TEST(ReplyParser, RandomBytesNeverHang) {
  Prng prng(3);
  const ByteView alphabet("*$+-:_#,(=!~%|>0123456789\r\n\r\n\r\nta");
  for (int round = 0; round < 2000; ++round) {
    Bytes bytes;
    for (auto left = prng.below(60); left > 0; --left) {
      bytes.push_back(alphabet[prng.below(alphabet.size())]);
    }
    EXPECT_EQ(parse(bytes), parse(bytes, 1)) << bytes;
  }
}

}  // namespace
}  // namespace kvorum::wire
