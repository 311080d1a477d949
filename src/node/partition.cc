#include "node/partition.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "node/node.h"

namespace kvorum::node {
namespace {

constexpr std::size_t kRestoreBytes = std::size_t{8} << 20;  // of log read at once at start
// Runs on their way at a time. While they are, what clients send gathers for the next one: under
// load fewer and larger entries, messages and syncs; without load nobody waits.
constexpr std::size_t kRunsInFlight = 1;
constexpr std::size_t kGatherBytes = std::size_t{16} << 10;  // that do not wait in any case
// Two groups of clients that take turns cost twice the syncs and messages of one. So when a run is
// done and others have gathered meanwhile, the next one waits for the clients that were just
// answered, for this part of the time that the last one took. Who is alone waits for nobody.
constexpr int kGatherPart = 4;
constexpr Duration kGatherMost = 1ms;
constexpr std::size_t kWindowBytes = std::size_t{16} << 20;  // of log kept in memory too
// What calls for a checkpoint early: so much of changed rows, or of log that a restart would apply
// again.
constexpr std::size_t kCheckpointBytes = std::size_t{32} << 20;
constexpr std::size_t kCheckpointLogBytes = std::size_t{128} << 20;
// So does this part of the rows' memory if there is no room: what the disk does not know yet cannot
// leave memory.
constexpr std::size_t kDirtyPart = 8;

}  // namespace

Partition::Partition(PartitionId id, const Options& options, Host& host, ClientId client)
    : id_(id), options_(options), host_(host), outbox_(client) {}

Result<void> Partition::open(const store::Store& store, const raft::Config& fallback, Now now) {
  raft::Restored restored;
  restored.config = restored.base.config = fallback;
  if (const auto rows = load_rows(store, restored); !rows) {
    return rows;
  }
  if (const auto log = load_log(store, restored); !log) {
    return log;
  }
  durable_applied_ = machine_->applied();
  marks_.push_back({machine_->applied(), machine_->applied_term(), 0});
  checkpoint_at_ = now.mono + options_.checkpoint_interval;
  raft::Options group;
  group.self = options_.self;
  group.seed = options_.seed * 1000003 + id_.value();
  group.election_timeout = options_.election_timeout;
  group.heartbeat = options_.heartbeat;
  group.may_vote = options_.may_vote;
  group.window_bytes = std::min<std::uint64_t>(kWindowBytes, options_.log_keep_bytes);
  raft_ = std::make_unique<raft::Raft>(group, std::move(restored), now);
  return {};
}

Result<void> Partition::load_rows(const store::Store& store, raft::Restored& restored) {
  machine_ = std::make_unique<kv::Machine>(id_, options_.kv);
  const auto room = memory_left();
  auto record_bytes = store.partition_record(id_);
  if (!record_bytes) {
    return tl::unexpected(record_bytes.error());
  }
  if (*record_bytes) {
    const auto record = kv::Machine::decode(**record_bytes);
    if (!record || !raft::decode(record->config, restored.config)) {
      return fail(ErrorCode::kCorrupt, "the record of partition {} is damaged", id_.value());
    }
    restored.base.config = restored.config;
    auto rows = store.rows(id_, record->generation);
    for (; rows->valid(); rows->next()) {
      const bool cold = machine_->memory_bytes() >= room;
      if (!machine_->load_row(rows->key(), rows->value(), cold)) {
        return fail(ErrorCode::kCorrupt, "a row of partition {} is damaged", id_.value());
      }
    }
    if (const auto status = rows->status(); !status) {
      return status;
    }
    machine_->load_record(*record);
  }
  restored.applied = machine_->applied();
  restored.last_stamp = machine_->log_time();
  return {};
}

// Everything behind the rows' position, to be replayed; what lies before it stays on disk.
Result<void> Partition::load_log(const store::Store& store, raft::Restored& restored) {
  const auto hard = store.hard_state(id_);
  const auto extent = store.log(id_);
  if (!hard || !extent) {
    return tl::unexpected(hard ? extent.error() : hard.error());
  }
  restored.hard = *hard;
  restored.base.index = extent->base;
  restored.base.term = extent->base_term;
  restored.first_index = extent->first();
  if (restored.applied < extent->base || restored.applied > extent->last) {
    return fail(ErrorCode::kCorrupt, "partition {}: rows stand at {}, the log holds {} to {}",
                id_.value(), restored.applied.value(), extent->first().value(),
                extent->last.value());
  }
  const auto before = store.term_at(id_, restored.applied);
  if (!before) {
    return tl::unexpected(before.error());
  }
  restored.before_entries = *before;
  for (auto from = restored.applied.next(); from <= extent->last;) {
    auto entries = store.read_log(id_, from, extent->last, kRestoreBytes);
    if (!entries) {
      return tl::unexpected(entries.error());
    }
    if (entries->empty()) {
      return fail(ErrorCode::kCorrupt, "partition {}: log entry {} is missing", id_.value(),
                  from.value());
    }
    from = entries->back().index.next();
    std::move(entries->begin(), entries->end(), std::back_inserter(restored.entries));
  }
  if (!restored.entries.empty()) {
    restored.last_stamp = restored.entries.back().stamp;
  }
  return {};
}

void Partition::forward(const Forward& forward) {
  // Anyone may be asked by mistake; a node that does not lead drops it and the sender sends again.
  if (raft_->role() == raft::Role::kLeader) {
    forwarded_.push_back(forward);
  }
}

std::uint64_t Partition::barrier(ConnId conn) {
  if (!barrier_open_) {
    waiting_.push_back({next_tag_++, std::nullopt, {}});
    barrier_open_ = true;
  }
  waiting_.back().conns.push_back(conn);
  return waiting_.back().tag;
}

bool Partition::needs_drain() const {
  const bool moved = raft_->leader() && (raft_->leader() != sent_to_ || raft_->term() != sent_in_);
  const bool runs = (outbox_.has_open() && !holds_back()) || resend_;
  return (runs && raft_->leader()) || moved || barrier_due() || !forwarded_.empty();
}

bool Partition::holds_back() const {
  const bool waits = outbox_.runs().size() >= kRunsInFlight || outbox_.open_commands() < awaited_;
  return waits && outbox_.open_bytes() < kGatherBytes;
}

// Of this turn: commands above `done_before` were applied.
void Partition::gather(std::uint64_t done_before, Now now) {
  const auto done = outbox_.done() - done_before;
  if (done == 0 || !outbox_.runs().empty()) {
    return;
  }
  awaited_ = outbox_.has_open() ? outbox_.open_commands() + done : 0;
  gather_until_ = awaited_ == 0
                      ? Instant::max()
                      : now.mono + std::min((now.mono - sealed_at_) / kGatherPart, kGatherMost);
}

void Partition::send_runs(Output& out, Now now) {
  const auto leader = raft_->leader();
  if (leader != sent_to_ || raft_->term() != sent_in_) {
    sent_to_ = leader;
    sent_in_ = raft_->term();
    resend_ = true;
  }
  if (!leader) {
    resend_at_ = Instant::max();
    forwarded_.clear();
    return;  // what is open stays open: a command that times out now was never sent
  }
  const bool leads = leader == options_.self;
  resend_ = resend_ || (!leads && now.mono >= resend_at_);
  if (!holds_back()) {
    unsent_runs_ += outbox_.seal();
    sealed_at_ = now.mono;
    awaited_ = 0;
    gather_until_ = Instant::max();
  }
  const auto& runs = outbox_.runs();
  auto fresh = std::min(resend_ ? runs.size() : unsent_runs_, runs.size());
  if (fresh == 0 && forwarded_.empty()) {
    resend_ = false;
    resend_at_ = runs.empty() ? Instant::max() : resend_at_;
    return;
  }
  resend_ = false;
  for (auto run = runs.end() - static_cast<std::ptrdiff_t>(fresh); run != runs.end(); ++run) {
    if (!leads) {
      out.forwards.push_back({id_, options_.self, leader, run->bytes});
    } else if (!raft_->propose(EntryType::kCommands, run->bytes, NodeId(), now)) {
      break;
    }
    --fresh;
  }
  unsent_runs_ = fresh;
  for (auto& forward : forwarded_) {
    if (!raft_->propose(EntryType::kCommands, std::move(forward.runs), forward.from, now)) {
      break;  // its node sends it again
    }
  }
  forwarded_.clear();
  // What a leader proposed stays in its log while it leads; what it could not propose waits here.
  resend_at_ = runs.empty()       ? Instant::max()
               : !leads           ? now.mono + 2 * options_.election_timeout
               : unsent_runs_ > 0 ? now.mono + options_.heartbeat
                                  : Instant::max();
}

void Partition::drain(Output& out, store::Batch& batch, Now now) {
  send_runs(out, now);
  if (raft_->leader()) {
    for (const auto tag : std::exchange(retry_tags_, {})) {
      raft_->read_barrier(tag, now);
    }
  }
  if (barrier_due()) {
    barrier_open_ = false;
    raft_->read_barrier(waiting_.back().tag, now);
  }
  expire_rows(now);
  turn_.clear();
  raft_->drain(turn_, now);
  if (turn_.installed) {
    install();  // before the next snapshot, whose first rows may be in this turn
  }
  collect(out, batch);
  const auto done_before = outbox_.done();
  apply();
  gather(done_before, now);
  for (const auto& read : turn_.reads) {
    for (auto& waiting : waiting_) {
      if (waiting.tag == read.tag) {
        waiting.index = read.index;
      }
    }
  }
  retry_tags_.insert(retry_tags_.end(), turn_.failed_reads.begin(), turn_.failed_reads.end());
  confirm_reads();
  checkpoint(batch, now);
  wake_at_ = std::min({turn_.wake_at, resend_at_, checkpoint_at_, gather_until_});
  if (machine_->free_some()) {
    wake_at_ = now.mono;
  }
}

void Partition::collect(Output& out, store::Batch& batch) {
  for (auto& message : persisted_sends_) {
    out.messages.push_back({id_, std::move(message)});
  }
  persisted_sends_.clear();
  for (auto& message : turn_.send_now) {
    out.messages.push_back({id_, std::move(message)});
  }
  Flight flight;
  flight.raft_ticket = turn_.ticket;
  if (KVORUM_MUTANT(kAckBeforePersist)) {
    for (auto& message : turn_.send_after_persist) {
      out.messages.push_back({id_, std::move(message)});
    }
    turn_.send_after_persist.clear();
  }
  flight.messages = std::move(turn_.send_after_persist);
  turn_.send_after_persist = {};
  if (turn_.truncate_from) {
    batch.operations.push_back(store::TruncateLog{id_, *turn_.truncate_from});
  }
  if (!turn_.append.empty()) {
    batch.operations.push_back(store::AppendLog{id_, std::move(turn_.append)});
    turn_.append = {};
  }
  for (auto& write : turn_.snapshot_writes) {
    write_snapshot(write, batch);
  }
  if (turn_.hard_state && !KVORUM_MUTANT(kLoseHardState)) {
    batch.operations.push_back(store::PutHardState{id_, *turn_.hard_state});
  }
  batch.sync = batch.sync || (turn_.must_sync && !KVORUM_MUTANT(kForgetSync));
  for (auto& request : turn_.loads) {
    out.disk.push_back(LoadJob{id_, request});
  }
  for (auto& request : turn_.snapshot_reads) {
    out.disk.push_back(SnapshotJob{id_, request});
  }
  compact(batch, flight);
  if (flight.raft_ticket != 0 || flight.compacted) {
    flights_.push_back(std::move(flight));
    needs_ticket_ = true;
  }
  if (turn_.role_changed) {
    host_.note(LogLevel::kInfo, fmt::format("partition {}: {} in term {}, leader {}", id_.value(),
                                            raft::to_string(raft_->role()), raft_->term().value(),
                                            raft_->leader().value()));
  }
}

// A snapshot's rows go to a generation of their own, far above any that FLUSHDB could reach
// meanwhile; one synced batch switches to it, so a crash before that leaves the old state whole.
void Partition::write_snapshot(raft::SnapshotWrite& write, store::Batch& batch) {
  const Generation current = machine_->generation();
  const Generation target((current.value() | 0xffffffff) + 1);
  auto& operations = batch.operations;
  if (write.chunk == 0) {
    incoming_ = std::make_unique<kv::Machine>(id_, options_.kv);
    operations.push_back(store::DropGeneration{id_, target});
  }
  CHECK(incoming_ != nullptr, "a snapshot begins with chunk 0");
  const bool cold = memory_left() == 0;
  Reader reader(write.data);
  auto record = kv::Machine::decode(reader.bytes());
  store::RowChanges changes;
  while (record && reader.ok() && !reader.rest().empty()) {
    const auto key = reader.bytes();
    const auto value = reader.bytes();
    if (KVORUM_MUTANT(kSnapshotWithoutSessions) && !key.starts_with('r')) {
      continue;
    }
    CHECK(reader.ok() && incoming_->load_row(key, value, cold), "a snapshot row is malformed");
    changes.put(key, value);
  }
  operations.push_back(store::ChangeRows{id_, target, std::move(changes)});
  CHECK(record && reader.ok(), "a snapshot chunk is malformed");
  if (write.last) {
    record->generation = target;
    incoming_->load_record(*record);
    operations.push_back(store::PutPartition{id_, kv::Machine::encode(*record)});
    operations.push_back(store::ResetLog{id_, write.meta.index, write.meta.term});
    operations.push_back(store::DropGeneration{id_, current});
    batch.sync = true;
    installing_ = true;
  }
}

void Partition::install() {
  installing_ = false;
  CHECK(incoming_ != nullptr, "a snapshot is installed after its last chunk");
  machine_ = std::move(incoming_);
  to_apply_.clear();  // the snapshot has them
  apply_waits_ = false;
  wanted_.clear();
  wake_value_waiters();
  CHECK_EQ(machine_->applied(), turn_.installed->index);
  durable_applied_ = machine_->applied();
  marks_.assign(1, {machine_->applied(), machine_->applied_term(), log_bytes_});
  host_.note(LogLevel::kInfo, fmt::format("partition {}: installed a snapshot at {}", id_.value(),
                                          machine_->applied().value()));
  missed_.clear();
  if (!KVORUM_MUTANT(kForgetPassed)) {
    outbox_.passed(machine_->next_of(outbox_.client()), missed_);
  }
  for (const auto waiting : missed_) {
    host_.write_missed(waiting);
  }
}

void Partition::apply() {
  if (KVORUM_MUTANT(kApplyOutOfOrder) && turn_.apply.size() > 1) {
    std::swap(turn_.apply[0].payload, turn_.apply[1].payload);
    std::swap(turn_.apply[0].type, turn_.apply[1].type);
  }
  std::move(turn_.apply.begin(), turn_.apply.end(), std::back_inserter(to_apply_));
  const auto before = machine_->applied();
  while (!to_apply_.empty() && !apply_waits_ && has_values(to_apply_.front())) {
    log_bytes_ += to_apply_.front().byte_size();
    machine_->apply(to_apply_.front(), *this);
    to_apply_.pop_front();
  }
  if (machine_->applied() == before && !turn_.installed) {
    return;
  }
  std::erase_if(index_waiters_, [&](const IndexWaiter& waiter) {
    const bool reached = waiter.index <= machine_->applied();
    if (reached) {
      host_.wake(waiter.conn);
    }
    return reached;
  });
}

void Partition::confirm_reads() {
  // A later barrier's confirmation holds for the earlier ones too: it began after they did.
  std::size_t ready = 0;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    const bool applied = waiting_[i].index && (*waiting_[i].index <= machine_->applied() ||
                                               KVORUM_MUTANT(kReadUnapplied));
    if (applied) {
      ready = i + 1;
    }
  }
  for (; ready > 0; --ready) {
    confirmed_ = waiting_.front().tag;
    for (const auto conn : waiting_.front().conns) {
      host_.wake(conn);
    }
    waiting_.pop_front();
  }
}

