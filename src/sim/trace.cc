#include "sim/trace.h"

#include <fmt/format.h>

#include "base/checksum.h"

namespace kvorum::sim {
namespace {

std::string stamp(Instant at) {
  const auto ns = at.time_since_epoch().count();
  return fmt::format("{:>6}.{:06}", ns / 1'000'000, ns % 1'000'000);
}

}  // namespace

void Trace::write(Instant at, std::string_view what, std::uint64_t subject, std::uint64_t a,
                  std::uint64_t b, std::uint64_t c) const {
  sink_(fmt::format("{} {:>3} {:<10} {} {} {}", stamp(at), subject, what, a, b, c));
}

void Trace::text(Instant at, std::string_view what, std::uint64_t subject, std::string_view text) {
  mix(static_cast<std::uint64_t>(at.time_since_epoch().count()));
  mix(checksum(what));
  mix(subject);
  mix(checksum(text));
  if (sink_) {
    sink_(fmt::format("{} {:>3} {:<10} {}", stamp(at), subject, what, text));
  }
}

}  // namespace kvorum::sim
