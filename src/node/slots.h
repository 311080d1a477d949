// Things that come and go, each with a number of its own by which it is found without looking: the
// number's lower half is its place, which the next one takes.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/check.h"
#include "base/prefetch.h"

namespace kvorum::node {

// `T` is made once for each place; `T::begin_anew()` makes it what a fresh one is, and may keep
// memory. References stay good until erase().
template <class T>
class Slots {
 public:
  // Numbers are above 0 and below 2^63.
  std::uint64_t add() {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const auto place = free_.back();
    free_.pop_back();
    if (!free_.empty()) {
      bring_near(&slots_[free_.back()]);  // for the next one
    }
    Slot& slot = slots_[place];
    slot.used = true;
    slot.times = (slot.times + 1) & 0x7fffffff;
    slot.times += slot.times == 0 ? 1 : 0;
    return std::uint64_t{slot.times} << 32 | place;
  }
  // Null: it is not there any more.
  T* find(std::uint64_t id) {
    const auto place = static_cast<std::uint32_t>(id);
    if (place >= slots_.size() || !slots_[place].used || slots_[place].times != id >> 32) {
      return nullptr;
    }
    return &slots_[place].value;
  }
  const T* find(std::uint64_t id) const { return const_cast<Slots*>(this)->find(id); }
  T& at(std::uint64_t id) {
    T* const found = find(id);
    CHECK(found != nullptr, "number {} is not there", id);
    return *found;
  }
  const T& at(std::uint64_t id) const { return const_cast<Slots*>(this)->at(id); }
  // Asks memory for what at() reads next.
  void fetch(std::uint64_t id) const {
    if (const auto place = static_cast<std::uint32_t>(id); place < slots_.size()) {
      bring_near(&slots_[place], sizeof(Slot));
    }
  }
  void erase(std::uint64_t id) {
    at(id).begin_anew();
    const auto place = static_cast<std::uint32_t>(id);
    slots_[place].used = false;
    free_.push_back(place);
  }
  // visit(id, value) for each, by place.
  template <class Visit>
  void each(Visit visit) const {
    for (std::size_t place = 0; place < slots_.size(); ++place) {
      const Slot& slot = slots_[place];
      if (slot.used) {
        visit(std::uint64_t{slot.times} << 32 | place, slot.value);
      }
    }
  }

 private:
  struct Slot {  // the number's part first, where what is read of `value` mostly is near
    std::uint32_t times = 0;  // that it was taken
    bool used = false;
    T value;
  };
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;  // the last one is taken first
};

}  // namespace kvorum::node
