// Rows colder than memory, over a whole cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/test_client.h"

namespace kvorum::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kLong(100, 'v');
std::string quoted(const std::string& text) { return '"' + text + '"'; }

// Three nodes whose rows all leave memory, once they are on disk.
class Memory : public testing::Test {
 protected:
  Memory() { leader_ = cluster_.wait_leader(); }

  static void tune(Options& options) {
    options.memory_budget = 1;
    options.checkpoint_interval = 10ms;
    options.log_keep_bytes = 1;
    options.journal_bytes = 1;
    options.request_timeout = 2s;
  }
  std::uint32_t follower() const { return leader_ == 1 ? 2 : 1; }
  static std::string key(int number) { return "key" + std::to_string(number); }
  static std::string value(int number) { return kLong + std::to_string(number); }
  // Writes `count` rows and waits until they are cold at every node.
  void fill(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(ask(1, "SET " + key(i) + " " + value(i)), "OK");
    }
    for (std::uint32_t at = 1; at <= 3; ++at) {
      wait_cold(at, static_cast<std::size_t>(count));
    }
  }
  void wait_cold(std::uint32_t at, std::size_t count) {
    EXPECT_TRUE(cluster_.run_until([&] { return cold(at) == count; })) << at << ": " << cold(at);
  }
  std::size_t cold(std::uint32_t at) {
    return cluster_.node(at).node->machine(PartitionId(1))->cold();
  }
  std::string ask(std::uint32_t at, const std::string& line) { return cluster_.ask(at, line); }
  ConnId send(std::uint32_t at, const std::vector<std::string>& lines) {
    const auto conn = cluster_.connect(at);
    for (const auto& line : lines) {
      cluster_.send(at, conn, words(line));
    }
    return conn;
  }
  const std::vector<std::string>& replies(std::uint32_t at, ConnId conn, std::size_t count) {
    cluster_.run_until([&] { return cluster_.replies(at, conn).size() >= count; });
    return cluster_.replies(at, conn);
  }
  // For long enough that whatever may happen has.
  void pass() { cluster_.run_for(300ms); }

  TestCluster cluster_{3, 1, tune};
  std::uint32_t leader_ = 0;
};

TEST_F(Memory, EveryReadFindsItsValue) {
  fill(20);
  for (std::uint32_t at = 1; at <= 3; ++at) {
    for (const auto* level : {"linearizable", "sequential", "prefix"}) {
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(ask(at, "KV.AT " + std::string(level) + " GET " + key(i)), quoted(value(i)));
      }
      wait_cold(at, 20);
    }
    EXPECT_EQ(ask(at, "MGET key1 none key2"),
              "[" + quoted(value(1)) + " nil " + quoted(value(2)) + "]");
    wait_cold(at, 20);
    EXPECT_EQ(ask(at, "GETRANGE key7 98 101"), quoted("vv7"));
    EXPECT_EQ(ask(at, "STRLEN key7"), "101");
    wait_cold(at, 20);
    EXPECT_THAT(ask(at, "KV.DUMP"), HasSubstr("20 are on disk alone"));
    EXPECT_THAT(ask(at, "INFO memory"), HasSubstr("memory_budget:1\r\n"));
  }
  for (std::uint32_t at = 1; at <= 3; ++at) {
    wait_cold(at, 20);
  }
  const auto found = ask(1, "KV.SEARCH key3");
  for (const auto* node : {"[1 [", "[2 [", "[3 ["}) {
    EXPECT_THAT(found, HasSubstr(node + quoted(value(3)))) << node;
  }
}

TEST_F(Memory, WritesThatNeedTheOldValueAreAppliedAlikeEverywhere) {
  fill(8);
  EXPECT_EQ(ask(1, "APPEND key0 x"), "102");
  EXPECT_EQ(ask(2, "SETRANGE key1 1 abc"), "101");
  EXPECT_EQ(ask(3, "GETDEL key2"), quoted(value(2)));
  EXPECT_EQ(ask(1, "SET key3 new GET"), quoted(value(3)));
  EXPECT_EQ(ask(2, "GETEX key4 PX 100000"), quoted(value(4)));
  EXPECT_EQ(ask(3, "KV.CAS key5 " + value(5) + " " + value(50)), "1");
  EXPECT_EQ(ask(1, "EXPIRE key6 100"), "1");
  EXPECT_EQ(ask(2, "KV.ONCE OPEN 5"), "5");
  EXPECT_EQ(ask(2, "KV.ONCE 5 1 APPEND key7 y"), "102");
  pass();
  EXPECT_EQ(ask(3, "MGET key0 key2 key5 key7"), "[" + quoted(value(0) + "x") + " nil " +
                                                    quoted(value(50)) + " " +
                                                    quoted(value(7) + "y") + "]");
  EXPECT_EQ(ask(1, "KV.DIGEST"), ask(2, "KV.DIGEST"));
  EXPECT_EQ(ask(1, "KV.DIGEST"), ask(3, "KV.DIGEST"));
}

