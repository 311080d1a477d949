// Writes: a replica stamps, merges into its own row, sends the row to the others and counts acks.
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

void Core::Impl::write(WriteRequest request, Now now) {
  now_ = now;
  auto write = std::make_unique<Write>();
  write->request = std::move(request);
  write->deadline = now_.mono + options_.request_timeout;
  begin_write(std::move(write));
}

const Result* Core::Impl::write_here(const WriteRequest& request, Now now) {
  now_ = now;
  Partition* partition = find(request.partition);
  if (partition == nullptr || !partition->mine || partition->config.fsync || request.w != 1 ||
      !waiting_.empty() || why_refused(*partition, request)) {
    return nullptr;
  }
  if (lacks_values(*partition, request)) {
    return nullptr;
  }
  const Row* held = partition->table.find(request.key);
  note_stamps(held);
  if (!can_stamp() || apply(*partition, request, held, written_)) {
    return nullptr;
  }
  spread(*partition, request, 0);
  written_.acks = 1;
  written_.coordinator = options_.self.node;
  std::swap(written_.row, merged_);
  return &written_;
}

// Our next stamp is above what its key has.
void Core::Impl::note_stamps(const Row* row) {
  if (row != nullptr) {
    for (const Sibling& sibling : row->siblings) {
      note_stamp(sibling.stamp);
    }
  }
}

void Core::Impl::begin_write(std::unique_ptr<Write> write) {
  write->result.ticket = write->request.ticket;
  Partition* partition = find(write->request.partition);
  if (partition == nullptr) {
    return refuse(*write, {ErrorCode::kNoKeyspace, "no such partition"});
  }
  if (auto why = why_refused(*partition, write->request)) {
    return refuse(*write, std::move(*why));
  }
  note_stamps(partition->mine ? partition->table.find(write->request.key) : nullptr);
  // Asks for its values even where it waits behind others.
  const bool lacks = lacks_values(*partition, write->request);
  if (lacks || !waiting_.empty() || !can_stamp()) {
    waiting_.push_back(std::move(write));
    return;
  }
  stamp_write(*partition, std::move(write));
}

// What was held up by bounds that were not on disk, by a clock that is behind an earlier life's
// stamps, or by values that are on the disk alone.
void Core::Impl::stamp_waiting() {
  while (!waiting_.empty()) {
    const bool late = waiting_.front()->deadline <= now_.mono;
    const bool stamps = can_stamp();
    Partition* partition = find(waiting_.front()->request.partition);
    if (!late && (!stamps ||
                  (partition != nullptr && lacks_values(*partition, waiting_.front()->request)))) {
      return;
    }
    auto write = std::move(waiting_.front());
    waiting_.pop_front();
    if (late || partition == nullptr) {
      refuse(*write, partition == nullptr ? Error{ErrorCode::kNoKeyspace, "no such partition"}
                     : stamps ? Error{ErrorCode::kBusy, "the disk took too long to give its value"}
                              : Error{ErrorCode::kClock, "no stamp could be issued in time"});
    } else {
      stamp_write(*partition, std::move(write));
    }
  }
}

void Core::Impl::flush() {
  for (const auto& write : waiting_) {
    refuse(*write, {ErrorCode::kNoQuorum, "the node stops"});
  }
  waiting_.clear();
  flushing_ = flushed_ = disk_work_ = true;
}

std::optional<Error> Core::Impl::why_refused(const Partition& partition,
                                             const WriteRequest& request) const {
  const auto replicas = partition.config.replicas.size();
  if (open() >= kRequests) {
    return Error{ErrorCode::kBusy, {}};
  }
  if (request.w < 1 || request.w > replicas) {
    return Error{ErrorCode::kLevel, fmt::format("w={} of {} replicas", request.w, replicas)};
  }
  const auto up = count_up(partition);
  const auto others = request.sloppy ? stand_ins(partition, request.key).size() : 0;
  if (up == 0 || up + others < request.w) {
    return Error{ErrorCode::kNoQuorum,
                 fmt::format("{} of {} replicas are up, w={}{}", up, replicas, request.w,
                             request.sloppy ? fmt::format(" with {} stand-ins", others) : "")};
  }
  if (partition.mine && clock_is_off()) {
    return Error{ErrorCode::kClock,
                 fmt::format("this node's clock is more than {} ms ahead of most others",
                             options_.max_clock_skew_ms)};
  }
  return std::nullopt;
}

