#include "dynamo/table.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checksum.h"
#include "base/mutant.h"
#include "base/prefetch.h"

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
  bring_near(reinterpret_cast<const void*>(address + 64));
  bring_near(reinterpret_cast<const void*>(address + 128));
}

// glibc's malloc: 8 bytes of its own, then up to a multiple of 16.
std::size_t block_bytes(std::size_t bytes) { return (bytes + 8 + 15) / 16 * 16; }

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

void Table::Slot::set(const Head& head) { std::memcpy(block.get(), &head, sizeof head); }

ByteView Table::Slot::key() const { return {block.get() + sizeof(Head), head().key_bytes}; }

ByteView Table::Slot::row() const {
  const auto head = this->head();
  return {block.get() + sizeof(Head) + head.key_bytes, head.row_bytes};
}

Table::Item Table::Slot::item() const {
  const auto head = this->head();
  Item item{hash, key(), {}, head.fingerprint, head.row_bytes, head.on_disk != 0, head.cold != 0};
  if (item.cold) {
    Reader reader(row());
    item.bytes = reader.varint();
  } else {
    item.row = row();
  }
  return item;
}

std::size_t Table::Slot::memory_bytes() const {
  const auto head = this->head();
  return block_bytes(sizeof(Head) + head.key_bytes + head.row_bytes);
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
  memory_bytes_ += leaves_.size() * sizeof(Leaf);
}

// Of what put() has encoded. A row that is as long as the one before takes its place.
void Table::pack(Slot& slot, Head head, ByteView key) {
  const auto bytes = sizeof head + key.size() + packed_.size();
  if (!slot.block || sizeof head + slot.key().size() + slot.row().size() != bytes) {
    slot.block = std::make_unique_for_overwrite<char[]>(bytes);
  }
  slot.set(head);
  key.copy(slot.block.get() + sizeof head, key.size());
  packed_.copy(slot.block.get() + sizeof head + key.size(), packed_.size());
}

void Table::unpack(const Slot& slot, Row& row) {
  const bool cold = slot.head().cold != 0;
  Reader reader(slot.row());
  if (cold) {
    reader.varint();
  }
  CHECK(decode(reader, row) && reader.done());
  for (Sibling& sibling : row.siblings) {
    sibling.cold = cold && !sibling.deleted;
  }
}

// Most have the mark already: their cache lines stay clean.
void Table::use(const Slot& slot) const {
  if (auto head = slot.head(); head.used == 0) {
    head.used = 1;
    std::memcpy(slot.block.get(), &head, sizeof head);
  }
}

std::size_t Table::lower_bound(const Slots& slots, std::uint64_t hash) {
  // Hashes are spread evenly, so the place is near where the hash points; it is looked for from
  // there in doubling steps, so that a leaf that somebody filled on purpose is no slower than by
  // halving.
  std::size_t low = guess(hash, slots.size());
  std::size_t high = low;
  for (std::size_t step = 1; low > 0 && slots[low - 1].hash >= hash; step *= 2) {
    high = low - 1;
    low -= std::min(step, low);
  }
  for (std::size_t step = 1; high < slots.size() && slots[high].hash < hash; step *= 2) {
    low = high + 1;
    high += std::min(step, slots.size() - high);
  }
  const auto iterator = [&](std::size_t n) {
    return slots.begin() + static_cast<std::ptrdiff_t>(n);
  };
  const auto at =
      std::lower_bound(iterator(low), iterator(high), hash,
                       [](const Slot& slot, std::uint64_t wanted) { return slot.hash < wanted; });
  return static_cast<std::size_t>(at - slots.begin());
}