TEST_F(Memory, AReadWaitsAtItsPlaceAndOthersGoOn) {
  fill(4);
  ASSERT_EQ(ask(1, "SET hot short"), "OK");
  cluster_.node(1).fetches_held = true;
  const auto waits = send(1, {"GET hot", "GET key0", "GET hot"});
  pass();
  EXPECT_THAT(cluster_.replies(1, waits), ElementsAre(quoted("short")));
  EXPECT_EQ(ask(1, "GET hot"), quoted("short"));
  EXPECT_EQ(ask(1, "SET other 1"), "OK");
  cluster_.node(1).fetches_held = false;
  EXPECT_THAT(replies(1, waits, 3),
              ElementsAre(quoted("short"), quoted(value(0)), quoted("short")));
}

TEST_F(Memory, AReadAheadOfAWriteKeepsTheValueThatItIsToSee) {
  fill(4);
  cluster_.node(1).fetches_held = true;
  const auto conn = send(1, {"GET key1", "SET key1 new", "GET key1", "GET key2"});
  pass();
  EXPECT_THAT(cluster_.replies(1, conn), ElementsAre());
  EXPECT_EQ(ask(2, "GET key1"), quoted("new"));  // committed; node 1 applies it behind the read
  cluster_.node(1).fetches_held = false;
  EXPECT_THAT(replies(1, conn, 4),
              ElementsAre(quoted(value(1)), "OK", quoted("new"), quoted(value(2))));
}

TEST_F(Memory, AValueThatCameTooLateIsNotTaken) {
  fill(3);
  cluster_.node(1).fetches_held = true;
  std::vector<ConnId> reads;
  for (int i = 0; i < 3; ++i) {
    reads.push_back(send(1, {"KV.AT prefix GET " + key(i)}));
  }
  cluster_.run_for(1ms);
  ASSERT_FALSE(cluster_.node(1).fetches.empty());
  // The disk answers, but nobody hears of it before the rows have changed.
  std::vector<DiskDone> done;
  cluster_.node(1).fetcher->run(std::exchange(cluster_.node(1).fetches, {}), done);
  ASSERT_EQ(ask(1, "SET key0 " + value(7)), "OK");
  ASSERT_EQ(ask(1, "DEL key1"), "1");
  for (auto& one : done) {
    cluster_.node(1).node->step(std::move(one), cluster_.now());
  }
  cluster_.node(1).fetches_held = false;
  EXPECT_THAT(replies(1, reads[0], 1), ElementsAre(quoted(value(7))));
  EXPECT_THAT(replies(1, reads[1], 1), ElementsAre("nil"));
  EXPECT_THAT(replies(1, reads[2], 1), ElementsAre(quoted(value(2))));
  EXPECT_EQ(ask(1, "KV.DIGEST"), ask(2, "KV.DIGEST"));
}

TEST_F(Memory, AFlushOvertakesWhatTheDiskWasAsked) {
  fill(3);
  cluster_.node(1).fetches_held = true;
  const auto read = send(1, {"KV.AT prefix GET key0"});
  cluster_.run_for(1ms);
  ASSERT_EQ(ask(1, "FLUSHDB"), "OK");
  ASSERT_EQ(ask(1, "SET key1 " + value(8)), "OK");
  pass();
  cluster_.node(1).fetches_held = false;
  EXPECT_THAT(replies(1, read, 1), ElementsAre("nil"));
  EXPECT_EQ(ask(1, "MGET key0 key1"), "[nil " + quoted(value(8)) + "]");
}

