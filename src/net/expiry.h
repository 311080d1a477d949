// Things that share one time-out, in the order in which it ends.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "net/loop.h"

namespace kvorum::net {

template <class Thing>
class Expiry {
 public:
  using Callback = std::function<void(Thing&)>;

  Expiry(Loop& loop, Duration timeout, Callback expired)
      : timer_(loop.io()), timeout_(timeout), expired_(std::move(expired)) {}

  std::size_t size() const { return waiting_.size(); }

  void add(std::shared_ptr<Thing> thing) {
    waiting_.emplace_back(Loop::now().mono + timeout_, std::move(thing));
    if (waiting_.size() == 1) {
      arm();
    }
  }

  // Does not wait for the first one's end.
  void expire_first() {
    const auto thing = std::move(waiting_.front().second);
    waiting_.pop_front();
    expired_(*thing);
  }

 private:
  void arm() {
    timer_.expires_after(waiting_.front().first - Loop::now().mono);
    timer_.async_wait([this](const ErrorOf& cancelled) {
      if (cancelled) {
        return;
      }
      const auto now = Loop::now().mono;
      while (!waiting_.empty() && waiting_.front().first <= now) {
        expire_first();
      }
      if (!waiting_.empty()) {
        arm();
      }
    });
  }

  Timer timer_;
  Duration timeout_;
  Callback expired_;
  std::deque<std::pair<Instant, std::shared_ptr<Thing>>> waiting_;
};

}  // namespace kvorum::net
