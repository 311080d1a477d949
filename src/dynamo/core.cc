#include "dynamo/core.h"

#include <algorithm>
#include <boost/container/static_vector.hpp>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

void Output::clear() {
  ticket = 0;
  must_sync = false;
  rows.clear();
  cuts.clear();
  bounds.reset();
  send_now.clear();
  send_after_persist.clear();
  results.clear();
  log.clear();
  wake_at = Instant::max();
}

Core::Impl::Impl(const Options& options, const Bounds& bounds, Now now)
    : options_(options),
      now_(now),
      prng_(options.seed),
      // At least 1, so that `known` can say who we are before the first write.
      counter_(KVORUM_MUTANT(kReuseCounters) ? 1 : std::max<std::uint64_t>(bounds.counter, 2) - 1),
      clock_(bounds.stamp),
      floor_(bounds.stamp),
      durable_(bounds),
      asked_for_(bounds),
      next_id_(kFirstId + (prng_.next() >> 2)),
      printed_until_(now.mono),
      known_written_(now.mono - options.sync_interval),
      sync_at_(now.mono),
      budget_at_(now.mono) {}

Core::Impl::Partition* Core::Impl::find(PartitionId id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second;
}

const Core::Impl::Partition* Core::Impl::find(PartitionId id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second;
}

void Core::Impl::reset(Partition& partition) {
  Partition fresh;
  fresh.config = std::move(partition.config);
  fresh.cold = std::move(partition.cold);  // who waits goes on when the fetch is done
  partition = std::move(fresh);
  // All own dots so far are in our rows, as there are none, or as those are still to be loaded.
  partition.known.add({options_.self, counter_});
}

void Core::Impl::configure(const PartitionConfig& config, Now now) {
  now_ = now;
  const auto [at, added] = partitions_.try_emplace(config.id);
  Partition& partition = at->second;
  by_id_[config.id] = &partition;
  const auto generation = std::exchange(partition.config, config).generation;
  const bool was_mine = partition.mine;
  const auto& replicas = config.replicas;
  const bool fenced = is_fenced(partition, options_.self);
  const bool mine =
      std::find(replicas.begin(), replicas.end(), options_.self.node) != replicas.end() && !fenced;
  const bool drops = generation != config.generation || (was_mine && !mine);
  std::vector<Light> lights;
  if (added || drops) {
    lights = take_lights(partition);
    reset(partition);
    // Whoever was there when a generation began has all of it.
    partition.refilled = !added && was_mine && mine;
  }
  if (fenced) {
    say(fmt::format("partition {}: this replica is fenced; it needs another incarnation",
                    config.id.value()));
  }
  partition.mine = mine;
  std::map<NodeId, Pair> pairs;
  for (const NodeId node : replicas) {
    if (mine && node != options_.self.node) {
      pairs[node] = partition.pairs[node];
      if (pairs[node].next_at == Instant()) {
        schedule(pairs[node], Duration());
      }
    }
  }
  partition.pairs = std::move(pairs);
  judge_actors(partition);
  if (mine) {
    judge_refilled(partition);
    plan_scan(partition, options_.sync_idle_interval);
  }
  if (drops && !KVORUM_MUTANT(kReadAcrossFlush)) {
    begin_reads_anew(config.id);
  }
  for (const Light& light : lights) {
    const auto id = set_timer(light.deadline);
    begin_read(id, add_read(id, light.request), false);
  }
}

void Core::Impl::remove(PartitionId id) {
  if (Partition* partition = find(id)) {
    for (const Light& light : take_lights(*partition)) {
      refuse_read(light.request, {ErrorCode::kNoKeyspace, "no such partition"});
    }
    by_id_.erase(id);
    partitions_.erase(id);
  }
}

bool Core::Impl::load_row(PartitionId id, ByteView key, ByteView value, bool on_disk, bool cold) {
  Partition* partition = find(id);
  CHECK(partition != nullptr, "a row of an unknown partition {}", id.value());
  Reader reader(value);
  Row row;
  if (!value.empty() && (!decode(reader, row) || !reader.done())) {
    return false;
  }
  note_actors(*partition, row.context);
  partition->table.load(key, row, on_disk, cold);
  return true;
}

