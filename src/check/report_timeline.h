// A timeline of a few operations in characters. Private to report*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "check/history.h"

namespace kvorum::check {

// A lane per client, more where its operations overlap, and a line with the first and last time.
// Starts and ends stand in their order, not to scale: the order is what verdicts are made of.
// `operations` are numbered from 1, in time order. Says what to do if they do not fit.
std::vector<std::string> timeline(const History& history,
                                  const std::vector<std::uint32_t>& operations, std::size_t width);

}  // namespace kvorum::check
