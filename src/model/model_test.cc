#include <gtest/gtest.h>

#include "base/checksum.h"
#include "model/command.h"
#include "model/entry.h"
#include "model/level.h"
#include "model/meta.h"

namespace kvorum {
namespace {

TEST(Command, RoundTripsWithEveryField) {
  Command command;
  command.op = Op::kSet;
  command.flags = kIfAbsent | kAbsoluteTtl;
  command.number = -5;
  command.number2 = INT64_MAX;
  command.args = {"key", ByteView("\0\r\n", 3), ""};
  Bytes out;
  encode(command, out);
  Reader reader(out);
  Command back;
  ASSERT_TRUE(decode(reader, back));
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(back.op, command.op);
  EXPECT_EQ(back.flags, command.flags);
  EXPECT_EQ(back.number, command.number);
  EXPECT_EQ(back.number2, command.number2);
  EXPECT_EQ(back.args, command.args);
}

TEST(Command, EveryTruncationIsRefused) {
  Command command;
  command.op = Op::kMSet;
  command.args = {"a", "1", "b", "2"};
  Bytes out;
  encode(command, out);
  for (std::size_t size = 0; size < out.size(); ++size) {
    Reader reader(ByteView(out).substr(0, size));
    EXPECT_FALSE(decode(reader, command)) << size;
  }
}

TEST(Command, ARunLongerThanItsBytesIsRefused) {
  Bytes out;
  encode(RunHead{ClientId(9), 1, 1, 100}, out);
  EXPECT_EQ(out.size(), kRunHeadBytes);
  Reader reader(out);
  EXPECT_FALSE(decode_run_head(reader));
}

TEST(Entry, RoundTripsAndADamagedByteIsSeen) {
  Entry entry{Term(3), Index(9), EntryType::kCommands, WallMs(1234), share("payload")};
  Bytes out;
  encode(entry, out);
  EXPECT_EQ(out.size(), entry.byte_size());
  Reader reader(out);
  const auto back = decode_entry(reader);
  ASSERT_TRUE(reader.done());
  EXPECT_EQ(back.term, entry.term);
  EXPECT_EQ(back.index, entry.index);
  EXPECT_EQ(back.stamp, entry.stamp);
  EXPECT_EQ(*back.payload, *entry.payload);
  out.back() ^= 1;
  Reader damaged(out);
  decode_entry(damaged);
  EXPECT_FALSE(damaged.ok());
}

TEST(Level, WordsRoundTrip) {
  for (const auto* word :
       {"linearizable", "sequential", "prefix", "causal", "session", "eventual", "one", "quorum",
        "all", "w=2", "r=2", "w=2,r=1", "bounded:200ms", "bounded:5v"}) {
    const auto level = parse_level(word);
    ASSERT_TRUE(level) << word;
    EXPECT_EQ(to_string(*level), word);
  }
  EXPECT_EQ(to_string(*parse_level("1")), "one");
  EXPECT_EQ(to_string(*parse_level("9")), "all");
  EXPECT_EQ(to_string(*parse_level("SEQUENTIAL")), "sequential");
}

TEST(Level, NonsenseIsRefused) {
  for (const auto* word : {"", "strong", "w=", "w=0", "w=2,w=3", "x=1", "w=2,,r=1",
                           "bounded:", "bounded:-1ms", "bounded:5", "w=999", "2"}) {
    EXPECT_FALSE(parse_level(word)) << word;
  }
}

TEST(SessionToken, RoundTripsAndRefusesNonsense) {
  const SessionToken token{ClusterId(0xabcdef), PartitionId(3), Index(77)};
  const auto back = parse_token(to_string(token));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->cluster, token.cluster);
  EXPECT_EQ(back->partition, token.partition);
  EXPECT_EQ(back->index, token.index);
  for (const auto* text :
       {"", "kv1-", "kv1-1-2", "kv1-1-2-3-4", "kv1-1-2-x", "kv2-1-2-3", "kv1-1-1ffffffff-3"}) {
    EXPECT_FALSE(parse_token(text)) << text;
  }
}

TEST(Meta, KeyspaceRowsRoundTripAndSlotsSpreadOverThePartitions) {
  const Keyspace keyspace{KeyspaceId(0), "main", Core::kOrdered, PartitionId(1), 4};
  const auto back = decode_keyspace(keyspace_row_key(keyspace.id), encode(keyspace));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, "main");
  EXPECT_EQ(back->partition_of(Slot(0)), PartitionId(1));
  EXPECT_EQ(back->partition_of(Slot(kSlotCount - 1)), PartitionId(4));
  EXPECT_FALSE(decode_keyspace("keyspace/x", encode(keyspace)));
  EXPECT_FALSE(decode_keyspace("keyspace/1", "main ordered 1 0"));
}

TEST(Meta, NodesRoundTrip) {
  const std::vector<NodeId> nodes{NodeId(1), NodeId(3)};
  EXPECT_EQ(decode_nodes(encode(nodes)), nodes);
  EXPECT_FALSE(decode_nodes("1 x"));
}

}  // namespace
}  // namespace kvorum
