// Reads that are certainly more versions behind than allowed.
#pragma once

#include <cstdint>
#include <vector>

#include "check/key_problem.h"

namespace kvorum::check {

// A read, the only write that can have made what it returned (none for the first state), and more
// than `rules.versions_behind` writes that certainly came between: the steps' indices, the read
// first. Empty: there is none. O(n log n).
std::vector<std::uint32_t> find_stale_read(const KeyProblem& problem);

}  // namespace kvorum::check
