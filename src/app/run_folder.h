// The folder that a played scenario leaves.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "lab/run_record.h"

namespace kvorum::app {

// A folder that is one run's until this is destroyed.
class RunFolder {
 public:
  RunFolder() = default;
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // Makes it if need be. Refused, and nothing is touched: another run is at work there, or it has
  // what no run left.
  Result<void> take(const std::filesystem::path& folder);
  // Removes what an earlier run left.
  void clear() const;

 private:
  std::filesystem::path folder_;
  bool made_ = false;
  int lock_ = -1;
};

// log.txt, history.jsonl, verdict.txt, latency.txt, report.html, and a log per server in the older
// systems' form. Errors: kIo.
Result<void> write_folder(const std::filesystem::path& folder, const lab::RunRecord& record);

// What was expected, a line each, and the reason where it was not met.
std::string verdict_text(const std::filesystem::path& folder, const lab::RunRecord& record);

}  // namespace kvorum::app
