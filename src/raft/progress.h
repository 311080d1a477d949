// What a leader knows of one other member, and how it feeds it (Raft paper, 5.3; thesis, 10.2.1 on
// pipelining).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "raft/raft.h"

namespace kvorum::raft {

//              ack                          entries it needs are compacted
//   probe ------------> replicate        probe, replicate ------------> snapshot
//     ^                     |                 ^                            |
//     +---------------------+                 +----------------------------+
//      reject, or no ack in time               last chunk acknowledged (to replicate)
enum class PeerState : std::uint8_t {
  kProbe,      // one message at a time, until it is known where the logs agree
  kReplicate,  // optimistic: `next` runs ahead of the acks, bounded by Inflight
  kSnapshot,   // chunks, one outstanding
};
const char* to_string(PeerState state);

// Entries sent and not acknowledged, per message: flow control.
class Inflight {
 public:
  void sent(Index last, std::size_t bytes);
  void acknowledged(Index through);
  void clear();
  bool empty() const { return messages_.empty(); }
  bool full(const Options& options) const {
    return messages_.size() >= options.inflight_messages || bytes_ >= options.inflight_bytes;
  }

 private:
  struct Sent {
    Index last;
    std::size_t bytes;
  };
  std::deque<Sent> messages_;
  std::size_t bytes_ = 0;
};

// A snapshot on its way to a follower. The outstanding chunk is kept, so that it can be sent again.
struct SnapshotSend {
  std::uint64_t stream =
      0;                    // its number, in Message::tag: replies to an earlier stream don't count
  std::uint64_t chunk = 0;  // being read, or outstanding
  bool reading = false;     // asked of the host
  std::optional<SnapshotMeta> meta;  // known from chunk 0 on
  std::optional<Message> outstanding;
};

struct Peer {
  explicit Peer(NodeId id, Index next_index, Instant now)
      : node(id), next(next_index), last_heard(now) {}

  // Goes on one message at a time from `from`.
  void probe_from(Index from);
  // The logs agree through `match`: goes on optimistically from there.
  void replicate_after_match();
  // Whether another kAppend may go out now.
  bool may_send(const Options& options) const;
  void sent(Index last, std::size_t bytes);
  // Something is out for which the other side owes an answer, or has to be asked of the host again.
  bool waits() const { return !inflight.empty() || probe_sent || (snapshot && !snapshot->reading); }

  NodeId node;
  PeerState state = PeerState::kProbe;
  Index match;  // highest index known to be on its disk and equal to ours
  Index next;   // the next to send; stays while a probe of it is out
  Inflight inflight;
  bool probe_sent = false;
  std::optional<Index> load_prev;  // a LoadRequest is out, for the entries behind this one
  std::optional<SnapshotSend> snapshot;

  Instant last_heard;
  Instant retry_at = Instant::max();  // when what was sent counts as lost
  Duration retry_wait{};              // doubles from try to try; zero: at its beginning

  std::uint64_t read_round = 0;  // highest heartbeat round it answered
  Index commit_told;             // the commit index it knows of once all that was sent arrives
  Index notify;                  // it waits for this one's commit: tell it at once

  // Its log ended below what it had acknowledged. Until match is here again, nothing that it says
  // counts.
  std::optional<Index> lost_below;
};

}  // namespace kvorum::raft
