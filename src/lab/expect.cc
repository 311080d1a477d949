#include "lab/expect.h"

#include <fmt/format.h>

#include <algorithm>

#include "check/judge.h"

namespace kvorum::lab {
namespace {

constexpr std::size_t kJudgeBytes = std::size_t{1} << 30;

std::string shown(const std::optional<std::string>& value) {
  return value ? check::shown(*value) : "absent";
}

Expected expect_model(const check::Verdict& verdict, bool should_hold) {
  Expected out;
  out.text =
      fmt::format("{} {}", check::to_string(verdict.model), should_hold ? "holds" : "is violated");
  const auto wanted = should_hold ? check::Answer::kOk : check::Answer::kViolation;
  out.met = verdict.answer == wanted;
  out.undecided = verdict.answer == check::Answer::kUnknown;
  if (out.undecided) {
    out.why = verdict.reason + ": " + verdict.detail;
  } else if (!out.met) {
    out.why = should_hold ? verdict.sentence : "it holds";
  }
  return out;
}

// Of every replica, once it was quiet.
Expected expect_final(const RunRecord& record, const std::string& key,
                      const std::optional<std::string>& value) {
  Expected out;
  out.text = fmt::format("in the end {} = {}", check::shown(key), shown(value));
  out.met = true;
  for (const auto& read : record.history) {
    if (read.final && read.key == key && read.value != value) {
      out.met = false;
      out.why = fmt::format("node {} holds {}", read.node, shown(read.value));
    }
  }
  return out;
}

}  // namespace

check::History history_of(const RunRecord& record) {
  check::History history;
  history.source = "history.jsonl";
  for (const auto& operation : record.history) {
    history.add(operation);
  }
  for (const auto& [key, value] : record.scenario.initial) {
    history.initial[history.texts.add(key)] = history.texts.add(value);
  }
  return history;
}

std::string describe(const std::vector<Sighting>& sightings) {
  std::string text;
  for (const auto& one : sightings) {
    text += fmt::format("{}client {} read {} = {}", text.empty() ? "" : " and ", one.client,
                        check::shown(one.key), shown(one.value));
  }
  return text;
}

bool was_seen(const RunRecord& record, const std::vector<Sighting>& sightings) {
  return std::all_of(sightings.begin(), sightings.end(), [&](const Sighting& one) {
    const auto last = std::find_if(
        record.history.rbegin(), record.history.rend(), [&](const HistoryRecord& read) {
          return read.client == one.client && read.op == HistoryOp::kGet && read.key == one.key &&
                 read.ended == Ended::kOk && !read.final;
        });
    return last != record.history.rend() && last->value == one.value;
  });
}

void judge(const check::History& history, std::chrono::nanoseconds budget, RunRecord& record) {
  const auto& expect = record.scenario.expect;
  const auto judged = [&](const check::Model& model) {
    return check::judge(history, model, check::Budget(budget, kJudgeBytes));
  };
  if (expect.model) {
    record.verdict = judged(*expect.model);
    record.expected.push_back(expect_model(record.verdict, true));
  }
  if (expect.violates) {
    auto verdict = judged(*expect.violates);
    record.expected.push_back(expect_model(verdict, false));
    if (!expect.model || record.verdict.answer == check::Answer::kOk) {
      record.verdict = std::move(verdict);  // the one that there is something to tell about
    }
  }
  for (const auto& [key, value] : expect.final) {
    record.expected.push_back(expect_final(record, key, value));
  }
  for (const auto& sightings : expect.never) {
    const bool seen = was_seen(record, sightings);
    record.expected.push_back(
        {"never " + describe(sightings), !seen, false, seen ? "that was seen" : ""});
  }
}

PlayResult result_of(const RunRecord& record) {
  auto result = PlayResult::kMet;
  for (const auto& expected : record.expected) {
    if (!expected.met && !expected.undecided) {
      return PlayResult::kNotMet;
    }
    result = expected.undecided ? PlayResult::kUndecided : result;
  }
  return result;
}

}  // namespace kvorum::lab
