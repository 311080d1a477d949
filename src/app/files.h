// Whole files, as texts.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace kvorum::app {

// Makes the folders that lead there. Errors: kIo, one line with the path.
Result<void> write_file(const std::filesystem::path& path, const std::string& text);
Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace kvorum::app
