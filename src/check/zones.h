// The zone test of Gibbons & Korach (Testing shared memories, SIAM J. Comput. 1997), widened to
// cas, for the states that only one step can have made: such a state lasts without a break from
// the step that made it to the last that saw it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "check/key_problem.h"

namespace kvorum::check {

enum class ZoneAnswer : std::uint8_t { kOpen, kOk, kViolation };

enum class ZoneWhy : std::uint8_t {
  kNone,      // told in no few steps
  kTwice,     // both `a` and `b` took the state away, which came only once
  kTooEarly,  // `a` ended before `b` began, on which it depends
  kBetween,   // `a` before `b` puts one zone first, `c` before `d` the other: `d` is in the zone of
              // `a`, `c` in that of `b`. `a` is kNoStep for a key's first state
};

// Indices into the problem's steps.
struct ZoneConflict {
  static constexpr std::uint32_t kNoStep = 0xffffffff;
  ZoneWhy why = ZoneWhy::kNone;
  std::uint32_t a = kNoStep;
  std::uint32_t b = kNoStep;
  std::uint32_t c = kNoStep;
  std::uint32_t d = kNoStep;
};

struct ZoneResult {
  ZoneAnswer answer = ZoneAnswer::kOpen;
  ZoneConflict conflict;  // of a violation
};

// Decides the problem if it can; otherwise narrows the steps' intervals to what every legal order
// keeps to. O(n log n).
ZoneResult test_zones(KeyProblem& problem);

}  // namespace kvorum::check
