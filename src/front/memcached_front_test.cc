#include "front/memcached_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "front/test_node.h"

namespace kvorum::front {
namespace {

using testing::ElementsAre;

Factory memcached(MemcachedLimits limits = {}) {
  return [limits](Bytes& out) {
    MemcachedOptions options;
    options.limits = limits;
    options.version = "1.2.3";
    return std::make_unique<MemcachedFront>(options, out);
  };
}

// What a client receives for these bytes.
Bytes talk(TestNode& node, ByteView bytes, std::size_t step = SIZE_MAX,
           TestConnection::Node speed = TestConnection::Node::kFast) {
  TestConnection connection(
      node, memcached({.line_bytes = 300, .value_bytes = 20, .drain_bytes = 1000}), speed);
  connection.send(bytes, step);
  return connection.received();
}

Bytes talk(ByteView bytes) {
  TestNode node;
  return talk(node, bytes);
}

TEST(Memcached, WhatWasSetIsReadAndDeleted) {
  EXPECT_EQ(talk("set a 0 0 5\r\nhello\r\nget a\r\ngets a\r\ndelete a\r\ndelete a\r\nget a\r\n"),
            "STORED\r\nVALUE a 0 5\r\nhello\r\nEND\r\nVALUE a 0 5 2\r\nhello\r\nEND\r\n"
            "DELETED\r\nNOT_FOUND\r\nEND\r\n");
}

TEST(Memcached, ValuesAreAnyBytesAndTheVeryOnesThatRedisClientsSee) {
  TestNode node;
  const Bytes value("\r\nend\0 \xff\r\n", 11);
  EXPECT_EQ(talk(node, "set k 0 0 11\r\n" + value + "\r\nset e 0 0 0\r\n\r\n"),
            "STORED\r\nSTORED\r\n");
  EXPECT_EQ(node.rows["k"].value, value);
  EXPECT_EQ(node.rows["e"].value, "");
  EXPECT_EQ(talk(node, "get k e\r\n"),
            "VALUE k 0 11\r\n" + value + "\r\nVALUE e 0 0\r\n\r\nEND\r\n");
}

TEST(Memcached, SeveralKeysAreReadOneByOneAndMissingOnesLeftOut) {
  TestNode node;
  node.rows = {{"a", {"1", {}}}, {"c", {"3", {}}}};
  EXPECT_EQ(talk(node, "get a b c\r\n"), "VALUE a 0 1\r\n1\r\nVALUE c 0 1\r\n3\r\nEND\r\n");
  EXPECT_THAT(node.log, ElementsAre("GET a", "GET b", "GET c"));
}

TEST(Memcached, AnErrorEndsTheAnswerOfItsGetAlone) {
  TestNode node;
  node.rows = {{"a", {"1", {}}}, {"c", {"3", {}}}};
  node.errors = {{"b", {ErrorCode::kTimeout, "too\r\nlate"}}};
  EXPECT_EQ(talk(node, "get a b c\r\nget c\r\n"),
            "VALUE a 0 1\r\n1\r\nSERVER_ERROR TIMEOUT too  late\r\nVALUE c 0 1\r\n3\r\nEND\r\n");
}

TEST(Memcached, AddAndReplaceLookAtWhatIsThere) {
  TestNode node;
  EXPECT_EQ(talk(node,
                 "replace a 0 0 1\r\n0\r\nadd a 0 0 1\r\n1\r\nadd a 0 0 1\r\n2\r\n"
                 "replace a 0 0 1\r\n3\r\n"),
            "NOT_STORED\r\nSTORED\r\nNOT_STORED\r\nSTORED\r\n");
  EXPECT_EQ(node.rows["a"].value, "3");
}

TEST(Memcached, LifetimesAreRelativeUpToThirtyDaysThenTimes) {
  TestNode node;
  EXPECT_EQ(talk(node,
                 "set a 0 2592000 1\r\n1\r\nset b 0 2592001 1\r\n1\r\nset c 0 -1 1\r\n1\r\n"
                 "add d 0 7 1\r\n1\r\ntouch a 9\r\ntouch b 0\r\ntouch c 1\r\n"
                 "gat 0 d\r\ngats 5 a d\r\n"),
            "STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\nTOUCHED\r\nTOUCHED\r\nNOT_FOUND\r\n"
            "VALUE d 0 1\r\n1\r\nEND\r\nVALUE a 0 1 8\r\n1\r\nVALUE d 0 1 9\r\n1\r\nEND\r\n");
  EXPECT_THAT(node.log, ElementsAre("SET a 1 EX 2592000", "SET b 1 EXAT 2592001", "SET c 1 PXAT 1",
                                    "SET d 1 NX EX 7", "GETEX a EX 9", "GETEX b PERSIST",
                                    "GETEX c EX 1", "GETEX d PERSIST", "GETEX a EX 5",
                                    "KV.RECEIPT GET a", "GETEX d EX 5", "KV.RECEIPT GET d"));
}

TEST(Memcached, CountersCountLikeMemcached) {
  TestNode node;
  node.rows = {{"n", {"10", "EX 5"}},
               {"top", {"18446744073709551615", {}}},
               {"t", {"ten", {}}},
               {"minus", {"-1", {}}}};
  EXPECT_EQ(talk(node,
                 "incr n 5\r\ndecr n 6\r\ndecr n 10\r\nincr top 2\r\nincr none 1\r\n"
                 "incr t 1\r\ndecr minus 1\r\nincr n x\r\nincr n -1\r\n"),
            "15\r\n9\r\n0\r\n1\r\nNOT_FOUND\r\n"
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
            "CLIENT_ERROR invalid numeric delta argument\r\n"
            "CLIENT_ERROR invalid numeric delta argument\r\n");
  EXPECT_EQ(node.rows["n"].lifetime, "EX 5");
}

TEST(Memcached, AppendAndPrependChangeWhatIsThere) {
  TestNode node;
  node.rows = {{"k", {"", {}}}};
  EXPECT_EQ(talk(node,
                 "append k 0 0 0\r\n\r\nappend k 0 0 1\r\nb\r\nprepend k 0 0 1\r\na\r\n"
                 "append none 0 0 1\r\nx\r\nget k\r\n"),
            "STORED\r\nSTORED\r\nSTORED\r\nNOT_STORED\r\nVALUE k 0 2\r\nab\r\nEND\r\n");
  EXPECT_EQ(talk(node, "append k 0 0 19\r\n1234567890123456789\r\nget k\r\n"),
            "SERVER_ERROR object too large for cache\r\nVALUE k 0 2\r\nab\r\nEND\r\n");
}

TEST(Memcached, AChangeThatAnotherClientComesBetweenIsMadeAgain) {
  TestNode node;
  node.rows = {{"n", {"1", {}}}};
  node.meddlings = 3;
  EXPECT_EQ(talk(node, "incr n 1\r\nget n\r\n"), "8\r\nVALUE n 0 1\r\n8\r\nEND\r\n");
  EXPECT_EQ(node.log.size(), 2 * 4u + 1);
}

TEST(Memcached, CasStoresWhatNobodyChangedSinceItsGets) {
  TestNode node;
  node.errors = {{"e", {ErrorCode::kRefused, {}}}, {"m", {}}};
  EXPECT_EQ(talk(node,
                 "set a 0 0 1\r\n1\r\ngets a\r\ncas a 0 60 1 2\r\n2\r\n"
                 "cas a 0 0 1 2\r\n3\r\ncas none 0 0 1 2\r\n3\r\ngets a\r\n"
                 "cas e 0 0 1 2\r\n3\r\ncas a 0 0 1 3 noreply\r\n4\r\nget a\r\n"),
            "STORED\r\nVALUE a 0 1 2\r\n1\r\nEND\r\nSTORED\r\nEXISTS\r\nNOT_FOUND\r\n"
            "VALUE a 0 1 3\r\n2\r\nEND\r\n"
            "SERVER_ERROR REFUSED this keyspace can't do that\r\n"
            "VALUE a 0 1\r\n4\r\nEND\r\n");
  EXPECT_THAT(node.log, testing::Contains("KV.IF 2 SET a 2 EX 60"));
}

TEST(Memcached, WhatARowOfALeaderlessKeyspaceHasBesideOneValueIsSaid) {
  Bytes out;
  const auto front = memcached()(out);
  front->feed("gets a\r\nget b\r\ngets c\r\n");
  auto& reply = front->writer();
  const auto receipt = [&] {
    reply.map(1);
    reply.bulk("version");
    reply.bulk("1:7");
  };
  EXPECT_EQ(front->next(), Front::Status::kRequest);
  EXPECT_EQ(front->next(), Front::Status::kRequest);
  EXPECT_EQ(front->next(), Front::Status::kRequest);
  reply.array(2);
  reply.bulk("1");
  receipt();
  reply.array(2);
  reply.bulk("1");
  reply.bulk("2");
  reply.array(2);
  reply.array(2);
  reply.bulk("1");
  reply.bulk("2");
  receipt();
  EXPECT_EQ(front->replies(), 3u);
  EXPECT_EQ(out,
            "VALUE a 0 1 0\r\n1\r\nEND\r\n"
            "SERVER_ERROR SIBLINGS the key has several values at once\r\n"
            "SERVER_ERROR SIBLINGS the key has several values at once\r\n");
  front->keep();
}

TEST(Memcached, AChangeIsGivenUpAfterManyTries) {
  TestNode node;
  node.rows = {{"n", {"1", {}}}};
  node.meddlings = SIZE_MAX;
  EXPECT_EQ(talk(node, "append n 0 0 1\r\nx\r\nversion\r\n"),
            "SERVER_ERROR BUSY others keep changing the value; nothing was done\r\n"
            "VERSION 1.4.0\r\n");
  EXPECT_EQ(node.log.size(), 2u * MemcachedFront::kMaxTries);
}

TEST(Memcached, ErrorsOfTheNodeAreOneLineWithTheirCode) {
  TestNode node;
  node.errors = {{"u", {ErrorCode::kUnknown, {}}}, {"r", {ErrorCode::kRefused, "no\nNX"}}};
  EXPECT_EQ(talk(node, "set u 0 0 1\r\n1\r\nadd r 0 0 1\r\n1\r\nincr u 1\r\ndelete r\r\n"),
            "SERVER_ERROR UNKNOWN the outcome is unknown: the write may take effect, now or later, "
            "or never\r\nSERVER_ERROR REFUSED no NX\r\n"
            "SERVER_ERROR UNKNOWN the outcome is unknown: the write may take effect, now or later, "
            "or never\r\nSERVER_ERROR REFUSED no NX\r\n");
}

TEST(Memcached, NoreplyIsSilentAlsoOfErrors) {
  TestNode node;
  node.errors = {{"u", {ErrorCode::kUnknown, {}}}};
  EXPECT_EQ(talk(node,
                 "set a 0 0 1 noreply\r\n1\r\nset u 0 0 1 noreply\r\n1\r\n"
                 "set a 9 0 1 noreply\r\n1\r\nincr a 1 noreply\r\nappend a 0 0 1 noreply\r\n"
                 "0\r\ntouch a 5 noreply\r\ndelete b noreply\r\nverbosity 1 noreply\r\nverbosity "
                 "noreply\r\n"
                 "cas a 0 0 1 7 noreply\r\n9\r\nget a\r\nflush_all noreply\r\nget a\r\n"
                 "set noreply 0 0 1\r\n1\r\ndelete noreply\r\n"),
            "VALUE a 0 2\r\n20\r\nEND\r\nEND\r\nSTORED\r\nDELETED\r\n");
}

TEST(Memcached, WhatCannotBeStoredAsItIsIsRefusedAndItsDataIsNoCommand) {
  TestNode node;
  const Bytes get = "get a\r\n";
  EXPECT_EQ(talk(node, "set a 1 0 5\r\nget b\r\n" + get),
            "SERVER_ERROR flags other than 0 cannot be stored\r\nEND\r\n");
  EXPECT_EQ(talk(node, "cas a 0 0 5 0\r\nget b\r\n" + get),
            "SERVER_ERROR cas needs the number that a gets of an ordered keyspace gave\r\nEND\r\n");
  EXPECT_EQ(talk(node, "set a 0 0 21\r\nget b\r\nget c\r\nget d\r\n\r\n" + get),
            "SERVER_ERROR object too large for cache\r\nEND\r\n");
  EXPECT_EQ(talk(node, "set a x 0 5\r\nget b\r\n" + get),
            "CLIENT_ERROR bad command line format\r\nEND\r\n");
  EXPECT_EQ(talk(node, "set " + Bytes(251, 'k') + " 0 0 5\r\nget b\r\n" + get),
            "CLIENT_ERROR bad command line format\r\nEND\r\n");
  EXPECT_EQ(talk(node, "set a 0 0 5\r\nget bget c\r\n" + get),
            "CLIENT_ERROR bad data chunk\r\nEND\r\n");
  EXPECT_THAT(node.log, ElementsAre("GET a", "GET a", "GET a", "GET a", "GET a", "GET a"));
}

TEST(Memcached, KeysHaveUpTo250BytesAndNoControlCharacters) {
  TestNode node;
  const Bytes longest(250, 'k');
  EXPECT_EQ(talk(node, "set " + longest + " 0 0 1\r\n1\r\n"), "STORED\r\n");
  EXPECT_EQ(talk(node, "get a " + longest + "k\r\n"), "CLIENT_ERROR bad command line format\r\n");
  EXPECT_EQ(talk(node, "get a\tb\r\ndelete \x7f\r\ntouch a\x01 0\r\n"),
            "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n"
            "CLIENT_ERROR bad command line format\r\n");
  EXPECT_EQ(talk(node, "set ключ 0 0 1\r\n1\r\nget ключ\r\n"),
            "STORED\r\nVALUE ключ 0 1\r\n1\r\nEND\r\n");
}

TEST(Memcached, WhatMakesNoSenseIsAnsweredAndTheConnectionGoesOn) {
  EXPECT_EQ(talk("\r\nnonsense\r\nGET a\r\nget\r\ndelete\r\ndelete a 1\r\nincr a\r\ntouch a x\r\n"
                 "flush_all 1\r\nverbosity\r\nmn\r\nversion\r\n"),
            "ERROR\r\nERROR\r\nERROR\r\nERROR\r\nERROR\r\nCLIENT_ERROR bad command line format\r\n"
            "ERROR\r\nCLIENT_ERROR invalid exptime argument\r\n"
            "SERVER_ERROR flush_all with a delay is not served\r\nERROR\r\nERROR\r\n"
            "VERSION 1.4.0\r\n");
}

TEST(Memcached, WhereTheNextCommandBeginsMustBeKnownOrTheConnectionEnds) {
  const Bytes version = "version\r\n";
  for (const auto* line : {"set a 0 0 x", "set a 0 0 -1", "set a 0 0", "add a 0 0 1 2 3",
                           "set a 0 0 1001", "cas a 0 0 1"}) {
    TestNode node;
    EXPECT_EQ(talk(node, version + line + "\r\n" + version),
              "VERSION 1.4.0\r\nCLIENT_ERROR bad command line format\r\n")
        << line;
  }
  EXPECT_EQ(talk(Bytes(301, 'a') + "\r\n" + version), "CLIENT_ERROR line too long\r\n");
  EXPECT_EQ(talk("get " + Bytes(296, 'a') + "\n" + version),
            "CLIENT_ERROR bad command line format\r\nVERSION 1.4.0\r\n");
  EXPECT_EQ(talk("\x80\x0b" + version), "CLIENT_ERROR the binary protocol is not served\r\n");
}

TEST(Memcached, TheRestOfTheVerbs) {
  TestNode node;
  node.rows = {{"a", {"1", {}}}};
  EXPECT_EQ(
      talk(node,
           "stats\r\nstats items\r\nverbosity 1\r\nflush_all 0\r\nget a\r\nquit\r\n"
           "version\r\n"),
      "STAT version 1.4.0\r\nSTAT kvorum_version 1.2.3\r\nSTAT curr_items 1\r\nSTAT item_size_max "
      "20\r\nEND\r\nERROR\r\n"
      "OK\r\nOK\r\nEND\r\n");
}

TEST(Memcached, QuitEndsTheConnectionBehindWhatIsOwed) {
  TestNode node;
  TestConnection connection(node, memcached(), TestConnection::Node::kSlow);
  connection.send("get a\r\nversion\r\n");
  EXPECT_FALSE(connection.ended());
  EXPECT_EQ(connection.front().next(), Front::Status::kNeedMore);
  connection.send("quit\r\nversion\r\n");
  EXPECT_EQ(connection.received(), "END\r\nVERSION 1.4.0\r\n");
  EXPECT_TRUE(connection.ended());
}

TEST(Memcached, LinesMayEndAsTypedByHand) {
  EXPECT_EQ(talk("set a 0 0 1\n5\nget a\n"), "STORED\r\nVALUE a 0 1\r\n5\r\nEND\r\n");
}

TEST(Memcached, IdleClientsStayAndHalfARequestDoesNot) {
  TestNode node;
  TestConnection connection(node, memcached());
  EXPECT_EQ(connection.front().patience(), Duration::max());
  connection.send("set a 0 0 5\r\nhe");
  EXPECT_TRUE(connection.front().within_request());
  EXPECT_EQ(connection.front().patience(), Duration(60s));
  connection.front().expire();
  EXPECT_EQ(connection.received(), "CLIENT_ERROR the rest of the request did not come in time\r\n");
}

// Answers that need no reply of the node do not pile up behind one that is slow.
TEST(Memcached, AnswersThatWaitForTheirTurnAreBounded) {
  Bytes out;
  const auto front = memcached()(out);
  Bytes all = "get a\r\n";
  for (std::size_t i = 0; i < 2 * MemcachedFront::kMaxOwed; ++i) {
    all += "version\r\n";
  }
  front->feed(all);
  EXPECT_EQ(front->next(), Front::Status::kRequest);
  std::size_t answered = 0;
  while (front->next() == Front::Status::kAnswered) {
    ++answered;
  }
  EXPECT_EQ(answered, MemcachedFront::kMaxOwed - 1);
  EXPECT_EQ(front->next(), Front::Status::kWaits);
  front->writer().nil();
  EXPECT_EQ(front->next(), Front::Status::kAnswered);
  front->keep();
}

constexpr ByteView kConversation =
    "set a 0 0 5\r\nhello\r\nget a b a\r\nadd n 0 0 1\r\n1\r\nincr n 41\r\nappend a 0 0 2\r\n!!\r\n"
    "bad\r\nset b 3 0 2\r\nno\r\nset c 0 0 30\r\n123456789012345678901234567890\r\n"
    "set d 0 0 2\r\nlong\r\nprepend a 0 0 1 noreply\r\n>\r\ngets a n\r\nstats\r\nversion\r\n"
    "cas a 0 9 1 2\r\n5\r\ncas a 0 0 1 9\r\n5\r\ngats 3 a b\r\n"
    "delete a\r\nflush_all\r\nget n\r\nset a 0 0\r\nget a\r\n";

TEST(Memcached, BytesMayComeInAnyPiecesAndRepliesAtAnyTime) {
  TestNode first;
  const auto whole = talk(first, kConversation);
  EXPECT_THAT(whole, testing::EndsWith("CLIENT_ERROR bad command line format\r\n"));
  for (const auto speed : {TestConnection::Node::kFast, TestConnection::Node::kSlow}) {
    for (std::size_t step = 1; step <= 17; ++step) {
      TestNode node;
      EXPECT_EQ(talk(node, kConversation, step, speed), whole) << step;
    }
    for (std::size_t cut = 0; cut <= kConversation.size(); ++cut) {
      TestNode node;
      TestConnection connection(
          node, memcached({.line_bytes = 300, .value_bytes = 20, .drain_bytes = 1000}), speed);
      connection.send(kConversation.substr(0, cut));
      connection.send(kConversation.substr(cut));
      ASSERT_EQ(connection.received(), whole) << cut;
    }
  }
}

}  // namespace
}  // namespace kvorum::front
