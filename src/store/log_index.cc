#include "store/log_index.h"

#include "base/check.h"
#include "base/codec.h"

namespace kvorum::store {

namespace {

void encode_head(LogChange::Kind kind, PartitionId partition, Bytes& out) {
  put_fixed(out, kind);
  put_fixed(out, partition.value());
}

}  // namespace

void encode_put_head(PartitionId partition, Bytes& out) {
  encode_head(LogChange::kPut, partition, out);
}

void encode_truncate(PartitionId partition, Index from, Bytes& out) {
  encode_head(LogChange::kTruncate, partition, out);
  put_fixed(out, from.value());
}

std::optional<LogChange> decode_log_change(ByteView bytes, std::size_t offset) {
  Reader reader(bytes);
  LogChange change;
  change.kind = reader.fixed<LogChange::Kind>();
  change.partition = PartitionId(reader.fixed<std::uint32_t>());
  const auto entry = reader.rest();
  if (change.kind == LogChange::kPut) {
    change.term = Term(reader.fixed<std::uint64_t>());
    change.offset = static_cast<std::uint32_t>(offset + bytes.size() - entry.size());
    change.size = static_cast<std::uint32_t>(entry.size());
  }
  change.index = Index(reader.fixed<std::uint64_t>());
  const bool known = change.kind == LogChange::kPut
                         ? change.index > Index(0)
                         : change.kind == LogChange::kTruncate && reader.rest().empty();
  return reader.ok() && known ? std::optional(change) : std::nullopt;
}

void LogIndex::end_file(std::uint32_t number, std::uint64_t bytes) {
  files_[number].bytes = bytes;
  bytes_ += bytes;
}

void LogIndex::forget_file(std::uint32_t number) {
  const auto file = files_.find(number);
  CHECK(file != files_.end() && file->second.entries == 0, "entries are in file {}", number);
  bytes_ -= file->second.bytes;
  files_.erase(file);
  counted_ = files_.end();
}

void LogIndex::apply(const LogChange& change, std::uint32_t file, std::uint32_t record) {
  Log& log = logs_[change.partition];
  if (change.kind == LogChange::kPut) {
    put(log, change.index, {file, record, change.offset, change.size, change.term});
    return;
  }
  truncate(log, change.index);
  if (log.places.empty()) {
    logs_.erase(change.partition);
  }
}

void LogIndex::begin_at(PartitionId partition, Index first) {
  const auto found = logs_.find(partition);
  if (found == logs_.end()) {
    return;
  }
  Log& log = found->second;
  while (!log.places.empty() && log.first < first) {
    count(log.places.front(), false);
    log.places.pop_front();
    log.first = log.first.next();
  }
  if (log.places.empty()) {
    logs_.erase(found);
  }
}

const EntryPlace* LogIndex::find(PartitionId partition, Index index) const {
  const auto found = logs_.find(partition);
  if (found == logs_.end() || index < found->second.first || index > found->second.last()) {
    return nullptr;
  }
  const auto& place = found->second.places[index - found->second.first];
  return place.size == 0 ? nullptr : &place;
}

std::vector<LogIndex::Located> LogIndex::entries_through(std::uint32_t file) const {
  std::vector<Located> found;
  for (const auto& [partition, log] : logs_) {
    auto index = log.first;
    for (const auto& place : log.places) {
      if (place.size > 0 && place.file <= file) {
        found.push_back({partition, index, place});
      }
      index = index.next();
    }
  }
  return found;
}

// Gaps are there only while files are read: of entries that will be found further on, where they
// were moved, or were compacted.
void LogIndex::put(Log& log, Index index, const EntryPlace& place) {
  if (log.places.empty()) {
    log.first = index;
  }
  for (; index < log.first; log.first = log.first.prev()) {
    log.places.emplace_front();
  }
  if (index > log.last()) {
    log.places.resize(index - log.first + 1);
  }
  auto& there = log.places[index - log.first];
  count(there, false);
  there = place;
  count(there, true);
}

void LogIndex::truncate(Log& log, Index from) {
  while (!log.places.empty() && log.last() >= from) {
    count(log.places.back(), false);
    log.places.pop_back();
  }
}

void LogIndex::count(const EntryPlace& place, bool more) {
  if (place.size == 0) {
    return;
  }
  if (counted_ == files_.end() || counted_->first != place.file) {
    counted_ = files_.try_emplace(place.file).first;
  }
  File& file = counted_->second;
  if (more) {
    ++file.entries;
    file.live += place.size;
    live_ += place.size;
  } else {
    --file.entries;
    file.live -= place.size;
    live_ -= place.size;
  }
}

}  // namespace kvorum::store
