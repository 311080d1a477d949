// The rows of one generation: a hash table whose order is that of SCAN cursors.
//
// Every slot has a small chained table of its own, and a bucket is the top bits of the key's hash.
// So walking the slots and their buckets visits rows by (slot, hash) without an index beside the
// table, a position in that order means the same on every node, and growth rehashes one slot (some
// tens of rows) at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/checksum.h"
#include "base/ids.h"
#include "base/prefetch.h"
#include "model/entry.h"

namespace kvorum::kv {

// A key with what its place in the table is made of.
struct KeyRef {
  explicit KeyRef(ByteView k) : key(k), hash(checksum(k)), slot(slot_of(k)) {}

  ByteView key;
  std::uint64_t hash;
  Slot slot;
};

// One row in one block: this head, the timer if the row has room for one, the key, the value. The
// value of a cold row is on the disk alone; its checksum stands in its place.
class Row {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{1} << 29;  // of a key or a value
  static constexpr std::uint32_t kNoTimer = 0xffffffff;

  ByteView key() const { return {key_data(), key_size()}; }
  // Not of a cold row.
  ByteView value() const {
    CHECK(!cold(), "the value of a cold row is not in memory");
    return {key_data() + key_size(), value_size()};
  }
  std::size_t value_size() const { return value_bits_ & kSizeMask; }
  std::uint64_t value_sum() const;  // checksum of the value, cold or not
  char* value_data() { return const_cast<char*>(key_data()) + key_size(); }
  Version version() const { return version_; }
  void set_version(Version version) { version_ = version; }

  // Changed since it was last handed to the disk.
  bool dirty() const { return (key_bits_ & kDirty) != 0; }
  void set_dirty(bool on) { set_bit(kDirty, on); }
  // Deleted, but the disk does not know yet: no reader sees it.
  bool gone() const { return (key_bits_ & kGone) != 0; }
  void set_gone(bool on) { set_bit(kGone, on); }

  bool cold() const { return (value_bits_ & kCold) != 0; }
  // Looked up since it was last considered for eviction.
  bool used() const { return (value_bits_ & kUsed) != 0; }
  void set_used(bool on) {
    if (on != used()) {  // most are already: their cache lines stay clean
      value_bits_ ^= kUsed;
    }
  }

  // Has room for a timer: its place among the deadlines (kv/deadlines.h).
  bool timed() const { return (key_bits_ & kTimed) != 0; }
  std::uint32_t timer() const {
    std::uint32_t timer = kNoTimer;
    if (timed()) {
      std::memcpy(&timer, reinterpret_cast<const char*>(this) + sizeof(Row), sizeof timer);
    }
    return timer;
  }
  bool has_timer() const { return timer() != kNoTimer; }
  void set_timer(std::uint32_t timer);

  std::size_t bytes() const { return key_size() + value_size(); }

 private:
  friend class Rows;
  static constexpr std::uint32_t kDirty = 1;
  static constexpr std::uint32_t kGone = 2;
  static constexpr std::uint32_t kTimed = 4;
  static constexpr unsigned kFlagBits = 3;
  static constexpr std::uint32_t kCold = std::uint32_t{1} << 31;
  static constexpr std::uint32_t kUsed = std::uint32_t{1} << 30;
  static constexpr std::uint32_t kSizeMask = kUsed - 1;
  static_assert(kMaxBytes <= kSizeMask);
  static constexpr std::size_t kSumBytes = sizeof(std::uint64_t);

  // Bytes behind the key.
  std::size_t stored_size() const { return cold() ? kSumBytes : value_size(); }
  std::uint32_t key_size() const { return key_bits_ >> kFlagBits; }
  // A cold row no longer is one.
  void set_value_size(std::size_t size) {
    value_bits_ = (value_bits_ & kUsed) | static_cast<std::uint32_t>(size);
  }
  const char* key_data() const {
    return reinterpret_cast<const char*>(this) + sizeof(Row) +
           (timed() ? sizeof(std::uint32_t) : 0);
  }
  void set_bit(std::uint32_t bit, bool on) { key_bits_ = on ? key_bits_ | bit : key_bits_ & ~bit; }

  Row* next_ = nullptr;
  Version version_;
  std::uint32_t key_bits_ = 0;    // size and flags
  std::uint32_t value_bits_ = 0;  // size and flags
};
static_assert(sizeof(Row) == 24);

class Rows {
 public:
  using Link = Row**;  // where the pointer to a row lies; good until the next insert or erase

