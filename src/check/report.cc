// The report for the terminal and the one for programs.
#include "check/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "check/report_parts.h"
#include "check/report_timeline.h"

namespace kvorum::check {
namespace {

constexpr std::size_t kColumns = 110;
constexpr std::size_t kListed = 24;   // operations of the core
constexpr std::size_t kLast = 3;      // operations of the prefix
constexpr std::size_t kWordy = 1200;  // bytes of a sentence
constexpr std::string_view kIndent = "  ";

void append_line(std::string_view text, std::string& out) {
  out += kIndent;
  out += text;
  out += '\n';
}

// Breaks at blanks; what has none is broken anywhere. `under` stands before all but the first line.
void append_wrapped(std::string_view first, std::string_view text, std::string& out) {
  const std::string under(columns(first), ' ');
  const auto room = kColumns - kIndent.size() - under.size();
  std::string cut(text.substr(0, kWordy));
  text = cut;
  for (bool begin = true; begin || !text.empty(); begin = false) {
    auto length = text.size();
    if (columns(text) > room) {
      length = bytes_of_columns(text, room);
      const auto blank = text.rfind(' ', length);
      length = blank == std::string_view::npos || blank == 0 ? length : blank;
    }
    append_line(std::string(begin ? first : under).append(text.substr(0, length)), out);
    text.remove_prefix(length);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  }
}

void append_operations(const History& history, const std::vector<std::uint32_t>& core,
                       std::string& out) {
  const auto listed = std::min(core.size(), kListed);
  const auto digits = fmt::to_string(listed).size();
  for (std::size_t i = 0; i < listed; ++i) {
    const auto& operation = history.operations[core[i]];
    const auto line =
        operation.line == 0 ? std::string() : fmt::format("   line {}", operation.line);
    append_wrapped(fmt::format("{:>{}}  ", i + 1, digits), describe(history, operation) + line,
                   out);
  }
  if (listed < core.size()) {
    append_line(fmt::format("and {} more", core.size() - listed), out);
  }
}

void append_edges(const Verdict& verdict, const std::vector<std::uint32_t>& core,
                  std::string& out) {
  const auto number = [&core](std::uint32_t operation) {
    return std::find(core.begin(), core.end(), operation) - core.begin() + 1;
  };
  std::string_view name = "order    ";
  std::size_t listed = 0;
  const auto edges = merged_edges(verdict);
  for (const auto& [from, to, why] : edges) {
    if (listed++ == kListed) {
      append_wrapped(name, fmt::format("and {} more", edges.size() - kListed), out);
      break;
    }
    append_wrapped(name, fmt::format("{} before {}: {}", number(from), number(to), why), out);
    name = "         ";
  }
}

void append_prefix(const History& history, const Verdict& verdict, std::string& out) {
  const auto& prefix = verdict.prefix;
  if (prefix.empty()) {
    return;
  }
  append_wrapped("fits     ",
                 prefix.size() == 1
                     ? "one operation"
                     : fmt::format("{} operations, one after another; the last", prefix.size()),
                 out);
  for (std::size_t i = prefix.size() - std::min(prefix.size(), kLast); i < prefix.size(); ++i) {
    append_wrapped("         ", describe(history, history.operations[prefix[i]]), out);
  }
  if (!verdict.state.empty()) {
    append_wrapped("         ", "then " + verdict.state, out);
  }
}

}  // namespace

std::string explain_text(const History& history, const Verdict& verdict, const std::string& weaker,
                         const std::string& command) {
  if (verdict.answer == Answer::kOk) {
    return {};
  }
  std::string out;
  if (verdict.answer == Answer::kUnknown) {
    append_wrapped("", verdict.detail.empty() ? verdict.reason : verdict.detail, out);
    return out;
  }
  const auto core = in_time_order(history, verdict.core);
  append_wrapped("", verdict.sentence, out);
  if (!core.empty()) {
    out += '\n';
    append_operations(history, core, out);
    out += '\n';
    for (const auto& line : timeline(history, core, kColumns - kIndent.size())) {
      append_line(line, out);
    }
    out += '\n';
  }
  append_edges(verdict, core, out);
  append_prefix(history, verdict, out);
  if (!weaker.empty()) {
    append_wrapped("holds    ", weaker, out);
  }
  append_wrapped("repeat   ", command.empty() ? plain_command(history, verdict) : command, out);
  return out;
}

namespace {

void append_text(const History& history, std::string_view name, Text text, std::string& out) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", name);
  if (text == kAbsent) {
    out += "null";
  } else {
    append_json_string(history.texts[text], out);
  }
}

void append_operation(const History& history, std::uint32_t index, std::string& out) {
  const auto& operation = history.operations[index];
  const auto at = std::back_inserter(out);
  fmt::format_to(at, R"({{"index":{},"line":{},"client":)", index, operation.line);
  append_json_string(history.clients[operation.client], out);
  fmt::format_to(at, R"(,"op":"{}")", to_string(operation.op));
  append_text(history, "key", operation.key, out);
  if (operation.op != HistoryOp::kDelete) {
    append_text(history, "value", operation.value, out);
  }
  if (operation.op == HistoryOp::kCas) {
    append_text(history, "expect", operation.expect, out);
  }
  if (operation.op == HistoryOp::kIncr) {
    fmt::format_to(at, R"(,"by":{})", operation.by);
  }
  const bool unknown = operation.ended == Ended::kUnknown;
  fmt::format_to(at, R"(,"ok":{},"start_ns":{},"end_ns":{}}})",
                 unknown                         ? "null"
                 : operation.ended == Ended::kOk ? "true"
                                                 : "false",
                 operation.start_ns, unknown ? "null" : fmt::to_string(operation.end_ns));
}

template <class Iterator>
void append_operations(const History& history, Iterator begin, Iterator end, std::string& out) {
  out += '[';
  for (auto i = begin; i != end; ++i) {
    out += i == begin ? "" : ",";
    append_operation(history, *i, out);
  }
  out += ']';
}

void append_member(std::string_view name, std::string_view text, std::string& out) {
  fmt::format_to(std::back_inserter(out), ",\"{}\":", name);
  append_json_string(text, out);
}

}  // namespace

