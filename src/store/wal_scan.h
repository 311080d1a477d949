// Reads RocksDB's write-ahead log as bytes, to tell a torn tail from damage. RocksDB alone can't:
// it drops synced records in silence when a damaged length points past the file's end, and refuses
// a tail that was torn to garbage.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.h"

namespace kvorum::store {

// Goes with every write, into the WAL only. It lets a later record prove that an earlier one had
// been synced.
struct WalMark {
  std::uint64_t synced = 0;  // sequence numbers up to here were synced before this write began
  std::uint64_t seal = 0;    // the newest seal when it began (docs/store.md)
};
inline constexpr std::size_t kWalMarkBytes = 16;

Bytes encode(const WalMark& mark);

// What a record says about itself: a write batch of RocksDB. Empty if it can't be one.
struct WalRecord {
  std::uint64_t sequence = 0;
  std::uint32_t count = 0;
  std::optional<WalMark> mark;
};
std::optional<WalRecord> read_wal_record(ByteView record);

struct WalScan {
  std::size_t whole_bytes = 0;    // the end of the last record before any damage
  std::size_t damaged_bytes = 0;  // that stand behind it, up to the zeros that may end the file
  bool lost_synced = false;       // they can't be a torn tail: synced records are among them
};

// Also visits the whole records before any damage: where each begins, and its bytes.
using WalVisit = std::function<void(std::size_t at, ByteView record)>;
WalScan scan_wal(ByteView file, const WalVisit& visit = {});

// Visits what of a record reaches the write-ahead log only, and stands before all else there: the
// mark first, if it has one. False: the record is malformed.
bool each_log_data(ByteView record, const std::function<void(ByteView bytes)>& visit);

// Where some bytes of a record stand in the file, from the first through the last; heads of the
// record's fragments stand between them.
struct WalRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
// Of the `size` bytes, one at least, from `offset` on in the record that begins at `record`, or
// behind the few zeros that end a block there.
WalRange wal_range(std::uint64_t record, std::uint64_t offset, std::uint64_t size);
// Appends to `out` what the range holds, which begins at `begin`, without the heads in between.
void read_wal_range(std::uint64_t begin, ByteView range, Bytes& out);

// Where the whole records of a manifest end; the file's size if nothing stands behind them.
std::size_t whole_manifest_bytes(ByteView file);

}  // namespace kvorum::store
