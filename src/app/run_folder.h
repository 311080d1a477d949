// The folder that a played scenario leaves.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "lab/run_record.h"

namespace kvorum::app {

// log.txt, history.jsonl, verdict.txt, latency.txt, report.html, and a log per server in the older
// systems' form. Errors: kIo.
Result<void> write_folder(const std::filesystem::path& folder, const lab::RunRecord& record);

// What was expected, a line each, and the reason where it was not met.
std::string verdict_text(const std::filesystem::path& folder, const lab::RunRecord& record);

}  // namespace kvorum::app
