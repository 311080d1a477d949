// The history and the verdict as data for the page in report.html.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "check/report.h"
#include "check/report_page.h"
#include "check/report_parts.h"

namespace kvorum::check {
namespace {

constexpr std::size_t kMaxOperations = 20'000;  // that a page holds

// Numbers texts as they are first met.
class Names {
 public:
  std::size_t number(std::uint32_t text) {
    const auto [at, fresh] = numbers_.try_emplace(text, order_.size());
    if (fresh) {
      order_.push_back(text);
    }
    return at->second;
  }
  const std::vector<std::uint32_t>& order() const { return order_; }

 private:
  std::unordered_map<std::uint32_t, std::size_t> numbers_;
  std::vector<std::uint32_t> order_;
};

// The core and what is nearest to its window, in the history's order.
std::vector<std::uint32_t> chosen(const History& history, const std::vector<std::uint32_t>& core) {
  std::vector<std::uint32_t> all(history.operations.size());
  std::iota(all.begin(), all.end(), 0U);
  if (all.size() <= kMaxOperations) {
    return all;
  }
  std::int64_t begin = kNever;
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  std::vector<bool> in_core(all.size());
  for (const auto i : core) {
    const auto& operation = history.operations[i];
    begin = std::min(begin, operation.start_ns);
    end = std::max(end, operation.end_ns == kNever ? operation.start_ns : operation.end_ns);
    in_core[i] = true;
  }
  const auto distance = [&](std::uint32_t i) -> std::int64_t {
    const auto& operation = history.operations[i];
    if (in_core[i]) {
      return -1;
    }
    return core.empty()
               ? operation.start_ns - history.origin_ns
               : std::max({std::int64_t{0}, begin - operation.end_ns, operation.start_ns - end});
  };
  const auto limit = all.begin() + static_cast<std::ptrdiff_t>(kMaxOperations);
  std::nth_element(all.begin(), limit, all.end(),
                   [&](auto a, auto b) { return distance(a) < distance(b); });
  all.erase(limit, all.end());
  std::sort(all.begin(), all.end());
  return all;
}

class Page {
 public:
  Page(const History& history, const Verdict& verdict)
      : history_(history),
        core_(in_time_order(history, verdict.core)),
        operations_(chosen(history, core_)) {
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      place_[operations_[i]] = i;
      base_ = std::min(base_, history.operations[operations_[i]].start_ns);
    }
  }

  std::string json(const Verdict& verdict, const std::string& weaker, const std::string& command) {
    out_ = "{";
    member("file", history_.source);
    member("model", to_string(verdict.model));
    member("answer", to_string(verdict.answer));
    member("sentence", verdict.answer == Answer::kUnknown
                           ? verdict.reason + (verdict.detail.empty() ? "" : ": " + verdict.detail)
                           : verdict.sentence);
    member("state", verdict.state);
    member("weaker", weaker);
    member("command", command);
    put(R"("fits":{},"total":{},"base":{},"ops":[)", verdict.prefix.size(),
        history_.operations.size(), base_ == kNever ? 0 : base_ - history_.origin_ns);
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      out_ += i == 0 ? "" : ",";
      operation(history_.operations[operations_[i]]);
    }
    out_ += "],\"core\":[";
    for (std::size_t i = 0; i < core_.size(); ++i) {
      put("{}{}", i == 0 ? "" : ",", place_.at(core_[i]));
    }
    out_ += "],\"edges\":[";
    bool first = true;
    for (const auto& [from, to, why] : merged_edges(verdict)) {
      if (place_.contains(from) && place_.contains(to)) {
        put("{}[{},{},", first ? "" : ",", place_.at(from), place_.at(to));
        append_json_string(why, out_);
        out_ += ']';
        first = false;
      }
    }
    out_ += "],\"clients\":[";
    list(clients_, [this](auto client) { return history_.clients[client]; });
    out_ += "],\"keys\":[";
    list(keys_, [this](auto key) { return shown(history_.texts[key]); });
    return out_ + "]}";
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), text, std::forward<Args>(args)...);
  }

  void member(std::string_view name, std::string_view text) {
    put("\"{}\":", name);
    append_json_string(text, out_);
    out_ += ',';
  }

  template <class Text_of>
  void list(const Names& names, Text_of text_of) {
    for (const auto number : names.order()) {
      out_ += number == names.order().front() ? "" : ",";
      append_json_string(text_of(number), out_);
    }
  }

  void text(Text value) {
    out_ += ',';
    if (value == kAbsent) {
      out_ += "null";
    } else {
      append_json_string(shown(history_.texts[value]), out_);
    }
  }

  // The fields in the order in which report.html takes them.
  void operation(const Operation& op) {
    const bool open = op.end_ns == kNever;
    put("[{},{},{},{},{},{}", clients_.number(op.client), keys_.number(op.key),
        static_cast<int>(op.op), static_cast<int>(op.ended), op.start_ns - base_,
        open ? "null" : fmt::to_string(op.end_ns - base_));
    text(op.value);
    text(op.expect);
    put(",{},{}", op.line, op.by);
    text(op.level);
    put(",{},{},{}]", op.node, op.final ? 1 : 0, op.never_ran ? 1 : 0);
  }

  const History& history_;
  std::vector<std::uint32_t> core_;
  std::vector<std::uint32_t> operations_;
  std::unordered_map<std::uint32_t, std::size_t> place_;  // of an operation on the page
  std::int64_t base_ = kNever;
  Names clients_;
  Names keys_;
  std::string out_;
};

// JSON inside a script element: nothing in it may end the element.
std::string harmless(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string explain_html(const History& history, const Verdict& verdict, const std::string& weaker,
                         const std::string& command) {
  constexpr std::string_view kMark = "@DATA@";
  std::string page(kReportPage);
  const auto json =
      Page(history, verdict)
          .json(verdict, weaker, command.empty() ? plain_command(history, verdict) : command);
  return page.replace(page.find(kMark), kMark.size(), harmless(json));
}

}  // namespace kvorum::check
