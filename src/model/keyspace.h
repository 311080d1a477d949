// Keyspaces: which core serves them, and where their partitions are. The table of all of them is
// one row of the metadata group, changed by compare-and-set, so numbers are never given out twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"

namespace kvorum {

enum class Core : std::uint8_t { kOrdered, kLeaderless };

// How a leaderless keyspace settles concurrent writes (docs/consistency.md).
enum class Conflict : std::uint8_t {
  kLww,       // the greatest (stamp, replica, counter) stays
  kSiblings,  // all stay until a write that has seen them supersedes them
  kLexical,   // the smallest value stays, as in the older HTTP system; a write may be lost
};
std::optional<Conflict> parse_conflict(ByteView word);
const char* to_string(Conflict conflict);

struct Keyspace {
  static constexpr std::uint32_t kMaxPartitions = 1024;
  static constexpr std::uint8_t kMaxReplicas = 9;
  static constexpr std::uint32_t kMaxFlushMs = 60'000;

  KeyspaceId id;
  std::string name;
  Core core = Core::kOrdered;
  PartitionId first_partition{1};
  std::uint32_t partitions = 1;
  // The rest: leaderless ones alone.
  std::uint8_t n = 3;  // replicas of each partition
  std::uint8_t w = 1;  // acks of a write that names no number, and the least of any
  std::uint8_t r = 1;  // answers of a read that names no number
  Conflict conflict = Conflict::kLww;
  std::uint32_t flush_ms = 100;  // between writes to disk; 0: an ack means a synced disk
  Generation generation{1};      // of the rows of all its partitions; FLUSHDB begins another

  bool leaderless() const { return core == Core::kLeaderless; }
  // Slot s belongs to partition first + s * count / 16384.
  PartitionId partition_of(Slot slot) const;
  bool has(PartitionId partition) const {
    return partition >= first_partition && partition.value() - first_partition.value() < partitions;
  }
  // Leaderless: who holds a partition, in the ring's order. The i-th begins at the i-th member, so
  // that all members hold as many, give or take n.
  std::vector<NodeId> replicas(PartitionId partition, const std::vector<NodeId>& members) const;
  friend bool operator==(const Keyspace&, const Keyspace&) = default;
};

// Keyspace 0 as it is unless somebody wants it otherwise: ordered, in one partition.
Keyspace main_keyspace();

// "fsync", or "interval:100ms".
std::string durability_word(const Keyspace& keyspace);

struct KeyspaceTable {
  std::uint64_t version = 0;  // rises with each change; 0: there is none yet
  KeyspaceId next_id;
  PartitionId next_partition{1};
  std::vector<Keyspace> keyspaces;  // ascending by id

  const Keyspace* find(KeyspaceId id) const;
  const Keyspace* find(ByteView name_or_number) const;
  // Gives it its number and its partitions.
  void add(Keyspace keyspace);
  friend bool operator==(const KeyspaceTable&, const KeyspaceTable&) = default;
};

// Text, a line per keyspace; empty bytes: no table.
inline constexpr ByteView kKeyspacesRowKey = "keyspaces";
Bytes encode(const KeyspaceTable& table);
std::optional<KeyspaceTable> decode_keyspaces(ByteView value);

// KV.KEYSPACE CREATE's words behind the name: [ordered|leaderless] [n=3] [w=1] [r=1]
// [conflict=lww|siblings|lexical] [partitions=12] [durability=fsync|interval:100ms].
// kGeneric: with the bad word.
Result<Keyspace> parse_keyspace(ByteView name, const std::vector<ByteView>& words,
                                std::size_t members);

}  // namespace kvorum