void Core::Impl::stamp_write(Partition& partition, std::unique_ptr<Write> write) {
  if (!partition.mine) {
    return forward(partition, std::move(write));
  }
  const WriteRequest& request = write->request;
  if (auto why = apply(partition, request, partition.table.find(request.key), write->result)) {
    say(fmt::format("a write was refused: {}", why->detail));
    return refuse(*write, std::move(*why));
  }
  const bool waits = partition.config.fsync || request.w > 1;
  std::swap(write->result.row, merged_);
  const std::uint64_t id = waits ? set_timer() : 0;
  spread(partition, request, id);
  if (write->asker.node != NodeId()) {
    // It holds no replica, so its next read may ask any of them: they had better have this by then.
    for (const NodeId node : partition.config.replicas) {
      leaves_now(node);
    }
  }
  if (partition.config.fsync) {
    own_copies_.push_back(id);
  } else {
    write->acked.push_back(options_.self.node);
  }
  if (!waits) {
    return finish(*write, Ended::kDone);
  }
  hedges_.push_back({now_.mono + options_.request_timeout / 4, id});
  writes_.emplace(id, std::move(write));
}

// Into our own row, which is `merged_` then. Something: refused, and nothing happened.
std::optional<Error> Core::Impl::apply(Partition& partition, const WriteRequest& request,
                                       const Row* held, Result& result) {
  Row& row = merged_;
  if (held != nullptr) {
    row = *held;
  } else {
    row = {};
  }
  const Context seen = request.seen ? *request.seen : row.context;
  if (std::max(seen.of(options_.self), row.context.of(options_.self)) > counter_) {
    return Error{ErrorCode::kGeneric, "its context names writes of this node that never were"};
  }
  const HybridTime stamp = next_stamp(row);
  if (stamp.wall() - now_.wall > options_.max_clock_skew_ms) {
    return Error{ErrorCode::kClock,
                 fmt::format("the key's last write is stamped {} ms ahead of this node's clock",
                             stamp.wall() - now_.wall)};
  }
  const auto stay = std::count_if(row.siblings.begin(), row.siblings.end(),
                                  [&](const Sibling& s) { return !seen.covers(s.dot); });
  if (partition.config.conflict == Conflict::kSiblings &&
      static_cast<std::size_t>(stay) >= options_.sibling_cap) {
    return Error{ErrorCode::kSiblings,
                 fmt::format("the key has {} siblings that the write has not seen", stay)};
  }
  result.existed = std::any_of(row.siblings.begin(), row.siblings.end(),
                               [&](const Sibling& s) { return !s.gone(now_.wall); });
  if (request.seen) {
    note_actors(partition, *request.seen);
  }
  Sibling fresh;
  fresh.dot = {options_.self, ++counter_};
  fresh.stamp = clock_ = stamp;
  stamped_ = true;
  fresh.deleted = request.deleted;
  fresh.deadline = request.deadline;
  if (request.ttl_ms) {
    fresh.deadline = stamp.wall() + *request.ttl_ms;
  }
  fresh.value = request.value;
  result.dot = fresh.dot;
  partition.known.add(fresh.dot);
  put(row, std::move(fresh), seen);
  std::vector<Sibling> losers;
  settle(row, partition.config.conflict, losers);
  note_losers(partition, request.key, row, losers);
  store(partition, request.key, row);
  return std::nullopt;
}

