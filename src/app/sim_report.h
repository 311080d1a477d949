// What a failed simulated run leaves behind: on the screen, and as files.
#pragma once

#include <chrono>
#include <filesystem>

#include "lab/seed_run.h"

namespace kvorum::app {

struct FailureReport {
  std::filesystem::path folder;       // for the files; made if it is not there
  std::chrono::nanoseconds budget{};  // of the judge, in each try of the shrinking
  bool shrink = false;
};

// Prints the last events of the run and the judge's explanation; writes trace.txt, history.jsonl,
// verdict.txt, scenario.json, report.html (if the judge found something) and, with `shrink`,
// shrunk.json.
void report_failure(const sim::Options& options, const lab::SeedRun& run,
                    const FailureReport& report);

}  // namespace kvorum::app
