#include "wire/resp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "wire/resp_writer.h"

namespace kvorum::wire {
namespace {

using Status = RequestParser::Status;
using testing::ElementsAre;
using testing::HasSubstr;

// One line per outcome: "a|b" for a request, "refused: text", "fatal: text".
std::vector<std::string> drain(RequestParser& parser) {
  std::vector<std::string> out;
  while (true) {
    switch (parser.next()) {
      case Status::kNeedMore:
        return out;
      case Status::kRequest: {
        std::string line;
        for (const auto arg : parser.args()) {
          line += (line.empty() ? "" : "|") + std::string(arg);
        }
        out.push_back(line);
        break;
      }
      case Status::kRefused:
        out.push_back("refused: " + to_string(parser.error()));
        break;
      case Status::kFatal:
        out.push_back("fatal: " + to_string(parser.error()));
        return out;
    }
  }
}

std::vector<std::string> parse(ByteView bytes, const RequestLimits& limits = {},
                               std::size_t step = SIZE_MAX) {
  RequestParser parser(limits);
  std::vector<std::string> all;
  while (!bytes.empty()) {
    // A fresh copy each time, so borrowed bytes that outlive their call show up under a sanitizer.
    const Bytes piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    parser.feed(piece);
    for (auto& line : drain(parser)) {
      all.push_back(line);
    }
    if (!all.empty() && all.back().starts_with("fatal")) {
      return all;
    }
    parser.keep();
  }
  return all;
}

Bytes command(const std::vector<Bytes>& args) {
  Bytes out = fmt::format("*{}\r\n", args.size());
  for (const auto& arg : args) {
    out += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  }
  return out;
}

TEST(Request, PipelinedCommandsComeOneByOne) {
  const auto bytes =
      command({"SET", "k", "1"}) + command({"GET", "k"}) + "PING\r\n" + command({""});
  EXPECT_THAT(parse(bytes), ElementsAre("SET|k|1", "GET|k", "PING", ""));
}

TEST(Request, EverySplitGivesTheSame) {
  const Bytes binary("\0\r\n$*", 5);
  const auto bytes = command({"SET", binary, Bytes(300, 'v')}) + "echo \"a b\" 'c'\r\n" +
                     "*0\r\n\r\n" + command({"GET", "k"}) + "*-1\r\n" + command({"", ""});
  const auto whole = parse(bytes);
  ASSERT_EQ(whole.size(), 4u);
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    EXPECT_EQ(parse(bytes, {}, step), whole) << step;
  }
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    RequestParser parser;
    parser.feed(ByteView(bytes).substr(0, cut));
    auto lines = drain(parser);
    parser.keep();
    parser.feed(ByteView(bytes).substr(cut));
    for (auto& line : drain(parser)) {
      lines.push_back(line);
    }
    EXPECT_EQ(lines, whole) << cut;
  }
}

TEST(Request, ATruncatedOneWaits) {
  const auto bytes = command({"SET", "key", "value"});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(parse(bytes.substr(0, size)), ElementsAre()) << size;
  }
}

TEST(Request, ArgumentsOfAWholeRequestAreNotCopied) {
  const auto bytes = command({"SET", "key", "value"});
  RequestParser parser;
  parser.feed(bytes);
  ASSERT_EQ(parser.next(), Status::kRequest);
  EXPECT_GE(parser.args()[2].data(), bytes.data());
  EXPECT_LT(parser.args()[2].data(), bytes.data() + bytes.size());
}

TEST(Request, RequestsThatWereNotTakenSurviveKeep) {
  RequestParser parser;
  {
    const auto bytes = command({"A"}) + command({"B"}) + command({"C"});
    parser.feed(bytes);
    ASSERT_EQ(parser.next(), Status::kRequest);
    parser.keep();
  }
  const auto more = command({"D"});
  parser.feed(more);
  EXPECT_THAT(drain(parser), ElementsAre("B", "C", "D"));
  EXPECT_EQ(parser.buffered(), 0u);
}

