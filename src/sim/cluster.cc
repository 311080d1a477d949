#include "sim/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/chance.h"

namespace kvorum::sim {
namespace {

constexpr Duration kClientDelayMin = std::chrono::microseconds(5);  // longer than any burst lasts
constexpr Duration kClientDelayMean = std::chrono::microseconds(20);

std::uint32_t ordered_partitions(const Options& options) {
  if (options.main) {
    return options.main->leaderless() ? 0 : options.main->partitions;
  }
  return static_cast<std::uint32_t>(options.partitions);
}

}  // namespace

Cluster::Cluster(const Options& options, const Trace::Sink& sink, Audience& audience)
    : options_(options),
      audience_(audience),
      trace_(sink),
      network_(events_, *this, options_),
      watch_(servers_, ordered_partitions(options),
             [this](const char* invariant, const std::string& why) {
               fail(Failure::kSafety, invariant, why);
             }) {
  for (std::uint32_t id = 1; id <= options.nodes; ++id) {
    ServerHost& host = *this;
    servers_.emplace(NodeId(id),
                     std::make_unique<Server>(NodeId(id), options_, events_, trace_, host));
  }
}

void Cluster::start(NodeId node) {
  auto& server = *servers_.at(node);
  if (server.running()) {
    return;
  }
  server.start();
  if (server.running()) {
    watch_.started(server);
    audience_.started(server);
    network_.started(node);
  }
}

void Cluster::kill(NodeId node) {
  if (running(node)) {
    servers_.at(node)->crash(false);
    network_.crashed(node, false);
  }
}

void Cluster::stop(NodeId node) {
  freeze(node, false);
  servers_.at(node)->stop();
}

void Cluster::freeze(NodeId node, bool on) { servers_.at(node)->freeze(on); }

void Cluster::on_turn(NodeId node, const node::Output& out) {
  const auto& server = *servers_.at(node);
  watch_.turn(server, out);
  audience_.turned(server);
}

void Cluster::exited(NodeId node, bool disk_damaged) {
  network_.crashed(node, false);
  audience_.exited(node, disk_damaged);
}

std::optional<NodeId> Cluster::leader(PartitionId partition) const {
  std::optional<NodeId> leader;
  Term newest;
  for (const auto& [id, server] : servers_) {
    const auto* group = server->running() ? server->node().group(partition) : nullptr;
    if (group != nullptr && group->role() == raft::Role::kLeader && group->term() >= newest) {
      newest = group->term();
      leader = id;
    }
  }
  return leader;
}

void Cluster::fail(Failure failure, const char* kind, const std::string& why) {
  if (failure_ == Failure::kNone) {
    failure_ = failure;
    kind_ = kind;
    why_ = failure == Failure::kSafety ? kind_ + ": " + why : why;
    trace_.text(events_.now(), "FAILED", 0, why_);
  }
}

bool Cluster::connect(NodeId node, std::uint64_t conn) {
  auto& server = *servers_.at(node);
  if (!server.running()) {
    return false;
  }
  routes_.try_emplace(conn, Route{node, chance_of(options_.seed, "client delay", conn)});
  server.connect(ConnId(conn));
  return true;
}

void Cluster::request(std::uint64_t conn, Bytes bytes) {
  auto& route = routes_.at(conn);
  const auto takes = kClientDelayMin + draw_exponential(route.delays, kClientDelayMean);
  route.last_in = std::max(route.last_in, events_.now() + takes);
  // A client that leaves does not take back what it has sent.
  events_.at(route.last_in, [this, conn, node = route.node, bytes = std::move(bytes)]() mutable {
    servers_.at(node)->request(ConnId(conn), std::move(bytes));
  });
}

void Cluster::disconnect(std::uint64_t conn) {
  const auto route = routes_.at(conn);
  routes_.erase(conn);
  events_.at(std::max(route.last_in, events_.now()),
             [this, node = route.node, conn] { servers_.at(node)->disconnect(ConnId(conn)); });
}

void Cluster::reply(ConnId conn, Bytes bytes) {
  const auto found = routes_.find(conn.value());
  if (found == routes_.end()) {
    return;
  }
  audience_.answered(conn.value(), bytes);
  auto& route = found->second;
  route.last_out =
      std::max(route.last_out, events_.now() + draw_exponential(route.delays, kClientDelayMean));
  events_.at(route.last_out, [this, conn, bytes = std::move(bytes)] {
    if (routes_.contains(conn.value())) {
      audience_.reply(conn.value(), bytes);
    }
  });
}

void Cluster::hang_up(ConnId conn) {
  const auto found = routes_.find(conn.value());
  if (found == routes_.end()) {
    return;
  }
  const auto at = std::max(found->second.last_out, events_.now());
  events_.at(at, [this, conn] {
    if (routes_.erase(conn.value()) > 0) {
      audience_.hung_up(conn.value());
    }
  });
}

std::string Cluster::unrest() const {
  for (const auto& [id, server] : servers_) {
    if (!server->running()) {
      return fmt::format("node {} is down", id.value());
    }
  }
  for (std::uint32_t i = 0; i <= ordered_partitions(options_); ++i) {
    if (auto why = unrest(PartitionId(i)); !why.empty()) {
      return why;
    }
  }
  return {};
}

std::string Cluster::unrest(PartitionId id) const {
  std::size_t leaders = 0;
  const kv::Machine* first = nullptr;
  for (const auto& [node, server] : servers_) {
    const auto* group = server->node().group(id);
    const auto* machine = server->node().machine(id);
    if (group == nullptr) {
      return fmt::format("node {} does not have partition {}", node.value(), id.value());
    }
    if (server->node().writes(id)) {
      return fmt::format("node {} waits for its writes of partition {}", node.value(), id.value());
    }
    leaders += group->role() == raft::Role::kLeader ? 1 : 0;
    first = first == nullptr ? machine : first;
    if (group->last_index() != group->commit() || machine->applied() != group->commit() ||
        machine->applied() != first->applied() || machine->digest() != first->digest()) {
      return fmt::format(
          "node {} has {} entries of partition {}, {} of them committed and {} applied, digest "
          "{:016x}; the first node has applied {}, digest {:016x}",
          node.value(), group->last_index().value(), id.value(), group->commit().value(),
          machine->applied().value(), machine->digest(), first->applied().value(), first->digest());
    }
  }
  return leaders == 1 ? std::string()
                      : fmt::format("partition {} has {} leaders", id.value(), leaders);
}

}  // namespace kvorum::sim
