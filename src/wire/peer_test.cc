#include "wire/peer.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/checksum.h"
#include "base/codec.h"
#include "base/prng.h"

namespace kvorum::wire {
namespace {

// The frames in `bytes`, fed in pieces of `step`, and whether the stream held to its end.
struct Parsed {
  std::vector<Frame> frames;
  bool ok = true;
  Error error;
};

Parsed parse(ByteView bytes, std::size_t step = SIZE_MAX, std::size_t limit = kMaxFrameBytes) {
  FrameParser parser(limit);
  Parsed out;
  while (!bytes.empty()) {
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    parser.feed(piece);
    for (auto frame = parser.next();; frame = parser.next()) {
      if (!frame) {
        EXPECT_FALSE(parser.next());
        out.ok = false;
        out.error = frame.error();
        return out;
      }
      if (!*frame) {
        break;
      }
      out.frames.push_back(std::move(**frame));
    }
    parser.keep();
  }
  return out;
}

std::vector<NodeId> random_nodes(Prng& prng) {
  std::vector<NodeId> nodes;
  for (auto left = prng.below(6); left > 0; --left) {
    nodes.emplace_back(static_cast<std::uint32_t>(prng.next()));
  }
  return nodes;
}

Bytes random_bytes(Prng& prng, std::uint64_t bound) {
  Bytes bytes;
  for (auto left = prng.below(bound); left > 0; --left) {
    bytes.push_back(static_cast<char>(prng.below(256)));
  }
  return bytes;
}

// Small numbers and full-width ones alike.
std::uint64_t number(Prng& prng) { return prng.next() >> prng.below(64); }

raft::Message random_message(Prng& prng) {
  raft::Message message;
  message.type = static_cast<raft::MessageType>(prng.below(13));
  message.from = NodeId(static_cast<std::uint32_t>(number(prng)));
  message.to = NodeId(static_cast<std::uint32_t>(number(prng)));
  message.term = Term(number(prng));
  message.log_index = Index(number(prng));
  message.log_term = Term(number(prng));
  message.commit = Index(number(prng));
  message.reject = prng.chance(1, 2);
  message.force = prng.chance(1, 2);
  message.hint_index = Index(number(prng));
  message.hint_term = Term(number(prng));
  message.round = number(prng);
  message.tag = number(prng);
  for (auto left = prng.below(5); left > 0; --left) {
    message.entries.push_back(
        Entry{Term(number(prng)), Index(number(prng)), static_cast<EntryType>(prng.below(3)),
              WallMs(static_cast<std::int64_t>(prng.next())), share(random_bytes(prng, 200))});
  }
  if (prng.chance(1, 2)) {
    message.snapshot.index = Index(number(prng));
    message.snapshot.term = Term(number(prng));
    message.snapshot.config = {random_nodes(prng), random_nodes(prng), random_nodes(prng)};
  }
  message.chunk = number(prng);
  message.last_chunk = prng.chance(1, 2);
  message.data = random_bytes(prng, 300);
  return message;
}

void expect_same(const raft::Message& a, const raft::Message& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.from, b.from);
  EXPECT_EQ(a.to, b.to);
  EXPECT_EQ(a.term, b.term);
  EXPECT_EQ(a.log_index, b.log_index);
  EXPECT_EQ(a.log_term, b.log_term);
  EXPECT_EQ(a.commit, b.commit);
  EXPECT_EQ(a.reject, b.reject);
  EXPECT_EQ(a.force, b.force);
  EXPECT_EQ(a.hint_index, b.hint_index);
  EXPECT_EQ(a.hint_term, b.hint_term);
  EXPECT_EQ(a.round, b.round);
  EXPECT_EQ(a.tag, b.tag);
  EXPECT_EQ(a.snapshot, b.snapshot);
  EXPECT_EQ(a.chunk, b.chunk);
  EXPECT_EQ(a.last_chunk, b.last_chunk);
  EXPECT_EQ(a.data, b.data);
  ASSERT_EQ(a.entries.size(), b.entries.size());
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    EXPECT_EQ(a.entries[i].term, b.entries[i].term);
    EXPECT_EQ(a.entries[i].index, b.entries[i].index);
    EXPECT_EQ(a.entries[i].type, b.entries[i].type);
    EXPECT_EQ(a.entries[i].stamp, b.entries[i].stamp);
    EXPECT_EQ(*a.entries[i].payload, *b.entries[i].payload);
  }
}

FaultFrame some_fault() {
  return {ClusterId(UINT64_MAX), NodeId(3), NodeId(1), FaultFrame::Kind::kRefused, "no such node"};
}

Bytes one_of_each() {
  Prng prng(1);
  Bytes out;
  encode_hello({ClusterId(UINT64_MAX), NodeId(3), Incarnation(5), -7, UINT64_MAX, Incarnation(6)},
               out);
  EXPECT_TRUE(encode_message(PartitionId(2), random_message(prng), out));
  EXPECT_TRUE(encode_forward({PartitionId(4), NodeId(1), NodeId(2), share("runs\0")}, out));
  EXPECT_TRUE(encode_fault(some_fault(), out));
  return out;
}