// The whole row to the other replicas; to stand-ins for those that are down, if they may count.
void Core::Impl::spread(Partition& partition, const WriteRequest& request, std::uint64_t id) {
  const ByteView row = partition.table.packed(request.key);
  const Nodes others = request.sloppy ? stand_ins(partition, request.key) : Nodes();
  auto next = others.begin();
  for (const NodeId node : partition.config.replicas) {
    if (node == options_.self.node) {
      continue;
    }
    if (is_up(node)) {
      queue_row(partition, node, request.key, row, id);
      continue;
    }
    keep_hint(node, partition, request.key, {});
    if (next != others.end()) {
      queue_row(partition, *next++, request.key, row, id, node);
    }
  }
}

// To the replicas that have not acknowledged it: the row as it stands now.
void Core::Impl::spread_again(std::uint64_t id, const Write& write) {
  Partition* partition = find(write.request.partition);
  const Row* held = partition != nullptr ? partition->table.find(write.request.key) : nullptr;
  if (held == nullptr || !held->context.covers(write.result.dot)) {
    return;  // the partition's rows were dropped
  }
  if (want_if_cold(*partition, write.request.key)) {
    return partition->cold.next.writes.push_back(id);
  }
  const ByteView row = partition->table.packed(write.request.key);
  for (const NodeId node : partition->config.replicas) {
    if (node != options_.self.node && is_up(node) &&
        std::find(write.acked.begin(), write.acked.end(), node) == write.acked.end()) {
      queue_row(*partition, node, write.request.key, row, id);
    }
  }
}

// Nodes that are up and hold no replica, as many as replicas are down; from key to key others.
Core::Impl::Nodes Core::Impl::stand_ins(const Partition& partition, ByteView key) const {
  const auto& replicas = partition.config.replicas;
  Nodes free;
  for (const auto& [node, peer] : peers_) {
    if (peer.up && std::find(replicas.begin(), replicas.end(), node) == replicas.end()) {
      free.push_back(node);
    }
  }
  if (!partition.mine) {
    free.push_back(options_.self.node);  // to the replica that will coordinate it
  }
  if (!free.empty()) {
    const auto turn = Table::hash_of(key) % free.size();
    std::rotate(free.begin(), free.begin() + static_cast<std::ptrdiff_t>(turn), free.end());
  }
  free.resize(std::min(free.size(), replicas.size() - count_up(partition)));
  return free;
}

void Core::Impl::ack(std::uint64_t id, NodeId node) {
  if (const auto at = writes_.find(id); at != writes_.end()) {
    Write& write = *at->second;
    if (std::find(write.acked.begin(), write.acked.end(), node) != write.acked.end()) {
      return;
    }
    write.acked.push_back(node);
    const std::size_t early = KVORUM_MUTANT(kAckEarly) ? 1 : 0;
    if (write.acked.size() + early >= write.request.w) {
      finish(write, Ended::kDone);
      writes_.erase(at);
    }
  } else if (const auto read = reads_.find(id); read != reads_.end()) {
    Nodes& have = read->second->have;
    if (std::find(have.begin(), have.end(), node) == have.end()) {
      have.push_back(node);
    }
    if (read->second->writes_back && have.size() >= read->second->request.r) {
      finish(*read->second, Ended::kDone);
      end_read(read);
    }
  }
}

void Core::Impl::finish(Write& write, Ended ended, Error error) {
  Result& result = write.result;
  result.ended = ended;
  result.code = error.code;
  result.why = std::move(error.detail);
  result.acks = write.acked.size();
  result.coordinator = options_.self.node;
  if (const Partition* partition = find(write.request.partition)) {
    const auto& replicas = partition->config.replicas;
    result.stand_ins = std::any_of(write.acked.begin(), write.acked.end(), [&](NodeId node) {
      return std::find(replicas.begin(), replicas.end(), node) == replicas.end();
    });
  }
  if (write.asker.node == NodeId()) {
    results_.push_back(std::move(result));
    return;
  }
  Message message;
  message.type = MessageType::kWriteDone;
  message.from = options_.self.node;
  message.to = write.asker.node;
  message.partition = write.request.partition;
  message.incarnation = options_.self.incarnation;
  message.id = write.asker_id;
  message.command = encode(write.asker.incarnation, result);
  send_now_.push_back(std::move(message));
}

}  // namespace kvorum::dynamo
