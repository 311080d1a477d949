// Causal models by bad patterns (Bouajjani, Enea, Guerraoui, Hamza: On verifying causal
// consistency, POPL 2017, section 5), with the causal order as vector clocks.
//
// Beyond the paper, whose registers are only put and get: what a read saw is a chain, the write
// that set the value and what was appended to that. All of it is one cluster: other writes that the
// reader knows come before the cluster, so before its first write.
#include "check/causal.h"

#include <fmt/format.h>

#include <algorithm>

#include "check/judge.h"

namespace kvorum::check {
namespace {

Reasons cycle_reasons(const Frame& frame, const Links& links) {
  auto out = reasons(frame, links, links.cycle());
  out.sentence = "these go round in a circle: " + out.sentence;
  return out;
}

// The reader missed `write`, which it knew: the way from one to the other.
Reasons missed(const Frame& frame, const CausalOrder& order, Node write, Node reader) {
  const auto& history = *frame.history;
  auto out = reasons(frame, order.links, order.links.path(write, reader, order.links.size()));
  out.sentence = fmt::format("{} missed {}, though it came after that: {}",
                             describe(history, frame.op(reader)),
                             describe(history, frame.op(write)), out.sentence);
  out.core.push_back(frame.nodes[write].op);
  out.core.push_back(frame.nodes[reader].op);
  return out;
}

void join(Reasons& into, const Reasons& more) {
  into.edges.insert(into.edges.end(), more.edges.begin(), more.edges.end());
  into.core.insert(into.core.end(), more.core.begin(), more.core.end());
}

// The reader saw `old`, though `newer`, which it knew, came after that.
Reasons overwritten(const Frame& frame, const CausalOrder& order, Node old, Node newer,
                    Node reader) {
  const auto& history = *frame.history;
  auto out = missed(frame, order, newer, reader);
  const auto first = reasons(frame, order.links, order.links.path(old, newer, order.links.size()));
  out.sentence = fmt::format("{} saw what {} wrote, which it knew to be overwritten by {}: {}",
                             describe(history, frame.op(reader)), describe(history, frame.op(old)),
                             describe(history, frame.op(newer)), first.sentence);
  join(out, first);
  out.core.push_back(frame.nodes[old].op);
  return out;
}

// A chain against the causal order: a later part that precedes an earlier one.
std::optional<Reasons> refute_chain(const Frame& frame, const CausalOrder& order, Node reader,
                                    const Chain& chain) {
  for (std::size_t i = 1; i < chain.writes.size(); ++i) {
    for (std::size_t j = 0; j < (chain.ordered ? i : 1); ++j) {
      const auto first = chain.writes[j];
      if (first == kInitial || !order.before(chain.writes[i], first)) {
        continue;
      }
      auto out =
          reasons(frame, order.links, order.links.path(chain.writes[i], first, order.links.size()));
      out.sentence = fmt::format("{} shows two writes in the wrong order: {}",
                                 describe(*frame.history, frame.op(reader)), out.sentence);
      out.core.push_back(frame.nodes[reader].op);
      return out;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Reasons> refute_cc(const Frame& frame, const Given& given, CausalOrder& order) {
  if (!order.settle()) {
    return cycle_reasons(frame, order.links);
  }
  for (Node reader = 0; reader < frame.nodes.size(); ++reader) {
    const auto* chain = given.saw[reader];
    if (chain == nullptr || !order.in_use(reader)) {
      continue;
    }
    std::optional<Reasons> found;
    order.each_unseen(reader, [&](Node unseen) {
      if (found) {
        return;
      }
      if (chain->base() == kInitial) {
        found = missed(frame, order, unseen, reader);
        return;
      }
      for (const auto write : chain->writes) {
        if (order.before(write, unseen)) {
          found = overwritten(frame, order, write, unseen, reader);
          return;
        }
      }
    });
    if (!found) {
      found = refute_chain(frame, order, reader, *chain);
    }
    if (found) {
      return found;
    }
  }
  return std::nullopt;
}

// ccv adds one order of all writes: what a reader knew but did not see is older than what it saw.
std::optional<Reasons> refute_ccv(const Frame& frame, const Given& given) {
  CausalOrder order(frame, given);
  if (auto found = refute_cc(frame, given, order)) {
    return found;
  }
  for (Node reader = 0; reader < frame.nodes.size(); ++reader) {
    const auto* chain = given.saw[reader];
    if (chain == nullptr || !order.in_use(reader)) {
      continue;
    }
    each_appended(*chain, [&](const Link& link) { order.links.add(link); });
    order.each_unseen(reader, [&](Node unseen) {
      if (!order.before(unseen, chain->base())) {
        order.links.add({unseen, chain->base(), Why::kOverwritten, reader});
      }
    });
  }
  if (order.links.sorted().size() < frame.nodes.size()) {
    return cycle_reasons(frame, order.links);
  }
  return std::nullopt;
}

Verdict judge_causal(const History& history, ModelKind kind, const Budget& budget) {
  const auto refute = [kind](const Frame& frame, const Given& given) -> std::optional<Reasons> {
    if (kind == ModelKind::kCcv) {
      return refute_ccv(frame, given);
    }
    if (kind == ModelKind::kCm) {
      return refute_cm(frame, given);
    }
    CausalOrder order(frame, given);
    return refute_cc(frame, given, order);
  };
  auto verdict = judge_by_sources(history, budget, refute);
  verdict.model = {kind, 0};
  return verdict;
}

}  // namespace kvorum::check