bool Core::Impl::load_cut(const CutWrite& cut) {
  Partition* partition = find(cut.partition);
  CHECK(partition != nullptr, "a cut of an unknown partition {}", cut.partition.value());
  if (cut.generation != partition->config.generation) {
    return true;
  }
  if (!cut.known.covers(cut.cut)) {
    return false;
  }
  partition->refilled = partition->refilled || (cut.refilled && cut.known.of(options_.self) > 0);
  partition->known.merge(cut.known);
  partition->told = cut.known;
  partition->cut = cut.cut;
  note_actors(*partition, cut.known);
  return true;
}

void Core::Impl::peer(NodeId node, bool up, Incarnation incarnation, std::int64_t ahead_ms,
                      Now now) {
  now_ = now;
  Peer& peer = peers_[node];
  const bool was_up = std::exchange(peer.up, up);
  if (!up) {
    return;
  }
  peer.ahead_ms = ahead_ms;
  if (ahead_ms > options_.max_clock_skew_ms) {
    say(fmt::format("our clock is {} ms ahead of node {}", ahead_ms, node.value()));
  }
  const bool other = peer.incarnation != incarnation;
  peer.incarnation = incarnation;
  for (auto& [id, partition] : partitions_) {
    const auto pair = partition.pairs.find(node);
    if (pair == partition.pairs.end()) {
      continue;
    }
    if (other) {
      pair->second.finished.reset();
      partition.heard.erase(node);
    }
    replace_actors(partition, {node, incarnation}, now_.mono);
    if (other || !was_up) {
      // What it missed, or lost: soon, but not all partitions at once.
      pair->second.failures = 0;
      schedule(pair->second, options_.sync_interval / 20);
    }
  }
  send_hints(node);
}

bool Core::Impl::is_up(NodeId node) const {
  if (node == options_.self.node) {
    return true;
  }
  const auto at = peers_.find(node);
  return at != peers_.end() && at->second.up;
}

bool Core::Impl::is_current(NodeId node, Incarnation incarnation) const {
  const auto at = peers_.find(node);
  return at != peers_.end() && at->second.incarnation == incarnation;
}

std::size_t Core::Impl::count_up(const Partition& partition) const {
  const auto& replicas = partition.config.replicas;
  return static_cast<std::size_t>(std::count_if(replicas.begin(), replicas.end(), [&](NodeId node) {
    return node == options_.self.node ? partition.mine : is_up(node);
  }));
}

void Core::Impl::fetch(std::span<const Wanted> rows) const {
  boost::container::static_vector<std::pair<const Table*, std::uint64_t>, Table::kFetch> places;
  for (const Wanted& row : rows.first(std::min(rows.size(), Table::kFetch))) {
    if (const Partition* partition = find(row.partition)) {
      places.emplace_back(&partition->table, Table::hash_of(row.key));
    }
  }
  for (const auto step : Table::kSteps) {
    for (const auto& [table, hash] : places) {
      table->fetch(step, hash);
    }
  }
}

void Core::Impl::say(std::string line) {
  if (log_.size() < kLogLines) {
    log_.push_back(std::move(line));
  }
}

Message Core::Impl::make(MessageType type, const Partition& partition, NodeId to) const {
  Message message;
  message.type = type;
  message.from = options_.self.node;
  message.to = to;
  message.partition = partition.config.id;
  message.generation = partition.config.generation;
  message.incarnation = options_.self.incarnation;
  return message;
}

void Core::Impl::store(Partition& partition, ByteView key, const Row& row) {
  partition.table.replace(key, row);
  if (partition.config.fsync || partition.table.changed() >= kChangedRows) {
    disk_work_ = true;
  } else {
    write_at_ = std::min(write_at_, now_.mono + partition.config.interval);
  }
  const bool may_go = row.siblings.empty() || row.siblings.front().deleted ||
                      row.siblings.front().deadline.has_value();
  if (may_go && !row.context.empty()) {
    partition.scan_again = true;  // a scan under way may have passed it
    plan_scan(partition, options_.sync_idle_interval);
  }
}

