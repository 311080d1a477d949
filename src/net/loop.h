// The event loop of one node: input is taken as it comes, its effects leave together once per turn.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "base/time.h"
#include "net/socket.h"

namespace kvorum::net {

class Loop {
 public:
  asio::io_context& io() { return io_; }
  Executor executor() { return io_.get_executor(); }

  void on_turn(std::function<void()> turn) { turn_ = std::move(turn); }

  // Something was fed to the node: one turn follows, behind every handler that is ready by now, so
  // that all input that is there goes into the same batch.
  void schedule_turn() {
    if (!scheduled_) {
      scheduled_ = true;
      asio::post(io_, [this] {
        scheduled_ = false;
        turn_();
      });
    }
  }

  static Now now() {
    const auto wall = std::chrono::system_clock::now().time_since_epoch() + skew_.load();
    return {Instant(std::chrono::steady_clock::now().time_since_epoch()),
            WallMs(std::chrono::duration_cast<std::chrono::milliseconds>(wall).count())};
  }
  // The process's wall clock is so much ahead from now on (KV.FAULT clock).
  static void skew(Duration ahead) { skew_ = ahead; }

 private:
  static constexpr int kOneThread = 1;
  static inline std::atomic<Duration> skew_ = Duration();

  asio::io_context io_{kOneThread};
  std::function<void()> turn_;
  bool scheduled_ = false;
};

}  // namespace kvorum::net
