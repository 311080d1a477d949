// The unread bytes of a stream. Bytes are borrowed where they were received, and copied only when a
// message is cut in two.
#pragma once

#include <cstddef>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"

namespace kvorum::wire {

class StreamBuffer {
 public:
  static constexpr std::size_t kKeptCapacity = 4096;  // an idle connection holds no more than this

  StreamBuffer() = default;
  StreamBuffer(const StreamBuffer&) = delete;
  StreamBuffer& operator=(const StreamBuffer&) = delete;

  // Appends bytes, borrowed until keep(). What came before was consumed or kept.
  void feed(ByteView bytes) {
    CHECK(!borrowed_);
    if (rest_.empty()) {
      release();
      rest_ = bytes;
      borrowed_ = true;
      return;
    }
    own_.erase(0, own_.size() - rest_.size());
    own_.append(bytes);
    rest_ = own_;
  }

  // Ends the borrowing: copies what is left of it.
  void keep() {
    if (borrowed_) {
      own_.assign(rest_);
      rest_ = own_;
      borrowed_ = false;
    }
    if (rest_.empty()) {
      release();
    }
  }

  // Forgets everything; a new stream begins.
  void clear() {
    borrowed_ = false;
    release();
  }

  ByteView rest() const { return rest_; }
  void consume(std::size_t count) { rest_.remove_prefix(count); }

 private:
  void release() {
    rest_ = {};
    if (own_.capacity() > kKeptCapacity) {
      Bytes().swap(own_);
    } else {
      own_.clear();
    }
  }

  Bytes own_;
  ByteView rest_;  // a suffix of own_, or of the borrowed bytes
  bool borrowed_ = false;
};

}  // namespace kvorum::wire
