#include "dynamo/table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checksum.h"

namespace kvorum::dynamo {
namespace {

constexpr int kBits = 4;  // of a hash, a level
static_assert(1 << kBits == Table::kFanOut);

constexpr std::size_t kFoundBytes = 64 << 10;  // a longer row's memory is not kept for the next

// Where in a leaf of that size a hash ought to be.
std::size_t guess(std::uint64_t hash, std::size_t size) {
  const auto within = hash << (kBits * Table::kDepth);
  return static_cast<std::size_t>((static_cast<unsigned __int128>(within) * size) >> 64);
}

// A block spans a few cache lines: ask for them at once, to wait for memory once. An address that
// is none does no harm.
void prefetch_rest(const void* block) {
  const auto address = reinterpret_cast<std::uintptr_t>(block);
  __builtin_prefetch(reinterpret_cast<const void*>(address + 64));
  __builtin_prefetch(reinterpret_cast<const void*>(address + 128));
}

bool is_tombstone(const Row& row) {
  return std::all_of(row.siblings.begin(), row.siblings.end(),
                     [](const Sibling& sibling) { return sibling.deleted; });
}

}  // namespace

Table::Head Table::Slot::head() const {
  Head head;
  std::memcpy(&head, block.get(), sizeof head);
  return head;
}

ByteView Table::Slot::key() const { return {block.get() + sizeof(Head), head().key_bytes}; }

ByteView Table::Slot::row() const {
  const auto head = this->head();
  return {block.get() + sizeof(Head) + head.key_bytes, head.row_bytes};
}

std::size_t Table::Slot::memory_bytes() const {
  // glibc's malloc: 8 bytes of its own, then up to a multiple of 16.
  const auto head = this->head();
  return (sizeof(Head) + head.key_bytes + head.row_bytes + 8 + 15) / 16 * 16;
}

bool Table::has(Range range) {
  return range.level <= kDepth && range.number < std::uint32_t{1} << (kBits * range.level);
}

std::uint64_t Table::hash_of(ByteView key) { return checksum(key); }

Range Table::range_of(std::uint64_t hash, int level) {
  CHECK(level >= 0 && level <= kDepth);
  const auto number = level == 0 ? 0 : hash >> (64 - kBits * level);
  return {static_cast<std::uint8_t>(level), static_cast<std::uint32_t>(number)};
}

Table::Table() : leaves_(std::size_t{1} << (kBits * kDepth)) {
  for (int level = 0; level <= kDepth; ++level) {
    sums_.emplace_back(std::size_t{1} << (kBits * level));
    memory_bytes_ += sums_.back().size() * sizeof(std::uint64_t);
  }
  memory_bytes_ += leaves_.size() * sizeof(Leaf);
}

Table::Slot Table::pack(std::uint64_t hash, ByteView key, const Row& row) {
  Bytes packed;
  encode(row, packed);
  CHECK_LT(key.size(), std::size_t{1} << 31);
  CHECK_LT(packed.size(), std::size_t{1} << 31);
  Head head;
  head.fingerprint = fingerprint(key, row);
  head.key_bytes = static_cast<std::uint32_t>(key.size());
  head.row_bytes = static_cast<std::uint32_t>(packed.size()) & 0x7fffffff;
  head.tombstone = is_tombstone(row) ? 1 : 0;
  Slot slot{hash, std::make_unique_for_overwrite<char[]>(sizeof head + key.size() + packed.size())};
  std::memcpy(slot.block.get(), &head, sizeof head);
  key.copy(slot.block.get() + sizeof head, key.size());
  packed.copy(slot.block.get() + sizeof head + key.size(), packed.size());
  return slot;
}

void Table::unpack(const Slot& slot, Row& row) {
  Reader reader(slot.row());
  CHECK(decode(reader, row) && reader.done());
}

Table::Leaf::const_iterator Table::lower_bound(const Leaf& leaf, std::uint64_t hash, ByteView key) {
  // Hashes are spread evenly, so the place is near where the hash points; it is looked for from
  // there in doubling steps, so that a leaf that somebody filled on purpose is no slower than by
  // halving.
  std::size_t low = guess(hash, leaf.size());
  std::size_t high = low;
  for (std::size_t step = 1; low > 0 && leaf[low - 1].hash >= hash; step *= 2) {
    high = low - 1;
    low -= std::min(step, low);
  }
  for (std::size_t step = 1; high < leaf.size() && leaf[high].hash < hash; step *= 2) {
    low = high + 1;
    high += std::min(step, leaf.size() - high);
  }
  const auto iterator = [&](std::size_t n) {
    return leaf.begin() + static_cast<std::ptrdiff_t>(n);
  };
  auto at =
      std::lower_bound(iterator(low), iterator(high), hash,
                       [](const Slot& slot, std::uint64_t wanted) { return slot.hash < wanted; });
  while (at != leaf.end() && at->hash == hash && at->key() < key) {
    ++at;
  }
  return at;
}

// A row is three steps away, so all keys take each step together.
void Table::fetch(std::span<const ByteView> keys) const {
  CHECK_LE(keys.size(), kFetch);
  std::array<std::uint64_t, kFetch> hashes;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    hashes[i] = hash_of(keys[i]);
    __builtin_prefetch(&leaves_[leaf_of(hashes[i])]);
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& leaf = leaves_[leaf_of(hashes[i])];
    __builtin_prefetch(leaf.data() + guess(hashes[i], leaf.size()));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto& leaf = leaves_[leaf_of(hashes[i])];
    if (const auto at = guess(hashes[i], leaf.size()); at < leaf.size()) {
      __builtin_prefetch(leaf[at].block.get());
      prefetch_rest(leaf[at].block.get());
    }
  }
}

