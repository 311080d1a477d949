// The histories in tests/histories against the table beside them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "check/judge.h"
#include "check/load.h"

namespace kvorum::check {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(KVORUM_SOURCE_DIR) / "tests/histories";

// File to strongest model: rows "| file | what happens | strongest |".
std::map<std::string, std::string> table() {
  std::map<std::string, std::string> rows;
  std::ifstream in(kFolder / "README.md");
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> cells;
    std::istringstream parts(line);
    for (std::string cell; std::getline(parts, cell, '|');) {
      const auto begin = cell.find_first_not_of(' ');
      const auto end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    if (cells.size() == 4 && cells[1] != "file" && !cells[1].starts_with("---")) {
      rows[cells[1]] = cells[3];
    }
  }
  return rows;
}

TEST(Histories, AreWhatTheTableSays) {
  const auto rows = table();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".jsonl") {
      continue;
    }
    ++files;
    const auto name = entry.path().stem().string();
    const auto history = load({entry.path().string()});
    ASSERT_TRUE(history.has_value()) << history.error().detail;
    ASSERT_TRUE(rows.contains(name)) << name << " is not in the table";
    const auto& expected = rows.at(name);
    const auto strongest = judge_all(*history, {}).strongest;
    EXPECT_EQ(strongest ? to_string(*strongest) : "none", expected) << name;
    EXPECT_EQ(judge_linearizable(*history, {}).answer,
              expected == "linearizable" ? Answer::kOk : Answer::kViolation)
        << name;
  }
  EXPECT_EQ(files, rows.size()) << "the table names a file that is not there";
  EXPECT_GT(files, 0u);
}

}  // namespace
}  // namespace kvorum::check
