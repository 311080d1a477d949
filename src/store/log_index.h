// Where the entries of all logs stand. They are kept in RocksDB's write-ahead logs alone, beside
// the rows they were written with: each log entry is written once, and RocksDB's tables never see
// it. A write-ahead log stays as long as it, or one before it, has an entry that is still in a log.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace kvorum::store {

// What a write does to a log, as it stands in the record of that write.
struct LogChange {
  enum Kind : std::uint8_t {
    kPut = 'e',       // an entry; it replaces that with its index
    kTruncate = 't',  // the entries at and after the index go
  };
  Kind kind = kTruncate;
  PartitionId partition;
  Index index;
  Term term;                 // of the entry
  std::uint32_t offset = 0;  // of it in the record, as encode(Entry) wrote it
  std::uint32_t size = 0;
};

// The bytes of a change in a record. Behind the head of a kPut comes the entry.
void encode_put_head(PartitionId partition, Bytes& out);
void encode_truncate(PartitionId partition, Index from, Bytes& out);
// `offset`: where the bytes stand in the record. Empty if they are malformed.
std::optional<LogChange> decode_log_change(ByteView bytes, std::size_t offset);

struct EntryPlace {
  std::uint32_t file = 0;    // number of the write-ahead log
  std::uint32_t record = 0;  // where its record begins there
  std::uint32_t offset = 0;  // in the record
  std::uint32_t size = 0;    // 0: a gap, while files are read
  Term term;
};

// Thread: the store's lock guards it; its writing thread alone changes it, and reads it without.
class LogIndex {
 public:
  struct Log {
    Index first;
    std::deque<EntryPlace> places;  // from `first` on

    Index last() const { return first + places.size() - 1; }
  };
  struct File {
    std::uint64_t bytes = 0;    // its size, once nothing is added to it
    std::uint64_t entries = 0;  // of logs, as they are now
    std::uint64_t live = 0;     // bytes of these
  };
  struct Located {
    PartitionId partition;
    Index index;
    EntryPlace place;
  };

  // Nothing is added to that file any more; it is `bytes` long.
  void end_file(std::uint32_t number, std::uint64_t bytes);
  void forget_file(std::uint32_t number);
  // By number. Without that which is written now, unless it has entries.
  const std::map<std::uint32_t, File>& files() const { return files_; }
  // Of ended files, and of the entries in all.
  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t live() const { return live_; }

  void apply(const LogChange& change, std::uint32_t file, std::uint32_t record);
  // The log begins there: what stands before it goes.
  void begin_at(PartitionId partition, Index first);

  // Those that have entries.
  const std::map<PartitionId, Log>& logs() const { return logs_; }
  // Null if there is none.
  const EntryPlace* find(PartitionId partition, Index index) const;
  std::vector<Located> entries_through(std::uint32_t file) const;  // in it and those before it

 private:
  void put(Log& log, Index index, const EntryPlace& place);
  void truncate(Log& log, Index from);
  void count(const EntryPlace& place, bool more);

  std::map<PartitionId, Log> logs_;
  std::map<std::uint32_t, File> files_;
  std::map<std::uint32_t, File>::iterator counted_ = files_.end();  // the last one
  std::uint64_t bytes_ = 0;
  std::uint64_t live_ = 0;
};

}  // namespace kvorum::store
