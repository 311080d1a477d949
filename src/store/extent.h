// What a write does to a log's extent. Both makers use it, so that they agree.
#pragma once

#include <algorithm>

#include "base/check.h"
#include "store/store.h"

namespace kvorum::store {

inline bool holds(const LogExtent& extent, Index index) {
  return index > extent.base && index <= extent.last;
}

// False for a log of which nothing would be left on disk.
inline bool is_there(const LogExtent& extent) { return extent.last > Index(0); }

inline void extend(LogExtent& extent, const std::vector<Entry>& entries) {
  if (entries.empty()) {
    return;
  }
  CHECK_GT(entries.front().index, extent.base);
  CHECK_LE(entries.front().index, extent.last.next());
  for (std::size_t i = 1; i < entries.size(); ++i) {
    CHECK_EQ(entries[i].index, entries[i - 1].index.next());
  }
  extent.last = std::max(extent.last, entries.back().index);
}

inline void truncate(LogExtent& extent, Index from) {
  CHECK_GT(from, extent.base);
  extent.last = std::min(extent.last, from.prev());
}

// False, and nothing changed, when the log begins at or behind `first` already.
inline bool compact(LogExtent& extent, Index first, Term before_first) {
  if (first <= extent.first()) {
    return false;
  }
  CHECK_LE(first, extent.last.next());
  extent.base = first.prev();
  extent.base_term = before_first;
  return true;
}

}  // namespace kvorum::store
