// Lets one log line through per interval, and counts the others.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"

namespace kvorum::net {

class LogLimit {
 public:
  // Whether a line may be written now.
  bool allow(Instant now) {
    if (now < next_) {
      ++skipped_;
      return false;
    }
    next_ = now + kInterval;
    return true;
  }

  // " (and 7 more like it)" for the line that allow() let through.
  std::string more() {
    const auto count = skipped_;
    skipped_ = 0;
    return count == 0 ? "" : " (and " + std::to_string(count) + " more like it)";
  }

 private:
  static constexpr Duration kInterval = 5s;

  Instant next_;
  std::uint64_t skipped_ = 0;
};

}  // namespace kvorum::net
