// Ports for other protocols: a front of the test's own, one letter a request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "net/test_node.h"

namespace kvorum::net {
namespace {

using testing::StartsWith;

// e: ECHO x, answered "x". t: two ECHOs, the second one when the first is answered. h: answered
// here. q: the end. (: waits for ). Nothing may take longer than 50 ms.
class Letters final : public front::Front {
 public:
  explicit Letters(Bytes& out) : out_(out), replies_(*this) {}

  void feed(ByteView bytes) override { text_.append(bytes); }
  void keep() override {}
  Status next() override {
    if (second_ == Second::kAsked) {
      return Status::kWaits;
    }
    if (second_ == Second::kDue) {
      second_ = Second::kAsked;
      return echo("two");
    }
    if (text_.empty() || text_[0] == '(') {
      return text_.find(')') == Bytes::npos ? Status::kNeedMore : answer("()", text_.size());
    }
    switch (text_[0]) {
      case 'e':
        text_.erase(0, 1);
        return echo("x");
      case 't':
        text_.erase(0, 1);
        second_ = Second::kAsked;
        first_ = true;
        return echo("one");
      case 'q':
        ended_ = true;
        return answer("bye", 1);
      default:
        return answer("here", 1);
    }
  }
  std::span<const ByteView> args() const override { return args_; }
  const Error& error() const override { return error_; }
  ReplyWriter& writer() override { return replies_; }
  std::uint64_t replies() const override { return count_; }
  bool finished() const override { return ended_; }
  bool within_request() const override { return !text_.empty(); }
  Duration patience() const override { return 50ms; }
  void expire() override { out_ += text_.empty() ? "idle" : "late"; }

 private:
  enum class Second : std::uint8_t { kNone, kDue, kAsked };
  class Replies final : public ReplyWriter {
   public:
    explicit Replies(Letters& letters) : letters_(letters) {}
    void bulk(ByteView text) override { letters_.take(text); }
    void status(ByteView) override {}
    void integer(std::int64_t) override {}
    void nil() override {}
    void error(const Error&) override {}
    void array(std::size_t) override {}
    void map(std::size_t) override {}

   private:
    Letters& letters_;
  };

  Status echo(ByteView word) {
    args_ = {"ECHO", word};
    return Status::kRequest;
  }
  Status answer(ByteView word, std::size_t used) {
    text_.erase(0, used);
    out_ += word;
    return Status::kAnswered;
  }
  void take(ByteView text) {
    out_ += text;
    ++count_;
    if (second_ == Second::kAsked) {
      second_ = std::exchange(first_, false) ? Second::kDue : Second::kNone;
    }
  }

  Bytes& out_;
  Replies replies_;
  Bytes text_;
  std::vector<ByteView> args_;
  Error error_;
  std::uint64_t count_ = 0;
  Second second_ = Second::kNone;
  bool first_ = false;
  bool ended_ = false;
};

ServerOptions with_letters() {
  auto options = test_options();
  options.fronts.push_back({{}, [](Bytes& out) { return std::make_unique<Letters>(out); }, "full"});
  return options;
}

TEST(Fronts, EachPortSpeaksItsProtocolToTheSameNode) {
  TestServer server(with_letters());
  server.start();
  TestClient redis(server.client_port());
  TestClient letters(server.server().front_port(0));
  EXPECT_EQ(redis.text({"PING"}), "PONG");
  letters.send("eq");
  EXPECT_EQ(letters.read_to_end(), "byex");  // what is answered here does not wait in this front
  EXPECT_EQ(redis.text({"CONNECTIONS"}), "1");
}

TEST(Fronts, ARequestMayAskTheNodeInSteps) {
  TestServer server(with_letters());
  server.start();
  TestClient letters(server.server().front_port(0));
  letters.send("tteq");
  EXPECT_THAT(letters.read_to_end(), StartsWith("onetwoonetwo"));
}

TEST(Fronts, WhatIsAnsweredHereNeedsNoNode) {
  TestServer server(with_letters());
  server.start();
  TestClient letters(server.server().front_port(0));
  letters.send("hhq");
  EXPECT_EQ(letters.read_to_end(),
            "herehere"
            "bye");
}

TEST(Fronts, WhoTakesTooLongIsTold) {
  TestServer server(with_letters());
  server.start();
  TestClient silent(server.server().front_port(0));
  TestClient slow(server.server().front_port(0));
  slow.send("(");
  TestClient patient(server.client_port());
  EXPECT_EQ(silent.read_to_end(), "idle");
  EXPECT_EQ(slow.read_to_end(), "late");
  EXPECT_EQ(patient.text({"PING"}), "PONG");
}

TEST(Fronts, TheBoundOnClientsIsForAllPorts) {
  auto options = with_letters();
  options.max_clients = 1;
  TestServer server(options);
  server.start();
  TestClient redis(server.client_port());
  EXPECT_EQ(redis.text({"PING"}), "PONG");
  TestClient letters(server.server().front_port(0));
  EXPECT_EQ(letters.read_to_end(), "full");
}

}  // namespace
}  // namespace kvorum::net