const Row* Table::find(ByteView key) const {
  const auto hash = hash_of(key);
  const auto& leaf = leaves_[leaf_of(hash)];
  const auto at = lower_bound(leaf, hash, key);
  if (at == leaf.end() || at->hash != hash) {
    return nullptr;
  }
  prefetch_rest(at->block.get());
  if (at->key() != key) {
    return nullptr;
  }
  if (found_bytes_ > kFoundBytes) {
    found_ = {};
  }
  unpack(*at, found_);
  found_bytes_ = at->row().size();
  return &found_;
}

void Table::count(const Slot& slot, bool added) {
  const auto head = slot.head();
  // Unsigned, so that one arithmetic adds and takes away.
  const std::uint64_t sign = added ? 1 : ~std::uint64_t{0};
  rows_ += sign;
  tombstones_ += sign * head.tombstone;
  memory_bytes_ += sign * slot.memory_bytes();
  for (int level = 0; level <= kDepth; ++level) {
    sums_[static_cast<std::size_t>(level)][range_of(slot.hash, level).number] +=
        sign * head.fingerprint;
  }
}

void Table::replace(ByteView key, const Row& row) {
  const auto hash = hash_of(key);
  auto& leaf = leaves_[leaf_of(hash)];
  const auto at = leaf.begin() + (lower_bound(leaf, hash, key) - leaf.cbegin());
  const bool known = at != leaf.end() && at->hash == hash && at->key() == key;
  if (known) {
    count(*at, false);
  }
  if (row.context.empty() && row.siblings.empty()) {
    if (known) {
      leaf.erase(at);
    }
    return;
  }
  auto fresh = pack(hash, key, row);
  count(fresh, true);
  if (known) {
    *at = std::move(fresh);
    return;
  }
  const auto room = leaf.capacity();
  leaf.insert(at, std::move(fresh));
  memory_bytes_ += (leaf.capacity() - room) * sizeof(Slot);
}

std::uint64_t Table::sum(Range range) const {
  CHECK(has(range));
  return sums_[range.level][range.number];
}

std::span<const Table::Leaf> Table::leaves(Range range) const {
  CHECK(has(range));
  const auto below = kBits * (kDepth - range.level);
  return std::span(leaves_).subspan(std::size_t{range.number} << below, std::size_t{1} << below);
}

std::vector<KeyPrint> Table::prints(Range range) const {
  std::vector<KeyPrint> prints;
  for (const auto& leaf : leaves(range)) {
    for (const auto& slot : leaf) {
      prints.push_back({slot.hash, slot.head().fingerprint});
    }
  }
  return prints;
}

void Table::each(Range range,
                 const std::function<bool(const std::string& key, const Row& row)>& visit) const {
  Row row;
  std::string key;
  for (const auto& leaf : leaves(range)) {
    for (const auto& slot : leaf) {
      key.assign(slot.key());
      unpack(slot, row);
      if (!visit(key, row)) {
        return;
      }
    }
  }
}

}  // namespace kvorum::dynamo
