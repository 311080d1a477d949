#include "check/test_brute.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

namespace kvorum::check {
namespace {

using Held = std::optional<std::string>;

// What the store does, on plain strings; empty: the operation failed.
std::optional<Held> apply(const Operation& operation, const Held& held, const History& history) {
  const auto text = [&](Text value) {
    return value == kAbsent ? Held() : Held(history.texts[value]);
  };
  switch (operation.op) {
    case HistoryOp::kGet:
      return held;
    case HistoryOp::kPut:
      return text(operation.value);
    case HistoryOp::kDelete:
      return Held();
    case HistoryOp::kCas:
      if (held != text(operation.expect)) {
        return std::nullopt;
      }
      return text(operation.value);
    case HistoryOp::kAppend:
      return held.value_or("") + history.texts[operation.value];
    case HistoryOp::kIncr: {
      const auto before = held.value_or("0");
      if (before.empty() || before.find_first_not_of("-0123456789") != std::string::npos ||
          std::to_string(std::atoll(before.c_str())) != before) {
        return std::nullopt;
      }
      return std::to_string(std::atoll(before.c_str()) + operation.by);
    }
  }
  return std::nullopt;
}

// What can be held after the operation if it came now; empty: its outcome contradicts.
std::optional<Held> outcome(const Operation& operation, const Held& held, const History& history) {
  const auto after = apply(operation, held, history);
  if (operation.ended == Ended::kUnknown) {
    return after ? after : held;
  }
  if (operation.ended == Ended::kFailed) {
    return after ? std::nullopt : std::optional<Held>(held);
  }
  if (!after) {
    return std::nullopt;
  }
  const bool returns = operation.op == HistoryOp::kGet || operation.op == HistoryOp::kIncr;
  const auto value = operation.value == kAbsent ? Held() : Held(history.texts[operation.value]);
  return returns && *after != value ? std::nullopt : after;
}

// Whether it can come next after the states `held`, to which it adds what it makes.
bool can_come(const Operation& operation, std::vector<Held>& held, std::size_t behind,
              const History& history) {
  if (operation.op == HistoryOp::kGet) {
    for (std::size_t back = 0; back <= behind && back < held.size(); ++back) {
      if (outcome(operation, held[held.size() - 1 - back], history)) {
        return true;
      }
    }
    return false;
  }
  const auto after = outcome(operation, held.back(), history);
  if (after && operation.ended != Ended::kFailed && apply(operation, held.back(), history)) {
    held.push_back(*after);
  }
  return after.has_value();
}

bool any_order(const History& history, const std::vector<Operation>& left,
               const std::vector<Held>& held, std::size_t behind) {
  const bool done = std::all_of(left.begin(), left.end(), [](const Operation& operation) {
    return operation.ended == Ended::kUnknown;
  });
  if (done) {
    return true;
  }
  for (std::size_t i = 0; i < left.size(); ++i) {
    const bool first = std::none_of(left.begin(), left.end(), [&](const Operation& other) {
      return other.ended != Ended::kUnknown && other.end_ns < left[i].start_ns;
    });
    auto then = held;
    if (!first || !can_come(left[i], then, behind, history)) {
      continue;
    }
    auto rest = left;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    if (any_order(history, rest, then, behind)) {
      return true;
    }
  }
  return false;
}

bool says_something(const Operation& operation) {
  return !operation.never_ran &&
         (operation.ended == Ended::kOk ||
          (operation.ended == Ended::kFailed && operation.op == HistoryOp::kCas) ||
          (operation.ended == Ended::kUnknown && operation.is_write()));
}

struct Planned {
  HistoryRecord record;
  std::int64_t moment = 0;  // when it takes effect
};

class Generator {
 public:
  Generator(Prng& prng, const RandomOptions& options) : prng_(prng), options_(options) {}

  History run(std::uint64_t lies) {
    for (std::size_t k = 0; k < options_.keys; ++k) {
      if (prng_.chance(1, 4)) {
        const auto key = history_.texts.add(key_name(k));
        const auto value = options_.numbers ? std::string("5") : std::string("v1");
        held_[key_name(k)] = value;
        history_.initial[key] = history_.texts.add(value);
      }
    }
    std::vector<Planned> plan;
    for (std::size_t i = 0; i < options_.operations; ++i) {
      plan.push_back(planned());
    }
    std::stable_sort(plan.begin(), plan.end(),
                     [](const auto& a, const auto& b) { return a.moment < b.moment; });
    for (auto& [record, moment] : plan) {
      run_one(record, prng_.below(100) < lies);
    }
    return std::move(history_);
  }

 private:
  static std::string key_name(std::size_t k) { return "k" + std::to_string(k); }

  std::string value() {
    if (options_.unique) {
      return (options_.numbers ? "1" : "v") + std::to_string(++made_);
    }
    const auto which = std::to_string(prng_.below(options_.values));
    return options_.numbers ? which : "v" + which;
  }

