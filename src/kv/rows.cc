#include "kv/rows.h"

#include <bit>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/prng.h"

namespace kvorum::kv {
namespace {

constexpr std::size_t kAllocatorHead = 8;  // what malloc keeps in front of a block
constexpr unsigned kFirstBits = 1;
constexpr unsigned kMaxBits = 28;

// Bytes of the block for a row that needs `need`. Small rows fill the allocator's size classes
// exactly. Large ones come in eighths of a power of two, so that APPEND moves a value only after it
// has grown by that much.
std::size_t block_bytes(std::size_t need) {
  if (need <= 1024) {
    return ((need + kAllocatorHead + 15) & ~std::size_t{15}) - kAllocatorHead;
  }
  const auto step = std::bit_floor(need) / 8;
  return (need + step - 1) / step * step;
}

std::size_t need_of(std::size_t key_size, std::size_t value_size, bool timed) {
  return sizeof(Row) + (timed ? sizeof(std::uint32_t) : 0) + key_size + value_size;
}

void* checked(void* block) {
  CHECK(block != nullptr, "out of memory");
  return block;
}

}  // namespace

std::uint64_t Row::value_sum() const {
  if (!cold()) {
    return checksum(value());
  }
  std::uint64_t sum = 0;
  std::memcpy(&sum, key_data() + key_size(), kSumBytes);
  return sum;
}

void Row::set_timer(std::uint32_t timer) {
  CHECK(timed());
  std::memcpy(reinterpret_cast<char*>(this) + sizeof(Row), &timer, sizeof timer);
}

Rows::Rows()
    : slots_(std::make_unique<SlotTable[]>(kSlotCount)),
      memory_bytes_(kSlotCount * sizeof(SlotTable)) {}

Rows::~Rows() {
  while (free_slice(kSlotCount)) {
  }
}

Rows::Rows(Rows&& other) noexcept
    : slots_(std::move(other.slots_)),
      live_(std::exchange(other.live_, 0)),
      cold_(std::exchange(other.cold_, 0)),
      memory_bytes_(std::exchange(other.memory_bytes_, 0)),
      free_at_(std::exchange(other.free_at_, 0)) {}

Rows& Rows::operator=(Rows&& other) noexcept {
  std::swap(slots_, other.slots_);
  std::swap(live_, other.live_);
  std::swap(cold_, other.cold_);
  std::swap(memory_bytes_, other.memory_bytes_);
  std::swap(free_at_, other.free_at_);
  return *this;
}

Rows::Link Rows::find(const KeyRef& ref) const {
  const auto& in = table(ref.slot);
  if (in.buckets == nullptr) {
    return nullptr;
  }
  for (Link link = &in.buckets[in.bucket_of(ref.hash)]; *link != nullptr; link = &(*link)->next_) {
    if ((*link)->key() == ref.key) {
      return link;
    }
  }
  return nullptr;
}

Rows::Link Rows::insert(const KeyRef& ref, std::size_t value_size, bool timed) {
  auto& in = table(ref.slot);
  if (in.buckets == nullptr) {
    resize(in, kFirstBits);
  } else if (in.rows >= in.size() && in.bits < kMaxBits) {
    resize(in, in.bits + 1);
  }
  CHECK_LT(in.rows, (std::uint64_t{1} << 29) - 1);
  Row* row = allocate(ref.key, value_size, timed);
  Link link = &in.buckets[in.bucket_of(ref.hash)];
  row->next_ = *link;
  *link = row;
  ++in.rows;
  ++live_;
  return link;
}

void Rows::reshape(Link link, std::size_t value_size, bool timed, std::size_t keep) {
  Row* old = *link;
  if (old->cold()) {
    CHECK_EQ(keep, 0U);
    old->set_value_size(Row::kSumBytes);  // a value like any other, for its memory's sake
    --cold_;
  }
  const auto before = block_bytes(need_of(old->key_size(), old->value_size(), old->timed()));
  const auto after = block_bytes(need_of(old->key_size(), value_size, timed));
  if (old->timed() == timed && before == after) {
    old->set_value_size(value_size);
    return;
  }
  if (old->timed() == timed && keep > 0) {
    memory_bytes_ += after - before;
    *link = static_cast<Row*>(checked(std::realloc(static_cast<void*>(old), after)));
    (*link)->set_value_size(value_size);
    return;
  }
  Row* row = allocate(old->key(), value_size, timed);
  row->next_ = old->next_;
  row->version_ = old->version_;
  row->set_dirty(old->dirty());
  row->set_gone(old->gone());
  row->set_used(old->used());
  if (timed && old->timed()) {
    row->set_timer(old->timer());
  }
  std::memcpy(row->value_data(), old->value().data(), keep);
  *link = row;
  release(old);
}

void Rows::chill(Link link) {
  const auto size = (*link)->value_size();
  const auto sum = (*link)->value_sum();
  reshape(link, Row::kSumBytes, (*link)->timed(), 0);
  Row* row = *link;
  std::memcpy(row->value_data(), &sum, Row::kSumBytes);
  row->value_bits_ = Row::kCold | static_cast<std::uint32_t>(size);
  ++cold_;
}

bool Rows::worth_chilling(const Row& row) {
  const auto hot = block_bytes(need_of(row.key_size(), row.value_size(), row.timed()));
  const auto cold = block_bytes(need_of(row.key_size(), Row::kSumBytes, row.timed()));
  return cold + hot / 4 <= hot;
}

void Rows::erase(Slot slot, Link link) {
  auto& in = table(slot);
  unlink(in, link);
  shrink(in);
}

void Rows::unlink(SlotTable& in, Link link) {
  Row* row = *link;
  *link = row->next_;
  if (row->gone()) {
    --in.gone;
  } else {
    --live_;
  }
  --in.rows;
  release(row);
}

void Rows::count_gone(Slot slot, bool gone) {
  auto& in = table(slot);
  if (gone) {
    ++in.gone;
    --live_;
  } else {
    --in.gone;
    ++live_;
  }
}

void Rows::resize(SlotTable& in, unsigned bits) {
  const auto size = std::size_t{1} << bits;
  auto** buckets = static_cast<Row**>(checked(std::calloc(size, sizeof(Row*))));
  const auto old_size = in.size();
  Row** old = std::exchange(in.buckets, buckets);
  in.bits = bits & 63;
  for (std::size_t i = 0; i < old_size; ++i) {
    for (Row* row = old[i]; row != nullptr;) {
      Row* next = row->next_;
      Row*& head = buckets[in.bucket_of(checksum(row->key()))];
      row->next_ = head;
      head = row;
      row = next;
    }
  }
  memory_bytes_ += (size * sizeof(Row*) + kAllocatorHead);
  if (old != nullptr) {
    memory_bytes_ -= (old_size * sizeof(Row*) + kAllocatorHead);
    std::free(old);
  }
}

void Rows::shrink(SlotTable& in) {
  if (in.buckets == nullptr) {
    return;
  }
  if (in.rows == 0) {
    memory_bytes_ -= in.size() * sizeof(Row*) + kAllocatorHead;
    std::free(std::exchange(in.buckets, nullptr));
    in.bits = 0;
  } else if (in.bits > kFirstBits && in.rows < in.size() / 8) {
    resize(in, in.bits - 1);
  }
}

void Rows::next_bucket(std::uint64_t& position, std::vector<const Row*>& out) const {
  const auto before = out.size();
  while (position < kEnd && out.size() == before) {
    const auto slot = position >> 48;
    const auto& in = slots_[slot];
    if (in.rows == 0) {
      position = (slot + 1) << 48;
      continue;
    }
    const auto within = position & ((std::uint64_t{1} << 48) - 1);
    const auto bucket = within >> (48 - in.bits);
    const auto start = (slot << 48) + (bucket << (48 - in.bits));
    for (const Row* row = in.buckets[bucket]; row != nullptr; row = row->next_) {
      if (start == position || (slot << 48 | checksum(row->key()) >> 16) >= position) {
        out.push_back(row);
      }
    }
    position = start + (std::uint64_t{1} << (48 - in.bits));
  }
}

const Row* Rows::random(std::uint64_t draw) const {
  if (live_ == 0) {
    return nullptr;
  }
  Prng prng(draw);
  auto skip = prng.below(live_);
  const SlotTable* in = slots_.get();
  while (skip >= in->live()) {
    skip -= in->live();
    ++in;
  }
  // The slot is drawn by its weight; within it a bucket, then a row of its chain. The walk behind a
  // bucket without a live row is short: at least an eighth of the buckets hold a row, unless most
  // rows have just been deleted.
  std::vector<const Row*> chain;
  for (auto bucket = prng.below(in->size());; bucket = (bucket + 1) % in->size()) {
    for (const Row* row = in->buckets[bucket]; row != nullptr; row = row->next_) {
      if (!row->gone()) {
        chain.push_back(row);
      }
    }
    if (!chain.empty()) {
      return chain[prng.below(chain.size())];
    }
    if (prng.chance(7, 8)) {  // elsewhere, so that a row behind a long gap is not drawn more often
      bucket = prng.below(in->size());
    }
  }
}

bool Rows::free_slice(std::size_t count) {
  if (slots_ == nullptr) {
    return false;
  }
  for (std::size_t freed = 0; free_at_ < kSlotCount; ++free_at_) {
    auto& in = slots_[free_at_];
    for (std::size_t i = in.size(); i-- > 0;) {
      while (Row* row = in.buckets[i]) {
        if (freed++ == count) {
          return true;
        }
        in.buckets[i] = row->next_;
        --in.rows;
        release(row);
      }
      if (in.bits > 0 && i == (in.size() >> 1)) {
        in.bits =
            (in.bits - 1) & 63;  // the upper half is empty: not walked again by the next slice
      }
    }
    std::free(std::exchange(in.buckets, nullptr));
  }
  slots_.reset();
  live_ = cold_ = memory_bytes_ = 0;
  return false;
}

Row* Rows::allocate(ByteView key, std::size_t value_size, bool timed) {
  CHECK_LE(key.size(), Row::kMaxBytes - 1);
  CHECK_LE(value_size, Row::kMaxBytes);
  const auto bytes = block_bytes(need_of(key.size(), value_size, timed));
  Row* row = new (checked(std::malloc(bytes))) Row;
  memory_bytes_ += bytes + kAllocatorHead;
  row->key_bits_ = static_cast<std::uint32_t>(key.size()) << Row::kFlagBits;
  row->set_bit(Row::kTimed, timed);
  row->set_value_size(value_size);
  if (timed) {
    row->set_timer(Row::kNoTimer);
  }
  std::memcpy(const_cast<char*>(row->key_data()), key.data(), key.size());
  return row;
}

void Rows::release(Row* row) {
  cold_ -= row->cold() ? 1 : 0;
  memory_bytes_ -=
      block_bytes(need_of(row->key_size(), row->stored_size(), row->timed())) + kAllocatorHead;
  std::free(static_cast<void*>(row));
}

}  // namespace kvorum::kv
