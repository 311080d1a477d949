#include "load/pace.h"

#include <algorithm>

namespace kvorum::load {

std::uint64_t Pace::left_over(Instant now) const {
  const auto until = std::min(now, options_.end);
  const auto first = options_.begin + options_.lead;
  if (!open_loop() || until <= first) {
    return 0;
  }
  auto due = static_cast<std::uint64_t>(static_cast<double>((until - first).count()) / 1e9 *
                                        options_.rate);
  // Rounding may have gone either way; due_of() decides.
  due += due_of(due) < until ? 1 : 0;
  due = std::min(due, options_.requests);
  return due > taken_ ? due - taken_ : 0;
}

}  // namespace kvorum::load