// Changed rows go to disk now and then, behind the entries that changed them and without a sync of
// their own: until then the log is what restores them.
void Partition::checkpoint(store::Batch& batch, Now now) {
  const auto dirty = machine_->dirty_bytes();
  const bool much = dirty >= kCheckpointBytes ||
                    log_bytes_ - marks_.back().log_bytes >= kCheckpointLogBytes ||
                    (dirty >= machine_->memory_bytes() / kDirtyPart && memory_left() == 0);
  if (now.mono < checkpoint_at_ && !much) {
    return;
  }
  checkpoint_at_ = now.mono + options_.checkpoint_interval;
  if (checkpointing_ || installing_ || machine_->applied() == durable_applied_) {
    return;
  }
  machine_->take_dirty(raft::encode(raft_->config()), batch);
  marks_.push_back({machine_->applied(), machine_->applied_term(), log_bytes_});
  Flight flight;
  flight.checkpoint = machine_->applied();
  flights_.push_back(std::move(flight));
  needs_ticket_ = true;
  checkpointing_ = true;
}

// The log is cut at the newest durable checkpoint that leaves log_keep_bytes behind it for
// followers that lag.
void Partition::compact(store::Batch& batch, Flight& flight) {
  std::size_t cut = 0;
  for (std::size_t i = 1; i < marks_.size(); ++i) {
    if (marks_[i].applied <= durable_applied_ &&
        log_bytes_ - marks_[i].log_bytes >= options_.log_keep_bytes) {
      cut = i;
    }
  }
  if (cut == 0) {
    return;
  }
  const auto& mark = marks_[cut];
  batch.operations.push_back(store::CompactLog{id_, mark.applied.next(), mark.term});
  flight.compacted = raft::Compacted{mark.applied.next(), mark.term};
  marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(cut));
}

