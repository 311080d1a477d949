// Our own format, JSON Lines: one operation an object.
#include <fmt/format.h>
#include <simdjson.h>

#include <array>

#include "check/load_parts.h"

namespace kvorum::check {
namespace {

namespace dom = simdjson::dom;
using dom::element_type;

enum Field : std::uint8_t {
  kClient,
  kOp,
  kKey,
  kValue,
  kExpect,
  kBy,
  kOk,
  kStart,
  kEnd,
  kErr,
  kFinal,
  kLevel,
  kNode,
  kSeq,
  kVersion,
  kInitial,
  kFields,
};
constexpr std::array<std::string_view, kFields> kNames = {
    "client", "op",  "key",   "value", "expect", "by",  "ok",      "start_ns",
    "end_ns", "err", "final", "level", "node",   "seq", "version", "initial"};

constexpr std::uint32_t bit(Field field) { return 1U << field; }

// An object's fields; those that are unknown to us are left out.
struct Fields {
  std::array<dom::element, kFields> at;
  std::uint32_t seen = 0;

  bool has(Field field) const { return (seen & bit(field)) != 0; }
  bool is_null(Field field) const { return !has(field) || at[field].is_null(); }
};

// Why an object is no operation; empty: it is one.
using Complaint = std::string;

Complaint collect(const dom::object& object, Fields& fields) {
  std::size_t guess = 0;  // fields mostly come in the same order
  for (const auto [name, value] : object) {
    for (std::size_t tries = 0; tries < kFields; ++tries) {
      const auto field = static_cast<Field>((guess + tries) % kFields);
      if (name == kNames[field]) {
        if (fields.has(field)) {
          return fmt::format("the field '{}' comes twice", name);
        }
        fields.at[field] = value;
        fields.seen |= bit(field);
        guess = field + 1;
        break;
      }
    }
  }
  return {};
}

// Scalars as text; nothing for null, arrays and objects.
class ScalarText {
 public:
  explicit ScalarText(const dom::element& element) {
    switch (element.type()) {
      case element_type::STRING:
        view_ = element.get_string().value_unsafe();
        break;
      case element_type::INT64:
        print(element.get_int64().value_unsafe());
        break;
      case element_type::UINT64:
        print(element.get_uint64().value_unsafe());
        break;
      case element_type::DOUBLE:
        print(element.get_double().value_unsafe());
        break;
      case element_type::BOOL:
        view_ = element.get_bool().value_unsafe() ? "true" : "false";
        break;
      default:
        good_ = false;
    }
  }

  bool good() const { return good_; }
  std::string_view view() const { return view_; }

 private:
  template <class Number>
  void print(Number number) {
    const auto end = fmt::format_to(buffer_.data(), "{}", number);
    view_ = {buffer_.data(), static_cast<std::size_t>(end - buffer_.data())};
  }

  std::array<char, 40> buffer_;
  std::string_view view_;
  bool good_ = true;
};

Complaint missing(Field field) { return fmt::format("the field '{}' is missing", kNames[field]); }

Complaint wrong(Field field, std::string_view wanted) {
  return fmt::format("the field '{}' must be {}", kNames[field], wanted);
}

class LineReader {
 public:
  LineReader(const Source& source, const std::string& prefix, History& history)
      : source_(source), prefix_(prefix), history_(history) {}

  Result<void> run() {
    JsonItems items(source_);
    while (true) {
      const auto item = items.next();
      if (!item) {
        return tl::unexpected(item.error());
      }
      if (!*item) {
        return {};
      }
      if (const auto complaint = read((*item)->text, (*item)->line); !complaint.empty()) {
        return source_.error((*item)->line, "{}", complaint);
      }
    }
  }

 private:
  Complaint read(std::string_view text, std::uint32_t line) {
    dom::element root;
    if (const auto error = parser_.parse(text.data(), text.size(), false).get(root)) {
      return fmt::format("not JSON: {}", simdjson::error_message(error));
    }
    dom::object object;
    if (root.get(object)) {
      return "not a JSON object";
    }
    Fields fields;
    if (auto complaint = collect(object, fields); !complaint.empty()) {
      return complaint;
    }
    if (fields.has(kInitial)) {
      return initial(fields);
    }
    Operation operation;
    operation.line = line;
    if (auto complaint = read_operation(fields, operation); !complaint.empty()) {
      return complaint;
    }
    history_.operations.push_back(operation);
    any_ = true;
    return {};
  }

  Complaint initial(const Fields& fields) {
    dom::object values;
    if (any_ || fields.seen != bit(kInitial)) {
      return "initial values stand alone on the first line";
    }
    any_ = true;
    if (fields.at[kInitial].get(values)) {
      return wrong(kInitial, "an object");
    }
    for (const auto [key, value] : values) {
      if (value.is_null()) {
        continue;
      }
      const ScalarText text(value);
      if (!text.good()) {
        return "an initial value must be a string, a number or null";
      }
      const auto number = history_.texts.add(text.view());
      const auto [at, fresh] = history_.initial.try_emplace(history_.texts.add(key), number);
      if (!fresh && at->second != number) {
        return fmt::format("the initial value of '{}' is stated twice", key);
      }
    }
    return {};
  }

