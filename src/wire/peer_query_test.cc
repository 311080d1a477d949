#include <gtest/gtest.h>

#include "wire/peer.h"

namespace kvorum::wire {
namespace {

// The frames in `bytes`, fed in pieces of `step`.
std::vector<Frame> parse(ByteView bytes, std::size_t step) {
  FrameParser parser;
  std::vector<Frame> frames;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
    parser.feed(bytes.substr(0, step));
    for (auto frame = parser.next(); frame && *frame; frame = parser.next()) {
      frames.push_back(std::move(**frame));
    }
    parser.keep();
  }
  return frames;
}

TEST(PeerQuery, QuestionsAndAnswersSurviveEverySplit) {
  const Query query{NodeId(1),
                    NodeId(UINT32_MAX),
                    UINT64_MAX,
                    KeyspaceId(7),
                    {PartitionId(0), PartitionId(UINT32_MAX)},
                    Bytes("\0cmd", 4)};
  const Answer answer{NodeId(2), NodeId(1), UINT64_MAX, std::nullopt, Bytes("*\0", 2)};
  const Answer refused{NodeId(2), NodeId(1), 1, ErrorCode::kNoQuorum, "not here"};
  Bytes bytes;
  ASSERT_TRUE(encode_query(query, bytes));
  ASSERT_TRUE(encode_answer(answer, bytes));
  ASSERT_TRUE(encode_answer(refused, bytes));
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const auto frames = parse(bytes, step);
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(std::get<Query>(frames[0]), query);
    EXPECT_EQ(std::get<Answer>(frames[1]), answer);
    EXPECT_EQ(std::get<Answer>(frames[2]), refused);
  }
}

TEST(PeerQuery, AnErrorThatNobodyKnowsIsRefused) {
  Bytes bytes;
  const auto unknown = static_cast<ErrorCode>(255);
  ASSERT_TRUE(encode_answer({NodeId(2), NodeId(1), 1, unknown, ""}, bytes));
  FrameParser parser;
  parser.feed(bytes);
  const auto frame = parser.next();
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().code, ErrorCode::kProtocol);
}

}  // namespace
}  // namespace kvorum::wire
