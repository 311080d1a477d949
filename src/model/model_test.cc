#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/checksum.h"
#include "model/command.h"
#include "model/entry.h"
#include "model/keyspace.h"
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
  for (const auto* word : {"linearizable", "sequential", "prefix", "causal", "session", "eventual",
                           "one", "quorum", "all", "w=2", "r=2", "w=2,r=1", "w=2,sloppy",
                           "quorum,sloppy", "bounded:200ms", "bounded:5v"}) {
    const auto level = parse_level(word);
    ASSERT_TRUE(level) << word;
    EXPECT_EQ(to_string(*level), word);
  }
  EXPECT_EQ(to_string(*parse_level("1")), "one");
  EXPECT_EQ(to_string(*parse_level("9")), "all");
  EXPECT_EQ(to_string(*parse_level("SEQUENTIAL")), "sequential");
}

TEST(Level, NonsenseIsRefused) {
  for (const auto* word :
       {"", "strong", "w=", "w=0", "w=2,w=3", "x=1", "w=2,,r=1", "bounded:", "bounded:-1ms",
        "bounded:5", "w=999", "2", "prefix,sloppy", "sloppy", ",sloppy", "w=2,sloppy,sloppy"}) {
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

TEST(Keyspaces, TheTableRoundTripsAndSlotsSpreadOverThePartitions) {
  KeyspaceTable table;
  table.version = 3;
  table.add(*parse_keyspace("main", {"partitions=4"}, 3));
  table.add(*parse_keyspace(
      "fast", {"leaderless", "w=2", "r=3", "conflict=siblings", "durability=fsync"}, 3));
  table.add(*parse_keyspace("more", {"durability=interval:20ms", "leaderless"}, 2));
  EXPECT_EQ(decode_keyspaces(encode(table)), table);
  EXPECT_EQ(table.next_id, KeyspaceId(3));
  const auto* main = table.find("main");
  ASSERT_NE(main, nullptr);
  EXPECT_EQ(main->partition_of(Slot(0)), PartitionId(1));
  EXPECT_EQ(main->partition_of(Slot(kSlotCount - 1)), PartitionId(4));
  const auto* fast = table.find("1");
  ASSERT_NE(fast, nullptr);
  EXPECT_EQ(fast->first_partition, PartitionId(5));
  EXPECT_EQ(fast->w, 2);
  EXPECT_EQ(fast->flush_ms, 0u);
  EXPECT_EQ(table.find("more")->n, 2);
  EXPECT_EQ(table.find("none"), nullptr);
  for (const auto* text :
       {"", "1 2", "1 2 3\nx", "1 2 3\n0 main ordered 1 0", "1 2 3\n0 9a ordered 1 1",
        "1 2 3\n0 a leaderless 1 1 3 1 1 lww fsync"}) {
    EXPECT_FALSE(decode_keyspaces(text)) << text;
  }
}

TEST(Keyspaces, PartitionsAreSpreadEvenlyOverTheRing) {
  const std::vector<NodeId> members{NodeId(1), NodeId(2), NodeId(3), NodeId(4)};
  const auto keyspace = *parse_keyspace("k", {"leaderless"}, members.size());
  std::map<NodeId, int> held;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    const auto nodes =
        keyspace.replicas(PartitionId(keyspace.first_partition.value() + i), members);
    EXPECT_EQ(std::set<NodeId>(nodes.begin(), nodes.end()).size(), 3u);
    for (const auto node : nodes) {
      ++held[node];
    }
  }
  for (const auto node : members) {
    EXPECT_EQ(held[node], 9);
  }
}

TEST(Keyspaces, BadDescriptionsAreRefused) {
  for (const std::vector<ByteView>& words : {std::vector<ByteView>{"n=2"},
                                             {"leaderless", "n=4"},
                                             {"leaderless", "w=4"},
                                             {"leaderless", "n=2", "r=3"},
                                             {"leaderless", "ordered"},
                                             {"leaderless", "n=0"},
                                             {"leaderless", "conflict=none"},
                                             {"leaderless", "durability=interval:0ms"},
                                             {"leaderless", "durability=interval:5"},
                                             {"partitions=0"},
                                             {"partitions=99999"},
                                             {"fast"}}) {
    EXPECT_FALSE(parse_keyspace("name", words, 3)) << words.back();
  }
  for (const auto* name : {"", "1", "a b", "-x", "a/b"}) {
    EXPECT_FALSE(parse_keyspace(name, {}, 3)) << name;
  }
}

TEST(Meta, NodesRoundTrip) {
  const std::vector<NodeId> nodes{NodeId(1), NodeId(3)};
  EXPECT_EQ(decode_nodes(encode(nodes)), nodes);
  EXPECT_FALSE(decode_nodes("1 x"));
}

}  // namespace
}  // namespace kvorum
