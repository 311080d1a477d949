// Consistent prefix: each key has one order of its writes that keeps every session's own, and each
// get of the key is the fold of some prefix of it, never of a write that began after the get ended.
// Keys are judged one by one. A cas or incr that succeeded did so at its place in the order.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "check/certain.h"
#include "check/judge.h"
#include "check/order_search.h"
#include "check/shrink.h"
#include "check/witness.h"

namespace kvorum::check {
namespace {

class Prefix {
 public:
  explicit Prefix(const History& history) : certain_(history, Fold::kPrefixes) {}

  Verdict judge(const Budget& budget) {
    if (auto bad = certain_.settle(budget)) {
      return *bad;
    }
    if (auto future = read_from_future()) {
      return *future;
    }
    find_simple_keys();
    may_matter_ = certain_.unknown_that_matter();
    Verdict verdict;
    for (std::uint32_t key = 0; key < certain_.frame.keys.size(); ++key) {
      if (simple_[key]) {
        continue;
      }
      if (verdict.answer == Answer::kUnknown && budget.spent(0) != nullptr) {
        break;
      }
      auto found = search(key, budget);
      if (found.answer == Answer::kViolation) {
        return found;
      }
      verdict = found.answer == Answer::kUnknown ? found : verdict;
    }
    return verdict;
  }

 private:
  // A key that is only put and read, each value by one operation: then ordering the puts by start
  // satisfies every get that read nothing from the future, as its prefix ends with what it read.
  void find_simple_keys() {
    const auto& frame = certain_.frame;
    simple_.assign(frame.keys.size(), true);
    for (const auto& node : frame.nodes) {
      const auto op = frame.history->operations[node.op].op;
      if (op != HistoryOp::kGet && op != HistoryOp::kPut) {
        simple_[node.key] = false;
      }
    }
    for (const auto node : certain_.open) {
      simple_[frame.nodes[node].key] = false;
    }
  }

  std::optional<Verdict> read_from_future() const {
    const auto& frame = certain_.frame;
    for (Node node = 0; node < frame.nodes.size(); ++node) {
      const auto* chain = certain_.given.saw[node];
      if (chain == nullptr || frame.nodes[node].writes) {
        continue;
      }
      for (const auto write : chain->writes) {
        if (write == kInitial || frame.op(write).start_ns <= frame.op(node).end_ns) {
          continue;
        }
        Verdict verdict;
        verdict.answer = Answer::kViolation;
        verdict.core = {frame.nodes[node].op, frame.nodes[write].op};
        verdict.edges.push_back(
            {frame.nodes[write].op, frame.nodes[node].op, name_of(Why::kReadsFrom)});
        verdict.sentence = fmt::format("{} ended before {}, which it saw, began",
                                       describe(*frame.history, frame.op(node)),
                                       describe(*frame.history, frame.op(write)));
        return verdict;
      }
    }
    return std::nullopt;
  }

  // As a search for one order in which each session's writes keep theirs, and each get stands
  // alone, before all writes that began after it ended.
  Verdict search(std::uint32_t key, const Budget& budget) {
    const auto& frame = certain_.frame;
    OrderTask task;
    task.frame = &frame;
    task.given = &certain_.given;
    task.optional.assign(frame.nodes.size(), false);
    std::vector<Node> writes;
    std::map<Text, Node>
        gets;  // of each value the one that ended first: what fits it fits the others
    for (const auto& session : frame.sessions) {
      std::vector<Node> lane;
      for (const auto node : session) {
        if (frame.nodes[node].key != key) {
          continue;
        }
        if (frame.nodes[node].writes) {
          lane.push_back(node);
          writes.push_back(node);
        } else if (frame.op(node).op == HistoryOp::kCas) {
          task.lanes.push_back({node});
        } else {
          const auto first = gets.try_emplace(frame.op(node).value, node).first;
          if (frame.op(node).end_ns < frame.op(first->second).end_ns) {
            first->second = node;
          }
        }
      }
      task.lanes.push_back(std::move(lane));
    }
    for (const auto& [value, node] : gets) {
      task.lanes.push_back({node});
    }
    add_unknown(key, task, writes);
    add_future(task, writes);
    return told(task, OrderSearch(task, budget).run());
  }

  void add_unknown(std::uint32_t key, OrderTask& task, std::vector<Node>& writes) const {
    const auto& frame = certain_.frame;
    for (Node node = 0; node < frame.nodes.size(); ++node) {
      if (frame.nodes[node].key != key || !may_matter_[node]) {
        continue;
      }
      task.optional[node] = !certain_.given.used[node];
      task.lanes.push_back({node});
      writes.push_back(node);
      auto before = frame.nodes[node].before;
      while (before != kNone && !(frame.nodes[before].writes && frame.nodes[before].key == key)) {
        before = frame.nodes[before].before;
      }
      if (before != kNone) {
        task.precedence.emplace_back(before, node);
      }
    }
  }

  void add_future(OrderTask& task, const std::vector<Node>& writes) const {
    const auto& frame = certain_.frame;
    const auto lanes = task.lanes.size();
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (task.lanes[lane].size() != 1 || frame.nodes[task.lanes[lane].front()].writes) {
        continue;
      }
      const auto reader = task.lanes[lane].front();
      for (const auto write : writes) {
        if (frame.op(write).start_ns > frame.op(reader).end_ns) {
          task.precedence.emplace_back(reader, write);
        }
      }
    }
  }

  Verdict told(const OrderTask& task, OrderResult&& found) const {
    const auto& frame = certain_.frame;
    Verdict verdict;
    verdict.answer = found.answer;
    verdict.reason = found.reason;
    verdict.nodes = found.nodes;
    if (found.answer == Answer::kOk) {
      return verdict;
    }
    for (const auto& lane : task.lanes) {
      for (const auto node : lane) {
        verdict.core.push_back(frame.nodes[node].op);
      }
    }
    const auto& name = frame.history->texts[frame.history->operations[verdict.core.front()].key];
    if (found.answer == Answer::kUnknown) {
      verdict.core.clear();
      verdict.detail = fmt::format("key {}: {} states looked at", name, found.nodes);
      return verdict;
    }
    for (const auto node : found.longest) {
      verdict.prefix.push_back(frame.nodes[node].op);
    }
    verdict.state = found.state;
    verdict.sentence = fmt::format(
        "no order of the writes to {} has all that was seen as prefixes: {} of {} can be placed, "
        "then {}",
        name, found.longest.size(), verdict.core.size(), found.state);
    return verdict;
  }

  Certain certain_;
  std::vector<bool> simple_;      // per key
  std::vector<bool> may_matter_;  // per node: of unknown outcome, but not without effect for sure
};

}  // namespace

Verdict judge_prefix(const History& history, const Budget& budget) {
  // Keys are judged alone, so those that are proved right can be left out.
  const auto open = without_prefix_witness(history, budget.part(2));
  Verdict verdict;
  if (!open.empty()) {
    verdict = judge_with_core(
        part_of(history, open), budget,
        [](const History& part, const Budget& rest) { return Prefix(part).judge(rest); });
    in_whole(open, verdict);
  }
  verdict.model = {ModelKind::kPrefix, 0};
  return verdict;
}

}  // namespace kvorum::check
