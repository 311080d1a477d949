#include "net/link_faults.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace kvorum::net {

void FaultLine::set(std::vector<node::FaultRule> rules) {
  rules_ = std::move(rules);
  if (find(FaultKind::kHold) == nullptr && find(FaultKind::kDelay) == nullptr) {
    deliver_until(Instant::max());
    overfull_ = false;
  }
  arm();
}

const node::FaultRule* FaultLine::find(FaultKind kind) const {
  const auto at = std::find_if(rules_.begin(), rules_.end(),
                               [kind](const node::FaultRule& rule) { return rule.kind == kind; });
  return at == rules_.end() ? nullptr : &*at;
}

void FaultLine::take(std::size_t bytes, std::function<void()> deliver) {
  for (const auto& rule : rules_) {
    if (lost(rule, bytes)) {
      return;
    }
  }
  const auto* const hold = find(FaultKind::kHold);
  const auto* const delay = find(FaultKind::kDelay);
  if (hold == nullptr && delay == nullptr) {
    return deliver();
  }
  for (const auto* const rule : {hold, delay}) {
    if (rule != nullptr) {
      ++rule->use->messages;
    }
  }
  kept_bytes_ += bytes;
  const auto place = kept_.emplace(due(delay), Kept{bytes, std::move(deliver)});
  if (place == kept_.begin()) {
    arm();
  }
}

// Whether the message goes no further by this rule.
bool FaultLine::lost(const node::FaultRule& rule, std::size_t bytes) {
  switch (rule.kind) {
    case FaultKind::kMute:
      break;
    case FaultKind::kDrop:
      if (!prng(rule).chance(rule.percent, 100)) {
        return false;
      }
      break;
    case FaultKind::kHold:
    case FaultKind::kDelay:
      if (kept_bytes_ + bytes > limit_) {
        overflow(rule);
        return true;
      }
      return false;
    case FaultKind::kCut:
    case FaultKind::kDisk:
    case FaultKind::kClock:
      return false;  // a cut link's connections are closed; the others are of no link
  }
  ++rule.use->messages;
  return true;
}

void FaultLine::overflow(const node::FaultRule& rule) {
  ++rule.use->overflow;
  if (!overfull_) {
    overfull_ = true;
    spdlog::warn("KV.FAULT: messages {} node {} are dropped while {} bytes wait",
                 outgoing_ ? "to" : "from", rule.peer.value(), kept_bytes_);
  }
}

Instant FaultLine::due(const node::FaultRule* delay) {
  auto at = Loop::now().mono;
  if (delay != nullptr) {
    const auto spread = static_cast<std::uint64_t>(2 * delay->jitter.count() + 1);
    at += delay->delay - delay->jitter + Duration(prng(*delay).below(spread));
  }
  if (delay == nullptr || !delay->unordered) {
    at = std::max(at, last_due_);
  }
  last_due_ = std::max(at, last_due_);
  return at;
}

void FaultLine::clear() {
  kept_.clear();
  kept_bytes_ = 0;
  last_due_ = Instant();
  overfull_ = false;
  arm();
}

void FaultLine::deliver_until(Instant now) {
  while (!kept_.empty() && kept_.begin()->first <= now) {
    auto message = std::move(kept_.extract(kept_.begin()).mapped());
    kept_bytes_ -= message.bytes;
    message.deliver();
    loop_.schedule_turn();
  }
}

void FaultLine::arm() {
  ++round_;
  timer_.cancel();
  if (kept_.empty() || find(FaultKind::kHold) != nullptr) {
    return;
  }
  timer_.expires_at(std::chrono::steady_clock::time_point(kept_.begin()->first.time_since_epoch()));
  timer_.async_wait([this, round = round_](const ErrorOf& cancelled) {
    if (!cancelled && round == round_) {
      deliver_until(Loop::now().mono);
      arm();
    }
  });
}

void LinkFaults::set(NodeId peer, const std::vector<node::FaultRule>& rules) {
  std::vector<node::FaultRule> out, in;
  active_ = cut_ = false;
  for (const auto& rule : rules) {
    if (rule.peer != peer) {
      continue;
    }
    active_ = true;
    cut_ = cut_ || rule.kind == FaultKind::kCut;
    if (rule.out) {
      out.push_back(rule);
    }
    if (rule.in) {
      in.push_back(rule);
    }
  }
  out_.set(std::move(out));
  in_.set(std::move(in));
}

}  // namespace kvorum::net
