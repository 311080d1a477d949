#include "lab/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "check/judge.h"
#include "lab/expect.h"
#include "lab/latency.h"

namespace kvorum::lab {
namespace {

using check::ModelKind;

constexpr std::size_t kJudgeBytes = std::size_t{1} << 30;
constexpr auto kModels = std::to_array<ModelKind>({
    ModelKind::kLinearizable,
    ModelKind::kSequential,
    ModelKind::kDurability,
    ModelKind::kConvergence,
});
constexpr auto kOps = std::to_array<HistoryOp>({
    HistoryOp::kGet,
    HistoryOp::kPut,
    HistoryOp::kDelete,
    HistoryOp::kCas,
    HistoryOp::kAppend,
    HistoryOp::kIncr,
});

bool acknowledged_write(const HistoryRecord& operation) {
  return operation.op != HistoryOp::kGet && operation.ended == Ended::kOk;
}

// As if no answer had come.
HistoryRecord given_up(HistoryRecord write) {
  write.ended = Ended::kUnknown;
  if (write.op == HistoryOp::kIncr) {
    write.value.reset();  // its result, which nobody has seen now
  }
  return write;
}

// Those of one key.
class Losses {
 public:
  Losses(const RunRecord& record, const std::string& key, const check::Budget& budget)
      : budget_(budget) {
    part_.scenario.initial = record.scenario.initial;
    for (const auto& operation : record.history) {
      if (operation.key == key && (operation.final || operation.op != HistoryOp::kGet)) {
        part_.history.push_back(operation);
      }
    }
  }

  std::optional<std::size_t> count() {
    std::vector<std::size_t> writes;
    for (std::size_t i = 0; i < part_.history.size(); ++i) {
      if (acknowledged_write(part_.history[i])) {
        writes.push_back(i);
      }
    }
    const auto all = part_.history;
    std::vector<std::size_t> lost;
    while (!durable() && !exhausted_ && !writes.empty()) {  // starts rise with the index
      lost.push_back(writes.back());
      writes.pop_back();
      part_.history[lost.back()] = given_up(all[lost.back()]);
    }
    std::size_t kept = 0;  // given up on the way to an earlier one
    for (const auto write : lost) {
      auto without = std::exchange(part_.history[write], all[write]);
      if (durable()) {
        ++kept;
      } else {
        part_.history[write] = std::move(without);
      }
    }
    return exhausted_ ? std::nullopt : std::optional(lost.size() - kept);
  }

 private:
  bool durable() {
    const auto verdict = check::judge_durability(history_of(part_), budget_);
    exhausted_ = exhausted_ || verdict.answer == check::Answer::kUnknown;
    return verdict.answer == check::Answer::kOk;
  }

  const check::Budget& budget_;
  RunRecord part_;
  bool exhausted_ = false;
};

std::string shown(const Side::Judged& judged) {
  const auto plays = judged.ok + judged.violated + judged.unknown + judged.unsupported;
  const auto of = [&](const char* word, std::size_t count) {
    return plays == 1 ? word : fmt::format("{} in {} of {}", word, count, plays);
  };
  if (judged.violated > 0) {
    return of("violation", judged.violated);
  }
  if (judged.unknown > 0) {
    return of("unknown", judged.unknown);
  }
  return judged.ok > 0 ? "ok" : "-";
}

std::string percentiles(const Side& side, HistoryOp op) {
  const auto rows = latencies(side.together);
  const auto row =
      std::find_if(rows.begin(), rows.end(), [op](const LatencyRow& one) { return one.op == op; });
  return row == rows.end() || row->count == 0
             ? "-"
             : fmt::format("{:.3f} / {:.3f}", row->p50_ms, row->p99_ms);
}

// Pads each column to its widest cell.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}", row[i], widths[i] + 2);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace

std::optional<std::size_t> lost_writes(const RunRecord& record, std::chrono::nanoseconds budget) {
  const check::Budget all(budget, kJudgeBytes);
  std::set<std::string> keys;
  for (const auto& operation : record.history) {
    if (operation.final) {
      keys.insert(operation.key);
    }
  }
  std::size_t lost = 0;
  for (const auto& key : keys) {
    const auto count = Losses(record, key, all).count();
    if (!count) {
      return {};
    }
    lost += *count;
  }
  return lost;
}

void add_play(const RunRecord& record, std::chrono::nanoseconds budget, Side& side) {
  ++side.plays;
  side.as_expected += result_of(record) == PlayResult::kMet ? 1 : 0;
  side.models.resize(kModels.size());
  const auto history = history_of(record);
  for (std::size_t i = 0; i < kModels.size(); ++i) {
    auto& judged = side.models[i];
    judged.model = {kModels[i], 0};
    const auto verdict = check::judge(history, judged.model, check::Budget(budget, kJudgeBytes));
    const bool unsupported = verdict.reason == "unsupported";
    judged.ok += verdict.answer == check::Answer::kOk ? 1 : 0;
    judged.violated += verdict.answer == check::Answer::kViolation ? 1 : 0;
    judged.unknown += verdict.answer == check::Answer::kUnknown && !unsupported ? 1 : 0;
    judged.unsupported += unsupported ? 1 : 0;
  }
  const auto lost = lost_writes(record, budget);
  side.lost = side.lost && lost ? std::optional(*side.lost + *lost) : std::nullopt;
  for (auto operation : record.history) {
    operation.level.clear();  // one row for each kind of operation
    side.together.history.push_back(std::move(operation));
  }
}

std::string side_by_side(const std::vector<Side>& sides) {
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](const std::string& name, const auto& cell) {
    rows.push_back({name});
    for (const auto& side : sides) {
      rows.back().push_back(cell(side));
    }
  };
  row("", [](const Side& side) { return side.system; });
  row("plays as expected",
      [](const Side& side) { return fmt::format("{} of {}", side.as_expected, side.plays); });
  for (std::size_t i = 0; i < kModels.size(); ++i) {
    row(check::to_string(check::Model{kModels[i], 0}),
        [i](const Side& side) { return shown(side.models[i]); });
  }
  row("acknowledged writes lost",
      [](const Side& side) { return side.lost ? fmt::to_string(*side.lost) : "unknown"; });
  for (const auto op : kOps) {
    row(fmt::format("{}: p50 / p99 ms", to_string(op)),
        [op](const Side& side) { return percentiles(side, op); });
    const auto& cells = rows.back();
    if (std::all_of(cells.begin() + 1, cells.end(), [](const auto& one) { return one == "-"; })) {
      rows.pop_back();
    }
  }
  return aligned(rows);
}

}  // namespace kvorum::lab
