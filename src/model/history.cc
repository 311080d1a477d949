#include "model/history.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <iterator>

namespace kvorum {
namespace {

constexpr std::array<const char*, 6> kOps = {"get", "put", "delete", "cas", "append", "incr"};

// Length of the well-formed UTF-8 sequence at the front (Unicode 15, table 3-7); 0 if there is
// none.
std::size_t utf8_length(ByteView text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xc2 && first <= 0xdf) {
    return tail(1) ? 2 : 0;
  }
  if (first >= 0xe0 && first <= 0xef) {
    const bool second = first == 0xe0   ? byte(1) >= 0xa0 && byte(1) <= 0xbf
                        : first == 0xed ? byte(1) >= 0x80 && byte(1) <= 0x9f
                                        : tail(1);
    return second && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool second = first == 0xf0   ? byte(1) >= 0x90 && byte(1) <= 0xbf
                        : first == 0xf4 ? byte(1) >= 0x80 && byte(1) <= 0x8f
                                        : tail(1);
    return second && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

void append_optional(ByteView name, const std::optional<std::string>& value, std::string& out) {
  out += name;
  if (value) {
    append_json_string(*value, out);
  } else {
    out += "null";
  }
}

}  // namespace

const char* to_string(HistoryOp op) { return kOps.at(static_cast<std::size_t>(op)); }

std::optional<HistoryOp> parse_history_op(ByteView word) {
  for (std::size_t i = 0; i < kOps.size(); ++i) {
    if (word == kOps.at(i)) {
      return static_cast<HistoryOp>(i);
    }
  }
  return std::nullopt;
}

void append_json_string(ByteView text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (length == 0) {
      fmt::format_to(std::back_inserter(out), "\xEF\xBF\xBD{:02x}", c);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text.front();
    } else if (c < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

void append_json(const HistoryRecord& record, std::string& out) {
  const auto at = std::back_inserter(out);
  fmt::format_to(at, R"({{"client":{},"op":"{}","key":)", record.client, to_string(record.op));
  append_json_string(record.key, out);
  if (record.op != HistoryOp::kDelete) {
    append_optional(R"(,"value":)", record.value, out);
  }
  if (record.op == HistoryOp::kCas) {
    append_optional(R"(,"expect":)", record.expect, out);
  }
  if (record.op == HistoryOp::kIncr) {
    fmt::format_to(at, R"(,"by":{})", record.by);
  }
  const bool unknown = record.ended == Ended::kUnknown;
  fmt::format_to(at, R"(,"ok":{},"start_ns":{},"end_ns":{})",
                 unknown                      ? "null"
                 : record.ended == Ended::kOk ? "true"
                                              : "false",
                 record.start_ns, unknown ? "null" : fmt::to_string(record.end_ns));
  if (!record.err.empty()) {
    out += R"(,"err":)";
    append_json_string(record.err, out);
  }
  if (record.final) {
    out += R"(,"final":true)";
  }
  if (!record.level.empty()) {
    out += R"(,"level":)";
    append_json_string(record.level, out);
  }
  if (record.node != 0) {
    fmt::format_to(at, R"(,"node":{})", record.node);
  }
  if (record.seq) {
    fmt::format_to(at, R"(,"seq":{})", *record.seq);
  }
  if (record.version) {
    fmt::format_to(at, R"(,"version":{})", *record.version);
  }
  out += "}\n";
}

}  // namespace kvorum
