// What the reports share. Private to report*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

std::vector<std::uint32_t> in_time_order(const History& history,
                                         std::vector<std::uint32_t> operations);
// The edges, one for each pair of operations, in their order.
std::vector<Edge> merged_edges(const Verdict& verdict);
// "kvorum check --model M FILE".
std::string plain_command(const History& history, const Verdict& verdict);

// Columns that a UTF-8 text takes, a character each.
std::size_t columns(std::string_view text);
// Bytes of its first characters.
std::size_t bytes_of_columns(std::string_view text, std::size_t count);

}  // namespace kvorum::check
