// How much a history can prove.
#pragma once

#include <cstddef>
#include <string>

#include "check/history.h"

namespace kvorum::check {

struct Stats {
  std::size_t operations = 0;
  std::size_t unknown = 0;  // outcomes, of writes
  std::size_t keys = 0;
  std::size_t reads = 0;        // that returned
  std::size_t never_read = 0;   // keys that were written
  std::size_t concurrency = 0;  // operations open at once, those of unknown outcome left out
};

Stats stats_of(const History& history);
// "keys=3 reads/key=12.0 never-read=1 unknown=2.5% concurrency=8"
std::string to_string(const Stats& stats);

}  // namespace kvorum::check
