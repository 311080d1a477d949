#include "sim/link_faults.h"

#include <algorithm>

#include "sim/chance.h"

namespace kvorum::sim {

LinkFaults::LinkFaults(EventQueue& events, std::uint32_t nodes, std::uint64_t seed, Pass pass)
    : events_(events), pass_(std::move(pass)), seeds_(chance_of(seed, "fault rules")) {
  for (std::uint32_t lower = 1; lower < nodes; ++lower) {
    std::vector<NodeId> ends;
    for (auto id = lower; id <= nodes; ++id) {
      ends.emplace_back(id);
    }
    tables_.try_emplace(NodeId(lower), NodeId(lower), ends);
  }
}

void LinkFaults::apply(const FaultCommand& command) {
  if (command.verb == FaultCommand::Verb::kStatus) {
    return;
  }
  const auto seed = seeds_.next();
  for (auto& [lower, table] : tables_) {
    table.apply(command, seed, events_.now());
  }
  look_over();
  let_all_go();
}

void LinkFaults::look_over() {
  active_ = false;
  auto next = Instant::max();
  for (const auto& [lower, table] : tables_) {
    active_ = active_ || !table.rules().empty();
    next = std::min(next, table.next_expiry());
  }
  if (next == Instant::max()) {
    return;
  }
  events_.at(next, [this] {
    bool over = false;
    for (auto& [lower, table] : tables_) {
      over = table.expire(events_.now()) || over;
    }
    if (over) {
      look_over();
      let_all_go();
    }
  });
}

const node::FaultRule* LinkFaults::find(NodeId from, NodeId to, FaultKind kind) const {
  if (!active_) {
    return nullptr;
  }
  const bool out = from < to;
  const auto& rules = tables_.at(std::min(from, to)).rules();
  const auto at = std::find_if(rules.begin(), rules.end(), [&](const node::FaultRule& rule) {
    return rule.kind == kind && rule.peer == std::max(from, to) && (out ? rule.out : rule.in);
  });
  return at == rules.end() ? nullptr : &*at;
}

bool LinkFaults::is_cut(NodeId from, NodeId to) const {
  return find(from, to, FaultKind::kCut) != nullptr;
}

void LinkFaults::send(NodeId from, NodeId to, Bytes frames) {
  const std::size_t way = from < to ? 0 : 1;
  const auto* const drop = find(from, to, FaultKind::kDrop);
  const bool dropped = drop != nullptr && drop->use->prng[way].chance(drop->percent, 100);
  const auto* const lost = dropped ? drop : find(from, to, FaultKind::kMute);
  if (lost != nullptr) {
    ++lost->use->messages;
    return;
  }
  const auto* const hold = find(from, to, FaultKind::kHold);
  const auto* const delay = find(from, to, FaultKind::kDelay);
  if (hold == nullptr && delay == nullptr) {
    return pass_(from, to, std::move(frames));
  }
  for (const auto* const rule : {hold, delay}) {
    if (rule != nullptr) {
      ++rule->use->messages;
    }
  }
  auto& line = lines_[{from, to}];
  const auto at = due(line, delay, way);
  line.kept.emplace(at, std::move(frames));
  events_.at(at, [this, from, to] { let_go(from, to); });
}

Instant LinkFaults::due(Line& line, const node::FaultRule* delay, std::size_t way) const {
  auto at = events_.now();
  if (delay != nullptr) {
    const auto spread = static_cast<std::uint64_t>(2 * delay->jitter.count() + 1);
    at += delay->delay - delay->jitter + Duration(delay->use->prng[way].below(spread));
  }
  if (delay == nullptr || !delay->unordered) {
    at = std::max(at, line.last_due);
  }
  line.last_due = std::max(at, line.last_due);
  return at;
}

void LinkFaults::let_go(NodeId from, NodeId to) {
  const auto found = lines_.find({from, to});
  if (found == lines_.end() || find(from, to, FaultKind::kHold) != nullptr) {
    return;
  }
  const bool delayed = find(from, to, FaultKind::kDelay) != nullptr;
  auto& kept = found->second.kept;
  while (!kept.empty() && (!delayed || kept.begin()->first <= events_.now())) {
    pass_(from, to, std::move(kept.extract(kept.begin()).mapped()));
  }
  if (kept.empty() && !delayed) {
    lines_.erase(found);
  }
}

void LinkFaults::let_all_go() {
  std::vector<std::pair<NodeId, NodeId>> links;
  for (const auto& [link, line] : lines_) {
    links.push_back(link);
  }
  for (const auto& [from, to] : links) {
    let_go(from, to);
  }
}

}  // namespace kvorum::sim