TEST_F(Memory, AnEntryWaitsForItsValuesAndTheClusterDoesNot) {
  fill(3);
  const auto at = follower();
  cluster_.node(at).fetches_held = true;
  EXPECT_EQ(ask(leader_, "APPEND key0 x"), "102");
  EXPECT_EQ(ask(leader_, "SET after 1"), "OK");
  pass();
  EXPECT_EQ(ask(at, "KV.AT prefix GET after"), "nil");  // it comes behind
  EXPECT_EQ(ask(leader_, "GET key0"), quoted(value(0) + "x"));
  cluster_.node(at).fetches_held = false;
  EXPECT_EQ(ask(at, "MGET key0 after"), "[" + quoted(value(0) + "x") + " \"1\"]");
}

TEST_F(Memory, ADiskThatDoesNotAnswerEndsTheReadAndNotTheNode) {
  fill(2);
  cluster_.node(1).fetches_held = true;
  EXPECT_THAT(ask(1, "GET key0"), StartsWith("-TIMEOUT"));
  EXPECT_EQ(ask(1, "STRLEN key1"), "101");
  cluster_.node(1).fetches_held = false;
  EXPECT_EQ(ask(1, "GET key0"), quoted(value(0)));
}

TEST_F(Memory, RowsAreColdFromTheStart) {
  fill(5);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster_.crash(id);
  }
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster_.start(id);
    EXPECT_EQ(cold(id), 5U);
  }
  cluster_.wait_leader();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(2, "GET " + key(i)), quoted(value(i)));
  }
}

TEST_F(Memory, ASnapshotTakesThePlaceOfColdRows) {
  fill(5);
  const auto at = follower();
  cluster_.node(at).fetches_held = true;
  const auto read = send(at, {"KV.AT prefix GET key0"});
  cluster_.isolate(at);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(ask(leader_, "SET " + key(i) + " " + value(i + 100)), "OK");
    pass();
  }
  cluster_.heal();
  ASSERT_TRUE(cluster_.run_until(
      [&] { return cluster_.node(at).notes.find("installed a snapshot") != std::string::npos; }));
  cluster_.node(at).fetches_held = false;
  EXPECT_THAT(replies(at, read, 1).size(), 1U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(at, "GET " + key(i)), quoted(value(i + 100)));
  }
  EXPECT_EQ(ask(at, "KV.DIGEST"), ask(leader_, "KV.DIGEST"));
}

// The same of keyspace `fast`.
class LeaderlessMemory : public Memory {
 protected:
  void fill(int count) {
    TestClient client(cluster_, 1);
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(client.ask("KV.AT all SET " + key(i) + " " + value(i)), "OK");
    }
    wait_cold(static_cast<std::uint64_t>(count));
  }
  void wait_cold(std::uint64_t count) {
    for (std::uint32_t at = 1; at <= 3; ++at) {
      EXPECT_TRUE(cluster_.run_until([&] { return stats(at).cold == count; }))
          << at << ": " << stats(at).cold;
    }
  }
  dynamo::Stats stats(std::uint32_t at) { return cluster_.node(at).node->leaderless()->stats(); }
};

TEST_F(LeaderlessMemory, EveryReadFindsItsValue) {
  fill(20);
  for (std::uint32_t at = 1; at <= 3; ++at) {
    TestClient client(cluster_, at);
    for (const auto* level : {"one", "quorum", "all"}) {
      for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(client.ask("KV.AT " + std::string(level) + " GET " + key(i)), quoted(value(i)));
      }
      wait_cold(20);
    }
    EXPECT_EQ(client.ask("MGET key1 none key2"),
              "[" + quoted(value(1)) + " nil " + quoted(value(2)) + "]");
    EXPECT_EQ(client.ask("GETRANGE key7 98 101"), quoted("vv7"));
    EXPECT_EQ(client.ask("STRLEN key7"), "101");
    EXPECT_THAT(client.ask("KV.SEARCH key3"), HasSubstr("[3 [" + quoted(value(3))));
    wait_cold(20);
    EXPECT_THAT(client.ask("KV.DUMP"), HasSubstr("20 are on disk alone"));
  }
}

