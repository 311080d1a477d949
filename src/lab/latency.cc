#include "lab/latency.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>

namespace kvorum::lab {
namespace {

constexpr double kNsPerMs = 1e6;

struct Sample {
  LatencyRow row;
  std::vector<double> ms;
};

// The least value that so many of a hundred do not exceed.
double percentile(const std::vector<double>& sorted, double percent) {
  const auto rank = std::ceil(percent / 100 * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

Summary summarize(std::vector<double> ms) {
  Summary out;
  out.count = ms.size();
  if (!ms.empty()) {
    std::sort(ms.begin(), ms.end());
    out.mean_ms = std::accumulate(ms.begin(), ms.end(), 0.0) / static_cast<double>(ms.size());
    out.p50_ms = percentile(ms, 50);
    out.p99_ms = percentile(ms, 99);
    out.max_ms = ms.back();
  }
  return out;
}

std::vector<LatencyRow> latencies(const RunRecord& record) {
  std::map<std::string, std::size_t> levels;  // to its place
  std::map<std::pair<std::size_t, HistoryOp>, Sample> samples;
  for (const auto& operation : record.history) {
    if (operation.final) {
      continue;
    }
    const auto place = levels.try_emplace(operation.level, levels.size()).first->second;
    auto& sample = samples[{place, operation.op}];
    sample.row.level = operation.level.empty() ? "-" : operation.level;
    sample.row.op = operation.op;
    switch (operation.ended) {
      case Ended::kOk:
        sample.ms.push_back(static_cast<double>(operation.end_ns - operation.start_ns) / kNsPerMs);
        break;
      case Ended::kFailed:
        ++sample.row.failed;
        break;
      case Ended::kUnknown:
        ++sample.row.unknown;
        break;
    }
  }
  std::vector<LatencyRow> rows;
  for (auto& [place, sample] : samples) {
    const auto times = summarize(std::move(sample.ms));
    auto& row = sample.row;
    row.count = times.count;
    row.mean_ms = times.mean_ms;
    row.p50_ms = times.p50_ms;
    row.p99_ms = times.p99_ms;
    row.max_ms = times.max_ms;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ClientTime> client_times(const RunRecord& record) {
  std::map<std::uint32_t, ClientTime> times;
  const auto saw = [&times](std::uint32_t client, std::int64_t at_ns) {
    auto& time = times[client];
    time.client = client;
    time.ms = std::max(time.ms, static_cast<double>(at_ns) / kNsPerMs);
  };
  for (const auto& operation : record.history) {
    if (!operation.final) {
      saw(operation.client,
          operation.ended == Ended::kUnknown ? operation.start_ns : operation.end_ns);
      ++times[operation.client].operations;
    }
  }
  for (const auto& event : record.events) {
    if (event.client >= 0 && times.contains(static_cast<std::uint32_t>(event.client))) {
      saw(static_cast<std::uint32_t>(event.client), event.at_ns);
    }
  }
  std::vector<ClientTime> out;
  for (const auto& [client, time] : times) {
    out.push_back(time);
  }
  return out;
}

std::string latency_table(const RunRecord& record) {
  const auto rows = latencies(record);
  std::size_t wide = 5;
  for (const auto& row : rows) {
    wide = std::max(wide, row.level.size());
  }
  auto out =
      fmt::format("{:<{}}  {:<6}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}  {:>6}  {:>7}\n", "level", wide,
                  "op", "count", "mean ms", "p50 ms", "p99 ms", "max ms", "failed", "unknown");
  const auto at = std::back_inserter(out);
  for (const auto& row : rows) {
    fmt::format_to(at,
                   "{:<{}}  {:<6}  {:>6}  {:>9.3f}  {:>9.3f}  {:>9.3f}  {:>9.3f}  {:>6}  {:>7}\n",
                   row.level, wide, to_string(row.op), row.count, row.mean_ms, row.p50_ms,
                   row.p99_ms, row.max_ms, row.failed, row.unknown);
  }
  for (const auto& time : client_times(record)) {
    fmt::format_to(at, "client {:<4}  {:>5} operation{}  in {:.3f} ms\n", time.client,
                   time.operations, time.operations == 1 ? " " : "s", time.ms);
  }
  return out;
}

}  // namespace kvorum::lab