TEST(Request, InlineQuotes) {
  EXPECT_THAT(parse("set k \"a\\x41\\n\\\"b\"\r\n"), ElementsAre("set|k|aA\n\"b"));
  EXPECT_THAT(parse("set k 'it\\'s \\n'\n"), ElementsAre("set|k|it's \\n"));
  EXPECT_THAT(parse("  \t set \"\" \n"), ElementsAre("set|"));
  EXPECT_THAT(parse("\r\n\n  \nPING\n"), ElementsAre("PING"));
  EXPECT_THAT(parse("set \"\\xzz\"\n"), ElementsAre("set|xzz"));
  for (const auto* line : {"set \"k\n", "set 'k\n", "set \"k\"x\n", "set 'k'x\n", "set \"k\\\n",
                           "set \"\"\"k\"\"\" v\r\n"}) {
    EXPECT_THAT(parse(line), ElementsAre("fatal: ERR Protocol error: unbalanced quotes in request"))
        << line;
  }
}

struct Bad {
  const char* bytes;
  const char* text;
};

TEST(Request, MalformedOnesEndTheStreamWithTheTextsOfRedis) {
  const Bad cases[] = {
      {"*x\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*3000000000\r\n", "invalid multibulk length"},
      {"*99999999999999999999999\r\n", "invalid multibulk length"},
      {"*1\r\n+1\r\n", "expected '$', got '+'"},
      {"*1\r\n\r\n", "expected '$', got '?'"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$x\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999\r\n", "invalid bulk length"},
      {"*1\r\n$1\r\nabc", "expected CR LF behind a bulk string"},
      {"*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too big mbulk count string"},
      {"*1\r\n$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too big bulk count string"},
      {"POST / HTTP/1.1\r\n", "this port speaks the Redis protocol, not HTTP"},
      {"Host: localhost\r\n", "this port speaks the Redis protocol, not HTTP"},
  };
  for (const auto& [bytes, text] : cases) {
    const auto want = fmt::format("fatal: ERR Protocol error: {}", text);
    EXPECT_THAT(parse(bytes), ElementsAre(want)) << bytes;
    EXPECT_THAT(parse(bytes, {}, 1), ElementsAre(want)) << bytes;
    EXPECT_THAT(parse(command({"PING"}) + bytes), ElementsAre("PING", want)) << bytes;
  }
}

TEST(Request, AfterAFatalErrorNothingIsReadAnyMore) {
  RequestParser parser;
  const auto bytes = "*x\r\n" + command({"PING"});
  parser.feed(bytes);
  EXPECT_EQ(parser.next(), Status::kFatal);
  EXPECT_EQ(parser.next(), Status::kFatal);
}

TEST(Request, AnInlineLineIsBounded) {
  const RequestLimits limits{.inline_bytes = 100};
  EXPECT_THAT(parse(Bytes(100, 'a') + "\n", limits), ElementsAre(Bytes(100, 'a')));
  EXPECT_THAT(parse(Bytes(101, 'a'), limits),
              ElementsAre("fatal: ERR Protocol error: too big inline request"));
  EXPECT_THAT(parse(Bytes(std::size_t{1} << 20, 'a') + "\n"),
              ElementsAre("fatal: ERR Protocol error: too big inline request"));
}

TEST(Request, ATooLongArgumentIsDrainedAndRefusedInItsPlace) {
  const RequestLimits limits{.bulk_bytes = 10, .drain_bytes = 100};
  const auto bytes = command({"A"}) + command({"SET", "k", Bytes(11, 'v'), "EX", Bytes(10, '1')}) +
                     command({"SET", "k", Bytes(10, 'v')});
  const auto refused = "refused: ERR string exceeds maximum allowed size (proto-max-bulk-len)";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    EXPECT_THAT(parse(bytes, limits, step), ElementsAre("A", refused, "SET|k|vvvvvvvvvv")) << step;
  }
  EXPECT_THAT(parse(command({Bytes(100, 'v')}), limits), ElementsAre(refused));
  EXPECT_THAT(parse(command({Bytes(101, 'v')}), limits),
              ElementsAre("fatal: ERR Protocol error: invalid bulk length"));
  EXPECT_THAT(parse(command({Bytes(60, 'v'), Bytes(60, 'v')}), limits),
              ElementsAre("fatal: ERR Protocol error: too big request"));
}