TEST_F(LeaderlessMemory, WhatTellsNoValueNeedsNoDisk) {
  fill(5);
  for (std::uint32_t at = 1; at <= 3; ++at) {
    cluster_.node(at).fetches_held = true;
  }
  TestClient client(cluster_, 1);
  EXPECT_EQ(client.ask("EXISTS key0"), "1");
  EXPECT_EQ(client.ask("TTL key0"), "-1");
  EXPECT_EQ(client.ask("TYPE key0"), "string");
  EXPECT_EQ(client.ask("DBSIZE"), "5");
  EXPECT_THAT(client.ask("SCAN 0 COUNT 1000000"), HasSubstr("key4"));
  EXPECT_EQ(client.ask("KV.AT all SET key1 new"), "OK");
  EXPECT_EQ(client.ask("DEL key2"), "1");
  EXPECT_EQ(client.ask("GET key1"), quoted("new"));
  EXPECT_EQ(stats(1).fetches, 0u);
}

TEST_F(LeaderlessMemory, AReadWaitsAtItsPlaceAndOthersGoOn) {
  fill(4);
  TestClient waits(cluster_, 1), other(cluster_, 1);
  ASSERT_EQ(other.ask("SET hot short"), "OK");
  cluster_.node(1).fetches_held = true;
  const auto before = waits.count();
  for (const auto* line : {"GET hot", "GET key0", "SET key0 new", "GET key0", "GET hot"}) {
    waits.send(line);
  }
  pass();
  EXPECT_EQ(waits.count(), before + 1);
  EXPECT_EQ(other.ask("GET hot"), quoted("short"));
  EXPECT_EQ(other.ask("SET key1 1"), "OK");
  cluster_.node(1).fetches_held = false;
  cluster_.run_until([&] { return waits.count() == before + 5; });
  const auto& replies = cluster_.replies(1, waits.conn());
  EXPECT_THAT(std::vector(replies.end() - 5, replies.end()),
              ElementsAre(quoted("short"), quoted(value(0)), "OK", quoted("new"), quoted("short")));
}

TEST_F(LeaderlessMemory, ADiskThatDoesNotAnswerEndsTheReadAndNotTheNode) {
  fill(2);
  cluster_.node(1).fetches_held = true;
  TestClient client(cluster_, 1);
  EXPECT_THAT(client.ask("KV.AT one GET key0"), StartsWith("-TIMEOUT"));
  cluster_.node(1).fetches_held = false;
  EXPECT_EQ(client.ask("KV.AT one GET key0"), quoted(value(0)));
}

TEST_F(LeaderlessMemory, RowsAreColdFromTheStartAndLastWhatTheJournalHasOfThem) {
  fill(5);
  {
    TestClient client(cluster_, 1);
    ASSERT_EQ(client.ask("KV.AT all SET key0 " + value(9)), "OK");
    pass();
  }
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster_.crash(id);
  }
  for (std::uint32_t id = 1; id <= 3; ++id) {
    cluster_.start(id);
    EXPECT_GE(stats(id).cold, 4u);
  }
  cluster_.wait_leader();
  TestClient client(cluster_, 2);
  EXPECT_EQ(client.ask("GET key0"), quoted(value(9)));
  for (int i = 1; i < 5; ++i) {
    EXPECT_EQ(client.ask("GET " + key(i)), quoted(value(i)));
  }
}

TEST_F(LeaderlessMemory, AFlushOvertakesWhatTheDiskWasAsked) {
  fill(3);
  cluster_.node(1).fetches_held = true;
  TestClient client(cluster_, 1), other(cluster_, 2);
  const auto before = client.count();
  client.send("KV.AT one GET key0");
  cluster_.run_for(1ms);
  ASSERT_EQ(other.ask("FLUSHDB"), "OK");
  ASSERT_EQ(other.ask("KV.AT all SET key1 " + value(8)), "OK");
  cluster_.node(1).fetches_held = false;
  cluster_.run_until([&] { return client.count() == before + 1; });
  EXPECT_EQ(client.last(), "nil");
  EXPECT_EQ(client.ask("MGET key0 key1"), "[nil " + quoted(value(8)) + "]");
}

TEST_F(Memory, ABudgetBelowWhatKeysNeedIsSaid) {
  cluster_.run_for(5s);
  EXPECT_THAT(ask(1, "INFO memory"), HasSubstr("memory_above_budget:0"));
  cluster_.run_for(30s);
  EXPECT_THAT(cluster_.node(1).notes, HasSubstr("than the budget of 1:"));
  EXPECT_THAT(ask(1, "INFO memory"), HasSubstr("memory_above_budget:1"));
  EXPECT_THAT(ask(1, "KV.STATUS"), HasSubstr("memory:above-budget"));
}

}  // namespace
}  // namespace kvorum::node
