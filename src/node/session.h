// One client connection: its settings, its place in the order, and the requests that it still waits
// for.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "model/level.h"
#include "node/commands.h"
#include "node/options.h"

namespace kvorum::node {

// A request in its connection's queue. "Begun": its write is in the outbox, or its read waits for
// what its level asks. The begun ones are always at the front of the queue, all of one partition.
struct Item {
  enum class Kind : std::uint8_t { kVerb, kWrite, kRead, kError };

  Kind kind = Kind::kVerb;
  Verb verb = Verb::kPing;
  bool begun = false;
  bool behind_write =
      false;  // kRead: a write of this connection was open before it: answered when that is applied
  bool with_receipt = false;  // KV.RECEIPT <command>
  bool everywhere = false;    // KEYS, FLUSHDB, ...: all partitions of the keyspace
  bool close = false;         // kError: and then the connection ends
  Level asked;
  Level met;
  PartitionId partition;
  std::uint64_t tag = 0;            // kRead: confirmed once the partition's confirmed() >= it
  Index at_least;                   // kRead: and applied >= this
  std::vector<std::uint64_t> tags;  // everywhere: per partition of the keyspace
  std::size_t outstanding = 0;      // everywhere, kWrite: partitions that have not applied it
  Instant arrived;
  Bytes body;   // kRead, and kWrite that has not begun: the encoded command; kVerb: its arguments
  Error error;  // kError
};

struct Session {
  ConnId id;
  std::string address;
  std::string name;
  int protocol = 2;
  KeyspaceId keyspace;
  Level read_level;
  Level write_level;
  // What this session has seen: nothing it reads later may be older (sequential).
  PartitionId seen_partition;
  Index seen_index;
  Receipt receipt;  // of the last request that was no KV.* query
  std::deque<Item> queue;
  std::size_t begun = 0;  // items at the front that have begun
};

}  // namespace kvorum::node
