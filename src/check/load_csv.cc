// CSV with two rows an operation: session,client,get|put,key,ms,req|resp,value. Without the first
// column it is what the visualizer of those logs writes, with a header.
#include <fmt/format.h>

#include <array>
#include <map>

#include "base/parse.h"
#include "check/load_parts.h"

namespace kvorum::check {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

struct Row {
  std::uint32_t line = 0;
  std::vector<std::string> cells;
};

// Cells between commas, as RFC 4180 has them, without line ends inside.
std::optional<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (c == '"' && (quoted || cells.back().empty())) {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return quoted ? std::nullopt : std::optional(cells);
}

// Milliseconds, possibly with a fraction, in ns.
std::optional<std::int64_t> parse_ms(std::string_view text) {
  const auto dot = text.find('.');
  const auto whole = parse_number<std::int64_t>(text.substr(0, dot));
  if (!whole || *whole < 0 || *whole > kMaxTime / kNsPerMs - 1) {
    return std::nullopt;
  }
  std::int64_t ns = *whole * kNsPerMs;
  if (dot != std::string_view::npos) {
    const auto digits = text.substr(dot + 1);
    std::int64_t unit = kNsPerMs;
    for (const char c : digits) {
      if (c < '0' || c > '9') {
        return std::nullopt;
      }
      unit /= 10;
      ns += (c - '0') * unit;
    }
  }
  return ns;
}

bool is_action(const std::string& cell) { return cell == "req" || cell == "resp"; }

class CsvReader {
 public:
  CsvReader(const Source& source, const std::string& prefix, History& history)
      : source_(source), prefix_(prefix), history_(history) {}

  Result<void> run() {
    if (auto split_up = read_rows(); !split_up) {
      return split_up;
    }
    bool one_session = true;
    for (const auto& row : rows_) {
      one_session = one_session && row.cells[0] == rows_.front().cells[0];
    }
    for (const auto& row : rows_) {
      const auto& [session, client] = std::tie(row.cells[0], row.cells[1]);
      const auto name = one_session ? client : session + '/' + client;
      if (auto read = row.cells[5] == "req" ? request(row, name) : response(row, name); !read) {
        return read;
      }
    }
    return {};
  }

 private:
  // Rows of seven cells.
  Result<void> read_rows() {
    auto rest = source_.text;
    for (std::uint32_t number = 1; !rest.empty(); ++number) {
      const auto line = trim(take_line(rest));
      if (line.empty()) {
        continue;
      }
      auto cells = split(line);
      if (!cells) {
        return source_.error(number, "a quotation mark is missing");
      }
      if (cells->size() > 4 && is_action((*cells)[4])) {
        cells->insert(cells->begin(), "");  // no session
      }
      if (cells->size() == 6) {
        cells->emplace_back();  // no value
      }
      const bool good = cells->size() == 7 && is_action((*cells)[5]);
      if (good) {
        rows_.push_back({number, std::move(*cells)});
      } else if (number != 1 || parse_ms(cells->size() > 4 ? (*cells)[4] : "")) {  // a header
        return source_.error(number, "not session,client,op,key,ms,req|resp,value");
      }
    }
    return {};
  }

  Result<void> request(const Row& row, const std::string& client) {
    const auto op = parse_history_op(row.cells[2]);
    if (!op || *op == HistoryOp::kCas || *op == HistoryOp::kIncr) {
      return source_.error(row.line, "unknown operation '{}'", row.cells[2]);
    }
    const auto start = parse_ms(row.cells[4]);
    if (!start) {
      return bad_time(row);
    }
    Operation operation;
    operation.op = *op;
    operation.line = row.line;
    operation.ended = Ended::kUnknown;
    operation.client = history_.client(prefix_ + client);
    operation.key = history_.texts.add(row.cells[3]);
    if (*op == HistoryOp::kPut || *op == HistoryOp::kAppend) {
      operation.value = history_.texts.add(row.cells[6]);
    }
    operation.start_ns = *start;
    operation.end_ns = kNever;
    open_[operation.client].push_back(history_.operations.size());
    history_.operations.push_back(operation);
    return {};
  }

  // Answers the client's oldest open request for the same.
  Result<void> response(const Row& row, const std::string& client) {
    auto& open = open_[history_.client(prefix_ + client)];
    for (std::size_t i = 0; i < open.size(); ++i) {
      auto& operation = history_.operations[open[i]];
      if (to_string(operation.op) != row.cells[2] ||
          history_.texts[operation.key] != row.cells[3] ||
          (operation.is_write() && !row.cells[6].empty() &&
           row.cells[6] != history_.texts[operation.value])) {
        continue;
      }
      const auto end = parse_ms(row.cells[4]);
      if (!end) {
        return bad_time(row);
      }
      if (*end < operation.start_ns) {
        return source_.error(row.line, "it ends at {} ms, before its start on line {}",
                             row.cells[4], operation.line);
      }
      operation.ended = Ended::kOk;
      operation.end_ns = *end;
      if (!operation.is_write()) {
        operation.value = row.cells[6].empty() ? kAbsent : history_.texts.add(row.cells[6]);
      }
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      return {};
    }
    return source_.error(row.line, "a response without a request");
  }

  tl::unexpected<Error> bad_time(const Row& row) const {
    return source_.error(row.line, "the time must be a number of milliseconds, not '{}'",
                         row.cells[4]);
  }

  const Source& source_;
  const std::string& prefix_;
  History& history_;
  std::vector<Row> rows_;
  std::map<std::uint32_t, std::vector<std::size_t>> open_;
};

}  // namespace

Result<void> read_csv(const Source& source, const std::string& prefix, History& history) {
  return CsvReader(source, prefix, history).run();
}

}  // namespace kvorum::check
