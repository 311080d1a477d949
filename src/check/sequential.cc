// Sequential consistency (Lamport, IEEE ToC 1979): one order of all operations, of all keys
// together, that keeps each session's own order, in which every outcome fits. NP-complete (Gibbons
// & Korach 1997), so: what is forced first, which is quick and explains well, and the search for
// the rest.
#include "check/sequential.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "check/judge.h"
#include "check/order_search.h"
#include "check/shrink.h"
#include "check/witness.h"

namespace kvorum::check {
namespace {

OrderTask task_of(Certain& certain, const ForcedOrder& forced, std::uint64_t most_nodes) {
  const auto& frame = certain.frame;
  OrderTask task;
  task.frame = &frame;
  task.given = &certain.given;
  task.lanes = frame.sessions;
  task.optional.assign(frame.nodes.size(), false);
  task.most_nodes = most_nodes;
  const auto may_matter = certain.unknown_that_matter();
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    if (!may_matter[node]) {
      continue;
    }
    task.optional[node] = !certain.given.used[node];
    task.lanes.push_back({node});
    if (frame.nodes[node].before != kNone) {
      task.precedence.emplace_back(frame.nodes[node].before, node);
    }
  }
  const auto& links = forced.order.links;
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i].why != Why::kSession) {
      task.precedence.emplace_back(links[i].from, links[i].to);
    }
  }
  return task;
}

Verdict from_search(const History& history, const Frame& frame, OrderResult&& found) {
  Verdict verdict;
  verdict.answer = found.answer;
  verdict.reason = found.reason;
  verdict.nodes = found.nodes;
  if (found.answer == Answer::kUnknown) {
    verdict.detail =
        fmt::format("{} operations, {} states looked at, the longest order found has {}",
                    frame.nodes.size(), found.nodes, found.longest.size());
  }
  if (found.answer == Answer::kOk) {
    return verdict;
  }
  for (const auto node : found.longest) {
    verdict.prefix.push_back(frame.nodes[node].op);
  }
  verdict.state = found.state;
  if (found.answer == Answer::kViolation) {
    std::vector<std::size_t> done(frame.sessions.size(), 0);
    for (const auto node : found.longest) {
      done[frame.nodes[node].session] += frame.nodes[node].loose ? 0 : 1;
    }
    verdict.sentence = fmt::format("no one order of these fits all outcomes; after {} of them ({})",
                                   found.longest.size(), found.state);
    std::string next;
    for (std::size_t session = 0; session < done.size(); ++session) {
      if (done[session] < frame.sessions[session].size()) {
        next += next.empty() ? " there is no way on to " : ", nor to ";
        next += describe(history, frame.op(frame.sessions[session][done[session]]));
      }
    }
    verdict.sentence += next;
    for (const auto& node : frame.nodes) {
      verdict.core.push_back(node.op);
    }
  }
  return verdict;
}

Verdict refute_or_search(const History& history, const Budget& budget, std::uint64_t most_nodes) {
  Certain certain(history, Fold::kOneOrder);
  if (auto bad = certain.settle(budget)) {
    return *bad;
  }
  if (const auto* reason = budget.spent(certain.clock_bytes())) {
    Verdict verdict;
    verdict.answer = Answer::kUnknown;
    verdict.reason = reason;
    verdict.detail = "before anything was searched";
    return verdict;
  }
  ForcedOrder forced(certain);
  if (auto found = forced.saturate(certain)) {
    Verdict verdict;
    verdict.answer = Answer::kViolation;
    verdict.sentence = "no one order of all operations fits: " + found->sentence;
    verdict.edges = std::move(found->edges);
    verdict.core = std::move(found->core);
    return verdict;
  }
  const auto task = task_of(certain, forced, most_nodes);
  return from_search(history, certain.frame, OrderSearch(task, budget).run());
}

}  // namespace

Verdict search_sequential(const History& history, const Budget& budget, std::uint64_t most_nodes) {
  if (has_sequential_witness(history, budget.part(2))) {
    return {};
  }
  return refute_or_search(history, budget, most_nodes);
}

Verdict judge_sequential(const History& history, const Budget& budget) {
  Verdict verdict;
  if (!has_sequential_witness(history, budget.part(2))) {
    verdict = judge_with_core(history, budget, [](const History& part, const Budget& rest) {
      return refute_or_search(part, rest, 0);
    });
  }
  verdict.model = {ModelKind::kSequential, 0};
  return verdict;
}

}  // namespace kvorum::check
