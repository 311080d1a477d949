#include "lab/fault_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kvorum::lab {
namespace {

const char* what_is(FaultVerb verb) {
  return verb == FaultVerb::kPause ? "frozen" : verb == FaultVerb::kKill ? "killed" : "stopped";
}

}  // namespace

void FaultLog::close(std::size_t at, std::int64_t now_ns) {
  auto& span = open_[at].span;
  span.to_ns = std::min(span.to_ns, now_ns);
  closed_.push_back(std::move(span));
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
}

void FaultLog::node(FaultVerb verb, NodeId node, std::int64_t now_ns) {
  for (auto at = open_.size(); at-- > 0;) {
    if (!open_[at].command && open_[at].span.nodes.front() == node) {
      close(at, now_ns);
    }
  }
  if (verb == FaultVerb::kRestart || verb == FaultVerb::kResume) {
    return;
  }
  Open open;
  open.span.from_ns = now_ns;
  open.span.to_ns = kOpenEnd;
  open.span.nodes = {node};
  open.span.text = fmt::format("node {} {}", node.value(), what_is(verb));
  open_.push_back(std::move(open));
}

void FaultLog::links(const FaultCommand& command, const std::string& words, std::int64_t now_ns) {
  using Verb = FaultCommand::Verb;
  const bool heals = command.verb == Verb::kHeal;
  for (auto at = open_.size(); at-- > 0 && command.verb != Verb::kStatus;) {
    const auto& open = open_[at];
    // A newer rule of its kind takes the older one's place.
    const bool meant = open.command && (heals || open.command->kind == command.kind) &&
                       open.command->a == command.a && open.command->b == command.b;
    const bool all = heals && command.covers(open.span.nodes.front(), open.span.nodes.back());
    if (meant || (open.command && all)) {
      close(at, now_ns);
    }
  }
  if (command.verb != Verb::kRule) {
    return;
  }
  Open open;
  open.command = command;
  open.span.from_ns = now_ns;
  open.span.to_ns = command.lasts > Duration() ? now_ns + command.lasts.count() : kOpenEnd;
  for (const auto node : {command.a, command.b}) {
    if (node && (open.span.nodes.empty() || open.span.nodes.front() != node)) {
      open.span.nodes.push_back(node);
    }
  }
  open.span.text = words;
  open_.push_back(std::move(open));
}

std::vector<FaultSpan> FaultLog::take(std::int64_t now_ns) {
  while (!open_.empty()) {
    close(open_.size() - 1, now_ns);
  }
  std::sort(closed_.begin(), closed_.end(), [](const FaultSpan& a, const FaultSpan& b) {
    return std::pair(a.from_ns, a.text) < std::pair(b.from_ns, b.text);
  });
  return std::move(closed_);
}

}  // namespace kvorum::lab
