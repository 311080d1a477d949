#include "app/run_folder.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "app/files.h"
#include "check/report.h"
#include "lab/expect.h"
#include "lab/run_logs.h"
#include "lab/run_page.h"
#include "model/history.h"

namespace kvorum::app {
namespace {

// What the keys held before the first operation, for the judge; empty if that is nothing.
std::string initial_line(const lab::Scenario& scenario) {
  std::string line;
  for (const auto& [key, value] : scenario.initial) {
    line += line.empty() ? R"({"initial":{)" : ",";
    append_json_string(key, line);
    line += ':';
    append_json_string(value, line);
  }
  return line.empty() ? line : line + "}}\n";
}

}  // namespace

std::string verdict_text(const std::filesystem::path& folder, const lab::RunRecord& record) {
  std::string text;
  for (const auto& expected : record.expected) {
    text += fmt::format("{} {}{}{}\n",
                        expected.met         ? "yes "
                        : expected.undecided ? "?   "
                                             : "NO  ",
                        expected.text, expected.why.empty() ? "" : ": ", expected.why);
  }
  if (record.verdict.answer == check::Answer::kViolation) {
    const auto command =
        fmt::format("kvorum check --model {} {}", check::to_string(record.verdict.model),
                    (folder / "history.jsonl").string());
    text += check::explain_text(lab::history_of(record), record.verdict, {}, command);
  }
  return text;
}

Result<void> write_folder(const std::filesystem::path& folder, const lab::RunRecord& record) {
  std::vector<std::pair<std::string, std::string>> files;
  std::string history = initial_line(record.scenario);
  for (const auto& operation : record.history) {
    append_json(operation, history);
  }
  files.emplace_back("history.jsonl", std::move(history));
  files.emplace_back("log.txt", lab::run_log(record));
  files.emplace_back("latency.txt", lab::latency_table(record));
  files.emplace_back("report.html", lab::run_page(lab::history_of(record), record));
  for (std::uint32_t id = 1; id <= record.scenario.nodes; ++id) {
    files.emplace_back(fmt::format("output_log{}.txt", id), lab::output_log(record, NodeId(id)));
  }
  files.emplace_back("verdict.txt", verdict_text(folder, record));
  for (const auto& [name, text] : files) {
    if (auto written = write_file(folder / name, text); !written) {
      return written;
    }
  }
  return {};
}

}  // namespace kvorum::app
