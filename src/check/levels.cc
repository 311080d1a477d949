// A history in which each operation names the level that it was asked at: for every level named,
// all writes and the gets of that level, or of one that promises as much, must satisfy it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "check/judge.h"
#include "check/shrink.h"
#include "model/level.h"

namespace kvorum::check {
namespace {

// The models that a level promises. Levels by counts, and eventual, promise only that all
// converges.
std::vector<Model> models_of(const Level& level) {
  switch (level.kind) {
    case LevelKind::kLinearizable:
      return {{ModelKind::kLinearizable, 0}};
    case LevelKind::kSequential:
      return {{ModelKind::kSequential, 0}};
    case LevelKind::kBounded:
      return level.bound_ms >= 0
                 ? std::vector<Model>{{ModelKind::kBoundedTime, level.bound_ms * 1'000'000}}
                 : std::vector<Model>{{ModelKind::kBoundedVersions, level.bound_versions}};
    case LevelKind::kPrefix:
      return {{ModelKind::kPrefix, 0}};
    case LevelKind::kCausal:
      return {{ModelKind::kCausal, 0}};
    case LevelKind::kSession:
      return {{ModelKind::kReadYourWrites, 0},
              {ModelKind::kMonotonicReads, 0},
              {ModelKind::kMonotonicWrites, 0},
              {ModelKind::kWritesFollowReads, 0}};
    default:
      return {{ModelKind::kConvergence, 0}};
  }
}

// Whether a get at `a` promises what one at `b` does: linearizable, then sequential, then causal,
// then session; and linearizable, then bounded, then prefix, which sequential promises as well.
bool promises(const Level& a, const Level& b) {
  if (a == b || a.kind == LevelKind::kLinearizable) {
    return true;
  }
  switch (b.kind) {
    case LevelKind::kBounded:
      return a.kind == LevelKind::kBounded &&
             (b.bound_ms >= 0 ? a.bound_ms >= 0 && a.bound_ms <= b.bound_ms
                              : a.bound_versions >= 0 && a.bound_versions <= b.bound_versions);
    case LevelKind::kPrefix:
      return a.kind == LevelKind::kBounded || a.kind == LevelKind::kSequential;
    case LevelKind::kCausal:
      return a.kind == LevelKind::kSequential;
    case LevelKind::kSession:
      return a.kind == LevelKind::kSequential || a.kind == LevelKind::kCausal;
    default:
      return false;
  }
}

std::optional<Level> level_of(const History& history, const Operation& op) {
  if (op.level == kAbsent) {
    return std::nullopt;
  }
  const auto level = parse_level(history.texts[op.level]);
  return level ? std::optional(*level) : std::nullopt;
}

class Levels {
 public:
  explicit Levels(const History& history) : history_(history) {
    std::map<Text, std::optional<Level>> known;
    for (const auto& op : history.operations) {
      const auto [found, fresh] = known.try_emplace(op.level);
      if (fresh) {
        found->second = level_of(history, op);
      }
      levels_.push_back(found->second);
      if (op.level == kAbsent) {
        continue;
      }
      if (!found->second) {
        strange_ = history.texts[op.level];
      } else if (std::find(named_.begin(), named_.end(), *found->second) == named_.end()) {
        named_.push_back(*found->second);
      }
    }
  }

  Verdict judge(const Budget& budget) const {
    if (!strange_.empty() || named_.empty()) {
      return unknown(named_.empty() ? "no operation names its level"
                                    : fmt::format("'{}' is no level", strange_));
    }
    Verdict verdict;
    std::vector<Model> done;
    // The one whose judge may take all the time there is comes last.
    auto levels = named_;
    std::stable_partition(levels.begin(), levels.end(),
                          [](const Level& level) { return level.kind != LevelKind::kSequential; });
    for (const auto& level : levels) {
      for (const auto& model : models_of(level)) {
        if (std::find(done.begin(), done.end(), model) != done.end()) {
          continue;
        }
        done.push_back(model);
        auto found = judge_level(level, model, budget);
        if (found.answer == Answer::kViolation) {
          return found;
        }
        verdict.nodes += found.nodes;
        if (found.answer == Answer::kUnknown) {
          found.nodes = verdict.nodes;
          verdict = std::move(found);
        }
      }
    }
    if (verdict.answer == Answer::kOk) {
      for (const auto& model : done) {
        verdict.detail += (verdict.detail.empty() ? "judged: " : ", ") + to_string(model);
      }
    }
    return verdict;
  }

 private:
  static Verdict unknown(std::string detail) {
    Verdict verdict;
    verdict.answer = Answer::kUnknown;
    verdict.reason = "unsupported";
    verdict.detail = std::move(detail);
    return verdict;
  }

  Verdict judge_level(const Level& level, const Model& model, const Budget& budget) const {
    std::vector<std::uint32_t> chosen;
    bool final = false;
    for (std::uint32_t i = 0; i < levels_.size(); ++i) {
      const auto& op = history_.operations[i];
      const bool get = op.op == HistoryOp::kGet;
      final = final || (get && op.final);
      if (!get || model.kind == ModelKind::kConvergence ||
          (levels_[i] && promises(*levels_[i], level))) {
        chosen.push_back(i);
      }
    }
    if (model.kind == ModelKind::kConvergence && !final && named_.size() > 1) {
      return {};  // nothing to judge by; what other levels promise is
    }
    auto verdict = check::judge(part_of(history_, chosen), model, budget);
    const auto name = to_string(level);
    verdict.sentence = fmt::format("level {}: {}", name, verdict.sentence);
    verdict.detail = fmt::format("level {}: {}", name, verdict.detail);
    in_whole(chosen, verdict);
    return verdict;
  }

  const History& history_;
  std::vector<std::optional<Level>> levels_;  // per operation
  std::vector<Level> named_;
  std::string strange_;
};

}  // namespace

Verdict judge_levels(const History& history, const Budget& budget) {
  auto verdict = Levels(history).judge(budget);
  verdict.model = {ModelKind::kLevels, 0};
  return verdict;
}

}  // namespace kvorum::check
