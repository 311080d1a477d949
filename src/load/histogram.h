// How often each time was taken, within 0.1 %, as in Gil Tene's HdrHistogram: linear below 2048 ns,
// then 1024 equal steps to each doubling.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvorum::load {

// Times in nanoseconds. Those of over an hour count as the longest that is kept, but max() and
// mean() are exact.
class Histogram {
 public:
  Histogram() : counts_(kCounts) {}

  void record(std::uint64_t ns) {
    ++counts_[index_of(ns < kLongest ? ns : kLongest)];
    ++count_;
    sum_ += ns;
    min_ = ns < min_ ? ns : min_;
    max_ = ns > max_ ? ns : max_;
  }
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  // All of these are 0 of an empty one.
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }
  std::uint64_t max() const { return max_; }
  double mean() const;
  // A time that so many of a hundred do not exceed; 0 < percent <= 100. At most 0.1 % above the
  // least such time.
  std::uint64_t percentile(double percent) const;

 private:
  static constexpr int kLinearBits =
      11;  // 2048 steps, of which each doubling reuses the upper half
  static constexpr std::size_t kLinear = std::size_t{1} << kLinearBits;
  static constexpr int kBits = 42;  // of the longest: 73 minutes
  static constexpr std::uint64_t kLongest = (std::uint64_t{1} << kBits) - 1;
  static constexpr std::size_t kCounts = kLinear + (kBits - kLinearBits) * (kLinear / 2);

  static std::size_t index_of(std::uint64_t ns) {
    if (ns < kLinear) {
      return ns;
    }
    const auto doublings = std::bit_width(ns) - kLinearBits;
    return (static_cast<std::size_t>(doublings) * (kLinear / 2)) + (ns >> doublings);
  }
  static std::uint64_t highest_of(std::size_t index);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
};

}  // namespace kvorum::load
