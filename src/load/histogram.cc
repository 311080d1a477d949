#include "load/histogram.h"

#include <algorithm>
#include <cmath>

namespace kvorum::load {

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kCounts; ++i) {
    counts_[i] += other.counts_[i];
  }
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::uint64_t Histogram::percentile(double percent) const {
  if (count_ == 0) {
    return 0;
  }
  const auto rank = std::clamp(std::ceil(percent / 100 * static_cast<double>(count_)), 1.0,
                               static_cast<double>(count_));
  std::uint64_t left = static_cast<std::uint64_t>(rank);
  for (std::size_t i = 0; i < kCounts; ++i) {
    if (counts_[i] >= left) {
      return std::clamp(highest_of(i), min_, max_);
    }
    left -= counts_[i];
  }
  return max_;
}

// The longest time that is counted there.
std::uint64_t Histogram::highest_of(std::size_t index) {
  if (index == kCounts - 1) {
    return ~std::uint64_t{0};  // whatever was too long
  }
  if (index < kLinear) {
    return index;
  }
  const auto doublings = (index - kLinear) / (kLinear / 2) + 1;
  const auto step = index - doublings * (kLinear / 2);
  return ((std::uint64_t{step} + 1) << doublings) - 1;
}

}  // namespace kvorum::load
