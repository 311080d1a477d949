// One connection's requests in flight, without the connection: bytes out, bytes in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/time.h"
#include "load/plan.h"
#include "load/reply_scanner.h"
#include "load/tally.h"

namespace kvorum::load {

class Lane {
 public:
  // At most `pipeline` requests are in flight.
  Lane(Plan& plan, Tally& tally, std::size_t pipeline)
      : plan_(plan), tally_(tally), ring_(pipeline) {}

  bool has_room() const { return in_flight_ < ring_.size(); }
  std::size_t in_flight() const { return in_flight_; }

  // Appends the next request, due since then. Only where there is room.
  void send(Instant due, Bytes& out) {
    CHECK(has_room());
    auto at = first_ + in_flight_;
    at -= at >= ring_.size() ? ring_.size() : 0;
    ring_[at] = {due, plan_.next(out)};
    ++in_flight_;
  }

  // Replies, in the order of the requests. False: they are none, or nobody asked for them; the
  // connection is of no further use.
  bool take(ByteView bytes, Instant now);

  // Nothing of what is in flight will be answered; a new connection begins.
  void lose(const std::string& why);

 private:
  struct Request {
    Instant due;
    Kind kind = Kind::kRead;
  };

  Request pop() {
    const auto request = ring_[first_];
    first_ = first_ + 1 == ring_.size() ? 0 : first_ + 1;
    --in_flight_;
    return request;
  }

  Plan& plan_;
  Tally& tally_;
  ReplyScanner scanner_;
  std::vector<Request> ring_;
  std::size_t first_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace kvorum::load
