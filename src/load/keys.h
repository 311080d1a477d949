// Which keys a load asks for: numbers, drawn from a seed.
#pragma once

#include <cstdint>

#include "base/prng.h"

namespace kvorum::load {

inline constexpr std::uint64_t kMostKeys = 1'000'000'000;

enum class Distribution : std::uint8_t { kUniform, kZipfian };

// Ranks, 0 the most wanted, the r-th of them with a chance of about 1 / (r + 1)^theta. From Gray et
// al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, section 3.2, as YCSB
// has it: exact for the first two ranks, a smooth curve behind them.
class Zipfian {
 public:
  static constexpr double kTheta = 0.99;  // YCSB's

  // 1 to kMostKeys items; takes time in proportion to them.
  explicit Zipfian(std::uint64_t items, double theta = kTheta);

  std::uint64_t next(Prng& prng) const;
  // Of rank 0. That of rank r is this one by (r + 1)^theta.
  double chance_of_first() const { return 1 / zeta_; }

 private:
  double items_;
  double zeta_;       // sum of 1 / (r + 1)^theta
  double first_two_;  // of that sum
  double alpha_;      // 1 / (1 - theta)
  double eta_ = 0;
};

// Keys from 0 on, below `count`. Zipfian ranks are scattered, so that wanted keys are no
// neighbours; no two ranks fall on the same key.
class Keys {
 public:
  // 1 to kMostKeys.
  Keys(Distribution distribution, std::uint64_t count);

  std::uint64_t next(Prng& prng) const {
    return distribution_ == Distribution::kUniform ? prng.below(count_)
                                                   : key_of(zipfian_.next(prng));
  }
  std::uint64_t key_of(std::uint64_t rank) const { return rank * step_ % count_; }

 private:
  Distribution distribution_;
  std::uint64_t count_;
  std::uint64_t step_ = 1;  // prime to the count
  Zipfian zipfian_;
};

}  // namespace kvorum::load