  Rows();
  ~Rows();
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;

  // Null: no such row. Rows that are gone are found too.
  Link find(const KeyRef& ref) const;
  // Bring what find() will touch into the cache: first the bucket, some work later the row.
  void prefetch_bucket(Slot slot, std::uint64_t hash) const {
    const auto& in = table(slot);
    if (in.buckets != nullptr) {
      bring_near(&in.buckets[in.bucket_of(hash)]);
    }
  }
  void prefetch_row(Slot slot, std::uint64_t hash) const {
    const auto& in = table(slot);
    if (in.buckets != nullptr) {
      // An integer, as there may be no row, and nothing behind it.
      const auto row = reinterpret_cast<std::uintptr_t>(in.buckets[in.bucket_of(hash)]);
      bring_near(reinterpret_cast<const void*>(row));
      bring_near(reinterpret_cast<const void*>(row + 64));
    }
  }
  // Adds an empty row with room for a value of that size. The key must not be there.
  Link insert(const KeyRef& ref, std::size_t value_size, bool timed);
  // Gives the row a value of that size, and room for a timer or not. The first `keep` bytes of the
  // value stay, the rest is undefined; of a cold row nothing can stay. The row may move.
  void reshape(Link link, std::size_t value_size, bool timed, std::size_t keep);
  // Makes a row cold. It moves.
  void chill(Link link);
  // Whether that would free a quarter of its memory, so that it is worth a read of the disk.
  static bool worth_chilling(const Row& row);
  std::size_t cold() const { return cold_; }
  void erase(Slot slot, Link link);

  // Calls visit(link) for the rows in the bucket of this hash. When visit answers true the row is
  // erased.
  template <class Visit>
  void visit_bucket(Slot slot, std::uint64_t hash, Visit visit);

  // Walking in order. A position is the slot (14 bits) before the upper 48 bits of the hash.
  static constexpr std::uint64_t kEnd = std::uint64_t{kSlotCount} << 48;
  static std::uint64_t position(const KeyRef& ref) {
    return std::uint64_t{ref.slot.value()} << 48 | ref.hash >> 16;
  }
  // Adds the rows of the first bucket at or after `position` that has any, from `position` on, gone
  // ones included, and moves `position` behind it: to kEnd when there is no more.
  void next_bucket(std::uint64_t& position, std::vector<const Row*>& out) const;
  // A live row; every row about as likely for a uniform draw. Null: none.
  const Row* random(std::uint64_t draw) const;

  void count_gone(Slot slot, bool gone);  // keeps the number of live rows
  std::size_t live() const { return live_; }
  std::size_t memory_bytes() const { return memory_bytes_; }

  // Frees up to `count` rows, of a table that is no longer used. True while more is left.
  bool free_slice(std::size_t count);

 private:
  struct SlotTable {
    Row** buckets = nullptr;
    std::uint64_t rows : 29 = 0;
    std::uint64_t gone : 29 = 0;
    std::uint64_t bits : 6 = 0;

    std::size_t live() const { return std::size_t{rows} - std::size_t{gone}; }
    std::size_t size() const { return buckets == nullptr ? 0 : std::size_t{1} << bits; }
    std::size_t bucket_of(std::uint64_t hash) const { return bits == 0 ? 0 : hash >> (64 - bits); }
  };
  static_assert(sizeof(SlotTable) == 16);

  SlotTable& table(Slot slot) { return slots_[slot.value()]; }
  const SlotTable& table(Slot slot) const { return slots_[slot.value()]; }
  void resize(SlotTable& table, unsigned bits);
  void shrink(SlotTable& table);
  void unlink(SlotTable& table, Link link);
  Row* allocate(ByteView key, std::size_t value_size, bool timed);
  void release(Row* row);

  std::unique_ptr<SlotTable[]> slots_;
  std::size_t live_ = 0;
  std::size_t cold_ = 0;
  std::size_t memory_bytes_ = 0;
  std::size_t free_at_ = 0;  // slots before this one are freed
};

template <class Visit>
void Rows::visit_bucket(Slot slot, std::uint64_t hash, Visit visit) {
  auto& in = table(slot);
  if (in.buckets == nullptr) {
    return;
  }
  for (Link link = &in.buckets[in.bucket_of(hash)]; *link != nullptr;) {
    if (visit(**link)) {
      unlink(in, link);
    } else {
      link = &(*link)->next_;
    }
  }
  shrink(in);
}

}  // namespace kvorum::kv
