#include "node/fault_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvorum::node {
namespace {

using Verb = FaultCommand::Verb;

constexpr std::uint64_t kOtherWay = 0x5bf03635;  // so that the two directions draw differently

std::string in_words(Duration time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  return us % 1000 == 0 ? fmt::format("{}ms", us / 1000) : fmt::format("{}us", us);
}

std::string amounts(const FaultRule& rule) {
  std::string text;
  if (is_of_node(rule.kind)) {
    text += ' ' + in_words(rule.delay);
  }
  if (rule.kind == FaultKind::kDelay) {
    text += ' ' + in_words(rule.delay);
    text += rule.jitter > Duration() ? " jitter " + in_words(rule.jitter) : "";
    text += rule.unordered ? " unordered" : "";
  }
  if (rule.kind == FaultKind::kDrop) {
    text += fmt::format(" {}%", rule.percent);
  }
  if (rule.kind == FaultKind::kDrop || rule.jitter > Duration()) {
    text += fmt::format(" seed {}", rule.seed);
  }
  return text;
}

// The verb, and what it did to messages.
std::pair<ByteView, ByteView> words_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kCut:
      return {"cut", ""};
    case FaultKind::kMute:
      return {"cut", "dropped"};
    case FaultKind::kHold:
      return {"hold", "held"};
    case FaultKind::kDelay:
      return {"delay", "delayed"};
    case FaultKind::kDrop:
      return {"drop", "dropped"};
    case FaultKind::kDisk:
      return {"disk", ""};
    case FaultKind::kClock:
      return {"clock", ""};
  }
  return {"?", "?"};
}

std::string describe(const FaultRule& rule, NodeId self, Instant now) {
  const bool both = rule.out && rule.in;
  const auto [verb, done] = words_of(rule.kind);
  const auto a = rule.out && (!rule.in || self < rule.peer) ? self : rule.peer;
  const auto b = a == self ? rule.peer : self;
  auto text = is_of_node(rule.kind) ? fmt::format("{} {}{}", verb, self.value(), amounts(rule))
                                    : fmt::format("{} {} {}{}{}", verb, a.value(), b.value(),
                                                  amounts(rule), both ? "" : " oneway");
  if (rule.until != Instant::max()) {
    const auto left = std::chrono::duration<double>(std::max(rule.until - now, Duration()));
    text += fmt::format(" for {:.1f}s", left.count());
  }
  if (!done.empty()) {
    text += fmt::format(": {} {}", rule.use->messages, done);
  }
  return rule.use->overflow == 0 ? text : text + fmt::format(", {} too many", rule.use->overflow);
}

}  // namespace

bool FaultTable::apply(const FaultCommand& command, std::uint64_t default_seed, Instant now) {
  bool covered = false;
  for (const auto peer : members_) {
    const bool fits = command.verb == Verb::kHeal ||
                      (peer == self_) == (command.verb == Verb::kRule && is_of_node(command.kind));
    if (fits && command.covers(self_, peer)) {
      covered = true;
      apply_to(peer, command, default_seed, now);
    }
  }
  return covered;
}

void FaultTable::apply_to(NodeId peer, const FaultCommand& command, std::uint64_t default_seed,
                          Instant now) {
  if (command.verb == Verb::kHeal) {
    std::erase_if(rules_, [peer](const FaultRule& rule) { return rule.peer == peer; });
    return;
  }
  FaultRule rule;
  rule.kind = command.kind;
  rule.peer = peer;
  const bool from_here = command.a == self_ || command.b == peer;
  rule.out = !command.oneway || from_here;
  rule.in = !command.oneway || !from_here;
  take_off(peer, rule.kind, rule.out, rule.in);
  if (command.verb == Verb::kRelease) {
    return;
  }
  rule.delay = command.delay;
  rule.jitter = command.jitter;
  rule.unordered = command.unordered;
  rule.percent = command.percent;
  rule.seed = command.seed.value_or(default_seed);
  rule.until = command.lasts == Duration() ? Instant::max() : now + command.lasts;
  rule.use = std::make_shared<FaultUse>(rule.seed, rule.seed ^ kOtherWay);
  rules_.push_back(std::move(rule));
}

// A rule for both directions stays on for the one that is not named.
void FaultTable::take_off(NodeId peer, FaultKind kind, bool out, bool in) {
  for (auto& rule : rules_) {
    if (rule.peer == peer && rule.kind == kind) {
      rule.out = rule.out && !out;
      rule.in = rule.in && !in;
    }
  }
  std::erase_if(rules_, [](const FaultRule& rule) { return !rule.out && !rule.in; });
}

bool FaultTable::expire(Instant now) {
  return std::erase_if(rules_, [now](const FaultRule& rule) { return rule.until <= now; }) > 0;
}

Instant FaultTable::next_expiry() const {
  auto next = Instant::max();
  for (const auto& rule : rules_) {
    next = std::min(next, rule.until);
  }
  return next;
}

std::vector<std::string> FaultTable::describe(Instant now) const {
  std::vector<std::string> lines;
  for (const auto& rule : rules_) {
    lines.push_back(node::describe(rule, self_, now));
  }
  return lines;
}

}  // namespace kvorum::node