Table::Place Table::look_up(ByteView key) const {
  const auto hash = hash_of(key);
  const auto& slots = leaves_[leaf_of(hash)].slots;
  if (last_.known && last_.hash == hash && slots[last_.at].key() == key) {
    return last_;
  }
  last_ = {hash, lower_bound(slots, hash), false};
  for (; last_.at < slots.size() && slots[last_.at].hash == hash; ++last_.at) {
    prefetch_rest(slots[last_.at].block.get());
    const auto order = slots[last_.at].key().compare(key);
    if (order >= 0) {
      last_.known = order == 0;
      break;
    }
  }
  return last_;
}

void Table::fetch(Step step, std::uint64_t hash) const {
  const auto& leaf = leaves_[leaf_of(hash)];
  if (step == Step::kLeaf) {
    bring_near(&leaf);
  } else if (step == Step::kSlots) {
    bring_near(leaf.slots.data() + guess(hash, leaf.slots.size()));
  } else if (const auto at = lower_bound(leaf.slots, hash); at < leaf.slots.size()) {
    bring_near(leaf.slots[at].block.get());
    prefetch_rest(leaf.slots[at].block.get());
  }
}

void Table::fetch(std::span<const std::uint64_t> hashes) const {
  for (const auto step : kSteps) {
    for (const auto hash : hashes) {
      fetch(step, hash);
    }
  }
}

const Row* Table::find(ByteView key) const {
  const auto place = look_up(key);
  if (!place.known) {
    return nullptr;
  }
  const auto& slot = leaves_[leaf_of(place.hash)].slots[place.at];
  use(slot);
  if (found_bytes_ > kFoundBytes) {
    found_ = {};
  }
  unpack(slot, found_);
  found_bytes_ = slot.row().size();
  return &found_;
}

ByteView Table::packed(ByteView key) const {
  const auto place = look_up(key);
  if (!place.known) {
    return {};
  }
  const auto& slot = leaves_[leaf_of(place.hash)].slots[place.at];
  CHECK(slot.head().cold == 0, "the values of a cold row are not in memory");
  return slot.row();
}

Table::Item Table::item(ByteView key) const {
  const auto place = look_up(key);
  return place.known ? leaves_[leaf_of(place.hash)].slots[place.at].item() : Item();
}

bool Table::is_cold(ByteView key) const {
  if (cold_ == 0) {
    return false;
  }
  const auto place = look_up(key);
  return place.known && leaves_[leaf_of(place.hash)].slots[place.at].head().cold != 0;
}

std::uint64_t Table::print(ByteView key) const {
  const auto place = look_up(key);
  return place.known ? leaves_[leaf_of(place.hash)].slots[place.at].head().fingerprint : 0;
}

void Table::count(const Slot& slot, bool added) {
  const auto head = slot.head();
  // Unsigned, so that one arithmetic adds and takes away.
  const std::uint64_t sign = added ? 1 : ~std::uint64_t{0};
  rows_ += sign;
  cold_ += sign * head.cold;
  tombstones_ += sign * head.tombstone;
  memory_bytes_ += sign * slot.memory_bytes();
  row_bytes_ += sign * slot.memory_bytes();
  leaves_[leaf_of(slot.hash)].sum += sign * head.fingerprint;
}

void Table::replace(ByteView key, const Row& row) { put(key, row, true, false); }

void Table::load(ByteView key, const Row& row, bool on_disk, bool cold) {
  put(key, row, false, on_disk);
  if (on_disk && cold && last_.known) {
    chill(leaves_[leaf_of(last_.hash)].slots[last_.at]);
  }
}

