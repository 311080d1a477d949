#include "check/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>

#include "check/report_parts.h"

namespace kvorum::check {
namespace {

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
std::vector<std::uint32_t> chosen(const History& history, const std::vector<std::uint32_t>& core,
                                  std::size_t most) {
  std::vector<std::uint32_t> all(history.operations.size());
  std::iota(all.begin(), all.end(), 0U);
  if (all.size() <= most) {
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
  const auto limit = all.begin() + static_cast<std::ptrdiff_t>(most);
  std::nth_element(all.begin(), limit, all.end(),
                   [&](auto a, auto b) { return distance(a) < distance(b); });
  all.erase(limit, all.end());
  std::sort(all.begin(), all.end());
  return all;
}

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

template <class Text_of>
void append_list(const Names& names, Text_of text_of, std::string& out) {
  for (const auto number : names.order()) {
    out += number == names.order().front() ? "" : ",";
    append_json_string(text_of(number), out);
  }
}

// The fields in the order in which page.js takes them.
void append_operation(const History& history, const Operation& op, std::int64_t base,
                      Names& clients, Names& keys, std::string& out) {
  const auto at = std::back_inserter(out);
  const auto append_text = [&](Text value) {
    out += ',';
    if (value == kAbsent) {
      out += "null";
    } else {
      append_json_string(shown(history.texts[value]), out);
    }
  };
  fmt::format_to(at, "[{},{},{},{},{},{}", clients.number(op.client), keys.number(op.key),
                 static_cast<int>(op.op), static_cast<int>(op.ended), op.start_ns - base,
                 op.end_ns == kNever ? "null" : fmt::to_string(op.end_ns - base));
  append_text(op.value);
  append_text(op.expect);
  fmt::format_to(at, ",{},{}", op.line, op.by);
  append_text(op.level);
  fmt::format_to(at, ",{},{},{}]", op.node, op.final ? 1 : 0, op.never_ran ? 1 : 0);
}

}  // namespace

PageData::PageData(const History& history, const Verdict& verdict, std::size_t most)
    : history_(history),
      verdict_(verdict),
      core_(in_time_order(history, verdict.core)),
      operations_(chosen(history, core_, most)) {
  auto first = kNever;
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    place_[operations_[i]] = i;
    first = std::min(first, history.operations[operations_[i]].start_ns);
  }
  base_ = operations_.empty() ? history.origin_ns : first;
}

std::optional<std::size_t> PageData::place(std::uint32_t operation) const {
  const auto found = place_.find(operation);
  return found == place_.end() ? std::nullopt : std::optional(found->second);
}

void PageData::append(std::string& out) const {
  append_member("model", to_string(verdict_.model), out);
  append_member("answer", to_string(verdict_.answer), out);
  append_member("sentence",
                verdict_.answer == Answer::kUnknown
                    ? verdict_.reason + (verdict_.detail.empty() ? "" : ": " + verdict_.detail)
                    : verdict_.sentence,
                out);
  append_member("state", verdict_.state, out);
  const auto at = std::back_inserter(out);
  fmt::format_to(at, R"("fits":{},"total":{},"base":{},)", verdict_.prefix.size(),
                 history_.operations.size(), base_ - history_.origin_ns);
  Names clients;
  Names keys;
  out += "\"ops\":[";
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    out += i == 0 ? "" : ",";
    append_operation(history_, history_.operations[operations_[i]], base_, clients, keys, out);
  }
  out += "],\"core\":[";
  for (std::size_t i = 0; i < core_.size(); ++i) {
    fmt::format_to(at, "{}{}", i == 0 ? "" : ",", place_.at(core_[i]));
  }
  out += "],\"edges\":[";
  bool first = true;
  for (const auto& [from, to, why] : merged_edges(verdict_)) {
    if (place_.contains(from) && place_.contains(to)) {
      fmt::format_to(at, "{}[{},{},", first ? "" : ",", place_.at(from), place_.at(to));
      append_json_string(why, out);
      out += ']';
      first = false;
    }
  }
  out += "],\"clients\":[";
  append_list(
      clients, [this](auto client) { return history_.clients[client]; }, out);
  out += "],\"keys\":[";
  append_list(
      keys, [this](auto key) { return shown(history_.texts[key]); }, out);
  out += ']';
}

void append_member(std::string_view name, std::string_view text, std::string& out) {
  fmt::format_to(std::back_inserter(out), "\"{}\":", name);
  append_json_string(text, out);
  out += ',';
}

std::string filled(std::string_view page, std::string_view json) {
  constexpr std::string_view kMark = "@DATA@";
  std::string out(page);
  return out.replace(out.find(kMark), kMark.size(), harmless(json));
}

}  // namespace kvorum::check
