#include "check/history.h"

#include <fmt/format.h>

#include <iterator>

namespace kvorum::check {

Texts& Texts::operator=(const Texts& other) {
  if (this != &other) {
    all_.clear();
    index_.clear();
    all_.emplace_back();
    for (std::size_t i = 1; i < other.all_.size(); ++i) {
      add(other.all_[i]);
    }
  }
  return *this;
}

Text Texts::add(std::string_view text) {
  if (const auto found = index_.find(text); found != index_.end()) {
    return found->second;
  }
  const auto number = static_cast<Text>(all_.size());
  all_.emplace_back(text);
  index_.emplace(all_.back(), number);
  return number;
}

Text Texts::find(std::string_view text) const {
  const auto found = index_.find(text);
  return found == index_.end() ? kAbsent : found->second;
}

bool Operation::observes() const {
  switch (op) {
    case HistoryOp::kGet:
      return ended == Ended::kOk;
    case HistoryOp::kCas:
      return ended == Ended::kOk || (ended == Ended::kFailed && !never_ran);
    case HistoryOp::kIncr:
      return ended == Ended::kOk;
    default:
      return false;
  }
}

void History::add(const HistoryRecord& record) {
  Operation operation;
  operation.op = record.op;
  operation.ended = record.ended;
  operation.final = record.final;
  operation.never_ran = record.ended == Ended::kFailed && !record.err.empty();
  operation.client = client(fmt::to_string(record.client));
  operation.key = texts.add(record.key);
  operation.value = record.value ? texts.add(*record.value) : kAbsent;
  operation.expect = record.expect ? texts.add(*record.expect) : kAbsent;
  operation.by = record.by;
  operation.start_ns = record.start_ns;
  operation.end_ns = record.ended == Ended::kUnknown ? kNever : record.end_ns;
  operation.level = record.level.empty() ? kAbsent : texts.add(record.level);
  operation.node = record.node;
  operation.seq = record.seq ? static_cast<std::int64_t>(*record.seq) : -1;
  operation.version = record.version ? static_cast<std::int64_t>(*record.version) : -1;
  operations.push_back(operation);
}

std::uint32_t History::client(std::string_view name) {
  const auto [found, fresh] =
      client_index_.try_emplace(std::string(name), static_cast<std::uint32_t>(clients.size()));
  if (fresh) {
    clients.emplace_back(name);
  }
  return found->second;
}

Text History::initial_of(Text key) const {
  const auto found = initial.find(key);
  return found == initial.end() ? kAbsent : found->second;
}

std::string time_text(const History& history, std::int64_t ns) {
  if (ns == kNever) {
    return "?";
  }
  ns -= history.origin_ns;
  if (ns % 1'000'000 == 0) {
    return fmt::format("{} ms", ns / 1'000'000);
  }
  if (ns > 1'000'000 || ns < -1'000'000) {
    return fmt::format("{:.3f} ms", static_cast<double>(ns) / 1e6);
  }
  return ns > 1'000 || ns < -1'000 ? fmt::format("{:.3f} µs", static_cast<double>(ns) / 1e3)
                                   : fmt::format("{} ns", ns);
}

std::string shown(std::string_view text) {
  constexpr std::size_t kEnds = 24;  // bytes at each end of a text that is too long
  if (text.size() > 3 * kEnds) {
    const auto inside = [&text](std::size_t at) { return (text[at] & 0xc0) == 0x80; };  // of UTF-8
    std::size_t head = kEnds;
    std::size_t tail = text.size() - kEnds;
    for (; head > kEnds - 3 && inside(head); --head) {
    }
    for (; tail < text.size() - kEnds + 3 && inside(tail); ++tail) {
    }
    return fmt::format("{}...{} ({} bytes)", shown(text.substr(0, head)), shown(text.substr(tail)),
                       text.size());
  }
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out.empty() ? "\"\"" : out;
}

std::string describe(const History& history, const Operation& operation) {
  const auto text = [&](Text value) {
    return value == kAbsent ? std::string("absent") : shown(history.texts[value]);
  };
  auto out = fmt::format("client {} {} {}", shown(history.clients[operation.client]),
                         to_string(operation.op), shown(history.texts[operation.key]));
  switch (operation.op) {
    case HistoryOp::kGet:
    case HistoryOp::kPut:
      out += " = " + text(operation.value);
      break;
    case HistoryOp::kAppend:
      out += " + " + text(operation.value);
      break;
    case HistoryOp::kCas:
      out += fmt::format(" {} to {}", text(operation.expect), text(operation.value));
      break;
    case HistoryOp::kIncr:
      out += fmt::format(" by {} = {}", operation.by, text(operation.value));
      break;
    case HistoryOp::kDelete:
      break;
  }
  out += fmt::format(" [{}, {}]", time_text(history, operation.start_ns),
                     time_text(history, operation.end_ns));
  if (operation.ended == Ended::kUnknown) {
    out += " outcome unknown";
  } else if (operation.ended == Ended::kFailed) {
    out += operation.never_ran ? " never ran" : " failed";
  }
  return out;
}

}  // namespace kvorum::check
