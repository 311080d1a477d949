// Time as data. Nothing in base, model or the cores reads a clock: `Now` is handed in.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/ids.h"

namespace kvorum {

using Duration = std::chrono::nanoseconds;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

// Tag of the monotonic time line; deliberately without now().
struct MonotonicLine {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<MonotonicLine>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicLine::time_point;  // for timers; Instant::max() = never

using WallMs = StrongId<struct WallMsTag, std::int64_t>;  // ms since the Unix epoch; log time

constexpr WallMs operator+(WallMs t, std::int64_t ms) { return WallMs(t.value() + ms); }
constexpr std::int64_t operator-(WallMs a, WallMs b) { return a.value() - b.value(); }

struct Now {
  Instant mono;
  WallMs wall;
};

}  // namespace kvorum
