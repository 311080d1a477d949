#include "check/certain.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvorum::check {

Certain::Certain(const History& history, Fold fold) : frame(history), finder_(frame, fold) {
  origins_.resize(frame.nodes.size());
  given.saw.assign(frame.nodes.size(), nullptr);
  given.used.assign(frame.nodes.size(), false);
}

const Origins& Certain::origins(Node node) {
  auto& known = origins_[node];
  if (!known) {
    known = finder_.of(node);
  }
  return *known;
}

void Certain::take(Node node, const Chain& chain, std::vector<Node>& waiting) {
  given.saw[node] = &chain;
  for (const auto write : chain.writes) {
    if (write != kInitial && frame.nodes[write].loose && !given.used[write]) {
      given.used[write] = true;
      if (frame.op(write).op == HistoryOp::kCas) {
        waiting.push_back(write);
      }
    }
  }
}

std::optional<Verdict> Certain::settle(const Budget& budget) {
  std::vector<Node> waiting;
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    if (frame.nodes[node].observes && !frame.nodes[node].loose) {
      waiting.push_back(node);
    }
  }
  while (!waiting.empty()) {
    const auto node = waiting.back();
    waiting.pop_back();
    // One observation alone can take thousands of steps.
    if (const auto* reason = budget.spent(0)) {
      Verdict verdict;
      verdict.answer = Answer::kUnknown;
      verdict.reason = reason;
      verdict.detail = "while looking for what was seen";
      return verdict;
    }
    const auto& found = origins(node);
    if (found.whatever) {
      continue;
    }
    if (found.chains.empty() && found.complete) {
      return from_nowhere(node);
    }
    if (found.chains.size() == 1 && found.complete) {
      take(node, found.chains.front(), waiting);
    } else {
      open.push_back(node);
    }
  }
  return std::nullopt;
}

std::size_t Certain::clock_bytes() const {
  const auto used = std::count(given.used.begin(), given.used.end(), true);
  return frame.nodes.size() * (frame.sessions.size() + static_cast<std::size_t>(used)) *
         sizeof(std::uint32_t);
}

std::vector<bool> Certain::unknown_that_matter() {
  std::vector<bool> wanted = given.used;
  std::vector<bool> any_of_key(frame.keys.size(), false);
  for (const auto reader : open) {
    const auto& found = origins(reader);
    if (!found.complete) {
      any_of_key[frame.nodes[reader].key] = true;
    }
    for (const auto& chain : found.chains) {
      for (const auto write : chain.writes) {
        if (write != kInitial && frame.nodes[write].loose) {
          wanted[write] = true;
        }
      }
    }
  }
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    // What such a cas expected may again come from one.
    if (wanted[node] && !given.used[node] && frame.op(node).op == HistoryOp::kCas) {
      any_of_key[frame.nodes[node].key] = true;
    }
  }
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    if (frame.nodes[node].loose && any_of_key[frame.nodes[node].key]) {
      wanted[node] = true;
    }
  }
  return wanted;
}

Verdict Certain::from_nowhere(Node node) const {
  const auto& history = *frame.history;
  Verdict verdict;
  verdict.answer = Answer::kViolation;
  verdict.core = {frame.nodes[node].op};
  if (!frame.nodes[node].loose) {
    verdict.sentence =
        describe(history, frame.op(node)) + " saw a value that no writes of the key can make";
    return verdict;
  }
  verdict.sentence = fmt::format("the write of {} was seen, but nobody wrote what it expected",
                                 describe(history, frame.op(node)));
  for (Node reader = 0; reader < frame.nodes.size(); ++reader) {
    const auto* chain = given.saw[reader];
    if (chain != nullptr &&
        std::find(chain->writes.begin(), chain->writes.end(), node) != chain->writes.end()) {
      verdict.core.push_back(frame.nodes[reader].op);
      verdict.edges.push_back(
          {frame.nodes[node].op, frame.nodes[reader].op, name_of(Why::kReadsFrom)});
      break;
    }
  }
  return verdict;
}

}  // namespace kvorum::check
