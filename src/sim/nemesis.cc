#include "sim/nemesis.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace kvorum::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxVoters = 5;  // as in node/

}  // namespace

Nemesis::Nemesis(const Options& options, EventQueue& events, Network& network, Servers& servers,
                 Trace& trace, Prng prng, Start start)
    : options_(options),
      events_(events),
      network_(network),
      servers_(servers),
      trace_(trace),
      prng_(prng),
      start_(std::move(start)) {}

void Nemesis::begin() {
  every(options_.crash_ms, "crash", [this] { crash(); });
  every(options_.stop_ms, "stop", [this] { stop(); });
  every(options_.pause_ms, "pause", [this] { freeze(); });
  every(options_.slow_ms, "slow", [this] { slow(); });
  every(options_.cut_ms, "cut", [this] { cut(); });
  every(options_.clog_ms, "clog", [this] { clog(); });
  every(options_.disk_slow_ms, "disk slow", [this] { slow_disk(); });
  every(options_.disk_fail_ms, "disk fail", [this] { fail_disk(); });
  every(options_.disk_lost_ms, "disk lost", [this] { lose_disk(); });
  every(options_.clock_ms, "clock jump", [this] { jump_clock(); });
}

void Nemesis::every(std::int64_t mean_ms, const char* name, std::function<void()> strike) {
  if (mean_ms == 0) {
    return;
  }
  events_.after(draw_exponential(prng_, milliseconds(mean_ms)),
                [this, mean_ms, name, strike = std::move(strike)] {
                  if (!over_) {
                    strike();
                    every(mean_ms, name, strike);
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
  }
  restart_later(node);
}

Duration Nemesis::lasts() { return draw_exponential(prng_, milliseconds(options_.fault_for_ms)); }

Server& Nemesis::any() {
  return *servers_.at(NodeId(1 + static_cast<std::uint32_t>(prng_.below(servers_.size()))));
}

// Often a leader: that is where the harm is done.
Server& Nemesis::victim() {
  const PartitionId partition(
      static_cast<std::uint32_t>(prng_.below(static_cast<std::uint64_t>(options_.partitions) + 1)));
  const bool leads = prng_.chance(1, 2);
  for (auto& [id, server] : servers_) {
    const auto* group = server->running() ? server->node().group(partition) : nullptr;
    if (leads && group != nullptr && group->role() == raft::Role::kLeader) {
      return *server;
    }
  }
  return any();
}

void Nemesis::count(const char* name, NodeId node) {
  ++counts_[name];
  trace_.event(events_.now(), name, node.value());
}

void Nemesis::restart_later(NodeId node) {
  events_.after(over_ ? Duration(1ms) : lasts(), [this, node] {
    if (!servers_.at(node)->running()) {
      start_(node);
    }
  });
}

void Nemesis::crash() {
  auto& server = victim();
  const bool power = prng_.chance(static_cast<std::uint64_t>(options_.power_percent), 100);
  if (server.running()) {
    count(power ? "power cut" : "kill", server.id());
    server.crash(power);
    network_.crashed(server.id());
    restart_later(server.id());
  }
}

void Nemesis::stop() {
  auto& server = victim();
  if (server.running() && !server.frozen()) {
    count("stop", server.id());
    server.stop();
  }
}

void Nemesis::freeze() {
  auto& server = victim();
  if (server.running() && !server.frozen()) {
    count("pause", server.id());
    server.freeze(true);
    events_.after(lasts(), [&server] { server.freeze(false); });
  }
}

void Nemesis::slow() {
  auto& server = victim();
  count("slow", server.id());
  server.slow(1 << (1 + prng_.below(9)));
  events_.after(lasts(), [&server] { server.slow(1); });
}

// One direction, both, a node from all others, or a part of the cluster from the rest.
void Nemesis::cut() {
  std::vector<std::pair<NodeId, NodeId>> links;
  const auto both = [&links](NodeId a, NodeId b) {
    links.emplace_back(a, b);
    links.emplace_back(b, a);
  };
  const auto a = victim().id();
  const auto b = any().id();
  const auto kind = prng_.below(4);
  std::set<NodeId> side;
  for (const auto& [id, unused] : servers_) {
    if (kind == 2 ? id == a : prng_.chance(1, 2)) {
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
  events_.after(lasts(), [this, links = std::move(links)] {
    for (const auto& [from, to] : links) {
      network_.heal(from, to);
    }
  });
}

void Nemesis::clog() {
  const auto a = any().id();
  const auto b = any().id();
  if (a == b) {
    return;
  }
  count("clog", a);
  network_.clog(a, b, draw_exponential(prng_, milliseconds(50)));
  events_.after(lasts(), [this, a, b] { network_.clog(a, b, {}); });
}

void Nemesis::slow_disk() {
  auto& server = victim();
  count("disk slow", server.id());
  server.slow_disk(1 << (1 + prng_.below(8)));
  events_.after(lasts(), [&server] { server.slow_disk(1); });
}

void Nemesis::fail_disk() {
  auto& server = any();
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

void Nemesis::lose_disk() {
  auto& server = any();
  if (!may_lose_disk(server) || !server.running()) {
    return;
  }
  const bool found_by_checksum = prng_.chance(1, 2);
  count(found_by_checksum ? "disk damaged" : "disk emptied", server.id());
  server.crash(true);
  network_.crashed(server.id());
  if (found_by_checksum) {
    server.damage();  // its next start will refuse
  } else {
    server.wipe();
  }
  restart_later(server.id());
}

void Nemesis::jump_clock() {
  auto& server = victim();
  count("clock jump", server.id());
  server.clock().jump(static_cast<std::int64_t>(prng_.below(4001)) - 2000);
}

}  // namespace kvorum::sim