std::string explain_json(const History& history, const Verdict& verdict, const std::string& weaker,
                         const std::string& command) {
  std::string out = "{\"file\":";
  append_json_string(history.source, out);
  append_member("model", to_string(verdict.model), out);
  append_member("answer", to_string(verdict.answer), out);
  fmt::format_to(std::back_inserter(out), R"(,"ops":{},"seconds":{:.3f},"nodes":{})",
                 history.operations.size(), verdict.seconds, verdict.nodes);
  if (verdict.answer == Answer::kUnknown) {
    append_member("reason", verdict.reason, out);
    append_member("detail", verdict.detail, out);
  }
  if (verdict.answer == Answer::kViolation) {
    append_member("sentence", verdict.sentence, out);
    const auto core = in_time_order(history, verdict.core);
    out += ",\"core\":";
    append_operations(history, core.begin(), core.end(), out);
    out += ",\"edges\":[";
    for (const auto& edge : verdict.edges) {
      fmt::format_to(std::back_inserter(out), R"({}{{"from":{},"to":{})",
                     &edge == verdict.edges.data() ? "" : ",", edge.from, edge.to);
      append_member("why", edge.why, out);
      out += '}';
    }
    fmt::format_to(std::back_inserter(out), R"(],"prefix":{{"ops":{},"last":)",
                   verdict.prefix.size());
    const auto last = std::min(verdict.prefix.size(), kLast);
    append_operations(history, verdict.prefix.end() - static_cast<std::ptrdiff_t>(last),
                      verdict.prefix.end(), out);
    append_member("state", verdict.state, out);
    out += '}';
    if (!weaker.empty()) {
      append_member("weaker", weaker, out);
    }
  }
  append_member("command", command.empty() ? plain_command(history, verdict) : command, out);
  return out + '}';
}

}  // namespace kvorum::check
