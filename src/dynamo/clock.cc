// Counters and stamps: a hybrid logical clock (Kulkarni et al., OPODIS 2014), and bounds on disk
// below which both are issued.
#include <algorithm>

#include "dynamo/impl.h"

namespace kvorum::dynamo {

// Not before the wall clock has passed what an earlier life may have issued, either: stamps ahead
// of it would shadow other nodes' later writes.
bool Core::Impl::can_stamp() const {
  const HybridTime next = next_stamp({});
  return counter_ + 1 < durable_.counter && next < durable_.stamp && now_.wall >= floor_.wall() &&
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

// The next bounds, when half of what the last ones allow is used up. Before an orderly stop they
// are taken back to what was issued, so that the next life need not wait, and stay there. Before
// the earlier lives' stamps have passed none is issued, and no bound raised: else each of several
// quick restarts would make the next one wait longer.
std::optional<Bounds> Core::Impl::raise_bounds() {
  if (flushed_ && !flushing_) {
    return std::nullopt;
  }
  if (flushing_) {
    asked_for_ = durable_ = {counter_ + 1, HybridTime{clock_.packed + 1}};
    return asked_for_;
  }
  const auto clock = std::max(clock_.wall(), now_.wall);
  const bool counters = asked_for_.counter < counter_ + kCounterAhead / 2;
  // A node at rest asks for nothing.
  const bool passed = now_.wall >= floor_.wall();
  const bool stamps = passed && (stamped_ || !waiting_.empty()) &&
                      asked_for_.stamp.wall() - clock < kStampAheadMs / 2;
  if (!counters && !stamps) {
    return std::nullopt;
  }
  stamped_ = false;
  asked_for_.counter = std::max(asked_for_.counter, counter_ + kCounterAhead);
  if (passed) {
    asked_for_.stamp = std::max(asked_for_.stamp, HybridTime::at(clock + kStampAheadMs));
  }
  return asked_for_;
}

}  // namespace kvorum::dynamo
