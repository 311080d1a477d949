#include "kv/deadlines.h"

#include <algorithm>
#include <cstddef>

#include "base/check.h"

namespace kvorum::kv {

void Deadlines::set(Row* row, WallMs deadline) {
  auto at = row->timer();
  if (at == Row::kNoTimer) {
    CHECK_LT(heap_.size(), Row::kNoTimer);
    heap_.push_back({});
    up(heap_.size() - 1, {deadline, row});
  } else if (deadline < heap_[at].deadline) {
    up(at, {deadline, row});
  } else {
    down(at, {deadline, row});
  }
}

void Deadlines::remove(Row* row) {
  const auto at = row->timer();
  if (at == Row::kNoTimer) {
    return;
  }
  row->set_timer(Row::kNoTimer);
  const auto old = heap_[at].deadline;
  const auto last = heap_.back();
  heap_.pop_back();
  if (at == heap_.size()) {
    return;
  }
  if (last.deadline < old) {
    up(at, last);
  } else {
    down(at, last);
  }
}

void Deadlines::moved(Row* row) {
  const auto at = row->timer();
  if (at != Row::kNoTimer) {
    heap_[at].row = row;
  }
}

void Deadlines::clear() { heap_ = {}; }

std::optional<WallMs> Deadlines::of(const Row& row) const {
  const auto at = row.timer();
  return at == Row::kNoTimer ? std::nullopt : std::optional(heap_[at].deadline);
}

std::optional<WallMs> Deadlines::first() const {
  return heap_.empty() ? std::nullopt : std::optional(heap_.front().deadline);
}

void Deadlines::place(std::size_t at, Item item) {
  heap_[at] = item;
  item.row->set_timer(static_cast<std::uint32_t>(at));
}

void Deadlines::up(std::size_t at, Item item) {
  while (at > 0) {
    const auto parent = (at - 1) / kChildren;
    if (heap_[parent].deadline <= item.deadline) {
      break;
    }
    place(at, heap_[parent]);
    at = parent;
  }
  place(at, item);
}

void Deadlines::down(std::size_t at, Item item) {
  for (;;) {
    const auto first = at * kChildren + 1;
    if (first >= heap_.size()) {
      break;
    }
    const auto last = std::min(first + kChildren, heap_.size());
    auto least = first;
    for (auto child = first + 1; child < last; ++child) {
      if (heap_[child].deadline < heap_[least].deadline) {
        least = child;
      }
    }
    if (item.deadline <= heap_[least].deadline) {
      break;
    }
    place(at, heap_[least]);
    at = least;
  }
  place(at, item);
}

}  // namespace kvorum::kv
