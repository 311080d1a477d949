#include "app/files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace kvorum::app {

Result<void> write_file(const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);
  std::ofstream file(path, std::ios::binary);
  if (!(file << text) || !file.flush()) {
    return fail(ErrorCode::kIo, "cannot write {}", path.string());
  }
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code ignored;
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return fail(ErrorCode::kIo, "cannot read {}: {}", path.string(),
                file ? "it is a folder" : std::strerror(errno));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace kvorum::app