  Complaint read_operation(const Fields& fields, Operation& out) {
    for (const auto field : {kClient, kOp, kKey, kOk, kStart}) {
      if (!fields.has(field)) {
        return missing(field);
      }
    }
    const ScalarText client(fields.at[kClient]);
    if (!client.good()) {
      return wrong(kClient, "a number or a string");
    }
    out.client = client_of(client.view());
    std::string_view op;
    if (fields.at[kOp].get(op)) {
      return wrong(kOp, "a string");
    }
    const auto parsed = parse_history_op(op);
    if (!parsed) {
      return fmt::format("unknown operation '{}'", op);
    }
    out.op = *parsed;
    const ScalarText key(fields.at[kKey]);
    if (!key.good()) {
      return wrong(kKey, "a string");
    }
    out.key = history_.texts.add(key.view());
    if (auto complaint = read_outcome(fields, out); !complaint.empty()) {
      return complaint;
    }
    if (auto complaint = read_values(fields, out); !complaint.empty()) {
      return complaint;
    }
    return read_extras(fields, out);
  }

  Complaint read_outcome(const Fields& fields, Operation& out) {
    bool ok = false;
    if (fields.is_null(kOk)) {
      out.ended = Ended::kUnknown;
    } else if (fields.at[kOk].get(ok)) {
      return wrong(kOk, "true, false or null");
    } else {
      out.ended = ok ? Ended::kOk : Ended::kFailed;
    }
    if (auto complaint = read_time(fields, kStart, out.start_ns); !complaint.empty()) {
      return complaint;
    }
    if (out.ended == Ended::kUnknown) {
      out.end_ns = kNever;  // a number here only says when the client gave up
      return {};
    }
    if (!fields.has(kEnd)) {
      return missing(kEnd);
    }
    if (auto complaint = read_time(fields, kEnd, out.end_ns); !complaint.empty()) {
      return complaint;
    }
    if (out.end_ns < out.start_ns) {
      return fmt::format("it ends at {} ns, before its start at {} ns", out.end_ns, out.start_ns);
    }
    return {};
  }

  static Complaint read_time(const Fields& fields, Field field, std::int64_t& out) {
    const auto& at = fields.at[field];
    if (at.type() == element_type::UINT64) {
      return fmt::format("the field '{}' is out of range", kNames[field]);
    }
    if (at.get(out)) {
      return wrong(field, "a whole number of nanoseconds");
    }
    return out > kMaxTime || out < -kMaxTime
               ? fmt::format("the field '{}' is out of range", kNames[field])
               : Complaint();
  }

  Complaint read_text(const Fields& fields, Field field, bool needed, Text& out) {
    if (!fields.has(field)) {
      return needed ? missing(field) : Complaint();
    }
    if (fields.is_null(field)) {
      return {};
    }
    const ScalarText text(fields.at[field]);
    if (!text.good()) {
      return wrong(field, "a string, a number or null");
    }
    out = history_.texts.add(text.view());
    return {};
  }

  Complaint read_values(const Fields& fields, Operation& out) {
    const bool result = out.op == HistoryOp::kGet || out.op == HistoryOp::kIncr;
    const bool needed = out.op != HistoryOp::kDelete && (!result || out.ended == Ended::kOk);
    if (out.op != HistoryOp::kDelete) {
      if (auto complaint = read_text(fields, kValue, needed, out.value); !complaint.empty()) {
        return complaint;
      }
    }
    if (out.op == HistoryOp::kAppend && out.value == kAbsent) {
      return wrong(kValue, "a string");
    }
    if (out.op == HistoryOp::kIncr && needed && out.value == kAbsent) {
      return wrong(kValue, "the result");
    }
    if (out.op == HistoryOp::kPut && out.value == kAbsent) {
      out.op = HistoryOp::kDelete;  // to write null is to delete
    }
    if (out.op == HistoryOp::kCas) {
      return read_text(fields, kExpect, true, out.expect);
    }
    if (out.op == HistoryOp::kIncr && fields.has(kBy) && fields.at[kBy].get(out.by)) {
      return wrong(kBy, "a whole number");
    }
    return {};
  }

  Complaint read_extras(const Fields& fields, Operation& out) {
    if (!fields.is_null(kErr)) {
      std::string_view err;
      if (fields.at[kErr].get(err)) {
        return wrong(kErr, "a string");
      }
      out.never_ran = out.ended == Ended::kFailed && !err.empty();
    }
    if (!fields.is_null(kFinal) && fields.at[kFinal].get(out.final)) {
      return wrong(kFinal, "true or false");
    }
    if (!fields.is_null(kLevel)) {
      std::string_view level;
      if (fields.at[kLevel].get(level)) {
        return wrong(kLevel, "a string");
      }
      out.level = level.empty() ? kAbsent : history_.texts.add(level);
    }
    std::int64_t node = 0;
    for (const auto& [field, at] :
         {std::pair{kNode, &node}, {kSeq, &out.seq}, {kVersion, &out.version}}) {
      if (!fields.is_null(field) && (fields.at[field].get(*at) || *at < 0)) {
        return wrong(field, "a whole number from 0");
      }
    }
    if (node > UINT32_MAX) {
      return wrong(kNode, "a node's number");
    }
    out.node = static_cast<std::uint32_t>(node);
    return {};
  }

  std::uint32_t client_of(std::string_view name) {
    if (prefix_.empty()) {
      return history_.client(name);
    }
    return history_.client(fmt::format("{}{}", prefix_, name));
  }

  const Source& source_;
  const std::string& prefix_;
  History& history_;
  dom::parser parser_;
  bool any_ = false;
};

}  // namespace

Result<void> read_lines(const Source& source, const std::string& prefix, History& history) {
  return LineReader(source, prefix, history).run();
}

}  // namespace kvorum::check
