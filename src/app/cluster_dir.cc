#include "app/cluster_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "base/parse.h"

namespace kvorum::app {
namespace {

namespace fs = std::filesystem;

constexpr std::streamoff kLogTail = 4096;

// Whole or not at all, also after a crash: a new file, synced, takes the old one's place.
Result<void> replace_file(const fs::path& path, const std::string& text) {
  const auto fresh = path.string() + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool written =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  written = written && ::fsync(file) == 0;
  written = (file < 0 || ::close(file) == 0) && written;
  written = written && ::rename(fresh.c_str(), path.c_str()) == 0;
  const int folder = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  written = written && folder >= 0 && ::fsync(folder) == 0;
  const int why = errno;
  if (folder >= 0) {
    ::close(folder);
  }
  return written ? Result<void>()
                 : fail(ErrorCode::kIo, "{}: {}", path.string(), std::strerror(why));
}

}  // namespace

ClusterDir::ClusterDir(const std::string& path)
    : shown_(path), root_(fs::weakly_canonical(fs::absolute(path)).lexically_normal()) {
  if (!root_.has_filename()) {
    root_ = root_.parent_path();
  }
}

Result<ClusterConfig> ClusterDir::config() const {
  if (!has_config()) {
    return fail(ErrorCode::kConfig, "there is no cluster in {}", shown_);
  }
  return load_config(config_path());
}

Result<void> ClusterDir::write_config(const ClusterConfig& config) const {
  return replace_file(config_path(), format_config(config));
}

Result<void> ClusterDir::lock(bool create) {
  std::error_code error;
  if (create) {
    fs::create_directories(root_, error);
  }
  if (!error && !fs::is_directory(root_, error)) {
    error = error ? error : std::make_error_code(std::errc::not_a_directory);
  }
  if (error) {
    return fail(ErrorCode::kIo, "{}: {}", shown_, error.message());
  }
  lock_ = ::open((root_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) {
    return fail(ErrorCode::kIo, "{}/lock: {}", shown_, std::strerror(errno));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kIo, "another `kvorum cluster` command is at work in {}", shown_);
  }
  return {};
}

void ClusterDir::unlock() {
  if (lock_ >= 0) {
    ::close(std::exchange(lock_, -1));
  }
}

std::set<NodeId> ClusterDir::formed() const {
  std::set<NodeId> nodes;
  std::ifstream file(root_ / "formed");
  for (std::string line; std::getline(file, line);) {
    if (const auto id = parse_number<std::uint32_t>(line)) {
      nodes.insert(NodeId(*id));
    }
  }
  return nodes;
}

Result<void> ClusterDir::write_formed(const std::set<NodeId>& nodes) const {
  std::string text =
      "# Nodes that were formed once: without their data they must not vote again. Keep this.\n";
  for (const auto node : nodes) {
    text += std::to_string(node.value()) + '\n';
  }
  return replace_file(root_ / "formed", text);
}

Result<bool> ClusterDir::mark_formed(NodeId node) const {
  auto nodes = formed();
  if (!nodes.insert(node).second) {
    return false;
  }
  if (auto written = write_formed(nodes); !written) {
    return tl::unexpected(std::move(written.error()));
  }
  return true;
}

void ClusterDir::unmark_if_empty(NodeId node) const {
  std::error_code error;
  if (fs::exists(data_path(node), error) && !fs::is_empty(data_path(node), error)) {
    return;
  }
  auto nodes = formed();
  if (nodes.erase(node) > 0) {
    write_formed(nodes);
  }
}

std::optional<Process> ClusterDir::find(NodeId node) const {
  std::ifstream pid_file(file(node, ".pid"));
  pid_t pid = 0;
  if (!(pid_file >> pid)) {
    return std::nullopt;
  }
  return Process::find(pid, {"--data", data_path(node)});
}

Result<Process> ClusterDir::start(NodeId node, Orphan orphan) const {
  std::vector<std::string> command = {
      own_path(), "server",      "--node", std::to_string(node.value()),
      "--config", config_path(), "--data", data_path(node),
      "--faults"};
  const auto first_start = mark_formed(node);
  if (!first_start) {
    return tl::unexpected(first_start.error());
  }
  if (*first_start) {
    command.push_back("--init");
  }
  auto process = Process::spawn(command, log_path(node), orphan);
  if (process) {
    auto written = replace_file(file(node, ".pid"), std::to_string(process->pid()) + "\n");
    if (!written) {
      process->signal(SIGKILL);
      return tl::unexpected(std::move(written.error()));
    }
  }
  return process;
}

std::string ClusterDir::last_log_line(NodeId node) const {
  std::ifstream log(log_path(node), std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::streamoff>(log.tellg());
  log.seekg(size > kLogTail ? size - kLogTail : 0);
  std::string last;
  for (std::string line; std::getline(log, line);) {
    last = line.empty() ? last : line;
  }
  return last;
}

}  // namespace kvorum::app
