// The dial (docs/consistency.md): which promise a request asks for, and what an answer says it got.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "model/dot.h"
#include "model/entry.h"

namespace kvorum {

enum class LevelKind : std::uint8_t {
  kLinearizable,
  kSequential,
  kBounded,  // by age or by versions
  kPrefix,
  kCausal,
  kSession,
  kEventual,
  kQuorum,  // by counts: w and r, 0 = not named
  kAll,
};

// A level as asked for. Words: linearizable sequential bounded:200ms bounded:5v prefix causal
// session eventual one quorum all, w=2 r=2 w=2,r=1, and 1 / 9 for one / all. Behind those of
// counts,
// ",sloppy": nodes that hold no replica may stand in for those that are down.
struct Level {
  LevelKind kind = LevelKind::kLinearizable;
  std::int64_t bound_ms = -1;        // kBounded by age
  std::int64_t bound_versions = -1;  // kBounded by versions
  std::uint8_t w = 0;                // kQuorum with counts; both 0 = the word `quorum`
  std::uint8_t r = 0;
  bool sloppy = false;

  friend bool operator==(const Level&, const Level&) = default;
};

Result<Level> parse_level(ByteView word);
std::string to_string(const Level& level);

// How an answer was come by.
enum class Path : std::uint8_t { kLog, kReadIndex, kLocal, kNone, kCoordinator };
const char* to_string(Path path);

// What a request got, as numbers; formatted only when asked for (KV.RECEIPT).
struct Receipt {
  Level asked;
  Level met;
  Path path = Path::kNone;
  PartitionId partition;
  Index index;      // log index at which a read was served or a write took effect
  Version version;  // of the row written or read by GET; packed 0 for all else
  Term term;
  std::uint8_t replicas = 0;  // that are known to hold it: majority for a committed write, 1 for a
                              // local read; acks or answers of a leaderless keyspace
  std::int64_t age_ms = -1;   // bound on a read's age where one is known
  bool durable = false;       // on a majority's disks; leaderless: on those of `replicas`
  std::uint64_t client = 0;   // request id: (client, seq), 0 for reads
  std::uint64_t seq = 0;
  Outcome outcome = Outcome::kDefinite;
  // Leaderless keyspaces alone.
  bool leaderless = false;
  NodeId coordinator;
  Dot dot;                 // of the write; of the newest sibling read, if there is one
  bool wrote = false;      // a write that its coordinator has
  bool stand_ins = false;  // a sloppy quorum: nodes that hold no replica are among `replicas`
  std::size_t siblings = 0;
};

// A session's position, as KV.SESSION hands it out: text "kv1-<cluster>-<partition>-<index>" in
// hex.
struct SessionToken {
  ClusterId cluster;
  PartitionId partition;
  Index index;
};
Result<SessionToken> parse_token(ByteView text);
std::string to_string(const SessionToken& token);

}  // namespace kvorum
