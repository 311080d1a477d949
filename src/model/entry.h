// The log's unit. docs/wire.md has the byte layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"
#include "base/time.h"

namespace kvorum {

enum class EntryType : std::uint8_t {
  kEmpty = 0,     // a new leader's first entry, or one that only moves log time on
  kCommands = 1,  // payload: runs of commands (model/command.h)
  kConfig = 2,    // payload: raft::encode(Config)
  kRows = 3,      // of a leaderless partition's log, on disk alone: node/journal.h
};

// One turn's batch of a partition. `payload` is encoded once, where the commands came in; log,
// peers and disk share it.
struct Entry {
  Term term;
  Index index;
  EntryType type = EntryType::kEmpty;
  WallMs stamp;  // the leader's wall clock, never below the previous entry's
  SharedBytes payload = share({});

  std::size_t byte_size() const { return payload->size() + kHeadBytes; }
  static constexpr std::size_t kHeadBytes = 37;
};

inline constexpr std::size_t kMaxEntryCommands = 65536;  // position in the batch has 16 bits
inline constexpr std::size_t kMaxEntryBytes = std::size_t{32}
                                              << 20;  // an entry is closed once it passes this

// Appends the entry: term, index, type, stamp, payload length (u32), checksum of the payload (u64),
// payload.
void encode(const Entry& entry, Bytes& out);
// All of it but the payload, which comes last.
void encode_head(const Entry& entry, Bytes& out);

// Reads one entry; reader.ok() turns false on a short read, an unknown type or a checksum that does
// not fit.
Entry decode_entry(Reader& reader);

// What a voter must remember. `commit` may lag: it only bounds what a restart replays at once.
struct HardState {
  Term term;
  NodeId vote;  // 0: none
  Index commit;

  friend bool operator==(const HardState&, const HardState&) = default;
};

// Where in its partition's order a row was last written; also its ETag. Packed: index 48 bits,
// position 16 bits.
struct Version {
  std::uint64_t packed = 0;

  static Version at(Index index, std::uint16_t position) {
    return Version{index.value() << 16 | position};
  }
  Index index() const { return Index(packed >> 16); }
  std::uint16_t position() const { return static_cast<std::uint16_t>(packed); }
  friend auto operator<=>(const Version&, const Version&) = default;
};

}  // namespace kvorum
