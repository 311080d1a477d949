// What leaderless replicas say to one another, as plain structs; wire/peer.h turns them into
// frames. Everything is safe to lose, repeat and reorder: rows merge, requests time out, repair
// runs again.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "dynamo/table.h"
#include "dynamo/version.h"

namespace kvorum::dynamo {

enum class MessageType : std::uint8_t {
  kRows = 0,  // rows to merge; the answer, kRowsDone, comes when they are as durable as asked
  kRowsDone = 1,
  kRead = 2,  // what do you have of these keys?
  kReadDone = 3,
  kWrite = 4,  // from a node that holds no replica: be my coordinator. One command
  kWriteDone = 5,
  kPrints = 6,    // cheap read repair: key hashes with fingerprints; who differs answers with kRows
  kSync = 7,      // anti-entropy: sums of ranges
  kSyncDone = 8,  // the ranges of them that differ, one level deeper; at the last level key prints
};

// A message is about one partition, and batches a turn's work for its receiver. `id` is its
// sender's number for it and comes back in the answer; 0: no answer is wanted.
struct Message {
  MessageType type = MessageType::kRows;
  NodeId from;
  NodeId to;
  PartitionId partition;
  Generation generation;  // of the partition's rows at the sender; another one: dropped
  std::uint64_t id = 0;
  Incarnation incarnation;  // sender's: who stands behind what it says it knows
  Context known;            // kRows, kSync, kSyncDone: dots of this partition that the sender has
                            // seen without a gap (dynamo.h, stable cut)
  std::vector<std::pair<Bytes, Bytes>> rows;          // key, encoded row
  std::vector<Bytes> keys;                            // kRead
  std::vector<std::pair<Range, std::uint64_t>> sums;  // kSync
  std::vector<KeyPrint> prints;                       // kPrints, kSyncDone
  std::vector<Range> ranges;                          // kSyncDone: differ, `prints` lists them
  Bytes command;      // kWrite: an encoded WriteRequest; kWriteDone: an encoded WriteResult
  bool hint = false;  // kRows: kept for somebody else until it is back (sloppy quorum)
  NodeId hint_for;

  friend bool operator==(const Message&, const Message&) = default;
};

}  // namespace kvorum::dynamo
