#include "load/keys.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace kvorum::load {
namespace {

constexpr double kGoldenRatio = 0.6180339887498949;

double zeta(std::uint64_t items, double theta) {
  double sum = 0;
  for (std::uint64_t i = items; i > 0; --i) {  // the small ones first: they would be lost
    sum += std::pow(static_cast<double>(i), -theta);
  }
  return sum;
}

// Uniform in [0, 1), of 53 random bits.
double fraction(Prng& prng) { return static_cast<double>(prng.next() >> 11) * 0x1p-53; }

}  // namespace

Zipfian::Zipfian(std::uint64_t items, double theta)
    : items_(static_cast<double>(items)),
      zeta_(zeta(items, theta)),
      first_two_(1 + std::pow(0.5, theta)),
      alpha_(1 / (1 - theta)) {
  CHECK(items > 0 && items <= kMostKeys && theta > 0 && theta < 1);
  if (items > 2) {
    eta_ = (1 - std::pow(2 / items_, 1 - theta)) / (1 - first_two_ / zeta_);
  }
}

std::uint64_t Zipfian::next(Prng& prng) const {
  const double u = fraction(prng);
  const double part = u * zeta_;
  if (part < 1 || items_ < 2) {
    return 0;
  }
  if (part < first_two_ || items_ < 3) {
    return 1;
  }
  const auto rank = std::floor(items_ * std::pow(eta_ * u - eta_ + 1, alpha_));
  return static_cast<std::uint64_t>(std::clamp(rank, 0.0, items_ - 1));
}

Keys::Keys(Distribution distribution, std::uint64_t count)
    : distribution_(distribution),
      count_(count),
      zipfian_(distribution == Distribution::kZipfian ? count : 1) {
  CHECK(count > 0 && count <= kMostKeys);
  step_ = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(static_cast<double>(count) * kGoldenRatio));
  while (std::gcd(step_, count_) != 1) {
    ++step_;
  }
}

}  // namespace kvorum::load
