// HTTP over a node of the test's own: what is asked, what is answered, in which order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "front/http_front.h"
#include "front/http_scan.h"
#include "front/test_client.h"
#include "model/level.h"

namespace kvorum::front {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Answers what the front asks as a node would, from a map. Values are "missing" or what was set.
class Rows {
 public:
  void operator()(Request request, ReplyWriter& reply) {
    bool receipt = false;
    for (;;
         request.erase(request.begin(), request.begin() + (request[0] == "KV.RECEIPT" ? 1 : 2))) {
      receipt = receipt || request[0] == "KV.RECEIPT";
      if (request[0] == "KV.IF") {
        condition_ = request[1];
      } else if (request[0] != "KV.RECEIPT" && request[0] != "KV.AT" &&
                 request[0] != "KV.CONTEXT") {
        break;
      } else if (request[0] == "KV.AT" && request[1] == "strong") {
        return reply.error({ErrorCode::kLevel, "unknown level 'strong'"});
      }
    }
    receipt = receipt && receipts;
    if (receipt) {
      reply.array(2);
    }
    data(request, reply);
    if (receipt) {
      reply.map(5);
      for (const auto& word : {Bytes("path"), Bytes("local"), Bytes("met"), met}) {
        reply.bulk(word);
      }
      reply.bulk("partition");
      reply.integer(1);
      reply.bulk("index");
      reply.integer(9);
      reply.bulk("version");
      reply.integer(version_);
    }
  }

  std::map<Bytes, Bytes> rows;
  std::optional<Error> failure;  // of the next command on data
  bool siblings = false;         // a GET has two values
  bool receipts = true;          // a KV.RECEIPT gives one
  Bytes met = "linearizable";

 private:
  void data(const Request& request, ReplyWriter& reply) {
    const auto& name = request[0];
    if (name == "PING") {
      return reply.status("PONG");
    }
    if (name == "SELECT" || name == "KV.SESSION") {
      return request[1] == "nowhere" ? reply.error({ErrorCode::kGeneric, "no such keyspace"})
                                     : reply.status("OK");
    }
    if (name == "INFO") {
      return reply.bulk(
          "# Server\r\nuptime_in_seconds:7\r\ntotal_commands_processed:12\r\n"
          "peer_bytes_sent:345\r\n");
    }
    if (name == "KV.STATUS") {
      return reply.bulk(
          "node:1 role:leader term:3 version:0.1.0\npartition:0 leader:1 term:3 digest:12\n"
          "leaderless: rows:5 refilling:0\npeer:2 link:up\npeer:3 link:down\n");
    }
    if (failure) {
      return reply.error(*std::exchange(failure, std::nullopt));
    }
    version_ = 0;
    if (name == "SCAN") {
      return scan(request, reply);
    }
    const auto row = rows.find(request[1]);
    if (name == "GET") {
      version_ = row == rows.end() ? 0 : 77;
      if (siblings) {
        reply.array(2);
        reply.bulk("other");
      }
      return row == rows.end() ? reply.nil() : reply.bulk(row->second);
    }
    const bool meets = condition_.empty() || condition_ == "77";
    condition_.clear();
    if (name == "DEL") {
      return reply.integer(meets ? static_cast<std::int64_t>(rows.erase(request[1])) : 0);
    }
    const bool only_new = request.back() == "NX";
    if (!meets || (only_new && row != rows.end())) {
      return reply.nil();
    }
    version_ = 77;
    rows[request[1]] = request[2];
    reply.status("OK");
  }

  // Cursors are numbers of rows.
  void scan(const Request& request, ReplyWriter& reply) const {
    const auto from = std::stoul(request[1]);
    const auto count = std::stoul(request[5]);
    auto prefix = request[3].substr(0, request[3].size() - 1);
    prefix.erase(std::remove(prefix.begin(), prefix.end(), '\\'), prefix.end());
    std::vector<Bytes> found;
    std::size_t at = 0;
    for (const auto& row : rows) {
      const bool now = at >= from && at < from + count;
      if (now && row.first.starts_with(prefix)) {
        found.push_back(row.first);
      }
      ++at;
    }
    reply.array(2);
    reply.bulk(from + count >= rows.size() ? "0" : std::to_string(from + count));
    reply.array(found.size());
    for (const auto& key : found) {
      reply.bulk(key);
    }
  }

