// Recorded histories from files: our JSON Lines, Jepsen's JSON and EDN, and CSV; plain or gzipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "check/history.h"

namespace kvorum::check {

struct LoadOptions {
  std::int64_t clock_error_ns = 0;  // several recorders: every interval grows by this on both sides
  std::vector<std::pair<std::string, std::string>> initial;  // over what the file says
};

// One history from one file, or from several that belong together (then a client is known by its
// file and its name). The form is told by the content. Errors name the file and the line.
Result<History> load(const std::vector<std::string>& paths, const LoadOptions& options = {});
// The same from bytes; `name` stands for the path.
Result<History> load_text(std::string_view bytes, const std::string& name,
                          const LoadOptions& options = {});

}  // namespace kvorum::check
