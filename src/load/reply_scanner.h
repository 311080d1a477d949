// Replies in RESP2, counted and told apart, not read: no reply is held, built or copied, but for a
// line that is cut in two. wire::ReplyParser is for who wants to know what is in them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace kvorum::load {

class ReplyScanner {
 public:
  enum class What : std::uint8_t { kValue, kNil, kError };

  // Calls on_reply(What, ByteView text) for each reply that ends in these bytes; the text is an
  // error's, "CODE text", and borrowed during the call. False: these are no replies; of no further
  // use.
  template <class OnReply>
  bool feed(ByteView bytes, OnReply&& on_reply) {
    while (!bytes.empty() && !failed_) {
      if (skip_ > 0) {
        skip(bytes);
        if (skip_ > 0 || failed_ || !value()) {
          continue;
        }
        on_reply(What::kValue, ByteView());
      } else if (at_begin() && bytes.starts_with(kOk)) {
        bytes.remove_prefix(kOk.size());
        on_reply(What::kValue, ByteView());
      } else if (const auto line = next_line(bytes); !line.empty() && take(line)) {
        on_reply(what_, what_ == What::kError ? line.substr(1) : ByteView());
      }
    }
    return !failed_;
  }

 private:
  static constexpr ByteView kOk = "+OK\r\n";

  bool at_begin() const { return left_ == 0 && cut_line_.empty(); }
  // The next line without its end; empty: it has none yet, or nobody could read it.
  ByteView next_line(ByteView& bytes);
  // True: a reply ends with this line.
  bool take(ByteView line);
  // A value is complete. True: it is the whole reply, or its last part.
  bool value() { return left_ == 0 || --left_ == 0; }
  void skip(ByteView& bytes) {
    const auto count = std::min<std::uint64_t>(skip_, bytes.size());
    skip_ -= count;
    failed_ = skip_ == 0 && bytes[count - 1] != '\n';
    bytes.remove_prefix(count);
  }

  Bytes cut_line_;  // the begin of a line, or a whole one that is in use
  bool line_in_use_ = false;
  std::uint64_t skip_ = 0;  // bytes of a bulk string that are still to come, with its line end
  std::uint64_t left_ = 0;  // values of an array that are still to come, those of inner ones too
  What what_ = What::kValue;
  bool failed_ = false;
};

}  // namespace kvorum::load