// Merges what came from elsewhere. Nothing is refused for its stamp: it is stored elsewhere, and
// replicas must become equal.
Core::Impl::Absorbed Core::Impl::absorb(Partition& partition, ByteView key, Row& from) {
  const Row* held = partition.table.find(key);
  const bool undelete = KVORUM_MUTANT(kUndelete) && held != nullptr && is_gone(*held);
  const Row none;
  const Row& ours = held != nullptr && !undelete ? *held : none;
  const bool tells_of_drop = from.siblings.empty();
  bool dead = false;
  const auto is_old = [&](const Sibling& sibling) {
    const bool old = !KVORUM_MUTANT(kIgnoreCut) && partition.cut.covers(sibling.dot) &&
                     !ours.context.covers(sibling.dot);
    stats_.old_news += old ? 1 : 0;
    dead = dead || (old && !sibling.deleted);
    return old;
  };
  auto& siblings = from.siblings;
  siblings.erase(std::remove_if(siblings.begin(), siblings.end(), is_old), siblings.end());
  note_actors(partition, from.context);
  if (held == nullptr && siblings.empty() && partition.cut.covers(from.context)) {
    // All of it was dropped here, so its sender may drop it too.
    return {false, tells_of_drop ? std::nullopt : std::optional(from), false};
  }
  const bool whole = supersedes(from, ours);
  if (!whole) {
    merged_ = ours;
  }
  Row& row = whole ? from : merged_;
  if (!whole && !merge(row, from)) {
    return {};
  }
  if (row.cold()) {
    want_if_cold(partition, key);
    return {false, std::nullopt, true};
  }
  if (tells_of_drop && row.siblings.empty() && held != nullptr && is_gone(*held)) {
    const bool passed = partition.cut.covers(row.context);
    if (passed) {
      drop(partition, key);
    }
    return {passed, std::nullopt, false};
  }
  std::vector<Sibling> losers;
  if (KVORUM_MUTANT(kTieStays) && held != nullptr && row.siblings.size() == 2 &&
      partition.config.conflict == Conflict::kLww &&
      row.siblings[0].stamp.wall() == row.siblings[1].stamp.wall()) {
    row.siblings = held->siblings;
  }
  settle(row, partition.config.conflict, losers);
  note_losers(partition, key, row, losers);
  for (const Sibling& sibling : siblings) {
    note_stamp(sibling.stamp);
  }
  store(partition, key, row);
  return {true, dead ? std::optional(row) : std::nullopt, false};
}

void Core::Impl::note_losers(const Partition& partition, ByteView key, const Row& row,
                             std::vector<Sibling>& losers) {
  for (Sibling& lost : losers) {
    if (KVORUM_MUTANT(kHideLosers) || (lost.deleted && partition.cut.covers(lost.dot))) {
      continue;  // dropped elsewhere, and then written anew: nothing was concurrent
    }
    ++stats_.conflicts;
    ledger_.push_back(
        {partition.config.id, Bytes(key), std::move(lost), row.siblings.front().dot, now_.wall});
    if (ledger_.size() > options_.ledger) {
      ledger_.pop_front();
    }
  }
}

void Core::Impl::step(Message message, Now now) {
  now_ = now;
  if (message.to != options_.self.node || message.from == options_.self.node) {
    return;
  }
  if (message.type == MessageType::kWriteDone) {
    return on_write_done(message);
  }
  take(message);
}

void Core::Impl::take(const Message& message) {
  const Partition* partition = find(message.partition);
  if (partition == nullptr || partition->config.generation != message.generation) {
    return;
  }
  const bool for_anyone = message.type == MessageType::kRowsDone ||
                          message.type == MessageType::kReadDone || message.hint;
  if (!for_anyone && !partition->mine) {
    return;
  }
  switch (message.type) {
    case MessageType::kRows:
      return message.hint ? on_hint_rows(message) : on_rows(message);
    case MessageType::kRowsDone:
      return on_rows_done(message);
    case MessageType::kRead:
      return on_read(message);
    case MessageType::kReadDone:
      return on_read_done(message);
    case MessageType::kWrite:
      return on_write(message);
    case MessageType::kPrints:
      return on_prints(message);
    case MessageType::kPrintsDone:
      return on_prints_done(message);
    case MessageType::kSync:
      return on_sync(message);
    case MessageType::kSyncDone:
      return on_sync_done(message);
    case MessageType::kWriteDone:
      return;
  }
}

