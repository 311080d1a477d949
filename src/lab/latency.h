// How long a played scenario's operations took.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "lab/run_record.h"

namespace kvorum::lab {

struct Summary {
  std::size_t count = 0;
  double mean_ms = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
};
Summary summarize(std::vector<double> ms);

// Of one level and one kind of operation. The times are those of operations that ended well.
struct LatencyRow {
  std::string level;  // "-": not recorded
  HistoryOp op = HistoryOp::kGet;
  std::size_t count = 0;    // ended well
  std::size_t failed = 0;   // certainly had no effect
  std::size_t unknown = 0;  // outcome
  double mean_ms = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
};

// In the order in which the levels are first used, then that of HistoryOp. Final gets are the
// lab's own and not counted.
std::vector<LatencyRow> latencies(const RunRecord& record);

struct ClientTime {
  std::uint32_t client = 0;
  std::size_t operations = 0;
  double ms = 0;  // from the clients' begin to the last that is known of it
};
std::vector<ClientTime> client_times(const RunRecord& record);  // by number

// Both as text, in aligned columns.
std::string latency_table(const RunRecord& record);

}  // namespace kvorum::lab
