// The rows of one leaderless partition on one replica, with fingerprints by ranges of key hashes,
// so that two replicas find what differs without telling what does not (Merkle-like, but sums, so
// that one change costs one addition a level; in the spirit of Meyer, Range-based set
// reconciliation, SRDS 2023).
//
// Level 0 is the whole partition; each range of a level has kFanOut ranges in the next, down to
// level kDepth. A range is named by its level and its number; numbers are the upper bits of hashes.
//
// A row that the disk has as it is may become cold: its values leave memory. The key, the versions
// and the fingerprint stay, so sums, prints and what tells no value need no disk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dynamo/version.h"

namespace kvorum::dynamo {

struct Range {
  std::uint8_t level = 0;
  std::uint32_t number = 0;
  friend auto operator<=>(const Range&, const Range&) = default;
};

struct KeyPrint {
  std::uint64_t hash = 0;         // of the key
  std::uint64_t fingerprint = 0;  // of the key with its row
  friend auto operator<=>(const KeyPrint&, const KeyPrint&) = default;
};

class Table {
 public:
  static constexpr int kFanOut = 16;
  static constexpr int kDepth = 3;  // 4096 ranges at the last level

  static bool has(Range range);  // whether there is such a range; ask of what came from elsewhere
  static std::uint64_t hash_of(ByteView key);
  static Range range_of(std::uint64_t hash, int level);

  Table();

  // Null: nothing is known of that key. Rows are kept packed: good until the next find() or change.
  // Of a cold row: without its values.
  const Row* find(ByteView key) const;
  // Asks memory for the rows of these keys, by their hashes, at once, to wait for it once and not
  // for each: a large table is not in any cache. What comes next finds or replaces them.
  static constexpr std::size_t kFetch = 16;  // at a time, as many as a cache takes
  void fetch(std::span<const std::uint64_t> hashes) const;
  // A row is three steps away, so all of them take each step together.
  enum class Step : std::uint8_t { kLeaf, kSlots, kRow };
  static constexpr std::array kSteps = {Step::kLeaf, Step::kSlots, Step::kRow};
  void fetch(Step step, std::uint64_t hash) const;
  // Replaces the row (an empty one, without context and siblings, erases it) and keeps fingerprints
  // and counts. It is changed then, until take_changed().
  void replace(ByteView key, const Row& row);
  // Of a row that came from the disk: it is not changed. `on_disk`: it stands there as a row of its
  // own, and may become cold; `cold`: it does at once, if that is worth it.
  void load(ByteView key, const Row& row, bool on_disk, bool cold);
  // The row as it is kept, which is encoded; empty: nothing is known. Not of a cold row. Good until
  // the next change.
  ByteView packed(ByteView key) const;
  // Its fingerprint; 0: nothing is known.
  std::uint64_t print(ByteView key) const;

  struct Item {              // a row as it is kept
    std::uint64_t hash = 0;  // of the key
    ByteView key;
    ByteView row;  // encoded; not of a cold one
    std::uint64_t print = 0;
    std::size_t bytes = 0;  // that the row has, encoded, wherever it is
    bool on_disk = false;
    bool cold = false;
  };
  // Without a key: nothing is known of it.
  Item item(ByteView key) const;
  // The rows of keys of that hash.
  void each_of(std::uint64_t hash, const std::function<void(const Item& item)>& visit) const;
  // Takes, of about the next `count` rows, those that were not taken so since they were changed, to
  // be put on the disk as rows of their own. Begins at the leaf `next`, which goes on; true: it
  // came to the end.
  bool take_unput(std::size_t& next, std::size_t count,
                  const std::function<void(const Item& item)>& take);

  std::size_t cold() const { return cold_; }  // rows
  bool is_cold(ByteView key) const;
  // The disk has the rows of that hash and fingerprint, each as a row of its own.
  void on_disk(const KeyPrint& row);
  // Second chance (CLOCK): makes those of about the next `count` rows cold that the disk has and
  // that nobody looked up since the last time round. False: no row is left that could become cold,
  // until the next on_disk() or restore().
  bool evict(std::size_t count);
  // Gives a cold row its values back; empty: the disk has no such row. False: the row that is cold
  // here has this fingerprint, and the disk has another one.
  bool restore(ByteView key, std::uint64_t print, const std::optional<Bytes>& stored);

