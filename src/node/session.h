// One client connection: its settings, its place in the order, and the requests that it still waits
// for.
#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "dynamo/version.h"
#include "model/keyspace.h"
#include "model/level.h"
#include "node/commands.h"
#include "node/options.h"

namespace kvorum::node {

// What KV.KEYSPACE CREATE and DROP, and FLUSHDB of a leaderless keyspace, do to the table.
struct KeyspaceChange {
  enum class Kind : std::uint8_t { kCreate, kDrop, kFlush };
  Kind kind = Kind::kFlush;
  Keyspace keyspace;  // kCreate; the others: its name
};

// A request in its connection's queue. "Begun": its write is in the outbox, or its read waits for
// what its level asks. The begun ones are always at the front of the queue, all of one partition.
struct Item {
  // kLater: a request behind one that changes what it may mean (SELECT, KV.LEVEL, RESET): looked at
  // when that has run.
  enum class Kind : std::uint8_t { kVerb, kWrite, kRead, kError, kLater };

  Kind kind = Kind::kVerb;
  Verb verb = Verb::kPing;
  bool begun = false;
  bool behind_write =
      false;  // kRead: a write of this connection was open before it: answered when that is applied
  bool with_receipt = false;   // KV.RECEIPT <command>
  bool everywhere = false;     // KEYS, FLUSHDB, ...: all partitions of the keyspace
  bool close = false;          // kError: and then the connection ends
  std::optional<Level> asked;  // else the keyspace's own
  Level met;
  PartitionId partition;
  std::uint64_t tag = 0;            // kRead: confirmed once the partition's confirmed() >= it;
                                    // kWrite: the outbox's seals() when it was handed in;
                                    // KV.SEND: the wall clock then
  Index at_least;                   // kRead: and applied >= this
  std::vector<std::uint64_t> tags;  // everywhere: per partition of the keyspace
  std::size_t outstanding = 0;      // everywhere, kWrite: partitions that have not applied it
  Instant arrived;
  Bytes body;   // kRead, and kWrite that has not begun: the encoded command; kVerb, kLater: its
                // arguments
  Error error;  // kError
  // Of a leaderless keyspace (leaderless.h): `tag` names the request.
  bool leaderless = false;
  std::optional<dynamo::Context> seen;      // KV.CONTEXT: what its writer has seen
  std::optional<std::uint64_t> if_version;  // KV.IF: the version, packed, that the row must have
  // It asks other nodes (ask.cc, tell.cc), and runs alone.
  bool asks = false;
  // A change of the table of keyspaces: goes through group 0, again until it finds the table as it
  // was.
  std::unique_ptr<KeyspaceChange> change;
};

struct Session {
  ConnId id;
  std::string address;
  std::string name;
  int protocol = 2;
  KeyspaceId keyspace;
  std::optional<Level> read_level;  // not set: the keyspace's own
  std::optional<Level> write_level;
  // What this session has seen: nothing it reads later may be older (sequential).
  PartitionId seen_partition;
  Index seen_index;
  Receipt receipt;          // of the last request that was no KV.* query
  dynamo::Context context;  // that belongs to it, of a leaderless keyspace
  // Some to a block, so that not each of them takes memory of its own.
  boost::container::deque<Item, void,
                          boost::container::deque_options_t<boost::container::block_size<8>>>
      queue;
  std::size_t begun = 0;     // items at the front that have begun
  std::size_t settings = 0;  // requests in the queue that change what later ones mean
  // Begun and not done, of a leaderless keyspace.
  std::size_t open_reads = 0;
  std::size_t open_remote = 0;
};

}  // namespace kvorum::node
