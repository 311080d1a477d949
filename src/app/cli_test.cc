#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "app/cli_format.h"
#include "app/cli_session.h"
#include "app/cli_words.h"

namespace kvorum::app {
namespace {

using wire::Reply;
using Type = Reply::Type;

Reply of(Type type, std::int64_t integer, Bytes text, std::vector<Reply> elements = {}) {
  return {type, integer, std::move(text), std::move(elements)};
}
Reply text(Type type, Bytes bytes) { return of(type, 0, std::move(bytes)); }
Reply bulk(Bytes bytes) { return text(Type::kBulk, std::move(bytes)); }
Reply integer(std::int64_t value) { return of(Type::kInteger, value, {}); }
Reply many(Type type, std::vector<Reply> elements) { return of(type, 0, {}, std::move(elements)); }

TEST(Quote, EscapesAsRedisCliDoes) {
  EXPECT_EQ(quote("plain"), "\"plain\"");
  EXPECT_EQ(quote("a\"b\\c\n\r\t\a\b"), "\"a\\\"b\\\\c\\n\\r\\t\\a\\b\"");
  EXPECT_EQ(quote(ByteView("\0\x1f\x7f\xff", 4)), "\"\\x00\\x1f\\x7f\\xff\"");
}

TEST(FormatReply, LooksLikeRedisCli) {
  const Style style;
  EXPECT_EQ(format_reply({}, style), "(nil)");
  EXPECT_EQ(format_reply(text(Type::kStatus, "OK"), style), "OK");
  EXPECT_EQ(format_reply(text(Type::kError, "ERR no"), style), "(error) ERR no");
  EXPECT_EQ(format_reply(integer(-3), style), "(integer) -3");
  EXPECT_EQ(format_reply(bulk("a b"), style), "\"a b\"");
  EXPECT_EQ(format_reply(many(Type::kArray, {}), style), "(empty array)");
  EXPECT_EQ(format_reply(text(Type::kDouble, "1.5"), style), "(double) 1.5");
}

TEST(FormatReply, NestedArraysLineUp) {
  std::vector<Reply> ten(9, bulk("x"));
  ten.push_back(many(Type::kArray, {integer(1), {}}));
  EXPECT_EQ(format_reply(many(Type::kArray, ten), {}),
            " 1) \"x\"\n 2) \"x\"\n 3) \"x\"\n 4) \"x\"\n 5) \"x\"\n 6) \"x\"\n 7) \"x\"\n"
            " 8) \"x\"\n 9) \"x\"\n10) 1) (integer) 1\n    2) (nil)");
  EXPECT_EQ(format_reply(many(Type::kMap, {bulk("k"), integer(1), bulk("l"), {}}), {}),
            "1# \"k\" => (integer) 1\n2# \"l\" => (nil)");
}

TEST(FormatReply, ColoursAndRawTextOnlyWhenAsked) {
  EXPECT_EQ(format_reply(text(Type::kError, "ERR no"), {.colour = true}),
            "\x1b[31m(error) ERR no\x1b[0m");
  EXPECT_EQ(format_reply(bulk("a:1\r\nb:2\r\n"), {.raw_text = true}), "a:1\r\nb:2");
  EXPECT_EQ(format_reply(bulk("one"), {.raw_text = true}), "\"one\"");
}

TEST(FormatJson, OneValuePerReply) {
  EXPECT_EQ(format_json({}), "null");
  EXPECT_EQ(format_json(bulk("a\"\n")), "\"a\\\"\\n\"");
  EXPECT_EQ(format_json(integer(7)), "7");
  EXPECT_EQ(format_json(text(Type::kError, "ERR no")), "{\"error\":\"ERR no\"}");
  EXPECT_EQ(format_json(bulk("\xff\x01")), "{\"bytes\":\"ff01\"}");
  EXPECT_EQ(format_json(many(Type::kArray, {bulk("a"), {}, many(Type::kArray, {})})),
            "[\"a\",null,[]]");
  EXPECT_EQ(format_json(many(Type::kMap, {bulk("z"), integer(1), bulk("a"), integer(2)})),
            "{\"z\":1,\"a\":2}");
  EXPECT_EQ(format_json(text(Type::kDouble, "1.5")), "1.5");
  EXPECT_EQ(format_json(text(Type::kDouble, "inf")), "\"inf\"");
  EXPECT_EQ(format_json(of(Type::kBool, 1, {})), "true");
}

TEST(Repeatable, ReadsAndQuestionsAre) {
  using Words = std::vector<ByteView>;
  for (const Words& args : {Words{"GET", "k"},
                            {"kv.status"},
                            {"PING"},
                            {"KV.AT", "prefix", "GET", "k"},
                            {"KV.RECEIPT", "KV.AT", "prefix", "mget", "k"},
                            {"KV.RECEIPT"},
                            {"KV.ONCE", "1", "2", "INCR", "k"},
                            {"INFO"}}) {
    EXPECT_TRUE(is_repeatable(args)) << args[0];
  }
  for (const Words& args : {Words{"SET", "k", "v"},
                            {"nope"},
                            {"KV.AT", "prefix", "INCR", "k"},
                            {"KV.RECEIPT", "DEL", "k"},
                            {"KV.CONTEXT", "x", "SET", "k", "v"},
                            {"GETEX", "k"},
                            {"KV.FAULT", "x"},
                            {}}) {
    EXPECT_FALSE(is_repeatable(args));
  }
}

TEST(Complete, OffersCommandsAndLevels) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(complete("getr"), Words{"getrange"});
  EXPECT_EQ(complete("GETR"), Words{"GETRANGE"});
  EXPECT_EQ(complete("kv.a"), Words{"kv.at"});
  EXPECT_EQ(complete("KV.AT se"), (Words{"sequential", "session"}));
  EXPECT_EQ(complete("KV.AT prefix STRL"), Words{"STRLEN"});
  EXPECT_EQ(complete("KV.CONTEXT "), Words{});
  EXPECT_EQ(complete("KV.CONTEXT x STRL"), Words{"STRLEN"});
  EXPECT_EQ(complete("kv.receipt kv.at lin"), Words{"linearizable"});
  EXPECT_EQ(complete("kv.level read pre"), Words{"prefix"});
  EXPECT_EQ(complete("help strl"), Words{"strlen"});
  EXPECT_EQ(complete("hel"), (Words{"hello", "help"}));
  EXPECT_EQ(complete("get k"), Words{});
  EXPECT_GT(complete("").size(), 60u);
}

TEST(Help, CoversCommandsAndGroups) {
  EXPECT_EQ(help("strlen"), "  STRLEN key\n  Gives the length of a value\n  group: string\n");
  EXPECT_NE(help("").find("KV.CAS"), std::string::npos);
  EXPECT_NE(help("kvorum").find("KV.AT"), std::string::npos);
  EXPECT_EQ(help("kvorum").find("STRLEN"), std::string::npos);
  EXPECT_EQ(help("nope"), "no help for 'nope'; try help\n");
}

// What a script prints when no node is there: everything but the network.
struct Output {
  int exit_code;
  std::string out, err;
};

std::string contents(std::FILE* file) {
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

Output run_script(const std::string& script, bool json) {
  auto* in = std::tmpfile();
  auto* out = std::tmpfile();
  auto* err = std::tmpfile();
  std::fwrite(script.data(), 1, script.size(), in);
  std::rewind(in);
  // Port 1 on the loopback: nobody listens there, and nobody unprivileged can.
  CliSession session({.endpoints = {{"127.0.0.1", 1}}, .json = json}, out, err);
  const int exit_code = session.run_script(in);
  std::fclose(in);
  return {exit_code, contents(out), contents(err)};
}

TEST(Script, CommentsHelpAndExitNeedNoNode) {
  const auto ran = run_script("# nothing\n\n  help strlen\nexit\nGET k\n", false);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.out, help("strlen"));
  EXPECT_EQ(ran.err, "");
}

TEST(Script, ErrorsNameTheLineAndFailTheScript) {
  const auto ran = run_script("\nGET \"k\nGET k\nGET l\n", false);
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(ran.err.starts_with("line 2: (error) ERR unbalanced quotes\nline 3: (error) IO "))
      << ran.err;
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 2);  // it stops when no node is left
}

TEST(Script, JsonKeepsOneValuePerCommand) {
  const auto ran = run_script("GET 'k\n", true);
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_EQ(ran.out, "{\"error\":\"ERR unbalanced quotes\"}\n");
}

}  // namespace
}  // namespace kvorum::app
