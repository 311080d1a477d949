// Convergence, by the final gets (after everything has come to rest) alone: for each key they
// agree, and one order of all its writes, with one choice among those of unknown outcome, makes
// that value. Sessions do not bind that order, so any write may have been the last one to set the
// whole value; but where nothing set it, nothing that was acknowledged may be missing.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "check/judge.h"
#include "check/origins.h"
#include "check/shrink.h"

namespace kvorum::check {
namespace {

constexpr std::size_t kMostSums = 1 << 18;

// Whether some of the numbers add up to `target`; empty if that is too much work to tell.
std::optional<bool> some_add_up(const std::vector<std::int64_t>& numbers, std::int64_t target) {
  std::unordered_set<std::int64_t> sums = {0};
  for (const auto number : numbers) {
    if (sums.contains(target)) {
      return true;
    }
    const std::vector<std::int64_t> before(sums.begin(), sums.end());
    for (const auto sum : before) {
      std::int64_t more = 0;
      if (!__builtin_add_overflow(sum, number, &more)) {
        sums.insert(more);
      }
    }
    if (sums.size() > kMostSums) {
      return std::nullopt;
    }
  }
  return sums.contains(target);
}

class Convergence {
 public:
  explicit Convergence(const History& history)
      : history_(history), frame_(history), finder_(frame_, Fold::kPrefixes) {}

  Verdict judge() {
    std::map<std::uint32_t, Node> finals;  // per key the first one
    for (Node node = 0; node < frame_.nodes.size(); ++node) {
      const auto& op = frame_.op(node);
      if (op.op != HistoryOp::kGet || !op.final) {
        continue;
      }
      const auto [first, fresh] = finals.try_emplace(frame_.nodes[node].key, node);
      if (!fresh && frame_.op(first->second).value != op.value) {
        return disagree(first->second, node);
      }
    }
    Verdict verdict;
    if (finals.empty()) {
      return unknown("no get is marked as final");
    }
    for (const auto& [key, final] : finals) {
      auto found = judge_key(key, final);
      if (found.answer == Answer::kViolation) {
        return found;
      }
      verdict = found.answer == Answer::kUnknown ? found : verdict;
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

  Verdict disagree(Node a, Node b) const {
    Verdict verdict;
    verdict.answer = Answer::kViolation;
    verdict.core = {frame_.nodes[a].op, frame_.nodes[b].op};
    verdict.edges.push_back({frame_.nodes[a].op, frame_.nodes[b].op, "disagree"});
    verdict.sentence =
        fmt::format("two final reads of a key disagree: {} and {}",
                    describe(history_, frame_.op(a)), describe(history_, frame_.op(b)));
    return verdict;
  }

  bool has(std::uint32_t key, HistoryOp op) const {
    return std::any_of(frame_.writers[key].begin(), frame_.writers[key].end(),
                       [&](Node node) { return frame_.op(node).op == op; });
  }

  Verdict judge_key(std::uint32_t key, Node final) {
    if (has(key, HistoryOp::kIncr)) {
      return has(key, HistoryOp::kAppend) ? unknown("key " + history_.texts[frame_.keys[key]] +
                                                    " is appended to and counted")
                                          : judge_counter(key, final);
    }
    const auto found = finder_.of(final);
    std::optional<Node> lost;
    for (const auto& chain : found.chains) {
      lost = lost_by(key, chain);
      if (!lost) {
        return {};
      }
    }
    return found.complete ? violation(key, final, lost)
                          : unknown(describe(history_, frame_.op(final)) +
                                    " can have been put together in many ways");
  }

  // An acknowledged write that is missing, if nothing else set the whole value.
  std::optional<Node> lost_by(std::uint32_t key, const Chain& chain) const {
    if (chain.base() != kInitial) {
      return std::nullopt;
    }
    for (const auto write : frame_.writers[key]) {
      if (!frame_.nodes[write].loose &&
          std::find(chain.writes.begin(), chain.writes.end(), write) == chain.writes.end()) {
        return write;
      }
    }
    return std::nullopt;
  }

  Verdict judge_counter(std::uint32_t key, Node final) const {
    const auto value = frame_.op(final).value;
    std::vector<std::int64_t> certain;
    std::vector<std::int64_t> unsure;
    std::vector<Text> bases;
    bool set_whole = false;  // certainly
    for (const auto write : frame_.writers[key]) {
      const auto& op = frame_.op(write);
      if (op.op == HistoryOp::kIncr) {
        (frame_.nodes[write].loose ? unsure : certain).push_back(op.by);
      } else {
        bases.push_back(op.op == HistoryOp::kDelete ? kAbsent : op.value);
        set_whole = set_whole || !frame_.nodes[write].loose;
      }
    }
    bool too_much = false;
    const auto fits = [&](Text base, bool all) {
      if (base == value && (!all || certain.empty())) {
        return true;
      }
      const auto from = number_of(base);
      auto missing = number_of(value);
      if (value == kAbsent || !from || !missing) {
        return false;
      }
      auto numbers = unsure;
      bool overflow = __builtin_sub_overflow(*missing, *from, &*missing);
      for (const auto by : certain) {
        if (all) {
          overflow = overflow || __builtin_sub_overflow(*missing, by, &*missing);
        } else {
          numbers.push_back(by);
        }
      }
      const auto sum = some_add_up(numbers, *missing);
      too_much = too_much || !sum;
      return !overflow && sum.value_or(false);
    };
    if ((!set_whole && fits(history_.initial_of(frame_.keys[key]), true)) ||
        std::any_of(bases.begin(), bases.end(), [&](Text base) { return fits(base, false); })) {
      return {};
    }
    return too_much ? unknown(describe(history_, frame_.op(final)) + " is a sum of too many")
                    : violation(key, final, std::nullopt);
  }

  std::optional<std::int64_t> number_of(Text value) const {
    return value == kAbsent ? std::optional<std::int64_t>(0) : number_in(history_.texts[value]);
  }

  Verdict violation(std::uint32_t key, Node final, std::optional<Node> lost) const {
    Verdict verdict;
    verdict.answer = Answer::kViolation;
    verdict.core = {frame_.nodes[final].op};
    verdict.sentence = describe(history_, frame_.op(final));
    if (lost) {
      verdict.core.push_back(frame_.nodes[*lost].op);
      verdict.edges.push_back({frame_.nodes[*lost].op, frame_.nodes[final].op, "missing in"});
      verdict.sentence += " shows nothing of " + describe(history_, frame_.op(*lost));
    } else {
      for (const auto write : frame_.writers[key]) {
        verdict.core.push_back(frame_.nodes[write].op);
      }
      verdict.sentence += " is not what all writes of the key make, in any order";
    }
    return verdict;
  }

  const History& history_;
  Frame frame_;
  OriginFinder finder_;
};

}  // namespace

Verdict judge_convergence(const History& history, const Budget& budget) {
  auto verdict = judge_with_core(history, budget, [](const History& part, const Budget&) {
    return Convergence(part).judge();
  });
  verdict.model = {ModelKind::kConvergence, 0};
  return verdict;
}

}  // namespace kvorum::check
