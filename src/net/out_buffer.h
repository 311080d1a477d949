// Bytes on their way out of a socket.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace kvorum::net {

class OutBuffer {
 public:
  enum class Sent : std::uint8_t { kAll, kSome, kBroken };

  // `kept`: capacity that is kept while nothing waits.
  explicit OutBuffer(std::size_t kept) : kept_(kept) {}

  Bytes& bytes() { return bytes_; }  // append only
  std::size_t unsent() const { return bytes_.size() - sent_; }

  // Sends what the socket takes at once.
  Sent send(int socket) {
    if (unsent() > 0) {
      const auto count =
          ::send(socket, bytes_.data() + sent_, unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno != EAGAIN && errno != EINTR) {
        return Sent::kBroken;
      }
      sent_ += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    if (unsent() > 0) {
      drop_sent();
      return Sent::kSome;
    }
    clear();
    return Sent::kAll;
  }

  void clear() {
    sent_ = 0;
    if (bytes_.capacity() > kept_) {
      Bytes().swap(bytes_);
    } else {
      bytes_.clear();
    }
  }

 private:
  // Moving what is left costs less than what was sent before, so the sum stays linear.
  void drop_sent() {
    if (sent_ > bytes_.size() / 2) {
      bytes_.erase(0, sent_);
      sent_ = 0;
    }
  }

  std::size_t kept_;
  std::size_t sent_ = 0;
  Bytes bytes_;
};

}  // namespace kvorum::net
