#include "quorum/quorum.h"

namespace kvorum::quorum {

Verdict verdict(std::size_t yes, std::size_t no, std::size_t n) {
  CHECK(yes + no <= n, "{} yes and {} no of {} voters", yes, no, n);
  if (yes >= majority(n)) {
    return Verdict::kWon;
  }
  // Lost once the votes that are still out could no longer make a majority.
  return n - no < majority(n) ? Verdict::kLost : Verdict::kPending;
}

Verdict both(Verdict a, Verdict b) {
  if (a == Verdict::kLost || b == Verdict::kLost) {
    return Verdict::kLost;
  }
  return a == Verdict::kWon && b == Verdict::kWon ? Verdict::kWon : Verdict::kPending;
}

}  // namespace kvorum::quorum
