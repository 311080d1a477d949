#include "lab/run_logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

namespace kvorum::lab {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

const char* to_string(EventKind kind) {
  switch (kind) {
    case EventKind::kConnected:
      return "connected";
    case EventKind::kRequest:
      return "request";
    case EventKind::kReply:
      return "reply";
    case EventKind::kSlept:
      return "slept";
    case EventKind::kFinished:
      return "finished";
    case EventKind::kFault:
      return "fault";
    case EventKind::kNote:
      return "note";
  }
  return "?";
}

// One field of an older system's line: nothing in it ends the field or the line.
std::string field(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == ',' || c == '%') {
      fmt::format_to(std::back_inserter(out), "%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

struct Moment {
  std::int64_t at_ns = 0;
  const HistoryRecord* operation = nullptr;
  bool answer = false;
};

// The requests and answers of the servers' operations (0: of all) by time; at the same time in the
// order of the history, so that an answer stands before what its client asked next.
std::vector<Moment> moments(const RunRecord& record, NodeId server) {
  std::vector<Moment> out;
  for (const auto& operation : record.history) {
    if (server && operation.node != server.value()) {
      continue;
    }
    out.push_back({operation.start_ns, &operation, false});
    if (operation.ended == Ended::kOk) {
      out.push_back({operation.end_ns, &operation, true});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Moment& a, const Moment& b) { return a.at_ns < b.at_ns; });
  return out;
}

std::string value_of(const Moment& moment) {
  const auto& operation = *moment.operation;
  if (operation.op == HistoryOp::kIncr && !moment.answer) {
    return fmt::to_string(operation.by);
  }
  const bool has = operation.op != HistoryOp::kDelete &&
                   (operation.op != HistoryOp::kGet || moment.answer) && operation.value;
  return has ? field(*operation.value) : std::string();
}

std::int64_t unix_ms(const RunRecord& record, const Moment& moment) {
  return record.began_ms + moment.at_ns / kNsPerMs;
}

std::string old_line(const RunRecord& record, const Moment& moment, std::int64_t ms) {
  const auto& operation = *moment.operation;
  return fmt::format("{},{},{},{},{},{},{}", record.began_ms, operation.client,
                     kvorum::to_string(operation.op), field(operation.key), ms,
                     moment.answer ? "resp" : "req", value_of(moment));
}

}  // namespace

std::string line(const Event& event) {
  std::string who;
  if (event.client >= 0) {
    who = fmt::format("client {}", event.client);
  } else if (event.node) {
    who = fmt::format("node {}", event.node.value());
  }
  const auto ms = static_cast<double>(event.at_ns) / static_cast<double>(kNsPerMs);
  auto out =
      fmt::format("{:>9.3f} ms  {:<9}  {:<9}  {}", ms, who, to_string(event.kind), event.text);
  out.erase(out.find_last_not_of(' ') + 1);
  return out;
}

std::string run_log(const RunRecord& record) {
  std::string out;
  for (const auto& event : record.events) {
    out += line(event);
    out += '\n';
  }
  return out;
}

std::string output_log(const RunRecord& record, NodeId server) {
  std::string out;
  for (const auto& moment : moments(record, server)) {
    out += old_line(record, moment, unix_ms(record, moment));
    out += '\n';
  }
  return out;
}

std::vector<std::string> visualizer_lines(const RunRecord& record) {
  std::vector<std::string> out = {fmt::format("START,{}", record.began_ms)};
  auto free_ms = std::numeric_limits<std::int64_t>::min();
  for (const auto& moment : moments(record, NodeId())) {
    const auto ms = std::max(unix_ms(record, moment), free_ms);
    out.push_back(old_line(record, moment, ms));
    free_ms = ms + 1;
  }
  return out;
}

}  // namespace kvorum::lab
