#include "check/shrink.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <set>
#include <unordered_map>

namespace kvorum::check {
namespace {

using Chosen = std::vector<std::uint32_t>;  // indices into History::operations, ascending

constexpr auto kTimeToShrink = std::chrono::seconds(2);
constexpr auto kTimeForOne = std::chrono::milliseconds(500);

// What is known of a set of observations on one key.
struct SeenOnKey {
  std::set<Text> values;
  bool other_than = false;  // a failed cas: any write can be what made it fail
  bool counted = false;     // an incr: so can any write have been part of its sum
};

using Seen = std::unordered_map<Text, SeenOnKey>;

class Shrinker {
 public:
  Shrinker(const History& history, const Budget& budget, const PlainJudge& judge)
      : history_(history), budget_(budget), judge_(judge) {
    part_.texts = history.texts;
    part_.clients = history.clients;
    part_.initial = history.initial;
    part_.source = history.source;
  }

  // The core, and what the judge says of it; `first` is where to begin looking.
  std::pair<Chosen, Verdict> shrink(Chosen first) {
    std::sort(first.begin(), first.end());
    first.erase(std::unique(first.begin(), first.end()), first.end());
    first = with_sources(std::move(first));
    Chosen core(history_.operations.size());
    std::iota(core.begin(), core.end(), 0u);
    if (first.size() < core.size() && refuted(first)) {
      core = std::move(first);
    }
    for (auto size = std::max<std::size_t>(core.size() / 2, 1);;) {
      const auto before = core.size();
      for (std::size_t from = 0; from < core.size() && !late();) {
        from = drop(core, from, size) ? from : from + size;
      }
      if (late() || (size == 1 && core.size() == before)) {
        break;
      }
      size = std::max<std::size_t>(size / 2, 1);
    }
    return {core, std::move(verdict_)};
  }

 private:
  bool late() const {
    return std::chrono::steady_clock::now() > deadline_ || budget_.spent(0) != nullptr;
  }

  Seen seen(const Chosen& chosen) const {
    Seen keys;
    for (const auto i : chosen) {
      const auto& op = history_.operations[i];
      auto& key = keys[op.key];
      if (op.op == HistoryOp::kIncr && op.may_write()) {
        key.counted = true;
      } else if (op.op == HistoryOp::kCas && op.ended == Ended::kFailed && op.observes()) {
        key.other_than = true;
      } else if (op.op == HistoryOp::kCas && op.may_write()) {
        key.values.insert(op.expect);
      } else if (op.observes()) {
        key.values.insert(op.value);
      }
    }
    return keys;
  }

  // Whether an observation in `keys` can have to do with the write.
  bool can_have_been_seen(const Operation& op, const Seen& keys) const {
    const auto found = keys.find(op.key);
    if (!op.may_write() || found == keys.end()) {
      return false;
    }
    const auto& key = found->second;
    const bool observed = !key.values.empty() || key.counted;
    if (key.other_than || key.counted || (op.op == HistoryOp::kIncr && observed)) {
      return true;
    }
    if (op.op != HistoryOp::kAppend) {
      const auto value = op.op == HistoryOp::kDelete ? kAbsent : op.value;
      return std::any_of(key.values.begin(), key.values.end(), [&](Text read) {
        return read == value || (appended_.contains(op.key) &&
                                 history_.texts[read].starts_with(history_.texts[value]));
      });
    }
    return std::any_of(key.values.begin(), key.values.end(), [&](Text value) {
      return value != kAbsent &&
             history_.texts[value].find(history_.texts[op.value]) != std::string::npos;
    });
  }

  // With every write that one of the chosen can have seen, and so on.
  Chosen with_sources(Chosen chosen) {
    for (const auto& op : history_.operations) {
      if (op.op == HistoryOp::kAppend) {
        appended_.insert(op.key);
      }
    }
    for (std::size_t before = 0; before != chosen.size();) {
      before = chosen.size();
      const auto keys = seen(chosen);
      std::set<std::uint32_t> all(chosen.begin(), chosen.end());
      for (std::uint32_t i = 0; i < history_.operations.size(); ++i) {
        if (can_have_been_seen(history_.operations[i], keys)) {
          all.insert(i);
        }
      }
      chosen.assign(all.begin(), all.end());
    }
    return chosen;
  }

  bool refuted(const Chosen& chosen) {
    part_.operations.clear();
    for (const auto i : chosen) {
      part_.operations.push_back(history_.operations[i]);
    }
    auto verdict = judge_(part_, Budget(kTimeForOne, budget_.bytes()));
    if (verdict.answer != Answer::kViolation) {
      return false;
    }
    verdict_ = std::move(verdict);
    return true;
  }

  // Takes out what may be taken out of core[from, from + size), if the rest is still a violation.
  bool drop(Chosen& core, std::size_t from, std::size_t size) {
    const auto end = std::min(from + size, core.size());
    Chosen rest(core.begin(), core.begin() + from);
    rest.insert(rest.end(), core.begin() + end, core.end());
    const auto keys = seen(rest);
    Chosen kept;
    std::copy_if(core.begin() + from, core.begin() + end, std::back_inserter(kept),
                 [&](std::uint32_t i) { return can_have_been_seen(history_.operations[i], keys); });
    if (kept.size() == end - from) {
      return false;
    }
    rest.insert(rest.begin() + from, kept.begin(), kept.end());
    // A kept cas observes, too: what it can have seen must not have gone with the rest.
    if (with_sources_of(rest, core) != rest || !refuted(rest)) {
      return false;
    }
    core = std::move(rest);
    return true;
  }

  // `chosen` and every other member of `core` that one of them can have seen.
  Chosen with_sources_of(const Chosen& chosen, const Chosen& core) {
    const auto keys = seen(chosen);
    Chosen out;
    for (const auto i : core) {
      if (std::binary_search(chosen.begin(), chosen.end(), i) ||
          can_have_been_seen(history_.operations[i], keys)) {
        out.push_back(i);
      }
    }
    return out;
  }

  const History& history_;
  const Budget& budget_;
  const PlainJudge& judge_;
  const std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + kTimeToShrink;
  History part_;
  std::set<Text> appended_;  // keys
  Verdict verdict_;          // of the last part that was refuted
};

}  // namespace

History part_of(const History& history, const std::vector<std::uint32_t>& operations) {
  History part = history;
  part.operations.clear();
  for (const auto i : operations) {
    part.operations.push_back(history.operations[i]);
  }
  return part;
}

void in_whole(const std::vector<std::uint32_t>& operations, Verdict& verdict) {
  for (auto* indices : {&verdict.core, &verdict.prefix}) {
    for (auto& i : *indices) {
      i = operations[i];
    }
  }
  for (auto& edge : verdict.edges) {
    edge.from = operations[edge.from];
    edge.to = operations[edge.to];
  }
}

Verdict judge_with_core(const History& history, const Budget& budget, const PlainJudge& judge) {
  auto verdict = judge(history, budget);
  if (verdict.answer != Answer::kViolation) {
    return verdict;
  }
  Shrinker shrinker(history, budget, judge);
  auto [core, small] = shrinker.shrink(verdict.core);
  if (small.answer == Answer::kViolation) {
    for (auto& edge : small.edges) {
      edge.from = core[edge.from];
      edge.to = core[edge.to];
    }
    verdict.sentence = std::move(small.sentence);
    verdict.edges = std::move(small.edges);
  }
  verdict.core = std::move(core);
  return verdict;
}

}  // namespace kvorum::check
