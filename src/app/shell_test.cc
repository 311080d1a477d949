// The shell's own words, without a network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli_words.h"
#include "app/shell_replies.h"
#include "app/shell_words.h"

namespace kvorum::app {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Type = wire::Reply::Type;
using Words = std::vector<Bytes>;

Plan planned(const std::vector<ByteView>& args, Rules rules = Rules::kPlain) {
  const auto out = plan(args, rules);
  if (!out || !*out) {
    ADD_FAILURE() << (out ? "no word of the shell's" : out.error().detail);
    return {};
  }
  return **out;
}

std::string refused(const std::vector<ByteView>& args, Rules rules = Rules::kPlain) {
  const auto out = plan(args, rules);
  return out ? "it is planned" : out.error().detail;
}

TEST(ShellWords, NodesCommandsAreLeftAlone) {
  for (const std::vector<ByteView>& args :
       {std::vector<ByteView>{"SET", "k", "v"}, {"del", "k"}, {"KV.DUMP"}, {"nope"}, {}}) {
    const auto out = plan(args, Rules::kPlain);
    ASSERT_TRUE(out);
    EXPECT_FALSE(*out);
  }
}

TEST(ShellWords, OneRequestDoesItWhereThereIsOneOrder) {
  EXPECT_EQ(planned({"get", "k"}).command, (Words{"GET", "k"}));
  EXPECT_EQ(planned({"PUT", "k", "v"}).command, (Words{"SET", "k", "v"}));
  EXPECT_EQ(planned({"insert", "k", "v"}).command, (Words{"SET", "k", "v", "NX"}));
  EXPECT_EQ(planned({"update", "k", "v"}).command, (Words{"SET", "k", "v", "XX"}));
  EXPECT_EQ(planned({"delete", "k"}).command, (Words{"DEL", "k"}));
  EXPECT_EQ(planned({"show-all"}).command, Words{"KV.DUMP"});
  EXPECT_EQ(planned({"dump"}).command, Words{"KV.DUMP"});
  EXPECT_EQ(planned({"search", "k"}).command, (Words{"KV.SEARCH", "k"}));
  EXPECT_EQ(planned({"where", "k"}).command, (Words{"KV.WHERE", "k"}));
}

TEST(ShellWords, WithoutOneOrderItLooksFirst) {
  const auto insert = planned({"insert", "k", "v", "quorum"});
  EXPECT_EQ(insert.check, (Words{"KV.AT", "quorum", "EXISTS", "k"}));
  EXPECT_EQ(insert.unchecked, (Words{"KV.AT", "quorum", "SET", "k", "v"}));
  EXPECT_EQ(planned({"update", "k", "v"}).unchecked, (Words{"SET", "k", "v"}));
  EXPECT_EQ(planned({"delete", "k"}).check, (Words{"EXISTS", "k"}));
  EXPECT_EQ(planned({"delete", "k"}).unchecked, (Words{"DEL", "k"}));
  EXPECT_TRUE(planned({"put", "k", "v"}).check.empty());
  EXPECT_TRUE(planned({"get", "k"}).check.empty());
}

TEST(ShellWords, LevelsByNameAndByNumberUnderBothRules) {
  const auto level = [](ByteView word, Rules rules) {
    const auto command = planned({"get", "k", word}, rules).command;
    return command.size() == 4 ? command[1] : Bytes("none");
  };
  EXPECT_EQ(level("sequential", Rules::kPlain), "sequential");
  EXPECT_EQ(level("1", Rules::kPlain), "1");
  EXPECT_EQ(level("9", Rules::kPlain), "9");
  EXPECT_EQ(level("1", Rules::k2015), "linearizable");
  EXPECT_EQ(level("2", Rules::k2015), "sequential");
  EXPECT_EQ(level("3", Rules::k2015), "w=1,r=1");
  EXPECT_EQ(level("4", Rules::k2015), "w=2,r=2");
  EXPECT_EQ(level("all", Rules::k2015), "all");
  EXPECT_EQ(planned({"put", "k", "v", "4"}, Rules::k2015).command,
            (Words{"KV.AT", "w=2,r=2", "SET", "k", "v"}));
}

TEST(ShellWords, WrongOnesGetAUsageLine) {
  EXPECT_EQ(refused({"put", "k"}), "usage: put key value [level]");
  EXPECT_EQ(refused({"put", "k", "v", "one", "x"}), "usage: put key value [level]");
  EXPECT_EQ(refused({"GET"}), "usage: get key [level]");
  EXPECT_EQ(refused({"show-all", "x"}), "usage: show-all");
  EXPECT_EQ(refused({"delay", "-1"}), "usage: delay milliseconds");
  EXPECT_EQ(refused({"delay", "soon"}), "usage: delay milliseconds");
  EXPECT_EQ(refused({"send", "2"}), "usage: send node text");
  EXPECT_THAT(refused({"get", "k", "5"}), StartsWith("bad level '5': "));
  EXPECT_THAT(refused({"get", "k", "5"}), HasSubstr("usage: get key [level]"));
  EXPECT_THAT(refused({"get", "k", "9"}, Rules::k2015), HasSubstr("or 1 to 4;"));
  EXPECT_THAT(refused({"get", "k", "0"}, Rules::k2015), StartsWith("bad level"));
}

TEST(ShellWords, DelayAndTexts) {
  EXPECT_EQ(planned({"delay", "400"}).delay, 400ms);
  EXPECT_EQ(planned({"send", "2", "two", "words"}).command, (Words{"KV.SEND", "2", "two words"}));
  EXPECT_EQ(planned({"bcast", "hi"}).command, (Words{"KV.SEND", "*", "hi"}));
}

TEST(ShellWords, HelpAndCompletionKnowThem) {
  EXPECT_THAT(help(""), StartsWith("shell:\n  get "));
  EXPECT_THAT(help("shell"), HasSubstr("show-all"));
  EXPECT_EQ(help("put"),
            "  put key value [level]\n  Sets a key, be it there or not\n  group: shell\n");
  EXPECT_THAT(help("get"), HasSubstr("\n\n  GET key\n"));
  using Offered = std::vector<std::string>;
  EXPECT_EQ(complete("show"), Offered{"show-all"});
  EXPECT_EQ(complete("help sho"), Offered{"show-all"});
  EXPECT_EQ(complete("KV.AT one show"), Offered{});
  EXPECT_EQ(complete("put k v lin"), Offered{"linearizable"});
  EXPECT_EQ(complete("put k lin"), Offered{});
}

TEST(Numbered, TheIdStandsRightBeforeTheCommand) {
  using Args = std::vector<ByteView>;
  EXPECT_EQ(numbered(Args{"APPEND", "k", "v"}, "7", "1"),
            (Args{"KV.ONCE", "7", "1", "APPEND", "k", "v"}));
  EXPECT_EQ(numbered(Args{"KV.RECEIPT", "KV.AT", "one", "SET", "k", "v"}, "7", "2"),
            (Args{"KV.RECEIPT", "KV.AT", "one", "KV.ONCE", "7", "2", "SET", "k", "v"}));
  EXPECT_TRUE(is_numbered(Args{"KV.AT", "one", "KV.ONCE", "7", "1", "INCR", "k"}));
  EXPECT_FALSE(is_numbered(Args{"INCR", "k"}));
  EXPECT_TRUE(is_key_write(Args{"kv.at", "one", "incr", "k"}));
  for (const auto& args : {Args{"GET", "k"}, {"FLUSHDB"}, {"KV.ONCE", "1", "1", "INCR", "k"}, {}}) {
    EXPECT_FALSE(is_key_write(args));
  }
}

wire::Reply bulk(Bytes text) { return {Type::kBulk, 0, std::move(text), {}}; }
wire::Reply integer(std::int64_t value) { return {Type::kInteger, value, {}, {}}; }
wire::Reply array(std::vector<wire::Reply> elements) {
  return {Type::kArray, 0, {}, std::move(elements)};
}

TEST(ShellReplies, PairsOfOrderedRows) {
  const auto pairs = pairs_of(array({array({bulk("a"), bulk("1"), integer(9), integer(-1)}),
                                     array({bulk("b"), bulk(""), integer(9), integer(-1)})}));
  EXPECT_EQ(format_pairs(pairs), "\"a\" => \"1\"\n\"b\" => \"\"");
  EXPECT_EQ(format_pairs(pairs_of(array({}))), "(no pairs)");
}

TEST(ShellReplies, PairsOfLeaderlessRowsLeaveOutTheDeleted) {
  const auto row = [](const char* value, const char* state) {
    return array({bulk(value), bulk("n1:1"), integer(-1), bulk(state)});
  };
  const auto pairs =
      pairs_of(array({array({bulk("gone"), array({row("", "deleted")})}),
                      array({bulk("one"), array({row("x", "live")})}),
                      array({bulk("two"), array({row("x", "live"), row("y", "live")})})}));
  EXPECT_EQ(format_pairs(pairs), "\"one\" => \"x\"\n\"two\" => \"x\" | \"y\"");
}

TEST(ShellReplies, DeliveriesShowBothTimes) {
  EXPECT_EQ(format_deliveries(array({array({integer(2), integer(1000), integer(2034)}),
                                     array({integer(3), bulk("down")})})),
            "node 2: sent 1970-01-01T00:00:01.000Z, arrived 1970-01-01T00:00:02.034Z (1034 ms)\n"
            "node 3: down");
}

}  // namespace
}  // namespace kvorum::app
