#include "kv/table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checksum.h"

namespace kvorum::kv {
namespace {

// What a changed row takes in a batch besides its own bytes, roughly.
constexpr std::size_t kDirtyOverhead = 32;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

// Summed, not XORed, so that equal differences don't cancel out (docs/consistency.md). Each part
// goes through the mixer behind the one before, so exchanging two parts changes the result.
std::uint64_t Table::fingerprint(const Row& row) const {
  auto h = mix(checksum(row.key()) + 0x9e3779b97f4a7c15);
  h = mix(h + row.version().packed);
  if (const auto deadline = deadlines_.of(row)) {
    h = mix(h + 1 + static_cast<std::uint64_t>(deadline->value()));
  }
  return mix(h + row.value_sum());
}

Spot Table::look(const KeyRef& key) const {
  Spot spot(key);
  spot.link = rows_.find(spot.ref);
  if (spot.link != nullptr && !(*spot.link)->gone()) {
    (*spot.link)->set_used(true);
    spot.row = *spot.link;
  }
  return spot;
}

Rows::Link Table::reshape(Rows::Link link, std::size_t value_size, bool timed, std::size_t keep) {
  const Row* before = *link;
  rows_.reshape(link, value_size, timed, keep);
  if (*link != before) {
    deadlines_.moved(*link);
  }
  return link;
}

void Table::put(const Spot& spot, ByteView value, Version version, std::optional<WallMs> deadline) {
  Rows::Link link = spot.link;
  std::size_t bytes_before = 0;
  if (link == nullptr) {
    link = rows_.insert(spot.ref, value.size(), deadline.has_value());
    (*link)->set_used(true);
  } else {
    bytes_before = (*link)->bytes();
    if (spot.row != nullptr) {
      before_change(*spot.row);
    } else {
      (*link)->set_gone(false);
      rows_.count_gone(spot.ref.slot, false);
    }
    if (!deadline) {
      deadlines_.remove(*link);
    }
    reshape(link, value.size(), deadline.has_value(), 0);
  }
  Row& row = **link;
  if (!value.empty()) {
    std::memcpy(row.value_data(), value.data(), value.size());
  }
  if (deadline) {
    deadlines_.set(&row, *deadline);
  }
  after_change(spot.ref, row, version, bytes_before);
}

void Table::splice(const Spot& spot, std::size_t offset, ByteView part, Version version) {
  if (spot.row == nullptr) {
    put(spot, {}, version, std::nullopt);
    splice(look(spot.ref), offset, part, version);
    return;
  }
  before_change(*spot.row);
  const auto bytes_before = spot.row->bytes();
  const auto old_size = spot.row->value_size();
  const auto size = std::max(old_size, offset + part.size());
  Row& row = **reshape(spot.link, size, spot.row->timed(), old_size);
  if (offset > old_size) {
    std::memset(row.value_data() + old_size, 0, offset - old_size);
  }
  if (!part.empty()) {
    std::memcpy(row.value_data() + offset, part.data(), part.size());
  }
  after_change(spot.ref, row, version, bytes_before);
}

void Table::set_deadline(const Spot& spot, std::optional<WallMs> deadline, Version version) {
  before_change(*spot.row);
  const auto size = spot.row->value_size();
  const auto bytes_before = spot.row->bytes();
  if (deadline) {
    reshape(spot.link, size, true, size);
    deadlines_.set(*spot.link, *deadline);
  } else {
    deadlines_.remove(*spot.link);
  }
  after_change(spot.ref, **spot.link, version, bytes_before);
}

void Table::erase(const Spot& spot) {
  before_change(*spot.row);
  const auto bytes_before = spot.row->bytes();
  deadlines_.remove(*spot.link);
  // The key stays until the disk has heard of it, without its value.
  reshape(spot.link, 0, false, 0);
  Row& row = **spot.link;
  row.set_gone(true);
  rows_.count_gone(spot.ref.slot, true);
  mark(spot.ref, row, bytes_before);
}

void Table::purge(WallMs now) {
  while (deadlines_.first() && *deadlines_.first() <= now) {
    // A copy: the spot borrows the key, and the row moves when it is erased.
    const Bytes key(deadlines_.first_row()->key());
    erase(look(key));
  }
}

void Table::load(ByteView key, ByteView value, Version version, std::optional<WallMs> deadline,
                 bool cold) {
  const auto spot = look(key);
  if (spot.link != nullptr) {
    put(spot, value, version, deadline);  // a row given twice: the last one stands
    return;
  }
  Row& row = **rows_.insert(spot.ref, value.size(), deadline.has_value());
  if (!value.empty()) {
    std::memcpy(row.value_data(), value.data(), value.size());
  }
  if (deadline) {
    deadlines_.set(&row, *deadline);
  }
  row.set_version(version);
  digest_ += fingerprint(row);
  if (cold && Rows::worth_chilling(row)) {
    chill(rows_.find(spot.ref));
  }
}

void Table::chill(Rows::Link link) {
  rows_.chill(link);
  deadlines_.moved(*link);
}

bool Table::evict(std::size_t count) {
  // The third time round: the first may have begun anywhere, the second took what the first left.
  constexpr unsigned kLaps = 3;
  std::vector<const Row*> bucket;
  for (std::size_t seen = 0; seen < count && laps_ < kLaps; seen += bucket.size()) {
    bucket.clear();
    rows_.next_bucket(hand_, bucket);
    for (const auto* row : bucket) {
      const auto link = rows_.find(KeyRef(row->key()));
      const bool used = row->used();
      (*link)->set_used(false);
      if (!used && !row->dirty() && !row->cold() && Rows::worth_chilling(*row)) {
        chill(link);
        laps_ = 0;
      }
    }
    if (hand_ >= Rows::kEnd) {
      hand_ = 0;
      ++laps_;
    }
  }
  return laps_ < kLaps;
}

void Table::restore(const Spot& spot, ByteView value) {
  CHECK(spot.row->cold());
  Row& row = **reshape(spot.link, value.size(), spot.row->timed(), 0);
  if (!value.empty()) {
    std::memcpy(row.value_data(), value.data(), value.size());
  }
  laps_ = 0;
}

Rows Table::drop() {
  deadlines_.clear();
  digest_ = 0;
  dirty_.clear();
  dirty_bytes_ = 0;
  hand_ = laps_ = 0;
  return std::exchange(rows_, Rows());
}

std::size_t Table::memory_bytes() const {
  return rows_.memory_bytes() + deadlines_.memory_bytes() + dirty_.capacity() * sizeof(DirtyRef);
}

void Table::after_change(const KeyRef& ref, Row& row, Version version, std::size_t bytes_before) {
  row.set_version(version);
  digest_ += fingerprint(row);
  mark(ref, row, bytes_before);
}

void Table::mark(const KeyRef& ref, Row& row, std::size_t bytes_before) {
  CHECK(!row.cold(), "a row changes, and its value is not here to be written with it");
  if (row.dirty()) {
    dirty_bytes_ += row.bytes() - bytes_before;  // wraps around where the row shrank
    return;
  }
  row.set_dirty(true);
  dirty_.push_back({ref.hash, ref.slot});
  dirty_bytes_ += row.bytes() + kDirtyOverhead;
}

}  // namespace kvorum::kv
