#include "node/replica.h"

#include <algorithm>

#include "base/check.h"
#include "store/store.h"

namespace kvorum::node {
namespace {

constexpr int kRounds = 16;                 // of work that follows from work within one turn
constexpr Duration kSweepInterval = 100ms;  // between looks for requests whose time ran out
constexpr Duration kDiskRetry = 200ms;
constexpr std::size_t kMaxVoters = 5;  // groups have at most this many voters; other nodes learn

}  // namespace

void Output::clear() {
  disk.clear();
  fetches.clear();
  messages.clear();
  forwards.clear();
  leaderless.clear();
  queries.clear();
  answers.clear();
  greet_again = false;
  fault_rules.reset();
  fault_calls.clear();
  log.clear();
  wake_at = Instant::max();
  fatal.clear();
}

Result<std::unique_ptr<Node>> Node::open(const Options& options, const store::Store& store,
                                         Connections& connections, Now now) {
  auto replica = std::make_unique<Replica>(options, connections);
  if (const auto restored = replica->restore(store, now); !restored) {
    return tl::unexpected(restored.error());
  }
  return replica;
}

Replica::Replica(const Options& options, Connections& connections)
    : options_(options),
      connections_(connections),
      client_id_(client_of(options.self, options.incarnation, options.boot)),
      prng_(options.seed ^ client_id_.value()),
      leaderless_(options_, client_id_),
      faults_(options),
      queries_(prng_.next()) {}

Result<void> Replica::restore(const store::Store& store, Now now) {
  now_ = now;
  started_ = sweep_at_ = watch_at_ = meta_try_at_ = now.mono;
  voters_ = options_.members;
  if (voters_.size() > kMaxVoters) {
    voters_.resize(kMaxVoters);
  }
  if (const auto added = add_partition(kMetaPartition, store); !added) {
    return added;
  }
  if (const auto opened = leaderless_.open(store, now); !opened) {
    return opened;
  }
  keyspaces_ = leaderless_.table();
  doubt_last_life();
  refresh_meta();
  // Group 0's rows may lag behind what the disk already holds of other partitions.
  const auto stored = store.partitions();
  if (!stored) {
    return tl::unexpected(stored.error());
  }
  for (const auto id : *stored) {
    if (is_dropped(id)) {
      dropped_.push_back(id);
      continue;
    }
    if (is_leaderless(id)) {
      continue;  // leaderless_ has read it
    }
    if (const auto added = add_partition(id, store); !added) {
      return added;
    }
  }
  return open_partitions(store);
}

Partition* Replica::find(PartitionId id) {
  const auto found = partitions_.find(id);
  return found == partitions_.end() ? nullptr : found->second.get();
}

const Partition* Replica::find(PartitionId id) const {
  const auto found = partitions_.find(id);
  return found == partitions_.end() ? nullptr : found->second.get();
}

const raft::Raft* Replica::group(PartitionId id) const {
  const auto* partition = find(id);
  return partition == nullptr ? nullptr : &partition->raft();
}

const kv::Machine* Replica::machine(PartitionId id) const {
  const auto* partition = find(id);
  return partition == nullptr ? nullptr : &partition->machine();
}

bool Replica::writes(PartitionId id) const {
  const auto* partition = find(id);
  return partition != nullptr &&
         (!partition->outbox().runs().empty() || partition->outbox().has_open());
}

Session* Replica::find(ConnId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void Replica::connect(ConnId conn, ByteView address, Now) {
  auto session = std::make_unique<Session>();
  session->id = conn;
  session->address = address;
  sessions_.emplace(conn, std::move(session));
}

void Replica::disconnect(ConnId conn) {
  settle();
  sessions_.erase(conn);
  faults_.forget(conn);
  queries_.take(conn);
}

void Replica::request(ConnId conn, std::span<const ByteView> args, Now now) {
  now_ = now;
  auto* session = find(conn);
  CHECK(session != nullptr, "a request of a connection that was never announced");
  ++commands_;
  admit(*session, args, now.mono);
}

void Replica::reject(ConnId conn, const Error& error, bool close, Now now) {
  now_ = now;
  auto* session = find(conn);
  CHECK(session != nullptr, "a request of a connection that was never announced");
  Item item;
  item.kind = Item::Kind::kError;
  item.error = error;
  item.close = close;
  enqueue(*session, std::move(item), nullptr);
}

void Replica::peer_up(const PeerHello& peer, Now now) {
  now_ = now;
  auto& known = peers_[peer.node];
  known.up = true;
  known.incarnation = peer.incarnation;
  known.replica = peer.replica;
  known.ahead_ms = peer.wall_ms - now.wall.value();
  if (std::abs(known.ahead_ms) > options_.max_clock_skew_ms) {
    note(LogLevel::kWarn,
         fmt::format("node {}'s clock is {} ms {} ours", peer.node.value(),
                     std::abs(known.ahead_ms), known.ahead_ms > 0 ? "ahead of" : "behind"));
  }
  leaderless_.peer(peer.node, true, peer.replica, -known.ahead_ms, now);
  refresh_trust();
  for (auto& [id, partition] : partitions_) {
    if (partition->raft().leader() == peer.node) {
      partition->link_up();
    }
  }
}

void Replica::peer_down(NodeId peer, Now now) {
  now_ = now;
  peers_[peer].up = false;
  peers_[peer].down_since = now.mono;
  leaderless_.peer(peer, false, Incarnation(), 0, now);
  for (const auto conn : queries_.lost(peer)) {
    wake(conn);
  }
}

void Replica::step(NodeId from, PartitionId partition, const raft::Message& message, Now now) {
  now_ = now;
  auto* found = find(partition);
  if (found != nullptr && message.from == from) {
    found->step(message, now);
  }
}

void Replica::step(const Forward& forward, Now now) {
  now_ = now;
  if (auto* partition = find(forward.partition)) {
    partition->forward(forward);
  }
}

void Replica::step(dynamo::Message message, Now now) {
  now_ = now;
  leaderless_.step(std::move(message), now);
}

Result<void> Replica::fault(ByteView command, Now now) { return faults_.apply(command, now); }

void Replica::fault_answered(const FaultAnswer& answer, Now now) {
  now_ = now;
  if (const auto conn = faults_.answered(answer)) {
    wake(*conn);
  }
}

void Replica::step(DiskDone done, Now now) {
  now_ = now;
  if (const auto* written = std::get_if<WriteDone>(&done)) {
    for (auto& [id, partition] : partitions_) {
      partition->persisted(written->ticket, now);
    }
    leaderless_.persisted(written->ticket, now);
  } else if (const auto* space = std::get_if<DiskSpace>(&done)) {
    note(space->low ? LogLevel::kError : LogLevel::kInfo,
         space->low ? "the free-space reserve is reached: writes are refused, reads go on"
                    : "there is free space again: writes are taken");
    disk_low_ = space->low;
    disk_retry_at_ = space->low ? now.mono + kDiskRetry : Instant::max();
  } else if (const auto* failed = std::get_if<DiskFailed>(&done)) {
    fatal_ = "disk: " + to_string(failed->error);
  } else if (auto* loaded = std::get_if<LoadDone>(&done)) {
    if (auto* partition = find(loaded->partition)) {
      partition->loaded(std::move(loaded->loaded), now);
    }
  } else if (const auto* rows = std::get_if<FetchDone>(&done)) {
    fetched(*rows);
  } else {
    auto& chunk = std::get<SnapshotDone>(done);
    if (auto* partition = find(chunk.partition)) {
      partition->snapshot_read(std::move(chunk.chunk), now);
    }
  }
}

void Replica::tick(Now now) {
  now_ = now;
  for (auto& [id, partition] : partitions_) {
    partition->tick(now);
  }
  leaderless_.tick(now);
  tend_meta();
  if (now.mono >= sweep_at_) {
    sweep(now);
    sweep_at_ = now.mono + kSweepInterval;
  }
  doubt();
  if (now.mono >= watch_at_) {
    watch_clock();
    fence_silent();
    watch_at_ = now.mono + 1s;
  }
}

void Replica::drain(Output& out, Now now) {
  now_ = now;
  store::Batch batch;
  bool more = true;
  for (int round = 0; more && round < kRounds; ++round) {
    settle();
    for (auto& [id, partition] : partitions_) {
      if (round == 0 || partition->needs_drain()) {
        partition->drain(out, batch, now);
      }
    }
    if (find(kMetaPartition)->machine().applied() != meta_seen_) {
      refresh_meta();
      const auto opened = open_partitions(*store::open_mem());  // new here: nothing on disk
      CHECK(opened.has_value(), "{}", to_string(opened.error()));
      drop_partitions();
    }
    leaderless_.drain(out, batch, leaderless_done_, now);
    for (const auto& [conn, id] : std::exchange(leaderless_done_, {})) {
      leaderless_done(conn, id);
    }
    for (const auto conn : std::exchange(woken_, {})) {
      if (auto* session = find(conn)) {
        advance(*session);
      }
    }
    more = held_count_ > 0 || !woken_.empty() ||
           std::any_of(partitions_.begin(), partitions_.end(),
                       [](auto& entry) { return entry.second->needs_drain(); });
  }
  for (const auto id : std::exchange(dropped_, {})) {
    batch.operations.push_back(store::DropPartition{id});
  }
  hand_to_disk(std::move(batch), out);
  if (disk_low_ && now.mono >= disk_retry_at_) {
    out.disk.push_back(RetryJob{});
    disk_retry_at_ = now.mono + kDiskRetry;
  }
  const bool full = outbox_bytes() > (paused_ ? options_.outbox_bytes / 2 : options_.outbox_bytes);
  if (full != paused_) {
    paused_ = full;
    connections_.pause(full);
  }
  out.wake_at =
      more ? now.mono : std::min({disk_retry_at_, sweep_at_, meta_try_at_, leaderless_.wake_at()});
  for (auto& [id, partition] : partitions_) {
    out.wake_at = std::min(out.wake_at, partition->wake_at());
  }
  tend_memory(out);
  faults_.drain(out, now);
  queries_.drain(out);
  out.greet_again = std::exchange(greet_again_, false);
  messages_sent_ += out.messages.size() + out.forwards.size() + out.leaderless.size() +
                    out.queries.size() + out.answers.size();
  out.log.insert(out.log.end(), std::make_move_iterator(log_.begin()),
                 std::make_move_iterator(log_.end()));
  log_.clear();
  out.fatal = fatal_;
}

std::size_t Replica::outbox_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, partition] : partitions_) {
    bytes += partition->outbox().bytes();
  }
  return bytes;
}

