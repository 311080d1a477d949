// Counters and stamps: a hybrid logical clock (Kulkarni et al., OPODIS 2014), and bounds on disk
// below which both are issued.
#include <algorithm>

#include "dynamo/impl.h"

namespace kvorum::dynamo {

bool Core::Impl::can_stamp() const {
  const HybridTime next = next_stamp({});
  return counter_ + 1 < durable_.counter && next < durable_.stamp &&
         next.wall() - now_.wall <= options_.max_clock_skew_ms;
}

// Whether most of those whom we have met say that we are ahead of them. Being behind does no harm
// to others: our stamps follow theirs.
bool Core::Impl::clock_is_off() const {
  std::size_t up = 0;
  std::size_t ahead = 0;
  for (const auto& [id, peer] : peers_) {
    if (peer.up) {
      ++up;
      ahead += peer.ahead_ms > options_.max_clock_skew_ms ? 1 : 0;
    }
  }
  return 2 * ahead > up;
}

HybridTime Core::Impl::next_stamp(const Row& row) const {
  HybridTime next = std::max(HybridTime{clock_.packed + 1}, HybridTime::at(now_.wall));
  for (const Sibling& sibling : row.siblings) {
    next = std::max(next, HybridTime{sibling.stamp.packed + 1});
  }
  return next;
}

// One stamp from the far future must not drag all of ours along: it stays its key's own trouble,
// whose writes are refused until our clock is there.
void Core::Impl::note_stamp(HybridTime stamp) {
  if (stamp.wall() - now_.wall <= options_.max_clock_skew_ms) {
    clock_ = std::max(clock_, stamp);
  }
}

// The next bounds, when half of what the last ones allow is used up. Relative to the wall clock,
// not to the last stamp: else each of many quick restarts would push the stamps further ahead.
std::optional<Bounds> Core::Impl::raise_bounds() {
  const bool counters = asked_for_.counter < counter_ + kCounterAhead / 2;
  // A node at rest asks for nothing.
  const auto ahead = options_.max_clock_skew_ms + kStampAheadMs;
  const bool stamps = (stamped_ || !waiting_.empty()) &&
                      asked_for_.stamp.wall() - now_.wall < ahead - kStampAheadMs / 2;
  if (!counters && !stamps) {
    return std::nullopt;
  }
  stamped_ = false;
  asked_for_.counter = std::max(asked_for_.counter, counter_ + kCounterAhead);
  asked_for_.stamp = std::max(asked_for_.stamp, HybridTime::at(now_.wall + ahead));
  return asked_for_;
}

}  // namespace kvorum::dynamo
