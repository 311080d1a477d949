#include "lab/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "check/page.h"
#include "lab/comparison_html.h"
#include "model/history.h"

namespace kvorum::lab {
namespace {

std::string or_dash(double per_operation) {
  return per_operation < 0 ? "-" : fmt::format("{:.2f}", per_operation);
}

}  // namespace

std::string comparison_table(const std::vector<LevelRow>& rows, const std::string& conditions) {
  std::size_t wide = 5;
  for (const auto& row : rows) {
    wide = std::max(wide, row.level.size());
  }
  constexpr auto kLine = "{:<{}}  {:>10}  {:>9}  {:>9}  {:>9}  {:>11}  {:>9}\n";
  auto out = conditions.empty() ? std::string() : conditions + "\n";
  const auto at = std::back_inserter(out);
  fmt::format_to(at, kLine, "level", wide, "operations", "mean ms", "p50 ms", "p99 ms",
                 "messages/op", "fsyncs/op");
  for (const auto& row : rows) {
    const auto ms = [](double value) { return fmt::format("{:.3f}", value); };
    fmt::format_to(at, kLine, row.level, wide, row.operations, ms(row.mean_ms), ms(row.p50_ms),
                   ms(row.p99_ms), or_dash(row.messages), or_dash(row.fsyncs));
  }
  return out;
}

std::string comparison_page(const std::vector<LevelRow>& rows, const std::string& conditions) {
  std::string json = "{";
  check::append_member("conditions", conditions, json);
  json += "\"levels\":[";
  for (const auto& row : rows) {
    json += &row == rows.data() ? "[" : ",[";
    append_json_string(row.level, json);
    fmt::format_to(std::back_inserter(json), ",{},{:.6f},{:.6f},{:.6f},\"{}\",\"{}\"]",
                   row.operations, row.mean_ms, row.p50_ms, row.p99_ms, or_dash(row.messages),
                   or_dash(row.fsyncs));
  }
  json += "]}";
  return check::filled(kComparisonPage, json);
}

}  // namespace kvorum::lab
