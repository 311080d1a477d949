#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/codec.h"
#include "wire/peer.h"

namespace kvorum::wire {
namespace {

using dynamo::Range;
using dynamo::Table;

// Small numbers and full-width ones alike.
rc::Gen<std::uint64_t> number() {
  return rc::gen::apply([](std::uint64_t bits, unsigned shift) { return bits >> (shift % 64); },
                        rc::gen::arbitrary<std::uint64_t>(), rc::gen::arbitrary<unsigned>());
}

template <class Id>
Id any_id() {
  return Id(static_cast<typename Id::rep>(*number()));
}

rc::Gen<Range> any_range() {
  return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, Table::kDepth + 1), number()),
                      [](std::pair<int, std::uint64_t> raw) {
                        return Table::range_of(raw.second * 0x9e3779b97f4a7c15, raw.first);
                      });
}

dynamo::Context any_context() {
  dynamo::Context context;
  for (const auto node : *rc::gen::arbitrary<std::vector<std::uint8_t>>()) {
    context.add({{NodeId(node), any_id<Incarnation>()}, *number()});
  }
  return context;
}

dynamo::Message any_message() {
  dynamo::Message message;
  message.type = static_cast<dynamo::MessageType>(*rc::gen::inRange(0, 10));
  message.from = any_id<NodeId>();
  message.to = any_id<NodeId>();
  message.partition = any_id<PartitionId>();
  message.generation = any_id<Generation>();
  message.id = *number();
  message.incarnation = any_id<Incarnation>();
  message.known = any_context();
  message.cut = any_context();
  for (const auto& [key, row] : *rc::gen::arbitrary<std::vector<std::pair<Bytes, Bytes>>>()) {
    message.rows.add(key, row);
  }
  for (const auto& key : *rc::gen::arbitrary<std::vector<Bytes>>()) {
    message.keys.add(key);
  }
  message.sums = *rc::gen::container<decltype(message.sums)>(rc::gen::pair(any_range(), number()));
  for (const auto& [hash, print] :
       *rc::gen::container<std::vector<std::pair<std::uint64_t, std::uint64_t>>>(
           rc::gen::pair(number(), number()))) {
    message.prints.push_back({hash, print});
  }
  message.ranges = *rc::gen::container<std::vector<Range>>(any_range());
  message.command = *rc::gen::arbitrary<Bytes>();
  message.hint = *rc::gen::arbitrary<bool>();
  message.hint_for = any_id<NodeId>();
  message.refilling = *rc::gen::arbitrary<bool>();
  return message;
}

dynamo::Message full_message() {
  dynamo::Message message;
  message.type = dynamo::MessageType::kSyncDone;
  message.from = NodeId(1);
  message.to = NodeId(2);
  message.partition = PartitionId(3);
  message.generation = Generation(4);
  message.id = 5;
  message.incarnation = Incarnation(6);
  message.known.add({{NodeId(7), Incarnation(8)}, 9});
  message.cut.add({{NodeId(14), Incarnation(15)}, 16});
  message.rows = {{"key", "row"}};
  message.keys = {"a", ""};
  message.sums = {{Range{3, 4095}, 10}};
  message.prints = {{11, 12}};
  message.ranges = {Range{1, 15}};
  message.command = "command";
  message.hint = true;
  message.hint_for = NodeId(13);
  message.refilling = true;
  return message;
}

Result<std::optional<Frame>> parse(ByteView bytes) {
  FrameParser parser;
  parser.feed(bytes);
  return parser.next();
}

// As a frame whose checksum fits, whatever it holds.
Result<std::optional<Frame>> parse_inside(ByteView inside) {
  Bytes out;
  put_fixed(out, static_cast<std::uint32_t>(inside.size()));
  put_fixed(out, checksum(inside));
  out.append(inside);
  return parse(out);
}

