// A protocol of three bytes, for 26 variables of one digit:
//
//   p x 2   without the blanks: x becomes 2         A
//   g x     gives x; one that was never set is 0     2
//   d       writes all 26 to the server's log        A, once they are there
//
// x stands for any letter a..z, 2 for any digit. Blanks and line ends between commands are skipped.
// Answers come in order, with nothing between them. What is no answer of the protocol begins with
// an E and ends with a line end: errors of the node, "E CODE text", after which the connection goes
// on; and bytes that are no command, after which it ends, as nobody knows where the next one
// begins.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>

#include "front/front.h"
#include "front/scalar_replies.h"
#include "wire/stream_buffer.h"

namespace kvorum::front {

class ThreeByteFront final : public Front {
 public:
  // Writes a line to the server's log.
  using Log = std::function<void(ByteView line)>;

  ThreeByteFront(Log log, Bytes& out);

  void feed(ByteView bytes) override { buffer_.feed(bytes); }
  void keep() override { buffer_.keep(); }
  Status next() override;
  std::span<const ByteView> args() const override { return {args_.data(), arg_count_}; }
  const Error& error() const override { return no_error_; }
  ReplyWriter& writer() override { return replies_; }
  std::uint64_t replies() const override { return replies_.replies(); }
  bool finished() const override { return ending_ && owed_.empty(); }
  bool within_request() const override { return !buffer_.rest().empty(); }
  Duration patience() const override;
  void expire() override;

 private:
  static constexpr std::size_t kMaxArgs = 4;
  static constexpr std::size_t kVariables = 26;

  // What the client is owed, in order.
  struct Owed {
    enum class Kind : std::uint8_t { kPut, kGet, kDump, kEnd };
    Kind kind;
    char variable;
  };

  Status ask(Owed owed, std::initializer_list<ByteView> args);
  Status ask_next_variable();
  Status refuse(ByteView bytes);
  void on_reply(const ScalarReplies::Reply& reply);
  void on_dumped(char variable, char digit);
  void say(ByteView text);

  Log log_;
  Bytes& out_;
  wire::StreamBuffer buffer_;
  ScalarReplies replies_;
  Error no_error_;
  std::array<ByteView, kMaxArgs> args_;
  std::size_t arg_count_ = 0;
  std::size_t dump_next_ = 0;  // variable to ask for; 0: no dump, as its first one is asked at once
  Bytes dumped_;               // digits that came
  Bytes dump_error_;           // why the dump fails
  std::deque<Owed> owed_;      // one for each reply of the node, and kEnd
  Bytes last_words_;           // for kEnd
  bool ending_ = false;
};

}  // namespace kvorum::front
