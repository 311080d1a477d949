// One operation of a client as a recorder saw it: what workloads write down and `kvorum check`
// judges. docs/testing.md describes the file, one JSON object a line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace kvorum {

enum class HistoryOp : std::uint8_t { kGet, kPut, kDelete, kCas, kAppend, kIncr };
const char* to_string(HistoryOp op);
std::optional<HistoryOp> parse_history_op(ByteView word);

// How an operation ended for its client ("ok": true, false, null).
enum class Ended : std::uint8_t {
  kOk,
  kFailed,   // certainly had no effect. A cas without `err`: its compare failed, which observes
  kUnknown,  // may take effect at any moment after its start, or never
};

struct HistoryRecord {
  std::uint32_t client = 0;
  HistoryOp op = HistoryOp::kGet;
  Ended ended = Ended::kOk;
  bool final = false;  // a read after everything had come to rest
  std::string key;
  std::optional<std::string> value;   // written, or read (get, incr: the result); empty: absent
  std::optional<std::string> expect;  // of a cas; empty: absent
  std::int64_t by = 1;                // of an incr
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;               // meaningless when unknown
  std::string err;                       // with kFailed: it never ran, and observes nothing
  std::string level;                     // empty: not recorded
  std::uint32_t node = 0;                // 0: not recorded
  std::optional<std::uint64_t> seq;      // of its client, rising
  std::optional<std::uint64_t> version;  // of the row read or written, as the store said
};

// Appends the record's line, with its newline.
void append_json(const HistoryRecord& record, std::string& out);
// Appends a JSON string. Bytes that are not UTF-8 are written as U+FFFD followed by their two hex
// digits, so that different values stay different.
void append_json_string(ByteView text, std::string& out);

}  // namespace kvorum