  Planned planned() {
    Planned out;
    auto& record = out.record;
    record.client = static_cast<std::uint32_t>(prng_.below(options_.clients));
    record.key = key_name(prng_.below(options_.keys));
    record.start_ns = static_cast<std::int64_t>(prng_.below(options_.moments));
    record.end_ns = std::min<std::int64_t>(
        options_.moments, record.start_ns + static_cast<std::int64_t>(prng_.below(6)));
    out.moment = record.start_ns +
                 static_cast<std::int64_t>(prng_.below(record.end_ns - record.start_ns + 1));
    std::vector<HistoryOp> ops = {HistoryOp::kGet, HistoryOp::kGet,    HistoryOp::kGet,
                                  HistoryOp::kPut, HistoryOp::kDelete, HistoryOp::kCas};
    if (options_.appends) {
      ops.insert(ops.end(), {HistoryOp::kAppend, HistoryOp::kAppend, HistoryOp::kAppend});
    }
    if (options_.numbers) {
      ops.insert(ops.end(), {HistoryOp::kIncr, HistoryOp::kIncr, HistoryOp::kIncr});
    }
    record.op = ops[prng_.below(ops.size())];
    return out;
  }

  void run_one(HistoryRecord& record, bool lie) {
    auto& held = held_[record.key];
    const bool unknown = prng_.below(100) < options_.unknown_percent;
    const bool fails = !unknown && prng_.chance(1, 25);
    const bool happens = !fails && (!unknown || prng_.chance(1, 2));
    record.ended = unknown ? Ended::kUnknown : Ended::kOk;
    switch (record.op) {
      case HistoryOp::kGet:
        record.value = lie ? seen() : held;
        break;
      case HistoryOp::kPut:
        record.value = value();
        held = happens ? record.value : held;
        break;
      case HistoryOp::kDelete:
        held = happens ? std::nullopt : held;
        break;
      case HistoryOp::kCas:
        run_cas(record, held, happens, lie);
        break;
      case HistoryOp::kAppend:
        record.value = prng_.chance(1, 12) ? "" : value();
        held = happens ? Held(held.value_or("") + *record.value) : held;
        break;
      case HistoryOp::kIncr:
        run_incr(record, held, happens, lie);
        break;
    }
    if (fails) {
      record.ended = Ended::kFailed;
      record.err = record.op == HistoryOp::kCas || prng_.chance(1, 2) ? "no" : "";
    }
    if (held) {
      seen_.push_back(*held);
    }
    history_.add(record);
  }

  Held seen() {
    return seen_.empty() || prng_.chance(1, 5) ? Held() : Held(seen_[prng_.below(seen_.size())]);
  }

  void run_cas(HistoryRecord& record, Held& held, bool happens, bool lie) {
    record.expect = prng_.chance(1, 2) ? held : seen();
    record.value = prng_.chance(1, 6) ? Held() : Held(value());
    const bool holds = record.expect == held;
    if (record.ended == Ended::kOk && holds == lie) {
      record.ended = Ended::kFailed;
    }
    held = happens && holds ? record.value : held;
  }

  void run_incr(HistoryRecord& record, Held& held, bool happens, bool lie) {
    record.by = static_cast<std::int64_t>(prng_.below(4)) - 1;
    const auto number = std::atoll(held.value_or("0").c_str());
    if (held && std::to_string(number) != *held) {
      record.ended = Ended::kFailed;
      return;
    }
    if (happens) {
      held = std::to_string(number + record.by);
    }
    if (record.ended == Ended::kOk) {
      record.value = std::to_string(number + record.by + (lie ? 1 : 0));
    }
  }

  Prng& prng_;
  const RandomOptions& options_;
  History history_;
  std::map<std::string, Held> held_;
  std::vector<std::string> seen_;
  std::uint64_t made_ = 0;
};

}  // namespace

bool brute_linearizable(const History& history, std::size_t versions_behind) {
  std::map<Text, std::vector<Operation>> keys;
  for (const auto& operation : history.operations) {
    if (says_something(operation)) {
      keys[operation.key].push_back(operation);
    }
  }
  return std::all_of(keys.begin(), keys.end(), [&](auto& entry) {
    const auto first = history.initial_of(entry.first);
    return any_order(history, entry.second,
                     {first == kAbsent ? Held() : Held(history.texts[first])}, versions_behind);
  });
}

History random_history(Prng& prng, const RandomOptions& options, std::uint64_t lies) {
  return Generator(prng, options).run(lies);
}

std::string show(const History& history) {
  std::string out;
  for (const auto& [key, value] : history.initial) {
    out += "initial " + history.texts[key] + "=" + history.texts[value] + "\n";
  }
  for (const auto& operation : history.operations) {
    out += describe(history, operation) + "\n";
  }
  return out;
}

}  // namespace kvorum::check
