// What leaderless replicas say to one another, as plain structs; wire/peer.h turns them into
// frames. Everything is safe to lose, repeat and reorder: rows merge, requests time out, repair
// runs again.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "dynamo/key_list.h"
#include "dynamo/row_list.h"
#include "dynamo/table.h"
#include "dynamo/version.h"

namespace kvorum::dynamo {

enum class MessageType : std::uint8_t {
  kRows = 0,  // rows to merge; the answer, kRowsDone, comes when they are as durable as asked
  kRowsDone = 1,
  kRead = 2,  // what do you have of these keys, if it is not what I have?
  kReadDone = 3,
  kWrite = 4,  // from a node that holds no replica: be my coordinator. One command
  kWriteDone = 5,
  kPrints = 6,      // do you have these keys as I have them?
  kSync = 7,        // anti-entropy: sums of ranges to compare, and ranges to be listed
  kSyncDone = 8,    // the sums one level deeper of the ranges that differ; the lists
  kPrintsDone = 9,  // the rows of those that differ, an empty one for a key that is not there
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
  // Of this partition at the sender (core.h, stable cut): what it has seen without a gap, and what
  // it says about that is on its disk; what it knows that every replica has seen.
  Context known;  // kSync, kSyncDone
  Context cut;    // kSync, kSyncDone, kReadDone
  RowList rows;
  // kRead. kPrints of read repair: one for each print. Their answers: those whose rows did not fit.
  KeyList keys;
  std::vector<std::pair<Range, std::uint64_t>> sums;  // kSync, kSyncDone
  // kPrints, kRead: 0 for a key that is not there. kRead: without the keys' hashes. kPrintsDone of
  // anti-entropy: those that did not fit, ask again. kSyncDone: all keys of `ranges`.
  std::vector<KeyPrint> prints;
  std::vector<Range> ranges;  // kSync, kSyncDone: of the last level
  Bytes command;              // kWrite: an encoded WriteRequest; kWriteDone: an encoded WriteResult
  bool hint = false;          // kRows: kept for somebody else until it is back (sloppy quorum)
  NodeId hint_for;
  bool refilling = false;  // kReadDone: the sender may lack what it had before it lost data

  friend bool operator==(const Message&, const Message&) = default;
};

}  // namespace kvorum::dynamo