RC_GTEST_PROP(PeerDynamo, EveryFieldSurvivesEverySplit, ()) {
  const auto message = any_message();
  Bytes out;
  RC_ASSERT(encode_dynamo(message, out));
  const auto cut = *rc::gen::inRange<std::size_t>(0, out.size());
  FrameParser parser;
  parser.feed(ByteView(out).substr(0, cut));
  const auto early = parser.next();
  RC_ASSERT(early && !*early);
  parser.keep();
  parser.feed(ByteView(out).substr(cut));
  const auto frame = parser.next();
  RC_ASSERT(frame && *frame);
  RC_ASSERT(std::get<dynamo::Message>(**frame) == message);
  RC_ASSERT(parser.buffered() == 0u);
}

TEST(PeerDynamo, EveryDamagedBitIsSeen) {
  Bytes bytes;
  ASSERT_TRUE(encode_dynamo(full_message(), bytes));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    const auto frame = parse(bytes);
    EXPECT_FALSE(frame && *frame) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(PeerDynamo, ABodyCutShortIsRefused) {
  auto message = full_message();
  message.command.clear();  // the only part whose end nothing marks
  Bytes bytes;
  ASSERT_TRUE(encode_dynamo(message, bytes));
  const auto inside = ByteView(bytes).substr(kFramePrefixBytes);
  std::uint32_t head = 0;
  std::memcpy(&head, inside.data() + 1, sizeof head);
  for (std::size_t size = 5 + head; size < inside.size(); ++size) {
    EXPECT_FALSE(parse_inside(inside.substr(0, size))) << size;
  }
  EXPECT_TRUE(parse_inside(inside));
}

TEST(PeerDynamo, AnAbsentRangeIsRefused) {
  // A table CHECKs that it has a range, so none that it lacks may come in.
  for (const auto range : {Range{0, 1}, Range{3, 4096}, Range{4, 0}, Range{255, 0}}) {
    dynamo::Message message;
    message.ranges = {range};
    Bytes bytes;
    ASSERT_TRUE(encode_dynamo(message, bytes));
    EXPECT_FALSE(parse(bytes));
    message.ranges.clear();
    message.sums = {{range, 1}};
    bytes.clear();
    ASSERT_TRUE(encode_dynamo(message, bytes));
    EXPECT_FALSE(parse(bytes));
  }
}

TEST(PeerDynamo, AnUnknownTypeIsRefused) {
  dynamo::Message message;
  message.type = static_cast<dynamo::MessageType>(10);
  Bytes bytes;
  ASSERT_TRUE(encode_dynamo(message, bytes));
  const auto frame = parse(bytes);
  ASSERT_FALSE(frame);
  EXPECT_EQ(frame.error().detail, "unknown leaderless message type 10");
}

TEST(PeerDynamo, TooManyItemsAreNeitherSentNorTaken) {
  Bytes bytes = "before";
  dynamo::Message message;
  message.prints.resize(kMaxDynamoItems + 1);
  EXPECT_FALSE(encode_dynamo(message, bytes));
  EXPECT_EQ(bytes, "before");
  message.prints.resize(kMaxDynamoItems);
  EXPECT_TRUE(encode_dynamo(message, bytes));

  bytes.clear();
  put_fixed(bytes, kFrameVersion);
  put_fixed(bytes, std::uint32_t{2});
  bytes.append("\x08\x04");      // kind = KIND_DYNAMO
  bytes.append(Bytes(3, '\0'));  // nothing known, no cut, no rows
  const auto room = bytes.size();
  put_varint(bytes, kMaxDynamoItems + 1);  // keys, each empty
  bytes.append(Bytes(kMaxDynamoItems + 5, '\0'));
  EXPECT_FALSE(parse_inside(bytes));
  bytes.resize(room);
  put_varint(bytes, kMaxDynamoItems);
  bytes.append(Bytes(kMaxDynamoItems + 3, '\0'));
  EXPECT_TRUE(parse_inside(bytes));
}

TEST(PeerDynamo, ATooLongMessageIsNotEncoded) {
  dynamo::Message message;
  const Bytes row(std::size_t{32} << 20, 'x');
  for (int i = 0; i < 21; ++i) {
    message.rows.add("key", row);
  }
  Bytes bytes = "before";
  EXPECT_FALSE(encode_dynamo(message, bytes));
  EXPECT_EQ(bytes, "before");
}

}  // namespace
}  // namespace kvorum::wire
