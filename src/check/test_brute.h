// For tests: an independent judge of tiny histories that tries every order, over plain strings,
// and random histories to compare with.
#pragma once

#include <string>

#include "base/prng.h"
#include "check/history.h"

namespace kvorum::check {

// Linearizable, by trying all orders of each key's operations; with `versions_behind` gets may
// return any of so many states before the last.
bool brute_linearizable(const History& history, std::size_t versions_behind = 0);

struct RandomOptions {
  std::size_t operations = 6;
  std::size_t clients = 3;
  std::size_t keys = 1;
  std::size_t values = 3;     // distinct values written
  std::int64_t moments = 12;  // times are below this
  bool unique = false;        // every write has a value of its own
  bool numbers = false;       // counters among the rest
  bool appends = false;
  std::uint64_t unknown_percent = 15;
};

// Outcomes of a store that is right, or (`lies` percent of the reads) nearly.
History random_history(Prng& prng, const RandomOptions& options, std::uint64_t lies);

// One line an operation.
std::string show(const History& history);

}  // namespace kvorum::check
