#include "sim/nemesis.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "sim/chance.h"

namespace kvorum::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxVoters = 5;  // as in node/
// Until one meets the damage of a running server's disk.
constexpr std::uint64_t kMostWrites = 200;

}  // namespace

Nemesis::Nemesis(const Options& options, EventQueue& events, Network& network, Servers& servers,
                 Trace& trace, Start start)
    : options_(options),
      events_(events),
      network_(network),
      servers_(servers),
      trace_(trace),
      start_(std::move(start)) {}

void Nemesis::begin() {
  every(options_.crash_ms, "crash", &Nemesis::crash);
  every(options_.stop_ms, "stop", &Nemesis::stop);
  every(options_.pause_ms, "pause", &Nemesis::freeze);
  every(options_.slow_ms, "slow", &Nemesis::slow);
  every(options_.cut_ms, "cut", &Nemesis::cut);
  every(options_.clog_ms, "clog", &Nemesis::clog);
  every(options_.disk_slow_ms, "disk slow", &Nemesis::slow_disk);
  every(options_.disk_fail_ms, "disk fail", &Nemesis::fail_disk);
  every(options_.disk_lost_ms, "disk lost", &Nemesis::lose_disk);
  every(options_.clock_ms, "clock jump", &Nemesis::jump_clock);
}

void Nemesis::every(std::int64_t mean_ms, const char* name, void (Nemesis::*strike)(Prng&)) {
  if (mean_ms == 0) {
    return;
  }
  kinds_.push_back(
      std::make_unique<Kind>(Kind{milliseconds(mean_ms), chance_of(options_.seed, name),
                                  [this, strike](Prng& prng) { (this->*strike)(prng); }}));
  next(*kinds_.back());
}

void Nemesis::next(Kind& kind) {
  events_.after(draw_exponential(kind.prng, kind.mean), [this, &kind] {
    if (!over_) {
      Prng prng(kind.prng.next());
      kind.strike(prng);
      next(kind);
    }
  });
}

void Nemesis::end() {
  over_ = true;
  trace_.event(events_.now(), "calm", 0);
  network_.calm();
  for (auto& [id, server] : servers_) {
    server->slow(1);
    server->slow_disk(1);
    server->freeze(false);
    server->clock().set_offset(0);
    server->heal_disk();
    if (!server->running()) {
      start_(id);
    }
  }
}

void Nemesis::exited(NodeId node, bool disk_damaged) {
  auto& server = *servers_.at(node);
  if (disk_damaged) {
    ++counts_["disk damage found"];
    server.wipe();
  } else if (server.store().damage_read()) {
    ++counts_["disk damage read"];
  }
  auto& prng =
      restarts_.try_emplace(node, chance_of(options_.seed, "restart", node.value())).first->second;
  restart_later(node, lasts(prng));
}

Duration Nemesis::lasts(Prng& prng) const {
  return draw_exponential(prng, milliseconds(options_.fault_for_ms));
}

Server& Nemesis::any(Prng& prng) {
  return *servers_.at(NodeId(1 + static_cast<std::uint32_t>(prng.below(servers_.size()))));
}

// Often a leader: that is where the harm is done.
Server& Nemesis::victim(Prng& prng) {
  const PartitionId partition(
      static_cast<std::uint32_t>(prng.below(static_cast<std::uint64_t>(options_.partitions) + 1)));
  const bool leads = prng.chance(1, 2);
  auto& otherwise = any(prng);
  for (auto& [id, server] : servers_) {
    const auto* group = server->running() ? server->node().group(partition) : nullptr;
    if (leads && group != nullptr && group->role() == raft::Role::kLeader) {
      return *server;
    }
  }
  return otherwise;
}

void Nemesis::count(const char* name, NodeId node) {
  ++counts_[name];
  trace_.event(events_.now(), name, node.value());
}

void Nemesis::restart_later(NodeId node, Duration after) {
  events_.after(over_ ? Duration(1ms) : after, [this, node] {
    if (!servers_.at(node)->running()) {
      start_(node);
    }
  });
}

void Nemesis::take_down(Server& server, bool power) {
  server.crash(power);
  network_.crashed(server.id(), power);
}

void Nemesis::crash(Prng& prng) {
  auto& server = victim(prng);
  const bool power = prng.chance(static_cast<std::uint64_t>(options_.power_percent), 100);
  if (server.running()) {
    count(power ? "power cut" : "kill", server.id());
    take_down(server, power);
    restart_later(server.id(), lasts(prng));
  }
}