void Core::Impl::tick(Now now) {
  now_ = now;
  stamp_waiting();
  expire();
  run_scans();
  run_rounds();
}

Stats Core::Impl::stats() const {
  Stats stats = stats_;
  stats.hints = hint_count_;
  for (const auto& [id, partition] : partitions_) {
    stats.rows += partition.table.rows();
    stats.tombstones += partition.table.tombstones();
    stats.refilling += partition.mine && !partition.refilled ? 1 : 0;
    stats.cold += partition.table.cold();
  }
  return stats;
}

Core::Core(const Options& options, const Bounds& bounds, Now now)
    : impl_(std::make_unique<Impl>(options, bounds, now)) {}
Core::~Core() = default;

void Core::configure(const PartitionConfig& config, Now now) { impl_->configure(config, now); }
void Core::remove(PartitionId partition) { impl_->remove(partition); }
bool Core::load_row(PartitionId partition, ByteView key, ByteView value, bool on_disk, bool cold) {
  return impl_->load_row(partition, key, value, on_disk, cold);
}
bool Core::load_cut(const CutWrite& cut) { return impl_->load_cut(cut); }
void Core::peer(NodeId node, bool up, Incarnation incarnation, std::int64_t ahead_ms, Now now) {
  impl_->peer(node, up, incarnation, ahead_ms, now);
}
void Core::write(WriteRequest request, Now now) { impl_->write(std::move(request), now); }
void Core::read(const ReadRequest& request, Now now) { impl_->read(request, now); }
const Row* Core::read_here(PartitionId partition, ByteView key, bool values) {
  return impl_->read_here(partition, key, values);
}
const Result* Core::write_here(const WriteRequest& request, Now now) {
  return impl_->write_here(request, now);
}
void Core::fetch(std::span<const Wanted> rows) const { impl_->fetch(rows); }
bool Core::writes_wait() const { return impl_->writes_wait(); }
void Core::step(Message message, Now now) { impl_->step(std::move(message), now); }
void Core::persisted(std::uint64_t ticket, Now now) { impl_->persisted(ticket, now); }
void Core::tick(Now now) { impl_->tick(now); }
void Core::flush() { impl_->flush(); }
void Core::drain(Output& out, Now now) { impl_->drain(out, now); }

std::size_t Core::memory_bytes() const { return impl_->memory_bytes(); }
void Core::on_disk(PartitionId partition, const KeyPrint& row) { impl_->on_disk(partition, row); }
bool Core::evict(PartitionId partition, std::size_t rows) { return impl_->evict(partition, rows); }
bool Core::has_values(PartitionId partition, ByteView key) {
  return impl_->has_values(partition, key);
}
std::vector<Missing> Core::take_missing() { return impl_->take_missing(); }
bool Core::restore(const Missing& missing, const std::vector<std::optional<Bytes>>& rows, Now now) {
  return impl_->restore(missing, rows, now);
}

bool Core::holds(PartitionId partition) const {
  const auto* found = std::as_const(*impl_).find(partition);
  return found != nullptr && found->mine;
}
bool Core::refilled(PartitionId partition) const {
  const auto* found = std::as_const(*impl_).find(partition);
  return found != nullptr && found->refilled;
}
const Table* Core::table(PartitionId partition) const {
  const auto* found = std::as_const(*impl_).find(partition);
  return found != nullptr && found->mine ? &found->table : nullptr;
}
Table* Core::table(PartitionId partition) {
  auto* found = impl_->find(partition);
  return found != nullptr && found->mine ? &found->table : nullptr;
}
void Core::each(PartitionId partition,
                const std::function<bool(ByteView key, const Row& row)>& visit) const {
  if (const Table* rows = table(partition)) {
    bool more = true;
    for (std::uint32_t number = 0; more && number < kLeaves; ++number) {
      rows->each({Table::kDepth, number},
                 [&](const std::string& key, const Row& row) { return more = visit(key, row); });
    }
  }
}
const std::deque<Loss>& Core::ledger() const { return impl_->ledger(); }
Stats Core::stats() const { return impl_->stats(); }

}  // namespace kvorum::dynamo