  Bytes condition_;
  std::int64_t version_ = 0;
};

class Http : public testing::Test {
 protected:
  Http() {
    options_.self = NodeId(1);
    options_.version = "0.1.0";
    options_.machines = {{NodeId(1), "127.0.0.1", 9001}, {NodeId(2), "127.0.0.1", 9002}};
    options_.value_bytes = 1000;
    options_.limits.body_bytes = 1500;
    options_.limits.header_bytes = 2000;
    options_.process = [] { return ProcessFigures{1.5, 4096, 20, 1000}; };
  }

  Bytes ask(const Bytes& line, const Bytes& fields = "", const Bytes& body = "") {
    node_.send(request(line, fields, body));
    return node_.take();
  }
  static Bytes request(const Bytes& line, const Bytes& fields = "", const Bytes& body = "") {
    return line + " HTTP/1.1\r\nHost: x\r\n" + fields +
           (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") +
           "\r\n" + body;
  }
  static Bytes body(const Bytes& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
  }

  HttpOptions options_;
  Rows rows_;
  TestClient node_{[this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                   [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); }};
};

TEST_F(Http, PutsGetsAndDeletesRawBytes) {
  const Bytes value("\0\r\n\xff%", 5);
  EXPECT_THAT(ask("PUT /v1/kv/a%2Fb%20c+d", "", value),
              AllOf(StartsWith("HTTP/1.1 204 No Content\r\n"), HasSubstr("Kvorum-Version: 77\r\n"),
                    HasSubstr("ETag: \"77\"\r\n"), HasSubstr("Kvorum-Receipt: path=local; "),
                    HasSubstr("Kvorum-Session: kv1-"), Not(HasSubstr("Content-Length"))));
  EXPECT_EQ(rows_.rows.at("a/b c+d"), value);
  EXPECT_THAT(ask("GET /v1/kv/a%2Fb%20c+d"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                               "Content-Length: 5\r\n"),
                    EndsWith("\r\n\r\n" + value)));
  EXPECT_THAT(ask("HEAD /v1/kv/a%2Fb%20c+d"),
              AllOf(HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(ask("DELETE /v1/kv/a%2Fb%20c+d"), StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(ask("GET /v1/kv/a%2Fb%20c+d"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("PUT /v1/kv/empty", "Content-Length: 0\r\n"), StartsWith("HTTP/1.1 204"));
  EXPECT_EQ(rows_.rows.at("empty"), "");
}

TEST_F(Http, LevelKeyspaceAndSessionComeFromQueryOrFields) {
  ask("GET /v1/kv/k?level=quorum");
  ask("GET /v1/kv/k?w=2&r=1");
  ask("GET /v1/kv/k", "Kvorum-Level: one\r\n");
  EXPECT_THAT(node_.asked(), ElementsAre(ElementsAre("KV.RECEIPT", "KV.AT", "quorum", "GET", "k"),
                                         ElementsAre("KV.RECEIPT", "KV.AT", "w=2,r=1", "GET", "k"),
                                         ElementsAre("KV.RECEIPT", "KV.AT", "one", "GET", "k")));
  TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                   [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
  other.send(request("PUT /v1/kv/k?keyspace=fast&ttl_ms=500",
                     "Kvorum-Session: tok\r\nKvorum-Context: ctx\r\n", "v"));
  other.send(request("GET /v1/kv/k", "Kvorum-Keyspace: fast\r\n"));
  other.send(request("GET /v1/kv/k"));
  other.send(request("GET /v1/kv/k?keyspace=nowhere"));
  EXPECT_THAT(
      other.asked(),
      ElementsAre(ElementsAre("SELECT", "fast"), ElementsAre("KV.SESSION", "NEW", "tok"),
                  ElementsAre("KV.RECEIPT", "KV.CONTEXT", "ctx", "SET", "k", "v", "PX", "500"),
                  ElementsAre("KV.SESSION", "NEW"), ElementsAre("KV.RECEIPT", "GET", "k"),
                  ElementsAre("SELECT", "main"), ElementsAre("KV.RECEIPT", "GET", "k"),
                  ElementsAre("SELECT", "nowhere")));
  EXPECT_THAT(other.take(), HasSubstr("no such keyspace"));
}

TEST_F(Http, NothingIsAskedInAKeyspaceThatCouldNotBeChosen) {
  node_.send(request("PUT /v1/kv/k?keyspace=nowhere", "", "v") + request("PUT /v1/kv/k", "", "w"));
  EXPECT_THAT(node_.asked(), ElementsAre(ElementsAre("SELECT", "nowhere"),
                                         ElementsAre("KV.RECEIPT", "SET", "k", "w")));
}

TEST_F(Http, ConditionsAreTheVersions) {
  EXPECT_THAT(ask("PUT /v1/kv/k", "If-None-Match: *\r\n", "1"), StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(
      ask("PUT /v1/kv/k", "If-None-Match: *\r\n", "2"),
      AllOf(StartsWith("HTTP/1.1 412"), Not(HasSubstr("ETag")), HasSubstr("\"definite\":true")));
  EXPECT_THAT(ask("PUT /v1/kv/k", "If-Match: \"76\"\r\n", "2"), StartsWith("HTTP/1.1 412"));
  EXPECT_THAT(ask("PUT /v1/kv/k", "If-Match: \"77\"\r\n", "2"), StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(ask("GET /v1/kv/k", "If-None-Match: \"77\"\r\n"),
              AllOf(StartsWith("HTTP/1.1 304"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(ask("GET /v1/kv/k", "If-None-Match: \"76\"\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /v1/kv/k", "If-None-Match: \"76\", W/\"77\"\r\n"),
              StartsWith("HTTP/1.1 304"));
  EXPECT_THAT(ask("DELETE /v1/kv/k", "If-Match: \"76\"\r\n"), StartsWith("HTTP/1.1 412"));
  EXPECT_THAT(ask("DELETE /v1/kv/k", "If-Match: 77\r\n"), StartsWith("HTTP/1.1 204"));
  for (const auto* bad :
       {"If-Match: \"a\", \"b\"\r\n", "If-Match: W/\"77\"\r\n", "If-Match: x\r\n",
        "If-Match: \"0\"\r\n", "If-None-Match: \"77\"\r\n", "If-Match: 1\r\nIf-None-Match: *\r\n",
        "If-Match:\r\n", "If-None-Match: \r\n", "Kvorum-Level:\r\n"}) {
    EXPECT_THAT(ask("PUT /v1/kv/k", bad, "3"), StartsWith("HTTP/1.1 400")) << bad;
  }
}

TEST_F(Http, ABodyOfManyPartsIsRefusedBeforeAllOfItIsRead) {
  std::string parts;
  for (int i = 0; i < 200'000; ++i) {
    parts += "[],";
  }
  const auto body = R"({"key":"k","value":[)" + parts + "0]}";
  EXPECT_THAT(ask("PUT /put", "", body), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("POST /get", "", body), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("POST /get", "", std::string(1 << 20, ' ') + "{}"), StartsWith("HTTP/1.1 413"));
}

TEST_F(Http, TheQueryAndTheHeaderAgree) {
  EXPECT_THAT(ask("GET /v1/kv/k?level=one", "Kvorum-Level: quorum\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /v1/kv/k?level=one", "Kvorum-Level: ONE\r\n"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("GET /v1/kv/k?keyspace=main", "Kvorum-Keyspace: fast\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /v1/kv/k%23", ""), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("GET /v1/kv/k#", ""), StartsWith("HTTP/1.1 400"));
}

TEST_F(Http, ListsKeysByPrefixPageByPage) {
  for (int i = 10; i < 30; ++i) {
    rows_.rows["k:" + std::to_string(i)] = std::to_string(i);
  }
  rows_.rows["other"] = "x";
  rows_.rows["k:\xff"] = "\xfe";
  Bytes cursor = "0";
  std::vector<Bytes> keys;
  for (int page = 0; page < 4 && cursor != "null"; ++page) {
    const auto parsed = json::parse(body(ask("GET /v1/kv?prefix=k%3A&limit=8&cursor=" + cursor)));
    EXPECT_LE(parsed["items"].size(), 8u);
    for (const auto& item : parsed["items"]) {
      keys.push_back(item.contains("key") ? item["key"].get<Bytes>() : "bytes");
      EXPECT_EQ(item.value("value", "/g=="),
                keys.back() == "bytes" ? "/g==" : keys.back().substr(2));
    }
    cursor = parsed["cursor"].is_null() ? "null" : parsed["cursor"].get<Bytes>();
  }
  EXPECT_EQ(cursor, "null");
  EXPECT_EQ(keys.size(), 21u);
  EXPECT_EQ(keys.back(), "bytes");
  EXPECT_EQ(body(ask("GET /v1/kv?prefix=oth&values=false")),
            "{\"items\":[{\"key\":\"other\"}],\"cursor\":null}\n");
  EXPECT_EQ(body(ask("GET /v1/kv?prefix=none")), "{\"items\":[],\"cursor\":null}\n");
  EXPECT_EQ(prefix_pattern("a*[b]\\"), "a\\*\\[b\\]\\\\*");
}

TEST_F(Http, OlderForms) {
  EXPECT_THAT(ask("PUT /put", "", R"({"key":"option:1:0","value":"a\u00e9"})"),
              StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain"));
  ask("PUT /put", "", R"({"key":"option:1","value":7})");
  ask("PUT /put", "", R"({"key":"option:10:0","value":"ten"})");
  EXPECT_EQ(body(ask("GET /get?key=option:1:0")), "a\xc3\xa9");
  EXPECT_EQ(body(ask("POST /get", "", R"({"key":"option:1"})")), "7");
  EXPECT_EQ(body(ask("GET /get-prefix?key=option:1")),
            "{\"option:1\":\"7\",\"option:1:0\":\"a\xc3\xa9\"}\n");
  EXPECT_EQ(body(ask("DELETE /delete", "", R"({"key":"option:1:0"})")), "deleted\n");
  EXPECT_EQ(body(ask("DELETE /delete", "", R"({"key":"option:1:0"})")), "deleted\n");
  for (const auto* missing : {"GET /get", "GET /get?key=", "GET /get?key=no", "GET /get-prefix",
                              "GET /get-prefix?key=opt", "POST /get"}) {
    EXPECT_THAT(ask(missing), StartsWith("HTTP/1.1 404")) << missing;
  }
  for (const auto* bad : {R"({"key":"k"})", "{", "[1]", R"({"value":"v"})"}) {
    EXPECT_THAT(ask("PUT /put", "", bad), StartsWith("HTTP/1.1 400")) << bad;
  }
}

TEST_F(Http, TellsAboutItself) {
  const auto status = json::parse(body(ask("GET /v1/status")));
  EXPECT_EQ(status["node"]["term"], 3);
  EXPECT_EQ(status["node"]["version"], "0.1.0");
  EXPECT_EQ(status["partitions"][0]["digest"], "12");
  EXPECT_EQ(status["leaderless"]["rows"], 5);
  EXPECT_EQ(status["peers"][1]["link"], "down");
  EXPECT_EQ(json::parse(body(ask("GET /healthz")))["status"], "ok");
  EXPECT_THAT(
      ask("GET /metrics"),
      AllOf(HasSubstr("Content-Type: text/plain; version=0.0.4"),
            HasSubstr("# TYPE kvorum_commands_total counter\nkvorum_commands_total 12\n"),
            HasSubstr("# TYPE kvorum_peer_bytes_total counter\nkvorum_peer_bytes_total 345\n"),
            HasSubstr("kvorum_peer_up{peer=\"3\"} 0\n"),
            HasSubstr("kvorum_partition_term{partition=\"0\"} 3\n"),
            HasSubstr("process_resident_memory_bytes 4096\n")));
  EXPECT_THAT(ask("GET /"), AllOf(HasSubstr("text/html"), HasSubstr("127.0.0.1:9002")));
}

// What is wrong with a request, and how it is told.
struct Bad {
  Bytes line;
  Bytes fields;
  Bytes body;
  int status;
};

TEST_F(Http, BadInputGetsItsStatusAndChangesNothing) {
  const Bytes large(1200, 'x');
  const Bad cases[] = {
      {"GET /v1/kv/k?level=strong", "", "", 400},
      {"GET /v1/kv/k?levle=one", "", "", 400},
      {"GET /v1/kv/k?level=one&level=all", "", "", 400},
      {"GET /v1/kv/k?level=one&w=2", "", "", 400},
      {"GET /v1/kv/%zz", "", "", 400},
      {"GET /v1/kv/%4", "", "", 400},
      {"GET /v1/kv/k?x=%", "", "", 400},
      {"GET /v1/kv/", "", "", 400},
      {"GET /v1/kv?limit=0", "", "", 400},
      {"GET /v1/kv?limit=1001", "", "", 400},
      {"GET /v1/kv?cursor=x", "", "", 400},
      {"GET /v1/kv?values=maybe", "", "", 400},
      {"GET /v1/kv/k", "", "body", 400},
      {"GET /nothing", "", "", 404},
      {"GET /../etc/passwd", "", "", 404},
      {"GET /v1/kvx", "", "", 404},
      {"POST /v1/kv/k", "", "v", 405},
      {"PATCH /v1/kv/k", "", "v", 405},
      {"PUT /v1/status", "", "v", 405},
      {"DELETE /", "", "", 405},
      {"PUT /v1/kv/k", "", large, 413},
      {"PUT /put", "", R"({"key":"k","value":")" + large + "\"}", 413},
      {"PUT /v1/kv/k", "Origin: http://evil\r\n", "v", 403},
      {"OPTIONS /v1/kv/k", "Origin: http://evil\r\n", "", 403},
      {"OPTIONS /v1/kv/k", "", "", 405},
  };
  for (const auto& bad : cases) {
    const auto response = ask(bad.line, bad.fields, bad.body);
    EXPECT_THAT(response, StartsWith("HTTP/1.1 " + std::to_string(bad.status) + " ")) << bad.line;
    const auto parsed = json::parse(body(response), nullptr, false);
    ASSERT_TRUE(parsed.is_object()) << response;
    EXPECT_TRUE(parsed["definite"].get<bool>() && parsed.contains("code") &&
                parsed.contains("message"))
        << response;
    EXPECT_FALSE(node_.finished()) << bad.line;
  }
  EXPECT_THAT(ask("DELETE /v1/kv"), HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_TRUE(rows_.rows.empty());
}

TEST_F(Http, BytesThatAreNoRequestEndTheConnection) {
  const std::pair<Bytes, int> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nbad field\r\n\r\n", 400},
      {"PUT /v1/kv/k HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400},
      {"PUT /v1/kv/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
      {"PUT /v1/kv/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"PUT /v1/kv/k HTTP/1.1\r\nContent-Length: 1501\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nX: " + Bytes(3000, 'x') + "\r\n\r\n", 431},
      {"GET /" + Bytes(3000, 'x'), 431},
  };
  for (const auto& [bytes, status] : cases) {
    TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                     [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
    other.send(bytes);
    other.send(request("GET /healthz"));
    const auto response = other.take();
    EXPECT_THAT(response, AllOf(StartsWith("HTTP/1.1 " + std::to_string(status) + " "),
                                HasSubstr("Connection: close\r\n"), HasSubstr("\"definite\":true"),
                                Not(HasSubstr("\"status\":\"ok\""))));
    EXPECT_TRUE(other.finished());
  }
}

TEST_F(Http, TheNodesErrorsHaveAStatus) {
  const std::pair<ErrorCode, int> cases[] = {
      {ErrorCode::kNoQuorum, 503}, {ErrorCode::kNoLeader, 503}, {ErrorCode::kBusy, 503},
      {ErrorCode::kTimeout, 503},  {ErrorCode::kDiskFull, 503}, {ErrorCode::kUnknown, 504},
      {ErrorCode::kRefused, 400},  {ErrorCode::kLevel, 400},    {ErrorCode::kSiblings, 409},
      {ErrorCode::kTooLong, 413},  {ErrorCode::kIo, 500},
  };
  for (const auto& [code, status] : cases) {
    rows_.failure = Error{code, {}};
    const auto response = ask("PUT /v1/kv/k", "", "v");
    EXPECT_THAT(response, StartsWith("HTTP/1.1 " + std::to_string(status) + " "));
    const auto parsed = json::parse(body(response));
    EXPECT_EQ(parsed["code"], resp_code(code));
    EXPECT_EQ(parsed["definite"], code != ErrorCode::kUnknown);
    EXPECT_EQ(response.find("Retry-After: 1\r\n") != Bytes::npos, status == 503);
  }
}

TEST_F(Http, ResponsesComeInTheOrderOfTheRequests) {
  rows_.rows["a:1"] = "1";
  node_.hold();
  node_.send(request("GET /v1/kv/a:1") + request("GET /nothing") +
             request("GET /get-prefix?key=a") + request("GET /v1/kv/b") +
             request("GET /healthz", "Connection: close\r\n") + request("GET /v1/kv/ignored"));
  // The list has steps, so what comes behind it is not looked at before it is done.
  EXPECT_EQ(node_.asked().size(), 2u);
  EXPECT_EQ(node_.take(), "");
  node_.reply();
  EXPECT_THAT(node_.take(), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("HTTP/1.1 404")));
  node_.release();
  const auto rest = node_.take();
  EXPECT_LT(rest.find("{\"a:1\":\"1\"}"), rest.find("HTTP/1.1 404"));
  EXPECT_LT(rest.find("HTTP/1.1 404"), rest.find("\"status\":\"ok\""));
  EXPECT_THAT(rest, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(node_.finished());
  EXPECT_EQ(node_.asked().size(), 5u);
}

TEST_F(Http, SplittingTheBytesChangesNothing) {
  rows_.rows["k"] = "v";
  const auto bytes =
      request("GET /v1/kv/k") + request("PUT /v1/kv/p", "Expect: x\r\n", "value") +
      "PUT /v1/kv/c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\n"
      "de\r\n0\r\nTrailer: t\r\n\r\n" +
      "\r\n" + request("GET /v1/kv?prefix=k") + "GET /v1/kv/k HTTP/1.0\r\n\r\n";
  node_.send(bytes);
  const auto whole = node_.take();
  EXPECT_TRUE(node_.finished());
  EXPECT_EQ(rows_.rows.at("c"), "abcde");
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    rows_.rows = {{"k", "v"}};
    TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                     [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
    other.send(ByteView(bytes).substr(0, cut));
    other.send(ByteView(bytes).substr(cut));
    ASSERT_EQ(other.take(), whole) << cut;
  }
}

TEST_F(Http, AClientThatWaitsForAWordGetsIt) {
  node_.send("PUT /v1/kv/k HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(node_.take(), "HTTP/1.1 100 Continue\r\n\r\n");
  node_.send("v");
  EXPECT_EQ(node_.take(), "");
  node_.send("w");
  EXPECT_THAT(node_.take(), StartsWith("HTTP/1.1 204"));
}

TEST_F(Http, PagesOfAllowedOriginsMayUseWhatIsNotTheOperators) {
  options_.origins = {"http://good"};
  EXPECT_THAT(
      ask("OPTIONS /v1/kv/k", "Origin: http://good\r\n"),
      AllOf(StartsWith("HTTP/1.1 204"), HasSubstr("Access-Control-Allow-Origin: http://good\r\n"),
            HasSubstr("Access-Control-Allow-Methods: GET, HEAD, PUT, DELETE\r\n")));
  EXPECT_THAT(ask("PUT /v1/kv/k", "Origin: http://good\r\n", "v"),
              AllOf(StartsWith("HTTP/1.1 204"), HasSubstr("Access-Control-Allow-Origin")));
  EXPECT_THAT(ask("GET /v1/kv/k", "Origin: http://other\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), Not(HasSubstr("Access-Control"))));
  EXPECT_THAT(ask("GET /metrics", "Origin: http://good\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), Not(HasSubstr("Access-Control"))));
  EXPECT_THAT(ask("OPTIONS /v1/status", "Origin: http://good\r\n"), StartsWith("HTTP/1.1 403"));
}

TEST_F(Http, ANodeOfThisMachineAnswersToItsOwnNamesOnly) {
  const auto status = [this](const Bytes& host) {
    node_.send("GET /v1/kv/k HTTP/1.1\r\n" + host + "\r\n");
    return node_.take().substr(9, 3);
  };
  options_.origins = {"https://good.example:8443"};
  EXPECT_EQ(status("Host: evil.example\r\n"), "404");
  options_.loopback = true;
  options_.machines.push_back({NodeId(3), "node2.example", 9001});
  for (const auto* host : {"localhost", "localhost:9001", "kv.localhost:9001", "127.0.0.1:9001",
                           "[::1]:9001", "good.example", "good.example:9001", "LocalHost:9001",
                           "localhost.:9001", "Good.Example", "node2.example"}) {
    EXPECT_EQ(status("Host: " + Bytes(host) + "\r\n"), "404") << host;
  }
  EXPECT_EQ(status(""), "404");
  for (const auto* host : {"evil.example", "evil.example:9001", "localhost.evil.example",
                           "127.0.0.1.evil.example", "notlocalhost", "example"}) {
    EXPECT_EQ(status("Host: " + Bytes(host) + "\r\n"), "421") << host;
  }
}

TEST_F(Http, ResponsesHaveTheTime) {
  EXPECT_THAT(ask("GET /healthz"), Not(HasSubstr("Date:")));
  options_.date = [] { return ByteView("Sun, 06 Nov 1994 08:49:37 GMT"); };
  EXPECT_THAT(ask("GET /healthz"), HasSubstr("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
  EXPECT_THAT(ask("GET /nothing"), HasSubstr("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
}

TEST_F(Http, ARequestThatDoesNotComeWholeIsGivenUp) {
  EXPECT_EQ(node_.front().patience(), options_.idle_patience);
  node_.send("PUT /v1/kv/k HTTP/1.1\r\nCont");
  EXPECT_TRUE(node_.front().within_request());
  EXPECT_EQ(node_.front().patience(), options_.head_patience);
  node_.send("ent-Length: 2\r\n\r\n");
  EXPECT_EQ(node_.front().patience(), options_.body_patience);
  node_.front().expire();
  EXPECT_THAT(node_.take(), AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("Connection: close")));
  EXPECT_TRUE(node_.finished());
}

TEST_F(Http, ARequestsWordsOutliveTheReply) {
  const Bytes key(100, 'k');
  node_.send(request("GET /v1/kv/" + key) + request("GET /get?key=" + key) +
             request("PUT /v1/kv/" + key, "", Bytes(500, 'v')));
  EXPECT_EQ(node_.asked().size(), 3u);
}

TEST_F(Http, ACodingThatIsNotUnderstoodEndsTheConnection) {
  const Bytes next = request("PUT /v1/kv/smuggled");
  for (const auto* coding : {"gzip", "xchunked", "chunked, gzip", "gzip, chunked", "identity",
                             "gzip\r\nTransfer-Encoding: chunked"}) {
    TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                     [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
    other.send("PUT /v1/kv/k HTTP/1.1\r\nTransfer-Encoding: " + Bytes(coding) + "\r\n\r\n" + next);
    EXPECT_THAT(other.take(), StartsWith("HTTP/1.1 400 ")) << coding;
    EXPECT_TRUE(other.finished()) << coding;
  }
  EXPECT_TRUE(rows_.rows.empty());
}

TEST_F(Http, AChunkedBodysFramingIsBounded) {
  const Bytes head = "PUT /v1/kv/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto* begin : {"1;", "0\r\nX: ", "0;"}) {
    TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                     [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
    other.send(head + begin);
    for (int i = 0; i < 30 && !other.finished(); ++i) {
      other.send(Bytes(100, 'x'));
    }
    EXPECT_THAT(other.take(), StartsWith("HTTP/1.1 431 ")) << begin;
    EXPECT_TRUE(other.finished()) << begin;
  }
}

TEST_F(Http, WhatComesBehindTheBodyAsksNothing) {
  node_.send(
      "PUT /v1/kv/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nv\r\n0\r\n"
      "Kvorum-Level: one\r\nKvorum-Keyspace: fast\r\nIf-Match: *\r\n\r\n");
  EXPECT_THAT(node_.asked(), ElementsAre(ElementsAre("KV.RECEIPT", "SET", "k", "v")));
}

TEST_F(Http, DeepJsonIsRefused) {
  const auto nested = [](std::size_t depth) {
    return R"({"key":"k","value":)" + Bytes(depth, '[') + Bytes(depth, ']') + "}";
  };
  options_.limits.body_bytes = std::size_t{4} << 20;
  options_.value_bytes = std::size_t{4} << 20;
  TestClient other([this](Bytes& out) { return std::make_unique<HttpFront>(options_, out); },
                   [this](const Request& request, ReplyWriter& reply) { rows_(request, reply); });
  other.send(request("PUT /put", "", nested(60)));
  EXPECT_THAT(other.take(), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(rows_.rows.at("k"), Bytes(60, '[') + Bytes(60, ']'));
  other.send(request("PUT /put", "", nested(1'000'000)));
  EXPECT_THAT(other.take(), StartsWith("HTTP/1.1 400"));
}

TEST_F(Http, ResponsesThatWaitAreBounded) {
  node_.hold();
  Bytes many = request("GET /v1/kv/k");
  for (int i = 0; i < 5000; ++i) {
    many += request("GET /nothing");
  }
  node_.send(many);
  EXPECT_TRUE(node_.front().within_request());  // some of them are left where they are
  node_.release();
  EXPECT_FALSE(node_.front().within_request());
  const auto all = node_.take();
  std::size_t count = 0;
  for (auto at = all.find("HTTP/1.1 404"); at != Bytes::npos;
       at = all.find("HTTP/1.1 404", at + 1)) {
    ++count;
  }
  EXPECT_EQ(count, 5001u);
}

TEST_F(Http, AKeyspaceThatWasDroppedIsChosenAgain) {
  ask("PUT /v1/kv/k?keyspace=fast", "", "1");
  rows_.failure = Error{ErrorCode::kNoKeyspace, {}};
  EXPECT_THAT(ask("PUT /v1/kv/k?keyspace=fast", "", "2"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(ask("PUT /v1/kv/k?keyspace=fast", "", "3"), StartsWith("HTTP/1.1 204"));
  EXPECT_THAT(node_.asked(),
              ElementsAre(ElementsAre("SELECT", "fast"), ElementsAre("KV.RECEIPT", "SET", "k", "1"),
                          ElementsAre("KV.RECEIPT", "SET", "k", "2"), ElementsAre("SELECT", "fast"),
                          ElementsAre("KV.RECEIPT", "SET", "k", "3")));
}

TEST_F(Http, APrefixReadTakesNothingFromTheSessionsPosition) {
  rows_.rows["k"] = "v";
  const auto token = [](std::uint32_t partition, std::uint64_t index) {
    return "Kvorum-Session: " +
           to_string(SessionToken{ClusterId(), PartitionId(partition), Index(index)}) + "\r\n";
  };
  rows_.met = "prefix";
  EXPECT_THAT(ask("GET /v1/kv/k?level=prefix", token(1, 12)), HasSubstr(token(1, 12)));
  EXPECT_THAT(ask("GET /v1/kv/k?level=prefix", token(2, 3)), HasSubstr(token(2, 3)));
  EXPECT_THAT(ask("GET /v1/kv/k?level=prefix", token(1, 8)), HasSubstr(token(1, 9)));
  EXPECT_THAT(ask("GET /v1/kv/k?level=prefix"), HasSubstr(token(1, 9)));
  rows_.met = "sequential";
  EXPECT_THAT(ask("GET /v1/kv/k", token(2, 3)), HasSubstr(token(1, 9)));
}

TEST_F(Http, WhatOneListHoldsIsBounded) {
  options_.list_bytes = 2000;
  for (int i = 0; i < 10; ++i) {
    rows_.rows["k:" + std::to_string(i)] = Bytes(1000, 'x');
  }
  for (const auto* all : {"GET /v1/kv?prefix=k", "GET /get-prefix?key=k"}) {
    EXPECT_THAT(ask(all), AllOf(StartsWith("HTTP/1.1 400"), HasSubstr("bytes"))) << all;
  }
  EXPECT_THAT(ask("GET /v1/kv?prefix=k&limit=1"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /v1/kv?prefix=k&values=false"), StartsWith("HTTP/1.1 200"));
  // Keys that are looked at and left out are not held.
  for (int i = 0; i < 5000; ++i) {
    rows_.rows["other" + std::to_string(i)] = "v";
  }
  rows_.rows["other"] = "v";
  options_.list_bytes = 30'000;
  EXPECT_EQ(body(ask("GET /get-prefix?key=other")), "{\"other\":\"v\"}\n");
}

TEST_F(Http, AnEmptyLevelIsNoLevel) {
  EXPECT_THAT(ask("PUT /v1/kv/k?level=", "", "v"), StartsWith("HTTP/1.1 400"));
  EXPECT_TRUE(rows_.rows.empty());
}

TEST_F(Http, ManyValuesHaveNoVersion) {
  rows_.rows["k"] = "both";
  rows_.siblings = true;
  EXPECT_THAT(ask("GET /v1/kv/k"), AllOf(StartsWith("HTTP/1.1 300"), Not(HasSubstr("ETag")),
                                         Not(HasSubstr("Kvorum-Version"))));
  EXPECT_THAT(ask("GET /v1/kv/k", "If-None-Match: \"77\"\r\n"), StartsWith("HTTP/1.1 300"));
}

TEST_F(Http, TheOlderWritesIgnoreNoConditionAndNoContext) {
  const Bytes pair = R"({"key":"k","value":"v"})";
  for (const auto* condition : {"If-Match: 1\r\n", "If-None-Match: *\r\n"}) {
    EXPECT_THAT(ask("PUT /put", condition, pair), StartsWith("HTTP/1.1 400")) << condition;
    EXPECT_THAT(ask("DELETE /delete", condition, pair), StartsWith("HTTP/1.1 400")) << condition;
  }
  EXPECT_TRUE(node_.asked().empty());
  ask("PUT /put?level=one", "Kvorum-Context: ctx\r\n", pair);
  EXPECT_THAT(node_.asked(),
              ElementsAre(ElementsAre("KV.AT", "one", "KV.CONTEXT", "ctx", "SET", "k", "v")));
}

TEST_F(Http, AWordIsToldBehindTheResponseBeforeIt) {
  node_.hold();
  node_.send(request("GET /v1/kv/k") +
             "PUT /v1/kv/k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(node_.take(), "");
  node_.release();
  EXPECT_THAT(node_.take(), AllOf(StartsWith("HTTP/1.1 404"), EndsWith("100 Continue\r\n\r\n")));
  node_.send("v");
  EXPECT_THAT(node_.take(), StartsWith("HTTP/1.1 204"));
  node_.send("PUT /v1/kv/k HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(node_.take(), "");  // HTTP/1.0 has no such word
}

TEST_F(Http, AWriteWithoutAReceiptIsUnknown) {
  rows_.receipts = false;
  EXPECT_THAT(ask("PUT /v1/kv/k", "", "v"),
              AllOf(StartsWith("HTTP/1.1 500"), HasSubstr("\"definite\":false")));
}

TEST(HttpText, Utf8AndBase64) {
  for (const auto* good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const auto* bad : {"\x80", "\xc0\xaf", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
                          "\xe0\x80\x80", "\xf0\x80\x80\x80", "a\xc3z"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace kvorum::front
