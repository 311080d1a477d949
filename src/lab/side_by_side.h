// The same scenario on several systems, side by side.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "check/verdict.h"
#include "lab/run_record.h"

namespace kvorum::lab {

// One system: what came of all its plays.
struct Side {
  struct Judged {
    check::Model model;
    std::size_t ok = 0;
    std::size_t violated = 0;
    std::size_t unknown = 0;
    std::size_t unsupported = 0;  // nothing in those histories that the model speaks of
  };

  std::string system;
  std::size_t plays = 0;
  std::size_t as_expected = 0;
  std::vector<Judged> models;
  std::optional<std::size_t> lost = 0;  // acknowledged writes; empty: the judge ran out of budget
  RunRecord together;                   // the histories of all plays, for their latencies
};

// `record` has been judged. The judge may take `budget` for each model.
void add_play(const RunRecord& record, std::chrono::nanoseconds budget, Side& side);

// How many acknowledged writes must be given up to explain what the nodes hold in the end, the
// latest first. Empty: not known within the budget.
std::optional<std::size_t> lost_writes(const RunRecord& record, std::chrono::nanoseconds budget);

// A column for each side, a row for each thing to compare.
std::string side_by_side(const std::vector<Side>& sides);

}  // namespace kvorum::lab
