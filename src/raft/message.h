// What Raft peers say to one another, as plain structs; wire/peer.h turns them into frames.
#pragma once

#include <cstdint>
#include <vector>

#include "model/entry.h"

namespace kvorum::raft {

// A group's members. While `outgoing` is not empty the configuration is joint (Raft paper, section
// 6): a decision needs a majority of `voters` and one of `outgoing`. Learners receive entries and
// neither vote nor count.
struct Config {
  std::vector<NodeId> voters;    // ascending
  std::vector<NodeId> outgoing;  // ascending; reserved in the format, no code proposes it yet
  std::vector<NodeId> learners;  // ascending

  friend bool operator==(const Config&, const Config&) = default;
};
Bytes encode(const Config& config);
bool decode(ByteView bytes, Config& config);

// Where a snapshot stands: it holds everything up to and including `index`.
struct SnapshotMeta {
  Index index;
  Term term;  // of the entry at index
  Config config;

  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

enum class MessageType : std::uint8_t {
  kPreVote = 0,  // would you vote for me in term `term`? (thesis, 9.6)
  kPreVoteReply = 1,
  kVote = 2,  // RequestVote; `force` set when the leader asked for it (transfer)
  kVoteReply = 3,
  kAppend = 4,  // AppendEntries that carries entries
  kAppendReply = 5,
  kHeartbeat = 6,  // no entries: authority, commit index, read round. Claims nothing about the log.
  kHeartbeatReply = 7,
  kReadIndex = 8,  // follower to leader: a read barrier, please
  kReadIndexReply = 9,
  kSnapshot = 10,  // one chunk
  kSnapshotReply = 11,
  kTimeoutNow = 12,  // leadership transfer (thesis, 3.10)
};

struct Message {
  MessageType type = MessageType::kHeartbeat;
  NodeId from;
  NodeId to;
  Term term;        // sender's term (kPreVote: the term it would run in)
  Index log_index;  // votes: candidate's last; kAppend: entry before the first; kAppendReply: last
                    // one held, or on rejection the log_index that did not fit; kReadIndexReply:
                    // the index to wait for
  Term log_term;    // term of the entry at log_index
  Index commit;     // leader's commit index, as far as the receiver may know of it
  bool reject = false;
  bool force = false;
  Index hint_index;  // kAppendReply on rejection: best guess where the logs agree, and its term
  Term hint_term;
  std::uint64_t round = 0;  // kHeartbeat and reply: read round that this confirms
  std::uint64_t tag = 0;  // kReadIndex and reply: the follower's own number for its batch of reads;
                          // kSnapshot and reply: the leader's number for this stream of chunks
  std::vector<Entry> entries;  // kAppend
  // kSnapshot: chunks are numbered from 0; the data is opaque here. The reply repeats tag, chunk
  // and last_chunk; with `reject` the chunk did not follow what the receiver holds: begin again at
  // 0.
  SnapshotMeta snapshot;
  std::uint64_t chunk = 0;
  bool last_chunk = false;
  Bytes data;
};

}  // namespace kvorum::raft
