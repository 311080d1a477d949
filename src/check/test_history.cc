#include "check/test_history.h"

#include <sstream>
#include <string>

#include "base/check.h"

namespace kvorum::check {
namespace {

std::optional<std::string> value_of(const std::string& word) {
  return word == "-" ? std::nullopt : std::optional(word);
}

void read_args(std::istringstream& in, HistoryRecord& record) {
  std::string word;
  if (record.op == HistoryOp::kDelete) {
    return;
  }
  CHECK(static_cast<bool>(in >> word), "an argument is missing");
  if (record.op == HistoryOp::kCas) {
    const auto arrow = word.find('>');
    CHECK(arrow != std::string::npos, "cas takes EXPECT>VALUE, not {}", word);
    record.expect = value_of(word.substr(0, arrow));
    record.value = value_of(word.substr(arrow + 1));
  } else if (record.op == HistoryOp::kIncr) {
    const auto equals = word.find('=');
    CHECK(word.front() == '+' && equals != std::string::npos, "incr takes +BY=VALUE, not {}", word);
    record.by = std::stoll(word.substr(1, equals - 1));
    record.value = word.substr(equals + 1);
  } else {
    record.value = value_of(word);
  }
}

HistoryRecord read_operation(const std::string& line) {
  std::istringstream in(line);
  HistoryRecord record;
  std::string op;
  CHECK(static_cast<bool>(in >> record.client >> op >> record.key), "not an operation: {}", line);
  const auto parsed = parse_history_op(op);
  CHECK(parsed.has_value(), "unknown operation {}", op);
  record.op = *parsed;
  read_args(in, record);
  std::string word;
  CHECK(static_cast<bool>(in >> word), "START-END is missing: {}", line);
  const auto dash = word.find('-');
  CHECK(dash != std::string::npos, "not START-END: {}", word);
  record.start_ns = std::stoll(word.substr(0, dash));
  if (word.substr(dash + 1) == "?") {
    record.ended = Ended::kUnknown;
  } else {
    record.end_ns = std::stoll(word.substr(dash + 1));
  }
  while (in >> word) {
    if (word == "fail" || word == "err") {
      record.ended = Ended::kFailed;
      record.err = word == "err" ? "never ran" : "";
    } else if (word == "final") {
      record.final = true;
    } else if (word.starts_with("level=")) {
      record.level = word.substr(6);
    } else if (word.starts_with("node=")) {
      record.node = static_cast<std::uint32_t>(std::stoul(word.substr(5)));
    } else if (word.starts_with("version=")) {
      record.version = std::stoull(word.substr(8));
    } else {
      CHECK(false, "unknown word {}", word);
    }
  }
  return record;
}

// The lines that hold anything.
std::vector<std::string> lines_of(std::string_view text) {
  std::string lines(text);
  for (auto& c : lines) {
    c = c == ';' ? '\n' : c;
  }
  std::istringstream in(lines);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    if (line.find_first_not_of(' ') != std::string::npos) {
      out.push_back(line);
    }
  }
  return out;
}

// Whether the line states a key's first value, which then goes into the history.
bool read_initial(const std::string& line, History& history) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  if (word != "initial") {
    return false;
  }
  CHECK(static_cast<bool>(words >> word), "initial of what?");
  const auto equals = word.find('=');
  CHECK(equals != std::string::npos, "not KEY=VALUE: {}", word);
  history.initial[history.texts.add(word.substr(0, equals))] =
      history.texts.add(word.substr(equals + 1));
  return true;
}

}  // namespace

History small_history(std::string_view text) {
  History history;
  for (const auto& line : lines_of(text)) {
    if (!read_initial(line, history)) {
      history.add(read_operation(line));
    }
  }
  return history;
}

std::vector<HistoryRecord> small_records(std::string_view text) {
  std::vector<HistoryRecord> out;
  for (const auto& line : lines_of(text)) {
    out.push_back(read_operation(line));
  }
  return out;
}

}  // namespace kvorum::check