void Table::put(ByteView key, const Row& row, bool changed, bool on_disk) {
  const auto place = look_up(key);
  auto& slots = leaves_[leaf_of(place.hash)].slots;
  const auto at = slots.begin() + static_cast<std::ptrdiff_t>(place.at);
  Head head;
  if (place.known) {
    count(*at, false);
    head.changed = at->head().changed;
  }
  if (row.context.empty() && row.siblings.empty()) {
    if (place.known) {
      last_ = {};
      slots.erase(at);
      if (changed) {
        erased_.emplace_back(key);
      }
    }
    return;
  }
  if (packed_.capacity() > kFoundBytes) {
    Bytes().swap(packed_);
  }
  packed_.clear();
  encode(row, packed_);
  CHECK_LT(key.size(), std::size_t{1} << 27);
  CHECK_LT(packed_.size(), std::size_t{1} << 31);
  head.fingerprint = fingerprint(place.hash, row);
  head.key_bytes = static_cast<std::uint32_t>(key.size()) & 0x7ffffff;
  head.row_bytes = static_cast<std::uint32_t>(packed_.size()) & 0x7fffffff;
  head.tombstone = is_tombstone(row) ? 1 : 0;
  head.put = head.on_disk = on_disk ? 1 : 0;
  head.used = changed ? 1 : 0;
  if (changed && head.changed == 0) {
    head.changed = 1;
    changed_.push_back(place.hash);
  }
  if (place.known) {
    pack(*at, head, key);
    count(*at, true);
    return;
  }
  Slot fresh{place.hash, nullptr};
  pack(fresh, head, key);
  count(fresh, true);
  const auto room = slots.capacity();
  if (slots.size() == room) {  // by a quarter: there are many leaves, and twice is much to spare
    slots.reserve(room + room / 4 + 1);
  }
  slots.insert(slots.begin() + static_cast<std::ptrdiff_t>(place.at), std::move(fresh));
  memory_bytes_ += (slots.capacity() - room) * sizeof(Slot);
  last_.known = true;
}

void Table::each_of(std::uint64_t hash, const std::function<void(const Item& item)>& visit) const {
  const auto& slots = leaves_[leaf_of(hash)].slots;
  for (auto at = lower_bound(slots, hash); at < slots.size() && slots[at].hash == hash; ++at) {
    visit(slots[at].item());
  }
}

bool Table::take_unput(std::size_t& next, std::size_t count,
                       const std::function<void(const Item& item)>& take) {
  for (std::size_t seen = 0; seen < count && next < leaves_.size(); ++next) {
    const std::span<Slot> slots(leaves_[next].slots);
    seen += slots.size();
    for (std::size_t n = 0; n < slots.size() + kFetch; ++n) {
      if (n < slots.size()) {
        bring_near(slots[n].block.get());
        prefetch_rest(slots[n].block.get());
      }
      if (n >= kFetch) {
        Slot& slot = slots[n - kFetch];
        if (auto head = slot.head(); head.put == 0) {
          head.put = 1;
          slot.set(head);
          take(slot.item());
        }
      }
    }
  }
  return next == leaves_.size();
}

void Table::on_disk(const KeyPrint& row) {
  auto& slots = leaves_[leaf_of(row.hash)].slots;
  for (auto at = lower_bound(slots, row.hash); at < slots.size() && slots[at].hash == row.hash;
       ++at) {
    auto head = slots[at].head();
    if (head.fingerprint == row.fingerprint) {
      head.put = head.on_disk = 1;
      slots[at].set(head);
      laps_ = 0;
    }
  }
}

// Another row, or the same with or without its values, in the place of a block.
void Table::repack(Slot& slot, Head head, const Row& row) {
  packed_.clear();
  if (head.cold != 0) {
    put_varint(packed_, slot.head().row_bytes);
  }
  encode(row, packed_);
  head.row_bytes = static_cast<std::uint32_t>(packed_.size()) & 0x7fffffff;
  count(slot, false);
  const auto block = std::exchange(slot.block, nullptr);
  pack(slot, head, {block.get() + sizeof head, head.key_bytes});
  count(slot, true);
}

