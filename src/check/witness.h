// Accepts by construction: makes one order out of the linearizations of the keys, and checks it
// against the operations themselves. Most histories of a store that does nothing wrong are proved
// right so in little more than linear time, where a search would drown. To find none says nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// Whether an order was found that proves the history sequentially consistent.
bool has_sequential_witness(const History& history, const Budget& budget);

// The operations of those keys for which no order of writes was found that proves consistent
// prefix, ascending.
std::vector<std::uint32_t> without_prefix_witness(const History& history, const Budget& budget);

}  // namespace kvorum::check