void Nemesis::stop(Prng& prng) {
  auto& server = victim(prng);
  if (server.running() && !server.frozen()) {
    count("stop", server.id());
    server.stop();
  }
}

void Nemesis::freeze(Prng& prng) {
  auto& server = victim(prng);
  if (server.running() && !server.frozen()) {
    count("pause", server.id());
    server.freeze(true);
    events_.after(lasts(prng), [&server] { server.freeze(false); });
  }
}

void Nemesis::slow(Prng& prng) {
  auto& server = victim(prng);
  count("slow", server.id());
  server.slow(1 << (1 + prng.below(9)));
  events_.after(lasts(prng), [&server] { server.slow(1); });
}

// One direction, both, a node from all others, or a part of the cluster from the rest.
void Nemesis::cut(Prng& prng) {
  std::vector<std::pair<NodeId, NodeId>> links;
  const auto both = [&links](NodeId a, NodeId b) {
    links.emplace_back(a, b);
    links.emplace_back(b, a);
  };
  const auto a = victim(prng).id();
  const auto b = any(prng).id();
  const auto kind = prng.below(4);
  std::set<NodeId> side;
  for (const auto& [id, unused] : servers_) {
    if (kind == 2 ? id == a : prng.chance(1, 2)) {
      side.insert(id);
    }
  }
  if (kind == 0 && a != b) {
    links.emplace_back(a, b);
  } else if (kind == 1 && a != b) {
    both(a, b);
  } else if (kind >= 2) {
    for (const auto& [from, unused] : servers_) {
      for (const auto& [to, unused2] : servers_) {
        if (from < to && side.contains(from) != side.contains(to)) {
          both(from, to);
        }
      }
    }
  }
  if (links.empty()) {
    return;
  }
  count(kind == 0 ? "cut one way" : kind == 1 ? "cut" : "partition", a);
  for (const auto& [from, to] : links) {
    network_.cut(from, to);
  }
  events_.after(lasts(prng), [this, links = std::move(links)] {
    for (const auto& [from, to] : links) {
      network_.heal(from, to);
    }
  });
}

void Nemesis::clog(Prng& prng) {
  const auto a = any(prng).id();
  const auto b = any(prng).id();
  if (a == b) {
    return;
  }
  count("clog", a);
  network_.clog(a, b, draw_exponential(prng, milliseconds(50)));
  events_.after(lasts(prng), [this, a, b] { network_.clog(a, b, {}); });
}

void Nemesis::slow_disk(Prng& prng) {
  auto& server = victim(prng);
  count("disk slow", server.id());
  server.slow_disk(1 << (1 + prng.below(8)));
  events_.after(lasts(prng), [&server] { server.slow_disk(1); });
}

void Nemesis::fail_disk(Prng& prng) {
  auto& server = any(prng);
  if (server.running()) {
    count("disk fail", server.id());
    server.fail_next_write();
  }
}

bool Nemesis::may_lose_disk(const Server& server) const {
  std::size_t lost = 1;  // one that lost its disk before may lose it again
  for (const auto& [id, other] : servers_) {
    lost += id != server.id() && (other->wiped() || other->damaged()) ? 1 : 0;
  }
  return lost <= (std::min(servers_.size(), kMaxVoters) - 1) / 2 && !server.damaged();
}

void Nemesis::lose_disk(Prng& prng) {
  if (prng.chance(1, 2)) {
    damage_disk(prng);
  } else {
    auto& server = any(prng);
    if (server.running() && may_lose_disk(server)) {
      count("disk emptied", server.id());
      take_down(server, true);
      server.wipe();
      restart_later(server.id(), lasts(prng));
    }
  }
}

// What is damaged is found by the next start, or by a read before: then the server goes down.
void Nemesis::damage_disk(Prng& prng) {
  auto& server = victim(prng);
  if (!server.running() || !may_lose_disk(server)) {
    return;
  }
  constexpr std::array kParts = {Damage::kLog, Damage::kRecord, Damage::kRows};
  const bool runs_on = prng.chance(1, 2);
  count(runs_on ? "disk damaged running" : "disk damaged", server.id());
  const auto part = kParts[prng.below(kParts.size())];
  server.damage(part, prng.below(kMostWrites));
  if (!runs_on) {
    take_down(server, true);
    restart_later(server.id(), lasts(prng));
  }
}

void Nemesis::jump_clock(Prng& prng) {
  auto& server = victim(prng);
  count("clock jump", server.id());
  server.clock().jump(static_cast<std::int64_t>(prng.below(4001)) - 2000);
}

}  // namespace kvorum::sim
