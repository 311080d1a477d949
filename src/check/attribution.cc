#include "check/attribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "check/certain.h"
#include "check/sequential.h"

namespace kvorum::check {
namespace {

// Trying sources costs a pass over the history each: so many operations in all, then it is given
// up.
constexpr std::uint64_t kMostWork = 20'000'000;
constexpr std::uint64_t kSequentialNodes = 20'000;  // for the shortcut of try_one_order

class Attribution {
 public:
  Attribution(const History& history, const Budget& budget, const Refute& refute)
      : history_(history), budget_(budget), refute_(refute), certain_(history, Fold::kEverySite) {}

  Verdict judge() {
    if (const auto bad = certain_.settle(budget_)) {
      return *bad;
    }
    // Causal memory keeps a second set of clocks.
    if (const auto* reason = budget_.spent(2 * certain_.clock_bytes())) {
      return unknown(reason, "before anything was compared");
    }
    if (refuted()) {
      return violation();
    }
    if (open_.empty() || one_order_fits() || likely_choice_fits()) {
      return {};
    }
    return try_all();
  }

 private:
  bool refuted() {
    ++tries_;
    auto found = refute_(frame_, given_);
    if (found) {
      last_ = std::move(*found);
    }
    return found.has_value();
  }

  Verdict violation() const {
    Verdict verdict;
    verdict.answer = Answer::kViolation;
    verdict.core = last_.core;
    verdict.edges = last_.edges;
    verdict.sentence = last_.sentence;
    verdict.nodes = tries_;
    return verdict;
  }

  // Sequential consistency implies every model that is judged here, whatever the sources are.
  bool one_order_fits() const {
    return search_sequential(history_, budget_, kSequentialNodes).answer == Answer::kOk;
  }

  // How likely a chain is what the node saw: the later its last write ended, the likelier, as long
  // as it began before the observation was over.
  std::pair<bool, std::int64_t> likelihood(Node node, const Chain& chain) const {
    const auto last = chain.writes.back();
    if (last == kInitial) {
      return {true, std::numeric_limits<std::int64_t>::min()};
    }
    const auto& write = frame_.op(last);
    const auto& read = frame_.op(node);
    return {write.start_ns <= read.end_ns,
            write.end_ns <= read.end_ns ? write.end_ns : write.start_ns};
  }

  std::vector<const Chain*> by_likelihood(Node node) {
    std::vector<const Chain*> chains;
    for (const auto& chain : certain_.origins(node).chains) {
      chains.push_back(&chain);
    }
    std::stable_sort(chains.begin(), chains.end(), [&](const Chain* a, const Chain* b) {
      return likelihood(node, *a) > likelihood(node, *b);
    });
    return chains;
  }

  bool likely_choice_fits() {
    const auto before = given_;
    auto waiting = open_;
    while (!waiting.empty()) {
      const auto node = waiting.back();
      waiting.pop_back();
      const auto chains = by_likelihood(node);
      if (chains.empty()) {
        given_ = before;
        return false;
      }
      certain_.take(node, *chains.front(), waiting);
    }
    const bool fits = !refuted();
    given_ = before;
    return fits;
  }

  Verdict try_all() {
    complete_ = std::all_of(open_.begin(), open_.end(),
                            [&](Node node) { return certain_.origins(node).complete; });
    // Those with the fewest sources last, as the search takes from the end.
    std::stable_sort(open_.begin(), open_.end(), [&](Node a, Node b) {
      return certain_.origins(a).chains.size() > certain_.origins(b).chains.size();
    });
    if (search(open_)) {
      return {};
    }
    if (stopped_ == nullptr && complete_) {
      auto verdict = violation();
      if (verdict.core.empty()) {
        verdict.sentence = "what was seen can have come from no writes";
      }
      verdict.sentence = "wherever the values came from: " + verdict.sentence;
      // Other choices fail for other reasons.
      verdict.core.clear();
      for (const auto& node : frame_.nodes) {
        verdict.core.push_back(node.op);
      }
      return verdict;
    }
    const auto& most = certain_.origins(open_.front());
    return unknown(
        stopped_ != nullptr ? stopped_ : "unsupported",
        fmt::format("{} can have come from {}{} writes; {} such observations",
                    describe(history_, frame_.op(open_.front())), most.complete ? "" : "more than ",
                    most.chains.size(), open_.size()));
  }

  Verdict unknown(const char* reason, std::string detail) const {
    Verdict verdict;
    verdict.answer = Answer::kUnknown;
    verdict.reason = reason;
    verdict.detail = std::move(detail);
    verdict.nodes = tries_;
    return verdict;
  }

  // Whether some choice of sources for the waiting fits.
  bool search(std::vector<Node> waiting) {
    if (waiting.empty()) {
      return true;
    }
    const auto node = waiting.back();
    waiting.pop_back();
    complete_ = complete_ && certain_.origins(node).complete;
    for (const auto* chain : by_likelihood(node)) {
      if (stopped_ != nullptr) {
        return false;
      }
      if (tries_ * frame_.nodes.size() > kMostWork) {
        stopped_ = "unsupported";
        return false;
      }
      stopped_ = budget_.spent(0);
      const auto before = given_;
      auto rest = waiting;
      certain_.take(node, *chain, rest);
      if (!refuted() && search(std::move(rest))) {
        return true;
      }
      given_ = before;
    }
    return false;
  }

  const History& history_;
  const Budget& budget_;
  const Refute& refute_;
  Certain certain_;
  const Frame& frame_ = certain_.frame;
  Given& given_ = certain_.given;
  std::vector<Node>& open_ = certain_.open;
  Reasons last_;  // of the last contradiction
  std::uint64_t tries_ = 0;
  bool complete_ = true;
  const char* stopped_ = nullptr;
};

}  // namespace

Verdict judge_by_sources(const History& history, const Budget& budget, const Refute& refute) {
  return judge_with_core(history, budget, [&](const History& part, const Budget& rest) {
    return Attribution(part, rest, refute).judge();
  });
}

}  // namespace kvorum::check