void Replica::begin_shutdown(Now now) {
  now_ = now;
  settle();
  leaderless_.stop();
  for (auto& [id, partition] : partitions_) {
    if (partition->raft().role() == raft::Role::kLeader) {
      partition->raft().transfer(NodeId(), now);
    }
  }
}

void Replica::hand_to_disk(store::Batch batch, Output& out) {
  bool waits = !batch.empty() || leaderless_.waits_for_disk();
  for (auto& [id, partition] : partitions_) {
    waits = waits || partition->waits_for_disk();
  }
  if (!waits) {
    return;
  }
  const auto ticket = next_ticket_++;
  syncs_ += batch.sync ? 1 : 0;
  out.disk.push_back(WriteJob{ticket, std::move(batch)});
  for (auto& [id, partition] : partitions_) {
    if (partition->waits_for_disk()) {
      partition->ticketed(ticket);
    }
  }
  if (leaderless_.waits_for_disk()) {
    leaderless_.ticketed(ticket);
  }
}

bool Replica::idle() const {
  for (const auto& [id, partition] : partitions_) {
    if (partition->raft().role() == raft::Role::kLeader &&
        partition->raft().config().voters.size() > 1) {
      return false;
    }
  }
  return leaderless_.stopped() &&
         std::all_of(sessions_.begin(), sessions_.end(),
                     [](const auto& entry) { return entry.second->queue.empty(); });
}

void Replica::note(LogLevel level, std::string text) { log_.push_back({level, std::move(text)}); }

}  // namespace kvorum::node
