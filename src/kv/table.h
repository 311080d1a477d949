// One generation's rows with all that must stay in step with them: deadlines, the digest, and what
// the disk does not know yet. Every change goes through here.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "kv/deadlines.h"
#include "kv/rows.h"

namespace kvorum::kv {

// A key looked up: where it lies, if it does. Good until the next change of the table.
struct Spot {
  explicit Spot(const KeyRef& key) : ref(key) {}

  KeyRef ref;
  Rows::Link link = nullptr;  // may be a row that is gone
  const Row* row = nullptr;   // null: no such row for a reader
};

class Table {
 public:
  const Row* find(ByteView key) const { return look(key).row; }
  Spot look(ByteView key) const { return look(KeyRef(key)); }
  Spot look(const KeyRef& key) const;
  std::optional<WallMs> deadline(const Row& row) const { return deadlines_.of(row); }

  void put(const Spot& spot, ByteView value, Version version, std::optional<WallMs> deadline);
  // Writes `part` at `offset` into the value, which is made (without a deadline) or grows with
  // zeros if need be.
  void splice(const Spot& spot, std::size_t offset, ByteView part, Version version);
  void set_deadline(const Spot& spot, std::optional<WallMs> deadline, Version version);
  void erase(const Spot& spot);
  // Deletes what is due at `now`.
  void purge(WallMs now);
  // Back from the disk: a row that it knows. `cold`: without its value, if that is worth it.
  void load(ByteView key, ByteView value, Version version, std::optional<WallMs> deadline,
            bool cold);

  // Rows whose values are on the disk alone; whoever needs a value must restore() it first.
  std::size_t cold() const { return rows_.cold(); }
  // Second chance (CLOCK): makes those of the next `count` rows cold that nobody looked up since
  // the last time round. Only of rows that the disk knows: call it only when what take_dirty() gave
  // is written. False: no row is left that could become cold, until the next take_dirty() or
  // restore().
  bool evict(std::size_t count);
  // Gives a cold row its value back.
  void restore(const Spot& spot, ByteView value);

  // Forgets every row and hands the memory over, to be freed at leisure.
  Rows drop();

  const Rows& rows() const { return rows_; }
  std::size_t size() const { return rows_.live(); }
  std::uint64_t digest() const { return digest_; }
  std::size_t memory_bytes() const;
  std::optional<WallMs> next_deadline() const { return deadlines_.first(); }

  // Rows that changed since the last call: visit(row), a row that is gone once more before it is
  // freed.
  std::size_t dirty_bytes() const { return dirty_bytes_; }
  template <class Visit>
  void take_dirty(Visit visit);

 private:
  struct DirtyRef {
    std::uint64_t hash;
    Slot slot;
  };

  std::uint64_t fingerprint(const Row& row) const;
  // Brackets of a change to a row that a reader sees before, or after it.
  void before_change(const Row& row) { digest_ -= fingerprint(row); }
  void after_change(const KeyRef& ref, Row& row, Version version, std::size_t bytes_before);
  void mark(const KeyRef& ref, Row& row, std::size_t bytes_before);
  void chill(Rows::Link link);
  Rows::Link reshape(Rows::Link link, std::size_t value_size, bool timed, std::size_t keep);

  Rows rows_;
  Deadlines deadlines_;
  std::uint64_t digest_ = 0;
  std::vector<DirtyRef> dirty_;
  std::size_t dirty_bytes_ = 0;
  std::uint64_t hand_ = 0;  // of the clock: a position among the rows
  unsigned laps_ = 0;       // times that it came round since it last found a row to make cold
};

template <class Visit>
void Table::take_dirty(Visit visit) {
  constexpr std::size_t kAhead = 8;
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (i + 2 * kAhead < dirty_.size()) {
      const auto& row = dirty_[i + kAhead];
      const auto& bucket = dirty_[i + 2 * kAhead];
      rows_.prefetch_row(row.slot, row.hash);
      rows_.prefetch_bucket(bucket.slot, bucket.hash);
    }
    const auto& ref = dirty_[i];
    // Another dirty row of the same bucket comes along; its own mark finds it clean then.
    rows_.visit_bucket(ref.slot, ref.hash, [&](Row& row) {
      if (row.dirty()) {
        visit(static_cast<const Row&>(row), ref.slot);
        row.set_dirty(false);
      }
      return row.gone();
    });
  }
  dirty_.clear();
  dirty_bytes_ = 0;
  laps_ = 0;
}

}  // namespace kvorum::kv
