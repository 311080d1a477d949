// What every store must do, as one suite over all makers (conformance_test.cc), and the words its
// tests share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/store.h"

namespace kvorum::store::testing {

// A place where a store lives. It outlasts the store, so that it can be opened again.
class Home {
 public:
  virtual ~Home() = default;
  virtual Result<std::unique_ptr<Store>> open() = 0;  // makes it the first time
  virtual void close(std::unique_ptr<Store> store) { store.reset(); }
  virtual bool remembers() const = 0;  // what was written, after the store was closed
};

struct Maker {
  std::string name;
  std::function<std::unique_ptr<Home>()> make;
};
inline void PrintTo(const Maker& maker, std::ostream* out) { *out << maker.name; }

// A folder that is removed with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kvorum-store-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/db"; }

 private:
  std::string path_;
};

inline std::string read_file(const std::filesystem::path& name) {
  std::ifstream in(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline Entry entry(std::uint64_t index, std::uint64_t term, Bytes payload = "payload") {
  return Entry{Term(term), Index(index), EntryType::kCommands, WallMs(1000),
               share(std::move(payload))};
}

// Entries first..last of one term.
inline std::vector<Entry> entries(std::uint64_t first, std::uint64_t last, std::uint64_t term) {
  std::vector<Entry> made;
  for (auto index = first; index <= last; ++index) {
    made.push_back(entry(index, term, "payload of " + std::to_string(index)));
  }
  return made;
}

inline Result<void> write(Store& store, std::vector<Operation> operations, bool sync = false) {
  const Batch batch{std::move(operations), sync};
  return store.write({&batch});
}

// "index:term" of the entries, joined by blanks.
inline std::string show(const Result<std::vector<Entry>>& entries) {
  if (!entries) {
    return to_string(entries.error());
  }
  std::string text;
  for (const auto& entry : *entries) {
    text += text.empty() ? "" : " ";
    text += fmt::format("{}:{}", entry.index.value(), entry.term.value());
  }
  return text;
}

// "key=value" of a generation's rows, joined by blanks.
inline std::string show(RowCursor& cursor) {
  std::string text;
  for (; cursor.valid(); cursor.next()) {
    text += text.empty() ? "" : " ";
    text += fmt::format("{}={}", cursor.key(), cursor.value());
  }
  return cursor.status() ? text : to_string(cursor.status().error());
}
inline std::string rows(const Store& store, PartitionId partition, Generation generation) {
  return show(*store.rows(partition, generation));
}

// "base/base term..last" of a log.
inline std::string extent(const Store& store, PartitionId partition) {
  const auto log = store.log(partition);
  return log ? fmt::format("{}/{}..{}", log->base.value(), log->base_term.value(),
                           log->last.value())
             : to_string(log.error());
}

}  // namespace kvorum::store::testing
