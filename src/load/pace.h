// When requests are due. Pure: it is told the time.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/time.h"

namespace kvorum::load {

struct PaceOptions {
  Instant begin;
  Instant end = Instant::max();  // nothing is due then or later
  Duration grace = {};  // an open loop may still send so long after the end what was due before
  std::uint64_t requests = std::numeric_limits<std::uint64_t>::max();
  // Requests a second, each due at its time whatever became of those before it (an open loop). 0: a
  // request is due whenever there is room for it (a closed one).
  double rate = 0;
  Duration lead = {};  // of the first due time behind `begin`: threads take turns
};

class Pace {
 public:
  explicit Pace(const PaceOptions& options) : options_(options) {}

  // Takes the next request if it is due by now, and tells since when. What is measured from then
  // includes the time that a request waited because others were slow: leaving that out is what Gil
  // Tene calls coordinated omission.
  std::optional<Instant> take(Instant now) {
    if (taken_ >= options_.requests || is_over(now)) {
      return std::nullopt;
    }
    const auto due = options_.rate > 0 ? due_of(taken_) : now;
    if (due > now || due >= options_.end) {
      return std::nullopt;
    }
    ++taken_;
    return due;
  }

  // Nothing will be due any more.
  bool finished(Instant now) const {
    return taken_ >= options_.requests || is_over(now) ||
           (options_.rate > 0 && due_of(taken_) >= options_.end);
  }
  // When the next one of an open loop is due, perhaps long ago.
  Instant next_due() const { return due_of(taken_); }
  bool open_loop() const { return options_.rate > 0; }
  // How many of an open loop were due before its end, or by now, and were never taken.
  std::uint64_t left_over(Instant now) const;

 private:
  bool is_over(Instant now) const {
    return now >= options_.end && (!open_loop() || now - options_.end >= options_.grace);
  }
  Instant due_of(std::uint64_t number) const {
    const auto ns = static_cast<double>(number) * 1e9 / options_.rate;
    return options_.begin + options_.lead + Duration(static_cast<Duration::rep>(ns));
  }

  PaceOptions options_;
  std::uint64_t taken_ = 0;
};

}  // namespace kvorum::load