// If that frees a quarter of its memory, so that it is worth a read of the disk.
void Table::chill(Slot& slot) {
  auto head = slot.head();
  Row row;
  unpack(slot, row);
  std::size_t values = 0;
  for (Sibling& sibling : row.siblings) {
    values += sibling.value.size();
    Bytes().swap(sibling.value);
  }
  const auto hot = slot.memory_bytes();
  const auto most = sizeof head + head.key_bytes + head.row_bytes - values + sizeof(std::uint32_t);
  if (values > 0 && block_bytes(most) + hot / 4 <= hot) {
    head.cold = 1;
    repack(slot, head, row);
    laps_ = 0;
  }
}

bool Table::evict(std::size_t count) {
  // The third time round: the first may have begun anywhere, the second took what the first left.
  constexpr unsigned kLaps = 3;
  for (std::size_t seen = 0; seen < count && laps_ < kLaps;) {
    auto& slots = leaves_[hand_].slots;
    seen += slots.size();
    for (Slot& slot : slots) {
      auto head = slot.head();
      const bool used = head.used != 0;
      if (used) {
        head.used = 0;
        slot.set(head);
      } else if (head.on_disk != 0 && head.changed == 0 && head.cold == 0) {
        chill(slot);
      }
    }
    if (++hand_ == leaves_.size()) {
      hand_ = 0;
      ++laps_;
    }
  }
  return laps_ < kLaps;
}

bool Table::restore(ByteView key, std::uint64_t print, const std::optional<Bytes>& stored) {
  const auto place = look_up(key);
  Row row;
  Reader reader(stored ? ByteView(*stored) : ByteView());
  const bool whole = stored && decode(reader, row) && reader.done();
  if (KVORUM_MUTANT(kTakeOldRow) && place.known && whole) {
    put(key, row, false, true);
    return true;
  }
  if (!place.known) {
    return true;
  }
  Slot& slot = leaves_[leaf_of(place.hash)].slots[place.at];
  auto head = slot.head();
  if (head.cold == 0) {
    return true;
  }
  if (!whole || fingerprint(place.hash, row) != head.fingerprint) {
    return head.fingerprint != print;  // else it became cold again in the meantime
  }
  head.cold = 0;
  head.used = 1;
  repack(slot, head, row);
  laps_ = 0;
  return true;
}

void Table::take_changed(const std::function<void(ByteView key, ByteView packed)>& take) {
  for (const std::string& key : erased_) {
    take(key, {});
  }
  erased_.clear();
  const std::span<const std::uint64_t> hashes(changed_);
  fetch(hashes.first(std::min(kFetch, hashes.size())));
  for (std::size_t n = 0; n < hashes.size(); ++n) {
    if (n % kFetch == 0 && hashes.size() - n > kFetch) {  // those behind the next, in time
      fetch(hashes.subspan(n + kFetch, std::min(kFetch, hashes.size() - n - kFetch)));
    }
    auto& slots = leaves_[leaf_of(changed_[n])].slots;
    for (auto at = lower_bound(slots, changed_[n]);
         at < slots.size() && slots[at].hash == changed_[n]; ++at) {
      auto head = slots[at].head();
      if (head.changed != 0) {
        head.changed = 0;
        slots[at].set(head);
        take(slots[at].key(), slots[at].row());
      }
    }
  }
  changed_.clear();
}

std::uint64_t Table::sum(Range range) const {
  std::uint64_t sum = 0;
  for (const auto& leaf : leaves(range)) {
    sum += leaf.sum;
  }
  return sum;
}

std::span<const Table::Leaf> Table::leaves(Range range) const {
  CHECK(has(range));
  const auto below = kBits * (kDepth - range.level);
  return std::span(leaves_).subspan(std::size_t{range.number} << below, std::size_t{1} << below);
}

std::vector<KeyPrint> Table::prints(Range range) const {
  std::vector<KeyPrint> prints;
  for (const auto& leaf : leaves(range)) {
    for (const auto& slot : leaf.slots) {
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
    for (const auto& slot : leaf.slots) {
      key.assign(slot.key());
      unpack(slot, row);
      if (!visit(key, row)) {
        return;
      }
    }
  }
}

}  // namespace kvorum::dynamo