void Partition::ticketed(std::uint64_t ticket) {
  needs_ticket_ = false;
  for (auto flight = flights_.rbegin(); flight != flights_.rend() && flight->ticket == 0;
       ++flight) {
    flight->ticket = ticket;
  }
}

void Partition::persisted(std::uint64_t ticket, Now now) {
  while (!flights_.empty() && flights_.front().ticket != 0 && flights_.front().ticket <= ticket) {
    auto flight = std::move(flights_.front());
    flights_.pop_front();
    if (flight.raft_ticket != 0) {
      raft_->step(raft::Persisted{flight.raft_ticket}, now);
    }
    // What was said in a term that has been left is late: a newer leader may have changed since
    // what the disk holds. As if the network had lost it.
    std::copy_if(std::make_move_iterator(flight.messages.begin()),
                 std::make_move_iterator(flight.messages.end()),
                 std::back_inserter(persisted_sends_),
                 [this](const raft::Message& message) { return message.term >= raft_->term(); });
    if (flight.checkpoint) {
      durable_applied_ = std::max(durable_applied_, *flight.checkpoint);
      checkpointing_ = false;
    }
    if (flight.compacted) {
      raft_->step(*flight.compacted);
    }
  }
}

void Partition::tick(Now now) {
  if (now.mono >= gather_until_) {
    awaited_ = 0;
    gather_until_ = Instant::max();
  }
  raft_->tick(now);
}

// Rows expire by log time, so when a deadline is due somebody must move log time on: the leader
// does.
void Partition::expire_rows(Now now) {
  const auto deadline = machine_->next_deadline();
  if (deadline && *deadline <= now.wall && raft_->role() == raft::Role::kLeader &&
      raft_->commit() == raft_->last_index() && to_apply_.empty()) {
    raft_->propose(EntryType::kEmpty, share({}), NodeId(), now);
  }
}

ReplyWriter& Partition::before(ClientId client, std::uint64_t seq) {
  if (client != outbox_.client()) {
    return no_reply_;
  }
  missed_.clear();
  const auto conn = outbox_.owner(seq);
  outbox_.applied(seq, missed_);
  for (const auto waiting : missed_) {
    host_.write_missed(waiting);
  }
  applying_ = conn;
  return conn ? host_.before_write(*this, conn) : no_reply_;
}

void Partition::after(ClientId client, std::uint64_t seq, Version version) {
  if (client == outbox_.client() && applying_) {
    host_.after_write(*this, applying_, seq, version);
  }
}

void Partition::refused(ClientId client, std::uint64_t) {
  resend_ = resend_ || client == outbox_.client();
}

}  // namespace kvorum::node