  // Rows that were changed since they were last taken, in the order of their first change; those
  // that are gone, which are empty, come first.
  std::size_t changed() const { return changed_.size() + erased_.size(); }
  void take_changed(const std::function<void(ByteView key, ByteView packed)>& take);

  std::size_t rows() const { return rows_; }              // tombstones included
  std::size_t tombstones() const { return tombstones_; }  // rows all of whose siblings are deleted
  std::size_t memory_bytes() const { return memory_bytes_; }  // an estimate
  std::size_t row_bytes() const { return row_bytes_; }        // of it, the rows with their keys
  std::uint64_t digest() const { return sum({0, 0}); }

  std::uint64_t sum(Range range) const;             // of the fingerprints of its rows, modulo 2^64
  std::vector<KeyPrint> prints(Range range) const;  // ascending by hash
  // Rows of a range, ascending by hash. Stops when `visit` is false, which must not change the
  // table. Cold ones come without their values.
  void each(Range range,
            const std::function<bool(const std::string& key, const Row& row)>& visit) const;

 private:
  // A row is one block: Head, key, encoded row. Of a cold one: the bytes that its row had, then the
  // row with empty values.
  struct Head {
    std::uint64_t fingerprint = 0;
    std::uint32_t key_bytes : 27 = 0;
    std::uint32_t changed : 1 = 0;
    std::uint32_t put : 1 = 0;  // take_unput() took it as it is, or the disk has it
    std::uint32_t on_disk : 1 = 0;
    std::uint32_t cold : 1 = 0;
    std::uint32_t used : 1 = 0;  // looked up since it was last considered for eviction
    std::uint32_t row_bytes : 31 = 0;
    std::uint32_t tombstone : 1 = 0;
  };
  struct Slot {
    std::uint64_t hash = 0;
    std::unique_ptr<char[]> block;

    Head head() const;
    void set(const Head& head);
    ByteView key() const;
    ByteView row() const;
    Item item() const;
    std::size_t memory_bytes() const;
  };
  // Ascending by hash, then by key: a sorted array, so that no order depends on what came before.
  using Slots = std::vector<Slot>;
  struct Leaf {
    Slots slots;
    std::uint64_t sum = 0;  // of its rows' fingerprints
  };
  struct Place {  // of a key, or where it would be
    std::uint64_t hash = 0;
    std::size_t at = 0;
    bool known = false;
  };

  void put(ByteView key, const Row& row, bool changed, bool on_disk);
  void chill(Slot& slot);
  void repack(Slot& slot, Head head, const Row& row);
  void use(const Slot& slot) const;
  static void unpack(const Slot& slot, Row& row);
  static std::size_t leaf_of(std::uint64_t hash) { return range_of(hash, kDepth).number; }
  // The first of that hash, or where it would be.
  static std::size_t lower_bound(const Slots& slots, std::uint64_t hash);
  Place look_up(ByteView key) const;
  void pack(Slot& slot, Head head, ByteView key);
  std::span<const Leaf> leaves(Range range) const;
  void count(const Slot& slot, bool added);

  std::vector<Leaf> leaves_;
  mutable Place last_;                   // what was looked up last: a change mostly follows
  mutable Row found_;                    // what find() unpacked last, ...
  mutable std::size_t found_bytes_ = 0;  // ... and how much that was
  Bytes packed_;                         // scratch: the row that put() is about
  std::vector<std::uint64_t> changed_;   // hashes; who has the mark still
  std::vector<std::string> erased_;
  std::size_t rows_ = 0;
  std::size_t tombstones_ = 0;
  std::size_t memory_bytes_ = 0;
  std::size_t row_bytes_ = 0;
  std::size_t cold_ = 0;
  std::size_t hand_ = 0;  // of the clock: a leaf
  unsigned laps_ = 0;     // times that it came round since it last found a row to make cold
};

}  // namespace kvorum::dynamo
