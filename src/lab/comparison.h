// The same load at several levels, side by side.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace kvorum::lab {

struct LevelRow {
  std::string level;
  std::size_t operations = 0;
  double mean_ms = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double messages = -1;  // of an operation; negative: not known
  double fsyncs = -1;    // of an operation; negative: not known
};

// `conditions` says what was measured under which delay: "3 nodes, 5 ms between them".
std::string comparison_table(const std::vector<LevelRow>& rows, const std::string& conditions);
// One self-contained HTML page with a bar per level.
std::string comparison_page(const std::vector<LevelRow>& rows, const std::string& conditions);

}  // namespace kvorum::lab
