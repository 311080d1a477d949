// How old what a read returned was, as far as the times tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "check/history.h"

namespace kvorum::lab {

enum class Source : std::uint8_t {
  kWrite,
  kInitial,  // the key's first value
  kNobody,   // no write of the history is known to have made it
};

// A read is only older than a write that had ended before it began, and that began after the write
// it read had ended: what overlaps may stand in either order.
struct ReadAge {
  Source source = Source::kNobody;
  std::uint32_t write = 0;       // of kWrite: which operation
  std::size_t newer = 0;         // writes that are certainly newer; of kNobody not known
  std::int64_t outdated_ns = 0;  // how long before its begin the first of them had ended
};

// Of each of the history's operations; empty for all but gets that were answered. The write is the
// one with the recorded version, else of those with that value begun before the read ended the one
// that makes the read newest, and of these the latest. An append may have made what ends with its
// text, an incr of unknown outcome anything.
std::vector<std::optional<ReadAge>> read_ages(const check::History& history);

}  // namespace kvorum::lab
