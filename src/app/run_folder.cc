#include "app/run_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

namespace fs = std::filesystem;

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

// Of a run, or of the clusters and runs that it keeps inside.
bool is_of_a_run(const fs::directory_entry& entry) {
  constexpr std::string_view kFiles[] = {"history.jsonl",  "log.txt",        "latency.txt",
                                         "report.html",    "verdict.txt",    "beside.txt",
                                         "comparison.txt", "comparison.html"};
  std::error_code ignored;
  const auto name = entry.path().filename().string();
  if (entry.is_directory(ignored)) {
    return fs::exists(entry.path() / "cluster.toml", ignored) ||
           fs::exists(entry.path() / "verdict.txt", ignored) || fs::is_empty(entry.path(), ignored);
  }
  const bool of_a_node = name.starts_with("output_log") || name.starts_with("order_");
  return std::find(std::begin(kFiles), std::end(kFiles), name) != std::end(kFiles) ||
         (of_a_node && name.ends_with(".txt"));
}

}  // namespace

RunFolder::~RunFolder() {
  if (made_) {
    std::error_code not_empty;
    fs::remove(folder_, not_empty);  // if nothing came of the run
  }
  if (lock_ >= 0) {
    ::close(lock_);
  }
}

Result<void> RunFolder::take(const fs::path& folder) {
  folder_ = folder;
  std::error_code error;
  made_ = fs::create_directories(folder, error);
  lock_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) {
    return fail(ErrorCode::kConfig, "{}: {}", folder.string(), std::strerror(errno));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::kConfig, "another run is at work in {}", folder.string());
  }
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (!is_of_a_run(entry)) {
      return fail(ErrorCode::kConfig,
                  "{} has '{}', which no run left there: name another folder with --out",
                  folder.string(), entry.path().filename().string());
    }
  }
  return {};
}

void RunFolder::clear() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
    fs::remove_all(entry.path(), ignored);
  }
}

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