TEST(Request, ADrainedArgumentIsNotHeld) {
  RequestParser parser({.bulk_bytes = 10, .drain_bytes = std::size_t{1} << 20});
  const Bytes head = "*2\r\n$3\r\nSET\r\n$1000000\r\n";
  parser.feed(head);
  EXPECT_EQ(parser.next(), Status::kNeedMore);
  parser.keep();
  const Bytes piece(10000, 'v');
  for (int i = 0; i < 100; ++i) {
    parser.feed(piece);
    EXPECT_EQ(parser.next(), Status::kNeedMore);
    parser.keep();
    EXPECT_EQ(parser.buffered(), 0u);
  }
  parser.feed("\r\n");
  EXPECT_EQ(parser.next(), Status::kRefused);
}

TEST(Request, ARequestOfTooManyBytesIsRefusedAsAWhole) {
  const RequestLimits limits{.bulk_bytes = 100, .drain_bytes = 1000, .request_bytes = 200};
  const auto big = command({Bytes(90, 'a'), Bytes(90, 'b'), Bytes(90, 'c')});
  EXPECT_THAT(parse(big + command({"PING"}), limits, 7),
              ElementsAre("refused: ERR request exceeds maximum allowed size", "PING"));
}

TEST(Request, ManyTinyArgumentsAreBoundedInMemoryToo) {
  const RequestLimits limits{.request_bytes = 10000};
  const std::vector<Bytes> args(1000, "");
  EXPECT_THAT(parse(command(args), limits),
              ElementsAre("refused: ERR request exceeds maximum allowed size"));
}

TEST(Request, RandomCommandsInRandomPiecesComeOutAsTheyWentIn) {
  Prng prng(7);
  for (int round = 0; round < 200; ++round) {
    Bytes bytes;
    std::vector<std::string> want;
    for (std::uint64_t i = 0; i < 1 + prng.below(8); ++i) {
      std::vector<Bytes> args(1 + prng.below(5));
      std::string line;
      for (auto& arg : args) {
        for (auto left = prng.below(40); left > 0; --left) {
          arg.push_back(static_cast<char>(prng.below(256)));
        }
        line += (line.empty() ? "" : "|") + arg;
      }
      bytes += command(args);
      want.push_back(line);
    }
    EXPECT_EQ(parse(bytes, {}, 1 + prng.below(64)), want) << round;
  }
}

TEST(RespWriter, Resp2) {
  Bytes out;
  RespWriter writer(out);
  writer.array(7);
  writer.status("OK");
  writer.status("PONG");
  writer.integer(-5);
  writer.integer(INT64_MIN);
  writer.bulk(ByteView("a\0\r\n", 4));
  writer.nil();
  writer.map(1);
  writer.bulk("");
  writer.integer(7);
  constexpr char kWant[] =
      "*7\r\n+OK\r\n+PONG\r\n:-5\r\n:-9223372036854775808\r\n$4\r\na\0\r\n\r\n$-1\r\n"
      "*2\r\n$0\r\n\r\n:7\r\n";
  EXPECT_EQ(out, ByteView(kWant, sizeof kWant - 1));
}

TEST(RespWriter, Resp3HasItsOwnNullAndMap) {
  Bytes out;
  RespWriter writer(out);
  writer.set_protocol(3);
  writer.map(1);
  writer.nil();
  writer.array(0);
  EXPECT_EQ(out, "%1\r\n_\r\n*0\r\n");
}

TEST(RespWriter, AnErrorCannotForgeAReply) {
  Bytes out;
  RespWriter writer(out);
  writer.error(Error{ErrorCode::kGeneric, "unknown command 'a\r\n+OK'"});
  writer.error(Error{ErrorCode::kUnknown, {}});
  EXPECT_THAT(out, HasSubstr("-ERR unknown command 'a  +OK'\r\n"));
  EXPECT_THAT(out, HasSubstr("\r\n-UNKNOWN the outcome is unknown"));
}

TEST(RespWriter, CountsWholeReplies) {
  Bytes out;
  RespWriter writer(out);
  writer.array(2);
  writer.array(1);
  EXPECT_EQ(writer.replies(), 0u);
  writer.nil();
  writer.map(1);
  writer.integer(1);
  EXPECT_EQ(writer.replies(), 0u);
  writer.integer(1);
  EXPECT_EQ(writer.replies(), 1u);
  writer.array(0);
  writer.status("OK");
  EXPECT_EQ(writer.replies(), 3u);
}

}  // namespace
}  // namespace kvorum::wire
