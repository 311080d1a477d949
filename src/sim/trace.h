// What happened in a run, one line an event. Always hashed, so two runs can be compared; written
// out only when asked for, as a run can simply be repeated.
#pragma once

#include <bit>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace kvorum::sim {

class Trace {
 public:
  using Sink = std::function<void(const std::string& line)>;

  explicit Trace(Sink sink) : sink_(std::move(sink)) {}

  // `subject` is a node, a client or "-"; the numbers are what `what` says.
  void event(Instant at, std::string_view what, std::uint64_t subject, std::uint64_t a = 0,
             std::uint64_t b = 0, std::uint64_t c = 0) {
    for (const auto number :
         {static_cast<std::uint64_t>(at.time_since_epoch().count()),
          std::uint64_t{what.size()} << 8 | static_cast<unsigned char>(what.front()), subject, a, b,
          c}) {
      mix(number);
    }
    if (sink_) {
      write(at, what, subject, a, b, c);
    }
  }
  void text(Instant at, std::string_view what, std::uint64_t subject, std::string_view text);

  std::uint64_t hash() const { return hash_; }
  bool writes() const { return sink_ != nullptr; }

 private:
  void mix(std::uint64_t number) { hash_ = std::rotl((hash_ ^ number) * 0x9e3779b97f4a7c15, 29); }
  void write(Instant at, std::string_view what, std::uint64_t subject, std::uint64_t a,
             std::uint64_t b, std::uint64_t c) const;

  Sink sink_;
  std::uint64_t hash_ = 0;
};

}  // namespace kvorum::sim
