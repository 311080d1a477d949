#include "raft/progress.h"

#include <algorithm>

namespace kvorum::raft {

const char* to_string(PeerState state) {
  switch (state) {
    case PeerState::kProbe:
      return "probe";
    case PeerState::kReplicate:
      return "replicate";
    case PeerState::kSnapshot:
      return "snapshot";
  }
  return "?";
}

void Inflight::sent(Index last, std::size_t bytes) {
  messages_.push_back({last, bytes});
  bytes_ += bytes;
}

void Inflight::acknowledged(Index through) {
  while (!messages_.empty() && messages_.front().last <= through) {
    bytes_ -= messages_.front().bytes;
    messages_.pop_front();
  }
}

void Inflight::clear() {
  messages_.clear();
  bytes_ = 0;
}

void Peer::probe_from(Index from) {
  CHECK_GT(from, match);
  state = PeerState::kProbe;
  next = from;
  inflight.clear();
  probe_sent = false;
  load_prev.reset();  // an answer that still comes fits only if it is what we need by then
  snapshot.reset();
  retry_at = Instant::max();
}

void Peer::replicate_after_match() {
  probe_from(match.next());
  state = PeerState::kReplicate;
}

bool Peer::may_send(const Options& options) const {
  switch (state) {
    case PeerState::kProbe:
      return !probe_sent && !load_prev;
    case PeerState::kReplicate:
      return !load_prev && !inflight.full(options);
    case PeerState::kSnapshot:
      return false;
  }
  return false;
}

void Peer::sent(Index last, std::size_t bytes) {
  if (state == PeerState::kProbe) {
    probe_sent = true;
    return;
  }
  CHECK_GE(last, next);
  next = last.next();
  inflight.sent(last, bytes);
}

}  // namespace kvorum::raft
