// A history ready to be judged: operations over interned texts. Definitions: docs/consistency.md,
// "How histories are judged".
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/history.h"

namespace kvorum::check {

using Text = std::uint32_t;  // index into Texts: equal texts have equal numbers
inline constexpr Text kAbsent = 0;
inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// Every key and value once. Single-threaded. References stay good while it lives.
class Texts {
 public:
  Texts() { all_.emplace_back(); }
  Texts(const Texts& other) { *this = other; }
  Texts& operator=(const Texts& other);
  Texts(Texts&&) = default;
  Texts& operator=(Texts&&) = default;

  Text add(std::string_view text);
  // The text's number, or kAbsent if it was never added.
  Text find(std::string_view text) const;
  // kAbsent gives "".
  const std::string& operator[](Text text) const { return all_[text]; }
  std::size_t size() const { return all_.size(); }  // kAbsent included

 private:
  std::deque<std::string> all_;
  std::unordered_map<std::string_view, Text> index_;
};

struct Operation {
  HistoryOp op = HistoryOp::kGet;
  Ended ended = Ended::kOk;
  bool final = false;
  bool never_ran = false;    // failed with an `err`: observes nothing
  std::uint32_t client = 0;  // index into History::clients
  Text key = kAbsent;
  Text value = kAbsent;
  Text expect = kAbsent;
  std::int64_t by = 1;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;  // kNever when the outcome is unknown
  Text level = kAbsent;
  std::uint32_t node = 0;
  std::int64_t seq = -1;      // -1: not recorded
  std::int64_t version = -1;  // -1: not recorded
  std::uint32_t line = 0;     // of its file, from 1; 0: from no file

  bool is_write() const { return op != HistoryOp::kGet; }
  // Whether it may have changed its key: a write that did not certainly fail.
  bool may_write() const { return is_write() && ended != Ended::kFailed; }
  // Whether its outcome says what the key held.
  bool observes() const;
};

struct History {
  std::vector<Operation> operations;  // in the order of the file's lines
  Texts texts;
  std::vector<std::string> clients;  // names
  std::map<Text, Text> initial;      // key to value; other keys begin absent
  std::vector<std::string> warnings;
  std::string source;          // file name, for messages
  std::int64_t origin_ns = 0;  // what messages count times from; the operations' times do not

  // Adds an operation; the client is named by its number.
  void add(const HistoryRecord& record);
  std::uint32_t client(std::string_view name);  // index, added if new
  Text initial_of(Text key) const;

 private:
  std::unordered_map<std::string, std::uint32_t> client_index_;
};

// A key or value for people: control characters escaped, long ones cut in the middle, "" if empty.
std::string shown(std::string_view text);
// "12 ms", "8.250 ms", "17 ns", "?" for kNever.
std::string time_text(const History& history, std::int64_t ns);
// "client 3 put x = 2 [10 ms, 12 ms]": how messages name an operation.
std::string describe(const History& history, const Operation& operation);

}  // namespace kvorum::check
