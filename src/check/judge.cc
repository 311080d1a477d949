#include "check/judge.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <unordered_map>

namespace kvorum::check {
namespace {

constexpr std::int64_t kMs = 1'000'000;

// Strongest first, as far as they can be compared:
//
//   linearizable > bounded > nothing else    linearizable > sequential > ccv, cm > cc
//   linearizable > prefix, durability        ccv > the four session guarantees
//
// Where two cannot be compared, the one that says more about what programs may rely on comes first:
// ccv before cm, and what holds across keys before what holds for each key alone. Convergence and
// durability speak of the end alone.
const std::array<Model, 17> kRanking = {{
    {ModelKind::kLinearizable, 0},
    {ModelKind::kSequential, 0},
    {ModelKind::kCcv, 0},
    {ModelKind::kCm, 0},
    {ModelKind::kCc, 0},
    {ModelKind::kBoundedTime, 100 * kMs},
    {ModelKind::kBoundedTime, 1'000 * kMs},
    {ModelKind::kBoundedTime, 10'000 * kMs},
    {ModelKind::kBoundedVersions, 1},
    {ModelKind::kBoundedVersions, 10},
    {ModelKind::kPrefix, 0},
    {ModelKind::kWritesFollowReads, 0},
    {ModelKind::kMonotonicWrites, 0},
    {ModelKind::kMonotonicReads, 0},
    {ModelKind::kReadYourWrites, 0},
    {ModelKind::kDurability, 0},
    {ModelKind::kConvergence, 0},
}};

// Whether the model can say anything about such a history: a bound that is wider than the history,
// or than any key's writes, forbids nothing, and without final gets the last two have none to
// judge.
bool worthwhile(const History& history, const Model& model) {
  const auto& operations = history.operations;
  switch (model.kind) {
    case ModelKind::kBoundedTime: {
      const auto [first, last] = std::minmax_element(
          operations.begin(), operations.end(),
          [](const Operation& a, const Operation& b) { return a.start_ns < b.start_ns; });
      return first != operations.end() && last->start_ns - model.bound > first->start_ns;
    }
    case ModelKind::kBoundedVersions: {
      std::unordered_map<Text, std::int64_t> writes;
      return std::any_of(operations.begin(), operations.end(), [&](const Operation& op) {
        return op.may_write() && ++writes[op.key] > model.bound;
      });
    }
    case ModelKind::kDurability:
    case ModelKind::kConvergence:
      return std::any_of(operations.begin(), operations.end(),
                         [](const Operation& op) { return op.final; });
    default:
      return true;
  }
}

bool is_guarantee(ModelKind kind) {
  return kind == ModelKind::kReadYourWrites || kind == ModelKind::kMonotonicReads ||
         kind == ModelKind::kMonotonicWrites || kind == ModelKind::kWritesFollowReads;
}

// Whether every client began an operation only when its last one had ended, in real time. Without
// that, the order of a session says more than real time does.
bool one_at_a_time(const History& history) {
  std::vector<const Operation*> order;
  for (const auto& op : history.operations) {
    if (op.may_write() || op.observes()) {
      order.push_back(&op);
    }
  }
  std::sort(order.begin(), order.end(),
            [](const Operation* a, const Operation* b) { return a->start_ns < b->start_ns; });
  std::vector<const Operation*> last(history.clients.size(), nullptr);
  for (const auto* op : order) {
    auto& before = last[op->client];
    if (before != nullptr && before->end_ns >= op->start_ns) {
      return false;
    }
    // Nothing is ordered after an operation of unknown outcome, by its session or by real time.
    before = op->ended == Ended::kUnknown ? before : op;
  }
  return true;
}

// Whether, by the definitions, `weak` holds wherever `strong` does.
bool implies(const Model& strong, const Model& weak, bool orderly) {
  const auto kind = weak.kind;
  switch (strong.kind) {
    case ModelKind::kLinearizable:
      // Real time orders no less than the sessions do, if they are orderly. One order for all keys
      // exists because linearizability is local (Herlihy & Wing, theorem 1). Not convergence: a
      // write of unknown outcome may take effect between two final gets.
      return kind == ModelKind::kBoundedTime || kind == ModelKind::kBoundedVersions ||
             kind == ModelKind::kDurability ||
             (orderly && (kind == ModelKind::kSequential || kind == ModelKind::kPrefix));
    case ModelKind::kSequential:
      // Take the one order as causal order, as arbitration, and its beginnings as what is seen. Not
      // prefix, which forbids to read a write that began only later.
      return kind == ModelKind::kCcv || kind == ModelKind::kCm || kind == ModelKind::kCc ||
             is_guarantee(kind);
    case ModelKind::kCcv:
      return kind == ModelKind::kCc || is_guarantee(kind);
    case ModelKind::kCm:
      return kind == ModelKind::kCc;
    case ModelKind::kBoundedTime:
    case ModelKind::kBoundedVersions:
      return kind == strong.kind && weak.bound >= strong.bound;
    default:
      return false;
  }
}

Verdict implied(const Model& model, const Model& by) {
  Verdict verdict;
  verdict.model = model;
  verdict.detail = "follows from " + to_string(by);
  return verdict;
}

}  // namespace

Verdict judge(const History& history, const Model& model, const Budget& budget) {
  switch (model.kind) {
    case ModelKind::kLinearizable:
      return judge_linearizable(history, budget);
    case ModelKind::kSequential:
      return judge_sequential(history, budget);
    case ModelKind::kCausal: {
      auto verdict = judge_causal(history, ModelKind::kCcv, budget);
      verdict.model = model;
      verdict.detail = "judged as ccv, causal convergence" +
                       (verdict.detail.empty() ? "" : "; " + verdict.detail);
      if (!verdict.sentence.empty()) {
        verdict.sentence = "not causally convergent (ccv): " + verdict.sentence;
      }
      return verdict;
    }
    case ModelKind::kCc:
    case ModelKind::kCcv:
    case ModelKind::kCm:
      return judge_causal(history, model.kind, budget);
    case ModelKind::kReadYourWrites:
    case ModelKind::kMonotonicReads:
    case ModelKind::kMonotonicWrites:
    case ModelKind::kWritesFollowReads:
      return judge_session(history, model.kind, budget);
    case ModelKind::kPrefix:
      return judge_prefix(history, budget);
    case ModelKind::kBoundedTime:
      return judge_bounded_time(history, model.bound, budget);
    case ModelKind::kBoundedVersions:
      return judge_bounded_versions(history, model.bound, budget);
    case ModelKind::kConvergence:
      return judge_convergence(history, budget);
    case ModelKind::kDurability:
      return judge_durability(history, budget);
    case ModelKind::kProgramOrder:
      return judge_program_order(history);
    case ModelKind::kLevels:
      return judge_levels(history, budget);
  }
  return {};
}

Ranking judge_all(const History& history, const Budget& budget) {
  Ranking ranking;
  const bool orderly = one_at_a_time(history);
  std::vector<Model> holding;
  for (const auto& model : kRanking) {
    if (!worthwhile(history, model)) {
      continue;
    }
    const auto by = std::find_if(holding.begin(), holding.end(), [&](const Model& strong) {
      return implies(strong, model, orderly);
    });
    // No model may use up the time of those behind it.
    const auto begin = std::chrono::steady_clock::now();
    ranking.verdicts.push_back(by != holding.end() ? implied(model, *by)
                                                   : judge(history, model, budget.part(4)));
    ranking.verdicts.back().seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (ranking.verdicts.back().answer == Answer::kOk) {
      holding.push_back(model);
    }
  }
  if (!holding.empty()) {
    ranking.strongest = holding.front();
  }
  return ranking;
}

}  // namespace kvorum::check
