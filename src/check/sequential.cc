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

// Stores that give a stale read seldom reorder writes in time. So first only orders are looked for
// in which writes, and gets that claim to be linearizable, keep real time: far fewer, and one of
// them is as good as any. Of all pairs only those without a third between them are named.
void keep_real_time(const Frame& frame, OrderTask& task) {
  const auto linearizable = frame.history->texts.find("linearizable");
  std::vector<Node> timed;
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    const auto& op = frame.op(node);
    const bool claims = op.level != kAbsent && op.level == linearizable;
    if (!frame.nodes[node].loose && (frame.nodes[node].writes || claims)) {
      timed.push_back(node);
    }
  }
  const auto start = [&](Node node) { return frame.op(node).start_ns; };
  const auto end = [&](Node node) { return frame.op(node).end_ns; };
  auto by_end = timed;
  std::sort(timed.begin(), timed.end(),
            [&](Node a, Node b) { return std::pair(start(a), a) < std::pair(start(b), b); });
  std::sort(by_end.begin(), by_end.end(),
            [&](Node a, Node b) { return std::pair(end(a), a) < std::pair(end(b), b); });
  std::size_t ended = 0;  // by_end[0, ended) are over before the node begins
  std::int64_t latest_start = std::numeric_limits<std::int64_t>::min();  // of those
  for (const auto node : timed) {
    for (; ended < by_end.size() && end(by_end[ended]) < start(node); ++ended) {
      latest_start = std::max(latest_start, start(by_end[ended]));
    }
    for (auto i = ended; i > 0 && end(by_end[i - 1]) >= latest_start; --i) {
      task.precedence.emplace_back(by_end[i - 1], node);
    }
  }
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

}  // namespace

Verdict search_sequential(const History& history, const Budget& budget, std::uint64_t most_nodes) {
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
  constexpr std::uint64_t kTimedNodes = 100'000;
  auto timed = task_of(certain, forced, kTimedNodes);
  keep_real_time(certain.frame, timed);
  auto found_in_time = OrderSearch(timed, budget).run();
  if (found_in_time.answer == Answer::kOk) {
    return from_search(history, certain.frame, std::move(found_in_time));
  }
  const auto task = task_of(certain, forced, most_nodes);
  return from_search(history, certain.frame, OrderSearch(task, budget).run());
}

Verdict judge_sequential(const History& history, const Budget& budget) {
  auto verdict = judge_with_core(history, budget, [](const History& part, const Budget& rest) {
    return search_sequential(part, rest, 0);
  });
  verdict.model = {ModelKind::kSequential, 0};
  return verdict;
}

}  // namespace kvorum::check