TEST(Peer, EveryFieldOfAMessageSurvives) {
  Prng prng(42);
  for (int round = 0; round < 500; ++round) {
    const auto message = random_message(prng);
    const PartitionId partition(static_cast<std::uint32_t>(number(prng)));
    Bytes out;
    ASSERT_TRUE(encode_message(partition, message, out));
    const auto parsed = parse(out, 1 + prng.below(200));
    ASSERT_TRUE(parsed.ok) << parsed.error.detail;
    ASSERT_EQ(parsed.frames.size(), 1u);
    const auto* const back = std::get_if<PeerMessage>(&parsed.frames[0]);
    ASSERT_NE(back, nullptr);
    EXPECT_EQ(back->partition, partition);
    expect_same(back->message, message);
  }
}

TEST(Peer, HelloForwardAndFaultSurviveEverySplit) {
  const auto bytes = one_of_each();
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto parsed = parse(bytes, step);
    ASSERT_TRUE(parsed.ok);
    ASSERT_EQ(parsed.frames.size(), 4u);
    const auto& hello = std::get<PeerHello>(parsed.frames[0]);
    EXPECT_EQ(hello.cluster, ClusterId(UINT64_MAX));
    EXPECT_EQ(hello.node, NodeId(3));
    EXPECT_EQ(hello.incarnation, Incarnation(5));
    EXPECT_EQ(hello.wall_ms, -7);
    EXPECT_EQ(hello.max_value_bytes, UINT64_MAX);
    const auto& forward = std::get<Forward>(parsed.frames[2]);
    EXPECT_EQ(forward.partition, PartitionId(4));
    EXPECT_EQ(forward.from, NodeId(1));
    EXPECT_EQ(forward.to, NodeId(2));
    EXPECT_EQ(*forward.runs, "runs");
    EXPECT_EQ(std::get<FaultFrame>(parsed.frames[3]), some_fault());
  }
}

TEST(Peer, EveryTruncationWaits) {
  Bytes out;
  encode_hello({ClusterId(1), NodeId(3), Incarnation(5), 7, 0, {}}, out);
  for (std::size_t size = 0; size < out.size(); ++size) {
    const auto parsed = parse(ByteView(out).substr(0, size));
    EXPECT_TRUE(parsed.ok && parsed.frames.empty()) << size;
  }
}

TEST(Peer, EveryDamagedBitIsSeen) {
  auto bytes = one_of_each();
  const auto whole = parse(bytes).frames.size();
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    // Refused, or, where a length grew, waiting for bytes that never come.
    EXPECT_LT(parse(bytes).frames.size(), whole) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

// A frame whose checksum fits whatever it holds.
Bytes frame(ByteView inside) {
  Bytes out;
  put_fixed(out, static_cast<std::uint32_t>(inside.size()));
  put_fixed(out, checksum(inside));
  out.append(inside);
  return out;
}

TEST(Peer, AnotherFrameVersionIsNamed) {
  const auto parsed = parse(frame(Bytes("\x09\0\0\0\0", 5)));
  EXPECT_FALSE(parsed.ok);
  EXPECT_EQ(parsed.error.code, ErrorCode::kFormat);
  EXPECT_EQ(parsed.error.detail, "the peer sends frames of version 9, this node knows 1");
}

TEST(Peer, ALengthOutOfBoundsIsRefusedAtOnce) {
  Bytes out;
  put_fixed(out, static_cast<std::uint32_t>(kMaxFrameBytes + 1));
  put_fixed(out, std::uint64_t{0});
  EXPECT_FALSE(parse(out).ok);
  EXPECT_FALSE(parse(Bytes(12, '\0')).ok);
  Bytes long_hello;
  ASSERT_TRUE(
      encode_forward({PartitionId(1), NodeId(1), NodeId(2), share(Bytes(2000, 'x'))}, long_hello));
  EXPECT_TRUE(parse(long_hello).ok);
  EXPECT_FALSE(parse(long_hello, SIZE_MAX, kMaxHelloBytes).ok);
}

TEST(Peer, ATooLongMessageIsNotEncoded) {
  Bytes out = "before";
  raft::Message message;
  const auto piece = share(Bytes(std::size_t{32} << 20, 'x'));
  message.entries.resize(kMaxFrameBytes / piece->size(),
                         Entry{Term(1), Index(1), EntryType::kCommands, WallMs(1), piece});
  EXPECT_FALSE(encode_message(PartitionId(1), message, out));
  EXPECT_EQ(out, "before");
}

TEST(Peer, NonsenseWithAFittingChecksumIsRefused) {
  Prng prng(11);
  for (int round = 0; round < 3000; ++round) {
    auto inside = random_bytes(prng, 80);
    inside.insert(0, Bytes("\x01\x08\0\0\0", 5));
    EXPECT_TRUE(parse(frame(inside)).frames.size() <= 1);
  }
  for (const auto& inside :
       {Bytes("\x01", 1), Bytes("\x01\x05\0\0\0", 5), Bytes("\x01\0\0\0\0", 5),
        Bytes("\x01\xff\xff\xff\xff", 5), Bytes("\x01\x02\0\0\0\x08\x01", 7)}) {
    EXPECT_FALSE(parse(frame(inside)).ok) << inside.size();
  }
}

TEST(Peer, MoreEntriesThanBytesIsRefused) {
  // kind = KIND_RAFT, entries = 2^28: must not reserve memory for them.
  const Bytes head("\x08\x02\x80\x01\x80\x80\x80\x80\x01", 9);
  Bytes inside("\x01\x09\0\0\0", 5);
  const auto parsed = parse(frame(inside + head + Bytes(100, 'e')));
  EXPECT_FALSE(parsed.ok);
  EXPECT_EQ(parsed.error.detail, "268435456 entries cannot be in 100 bytes");
}

}  // namespace
}  // namespace kvorum::wire
