// A node's two clocks, as functions of the simulation's true time: a monotonic one that runs a
// little fast or slow, and a wall clock that is also off and can jump.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace kvorum::sim {

class Clock {
 public:
  // Wall clocks read about this at the start of a run.
  static constexpr std::int64_t kEpochMs = 1'700'000'000'000;

  Clock() = default;
  Clock(std::int64_t drift_ppm, std::int64_t offset_ms)
      : rate_(kMillion + drift_ppm), offset_ms_(offset_ms) {}

  Now now(Instant true_time) const {
    const auto mono = scale(true_time.time_since_epoch().count(), rate_, kMillion);
    return {Instant(Duration(mono) + 1s), WallMs(kEpochMs + offset_ms_ + mono / 1'000'000)};
  }
  // The earliest true time at which the monotonic clock reads `local`.
  Instant true_time(Instant local) const {
    if (local == Instant::max()) {
      return local;
    }
    const auto mono = (local - Instant(1s)).count();
    return Instant(Duration(scale(mono, kMillion, rate_) + 1));
  }
  void jump(std::int64_t ms) { offset_ms_ += ms; }
  void set_offset(std::int64_t ms) { offset_ms_ = ms; }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  static std::int64_t scale(std::int64_t value, std::int64_t up, std::int64_t down) {
    return static_cast<std::int64_t>(static_cast<__int128>(value) * up / down);
  }

  std::int64_t rate_ = kMillion;
  std::int64_t offset_ms_ = 0;
};

}  // namespace kvorum::sim
