#include "check/load_jepsen.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/parse.h"

namespace kvorum::check {
namespace {

constexpr std::string_view kOnlyKey = "register";  // where a history names none

constexpr std::array<std::pair<std::string_view, HistoryOp>, 12> kOps = {{
    {"read", HistoryOp::kGet},
    {"r", HistoryOp::kGet},
    {"get", HistoryOp::kGet},
    {"write", HistoryOp::kPut},
    {"w", HistoryOp::kPut},
    {"put", HistoryOp::kPut},
    {"set", HistoryOp::kPut},
    {"cas", HistoryOp::kCas},
    {"compare-and-set", HistoryOp::kCas},
    {"append", HistoryOp::kAppend},
    {"delete", HistoryOp::kDelete},
    {"del", HistoryOp::kDelete},
}};

std::optional<HistoryOp> op_of(const Form& f) {
  for (const auto& [word, op] : kOps) {
    if (f.is_word(word)) {
      return op;
    }
  }
  return std::nullopt;
}

std::string shown(const Form& form) {
  std::string out;
  append_edn(form, out);
  return out;
}

std::string bare(const Form& form) {
  const bool as_it_is = form.kind == Form::Kind::kString || form.kind == Form::Kind::kNumber;
  return as_it_is ? form.text : shown(form);
}

const Form& nil() {
  static const Form form;
  return form;
}

}  // namespace

Result<void> JepsenEvents::add_map(const Form& event) {
  if (event.kind != Form::Kind::kMap) {
    return source_.error(event.line, "an event must be a map, not {}", shown(event));
  }
  const auto* final = event.find("final?");
  return add({.line = event.line,
              .process = event.find("process"),
              .type = event.find("type"),
              .f = event.find("f"),
              .key = event.find("key"),
              .value = event.find("value"),
              .time = event.find("time"),
              .final = final != nullptr ? final : event.find("final")});
}

Result<void> JepsenEvents::add_list(const Form& event) {
  if (event.items.size() < 3) {
    return source_.error(event.line, "an event is [process type f value], not {}", shown(event));
  }
  return add({.line = event.line,
              .process = &event.items[0],
              .type = &event.items[1],
              .f = &event.items[2],
              .value = event.items.size() > 3 ? &event.items[3] : nullptr});
}

Result<void> JepsenEvents::add(const Event& event) {
  if (event.process == nullptr) {
    return source_.error(event.line, "the field 'process' is missing");
  }
  const auto process = parse_number<std::int64_t>(event.process->text);
  if (!process) {
    return {};  // the nemesis and its like
  }
  if (event.type == nullptr) {
    return source_.error(event.line, "the field 'type' is missing");
  }
  std::int64_t time = -1;
  if (event.time != nullptr && !event.time->is_nil()) {
    const auto parsed = parse_number<std::int64_t>(event.time->text);
    if (!parsed || *parsed > kMaxTime) {
      return source_.error(event.line, "the time must be a whole number of nanoseconds, not {}",
                           shown(*event.time));
    }
    time = *parsed;
  }
  timed_ = timed_ && time >= 0;
  ++events_;
  return event.type->is_word("invoke") ? invoke(event, *process, time)
                                       : complete(event, *process, time);
}

Result<void> JepsenEvents::invoke(const Event& event, std::int64_t process, std::int64_t time) {
  Open open;
  Operation operation;
  operation.line = event.line;
  operation.client = history_.client(fmt::format("{}{}", prefix_, process));
  operation.ended = Ended::kUnknown;
  operation.start_ns = time;
  operation.end_ns = kNever;
  operation.final = event.final != nullptr && event.final->text == "true";
  if (auto read = read_call(event, open, operation); !read) {
    return read;
  }
  open.operation = history_.operations.size();
  history_.operations.push_back(operation);
  times_.push_back({.start_at = events_});
  if (const auto [at, fresh] = open_.insert_or_assign(process, std::move(open)); !fresh) {
    ++abandoned_;  // it lost a completion: nothing is known of how that operation ended
  }
  return {};
}

Result<void> JepsenEvents::complete(const Event& event, std::int64_t process, std::int64_t time) {
  const bool ok = event.type->is_word("ok");
  if (!ok && !event.type->is_word("fail") && !event.type->is_word("info")) {
    return source_.error(event.line, "unknown type {}", shown(*event.type));
  }
  const auto found = open_.find(process);
  if (found == open_.end()) {
    return source_.error(event.line, "process {} completes what it never invoked", process);
  }
  const auto open = std::move(found->second);
  open_.erase(found);
  if (event.type->is_word("info")) {
    return {};
  }
  auto& operation = history_.operations[open.operation];
  auto& times = times_[open.operation - begin_];
  operation.ended = ok ? Ended::kOk : Ended::kFailed;
  operation.never_ran = !ok;
  operation.end_ns = time;
  times.end_at = events_;
  times.end_line = event.line;
  return ok && operation.op == HistoryOp::kGet ? read_result(event, open, operation)
                                               : Result<void>();
}

Result<void> JepsenEvents::read_call(const Event& event, Open& open, Operation& out) {
  const Form* value = event.value != nullptr ? event.value : &nil();
  if (event.f == nullptr ? value->is_list() : event.f->is_word("txn")) {
    open.shape = Shape::kTransaction;
    return read_transaction(event, out);
  }
  if (event.f == nullptr) {
    return source_.error(event.line, "the field 'f' is missing");
  }
  const auto op = op_of(*event.f);
  if (!op) {
    return source_.error(event.line, "unknown operation {}", shown(*event.f));
  }
  out.op = *op;
  const bool keyed = event.key != nullptr && !event.key->is_nil();
  if (keyed) {
    keys_apart_ = true;
    out.key = history_.texts.add(bare(*event.key));
  } else if (value->is_pair() && (*op != HistoryOp::kCas || value->items[1].is_pair())) {
    open.shape = Shape::kTuple;
    out.key = history_.texts.add(bare(value->items[0]));
    value = &value->items[1];
  } else {
    out.key = history_.texts.add(kOnlyKey);
  }
  if (*op == HistoryOp::kCas) {
    if (!value->is_pair()) {
      return source_.error(event.line, "a cas has the value [old new], not {}", shown(*value));
    }
    out.expect = text_of(value->items[0]);
    value = &value->items[1];
  }
  if (*op != HistoryOp::kGet && *op != HistoryOp::kDelete) {
    out.value = text_of(*value);
  }
  if (*op == HistoryOp::kPut && out.value == kAbsent) {
    out.op = HistoryOp::kDelete;  // to write nil is to delete
  }
  if (*op == HistoryOp::kAppend && out.value == kAbsent) {
    return source_.error(event.line, "an append of nothing");
  }
  return {};
}

Result<void> JepsenEvents::read_transaction(const Event& event, Operation& out) {
  const auto* value = event.value;
  if (value == nullptr || !value->is_list() || value->items.size() != 1) {
    return source_.error(event.line, "only transactions of one operation can be judged, not {}",
                         value == nullptr ? "none" : shown(*value));
  }
  const auto& step = value->items[0];
  if (!step.is_list() || step.items.size() != 3) {
    return source_.error(event.line, "an operation of a transaction is [f key value], not {}",
                         shown(step));
  }
  const auto op = op_of(step.items[0]);
  if (!op || *op == HistoryOp::kCas || *op == HistoryOp::kDelete) {
    return source_.error(event.line, "unknown operation {}", shown(step.items[0]));
  }
  out.op = *op;
  out.key = history_.texts.add(bare(step.items[1]));
  if (*op == HistoryOp::kPut) {
    out.value = text_of(step.items[2]);
    out.op = out.value == kAbsent ? HistoryOp::kDelete : *op;
  } else if (*op == HistoryOp::kAppend) {
    const auto text = element_text(step.items[2]);
    if (!text) {
      return tl::unexpected(text.error());
    }
    out.value = history_.texts.add(*text);
  }
  return {};
}

Result<void> JepsenEvents::read_result(const Event& event, const Open& open, Operation& out) {
  const Form* value = event.value != nullptr ? event.value : &nil();
  if (open.shape == Shape::kTuple) {
    if (!value->is_pair()) {
      return source_.error(event.line, "a read of one of several keys has the value [key value]");
    }
    value = &value->items[1];
  } else if (open.shape == Shape::kTransaction) {
    if (!value->is_list() || value->items.size() != 1 || !value->items[0].is_list() ||
        value->items[0].items.size() != 3) {
      return source_.error(event.line, "the completion has another form than the invocation");
    }
    value = &value->items[0].items[2];
    if (value->is_list()) {
      const auto text = list_text(*value);
      if (!text) {
        return tl::unexpected(text.error());
      }
      out.value = text->empty() ? kAbsent : history_.texts.add(*text);
      return {};
    }
  }
  out.value = text_of(*value);
  read_nil_ = read_nil_ || out.value == kAbsent;
  return {};
}

Text JepsenEvents::text_of(const Form& form) {
  return form.is_nil() ? kAbsent : history_.texts.add(bare(form));
}

Result<std::string> JepsenEvents::list_text(const Form& list) {
  std::string out;
  for (const auto& item : list.items) {
    const auto text = element_text(item);
    if (!text) {
      return text;
    }
    out += *text;
  }
  return out;
}

Result<std::string> JepsenEvents::element_text(const Form& form) {
  auto text = bare(form);
  if (text.find(',') != std::string::npos) {
    return source_.error(form.line, "an element of a list may not contain a comma: {}", text);
  }
  return text + ',';
}

Result<void> JepsenEvents::finish() {
  for (std::size_t i = begin_; i < history_.operations.size(); ++i) {
    auto& operation = history_.operations[i];
    const auto& times = times_[i - begin_];
    if (!timed_) {
      operation.start_ns = times.start_at;
      operation.end_ns = times.end_at;
    } else if (operation.end_ns < operation.start_ns) {
      return source_.error(times.end_line, "it ends at {} ns, before its start at {} ns",
                           operation.end_ns, operation.start_ns);
    }
    if (keys_apart_ && !read_nil_) {
      // Porcupine's logs: a key that was never written reads as the empty string.
      history_.initial.try_emplace(operation.key, history_.texts.add(""));
    }
  }
  if (abandoned_ > 0) {
    history_.warnings.push_back(
        fmt::format("{}: {} without a completion although their process went on", source_.name,
                    abandoned_ == 1 ? "one operation" : fmt::format("{} operations", abandoned_)));
  }
  return {};
}

}  // namespace kvorum::check
