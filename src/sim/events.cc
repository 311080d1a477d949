#include "sim/events.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace kvorum::sim {

void EventQueue::at(Instant when, Run run) {
  CHECK(when >= now_, "an event in the past");
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(runs_.size());
    runs_.push_back(std::move(run));
  } else {
    slot = free_.back();
    free_.pop_back();
    runs_[slot] = std::move(run);
  }
  heap_.push_back({when, next_order_++, slot});
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

bool EventQueue::step() {
  if (heap_.empty()) {
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
  const auto entry = heap_.back();
  heap_.pop_back();
  now_ = entry.when;
  ++ran_;
  const auto run = std::exchange(runs_[entry.slot], nullptr);
  free_.push_back(entry.slot);
  run();
  return true;
}

Duration draw_exponential(Prng& prng, Duration mean) {
  // -log2(u), a straight line between powers of two: its mean is 3/2, which the 2/3 takes out.
  const auto u = prng.next() | 1;
  const auto halvings = std::min(std::countl_zero(u), 40);
  const auto fraction = static_cast<std::int64_t>(((u << halvings) << 1) >> 44);  // of 2^20
  const auto log2 = (static_cast<std::int64_t>(halvings + 1) << 20) - fraction;
  const auto ns = static_cast<__int128>(mean.count()) * log2 * 2 / 3 / (1 << 20);
  return Duration(static_cast<std::int64_t>(ns));
}

}  // namespace kvorum::sim
