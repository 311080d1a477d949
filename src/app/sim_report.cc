#include "app/sim_report.h"

#include <fmt/format.h>

#include <cstdio>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "app/files.h"
#include "check/report.h"

namespace kvorum::app {
namespace {

constexpr std::size_t kTraceTail = 40;

// Runs it again for its events; prints the last ones.
void repeat(const sim::Options& options, std::string& trace, std::string& history) {
  std::deque<std::string> tail;
  const auto outcome = sim::run(options, [&](const std::string& line) {
    trace += line + '\n';
    tail.push_back(line);
    if (tail.size() > kTraceTail) {
      tail.pop_front();
    }
  });
  for (const auto& record : outcome.history) {
    append_json(record, history);
  }
  fmt::print("the last {} events:\n", tail.size());
  for (const auto& line : tail) {
    fmt::print("  {}\n", line);
  }
}

void keep_files(const sim::Options& options, const lab::SeedRun& run,
                const std::filesystem::path& folder) {
  std::vector<std::pair<const char*, std::string>> files(2);
  files[0].first = "trace.txt";
  files[1].first = "history.jsonl";
  repeat(options, files[0].second, files[1].second);
  auto verdict = fmt::format("{}: {}\nsee it again: {}\n", lab::to_string(run.finding), run.why,
                             lab::replay_command(options));
  if (run.verdict.answer == check::Answer::kViolation) {
    const auto again =
        fmt::format("kvorum check --model {} {}", check::to_string(run.verdict.model),
                    (folder / "history.jsonl").string());
    const auto explained = check::explain_text(run.history, run.verdict, {}, again);
    fmt::print("{}", explained);
    verdict += explained;
    files.emplace_back("report.html", check::explain_html(run.history, run.verdict, {}, again));
  }
  files.emplace_back("verdict.txt", std::move(verdict));
  files.emplace_back("scenario.json", lab::to_json(options));
  for (const auto& [name, text] : files) {
    if (const auto written = write_file(folder / name, text); !written) {
      fmt::print("{}\n", written.error().detail);
      return;
    }
  }
  fmt::print("trace, history, verdict and scenario: {}\n", folder.string());
}

void keep_shrunk(const sim::Options& options, const lab::SeedRun& run,
                 const FailureReport& report) {
  const auto shrunk = lab::shrink(
      options, lab::fails_alike(run, report.budget), lab::kMostTries,
      [](const auto& smaller) { fmt::print(stderr, "  smaller: {}\n", sim::to_string(smaller)); });
  if (shrunk.capped) {
    fmt::print("shrinking stopped after {} tries; a smaller run may exist\n", shrunk.tries);
  }
  const auto path = report.folder / "shrunk.json";
  const auto written = write_file(path, lab::to_json(shrunk.options));
  fmt::print("smallest run found: {}\n{}\n", sim::to_string(shrunk.options),
             written ? "run it: kvorum sim --scenario " + path.string() : written.error().detail);
}

}  // namespace

void report_failure(const sim::Options& options, const lab::SeedRun& run,
                    const FailureReport& report) {
  keep_files(options, run, report.folder);
  if (report.shrink) {
    keep_shrunk(options, run, report);
  }
}

}  // namespace kvorum::app
