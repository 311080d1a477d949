// One key's operations as a linearizable order: where each can be in it, and one such order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "check/history.h"
#include "check/key_problem.h"
#include "check/verdict.h"

namespace kvorum::check {

struct Interval {
  std::uint32_t operation = 0;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
};

// The intervals, no wider than before, that every legal order keeps to; empty if there is none.
// Operations that cannot matter are left out.
std::optional<std::vector<Interval>> narrowed(const History& history,
                                              const std::vector<std::uint32_t>& operations);

// The operations on one key.
struct OrderWish {
  std::vector<std::uint32_t> operations;
  std::vector<std::uint32_t> weak_gets;  // the others: their intervals are wide
  std::vector<Precedence> precedence;
};

// A legal order, but that gets between the same two writes may come in any order; empty if none was
// met. Left out: what did not take effect, and failed compares with what the key never held.
std::optional<std::vector<std::uint32_t>> find_order(const History& history, const OrderWish& wish,
                                                     std::uint64_t states, const Budget& budget);

// Whether the outcomes fit when the order is played through, whatever the times are.
bool all_fit(const History& history, const std::vector<std::uint32_t>& order);

}  // namespace kvorum::check
