#include "node/leaderless.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <iterator>
#include <map>

#include "base/check.h"
#include "base/checksum.h"
#include "base/mutant.h"
#include "base/prng.h"
#include "node/commands.h"
#include "node/node.h"

namespace kvorum::node {
namespace {

constexpr ByteView kRecordName = "leaderless";
constexpr ByteView kTableName = "keyspaces";
constexpr std::size_t kScratchBytes = std::size_t{64} << 10;
constexpr std::size_t kFetchAhead = 8;                         // requests whose results are next
constexpr std::int64_t kLongestTtlMs = std::int64_t{1} << 52;  // so that no stamp overflows

Bytes cut_name(PartitionId partition) { return fmt::format("cut/{}", partition.value()); }

Bytes encode_cut(const dynamo::CutWrite& cut) {
  Bytes out;
  put_fixed(out, cut.generation.value());
  put_fixed(out, static_cast<std::uint8_t>(cut.refilled));
  encode(cut.cut, out);
  encode(cut.known, out);
  return out;
}

bool decode_cut(ByteView bytes, dynamo::CutWrite& cut) {
  Reader reader(bytes);
  cut.generation = Generation(reader.fixed<std::uint64_t>());
  cut.refilled = reader.fixed<std::uint8_t>() != 0;
  return decode(reader, cut.cut) && decode(reader, cut.known) && reader.done();
}

// Fills in all but the ticket and the partition.
void set_request(const Command& command, ByteView key, ByteView value, const Counts& counts,
                 dynamo::WriteRequest& request) {
  request.key = key;
  request.value = value;
  request.deleted = command.op == Op::kDel;
  request.w = counts.w;
  request.sloppy = counts.sloppy;
  request.ttl_ms.reset();
  request.deadline.reset();
  if (command.has(kRelativeTtl)) {
    request.ttl_ms = std::min(command.number, kLongestTtlMs);
  } else if (command.has(kAbsoluteTtl)) {
    request.deadline = WallMs(command.number);
  }
}

dynamo::Options core_options(const Options& from, ReplicaId self, ClientId life) {
  dynamo::Options options;
  options.self = self;
  options.seed = from.seed ^ life.value();
  options.request_timeout = from.request_timeout;
  options.max_clock_skew_ms = from.max_clock_skew_ms;
  options.sync_interval = from.sync_interval;
  options.sync_idle_interval = from.sync_idle_interval;
  options.hint_life = from.hint_life;
  return options;
}

}  // namespace

Leaderless::Leaderless(const Options& options, ClientId life)
    : options_(options),
      self_{options.self, Incarnation(life.value())},
      journal_(options.journal_bytes) {}

// Whether the last life ended in order: then this one may go on making its dots. Else it may have
// lost rows, and is another replica.
Result<bool> Leaderless::read_record(const store::Store& store) {
  const auto record = store.record(kRecordName);
  if (!record) {
    return tl::unexpected(record.error());
  }
  if (!*record) {
    return false;
  }
  Reader reader(**record);
  const Incarnation incarnation(reader.fixed<std::uint64_t>());
  const auto stopped_in = reader.fixed<std::uint64_t>();
  bounds_.counter = reader.fixed<std::uint64_t>();
  bounds_.stamp.packed = reader.fixed<std::uint64_t>();
  started_over_from_ = Incarnation(reader.fixed<std::uint64_t>());
  heard_at_ = WallMs(reader.fixed<std::int64_t>());
  if (!reader.done()) {
    return fail(ErrorCode::kCorrupt, "the record of the leaderless replica is damaged");
  }
  if (stopped_in + 1 == options_.boot || KVORUM_MUTANT(kSameReplica)) {
    self_.incarnation = incarnation;
  }
  return true;
}

Result<void> Leaderless::open(const store::Store& store, Now now) {
  const ClientId life(self_.incarnation.value());
  if (const auto read = read_record(store); !read) {
    return tl::unexpected(read.error());
  }
  core_ = std::make_unique<dynamo::Core>(core_options(options_, self_, life), bounds_, now);
  const auto stored = store.record(kTableName);
  if (!stored) {
    return tl::unexpected(stored.error());
  }
  if (!*stored) {
    return {};
  }
  auto table = decode_keyspaces(**stored);
  if (!table) {
    return fail(ErrorCode::kCorrupt, "the copy of the table of keyspaces is damaged");
  }
  table_ = std::move(*table);
  for (const auto& keyspace : table_.keyspaces) {
    if (keyspace.leaderless()) {
      configure(keyspace, now);
      if (const auto loaded = load_rows(store, keyspace); !loaded) {
        return loaded;
      }
    }
  }
  return {};
}

Result<void> Leaderless::load_rows(const store::Store& store, const Keyspace& keyspace) {
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    const PartitionId id(keyspace.first_partition.value() + i);
    const auto loaded = journal_.open(
        store, id, keyspace.generation, [&](ByteView key, ByteView row, bool on_disk) {
          const bool full =
              options_.memory_budget > 0 && core_->memory_bytes() >= options_.memory_budget;
          return core_->load_row(id, key, row, on_disk, full);
        });
    if (!loaded) {
      return loaded;
    }
    const auto record = store.record(cut_name(id));
    if (!record) {
      return tl::unexpected(record.error());
    }
    dynamo::CutWrite cut;
    cut.partition = id;
    if (*record && (!decode_cut(**record, cut) || !core_->load_cut(cut))) {
      return fail(ErrorCode::kCorrupt, "the cut of partition {} is damaged", id.value());
    }
  }
  return {};
}

void Leaderless::configure(const Keyspace& keyspace, Now now) {
  dynamo::PartitionConfig config;
  config.generation = keyspace.generation;
  config.conflict = keyspace.conflict;
  config.fsync = keyspace.flush_ms == 0;
  config.interval = keyspace.flush_ms * 1ms;
  config.fenced = fenced_;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    config.id = PartitionId(keyspace.first_partition.value() + i);
    config.replicas = keyspace.replicas(config.id, options_.members);
    core_->configure(config, now);
  }
}

void Leaderless::configure(const KeyspaceTable& table, Now now) {
  if (table.version <= table_.version) {
    return;
  }
  const auto old = std::exchange(table_, table);
  table_dirty_ = true;
  for (const auto& keyspace : old.keyspaces) {
    const auto* now_there = table_.find(keyspace.id);
    if (!keyspace.leaderless() ||
        (now_there != nullptr && now_there->generation == keyspace.generation)) {
      continue;
    }
    for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
      const PartitionId id(keyspace.first_partition.value() + i);
      dropped_.push_back({id, keyspace.generation, now_there == nullptr});
      if (now_there == nullptr) {
        core_->remove(id);
      }
    }
  }
  for (const auto& keyspace : table_.keyspaces) {
    const auto* before = old.find(keyspace.id);
    if (keyspace.leaderless() && (before == nullptr || *before != keyspace)) {
      configure(keyspace, now);
    }
  }
}

const dynamo::Result* Leaderless::write_here(PartitionId partition, const Command& command,
                                             const Counts& counts,
                                             const std::optional<dynamo::Context>& seen, Now now) {
  const bool sets = command.op == Op::kSet;
  if (stopping_ || (!sets && (command.op != Op::kDel || command.args.size() != 1))) {
    return nullptr;
  }
  set_request(command, command.args[0], sets ? command.args[1] : ByteView(), counts, here_);
  here_.partition = partition;
  here_.seen = seen;
  return core_->write_here(here_, now);
}

std::uint64_t Leaderless::begin(ConnId conn, const Keyspace& keyspace, const Command& command,
                                const Counts& counts, const std::optional<dynamo::Context>& seen,
                                Now now) {
  const auto id = requests_.add();
  auto& request = requests_.at(id);
  request.conn = conn;
  request.write = is_write(command.op);
  const bool pairs = command.op == Op::kMSet;
  const bool many =
      pairs || command.op == Op::kDel || command.op == Op::kMGet || command.op == Op::kExists;
  const std::size_t keys = many ? command.args.size() / (pairs ? 2 : 1) : 1;
  request.results.resize(keys > 1 ? keys : 0);
  boost::unordered_flat_set<ByteView> named;
  for (std::size_t i = keys; i-- > 0;) {
    const auto key = command.args[pairs ? 2 * i : i];
    if (keys > 1 && is_write(command.op) && !named.insert(key).second) {
      continue;  // the last one named wins, whoever coordinates
    }
    const auto ticket = i == 0 ? id : next_part_++;
    ++request.open;
    if (i > 0) {
      parts_.emplace(ticket, Part{id, i});
    }
    const auto partition = keyspace.partition_of(slot_of(key));
    request.remote = request.remote || !core_->holds(partition);
    if (!is_write(command.op)) {
      read_.ticket = ticket;
      read_.partition = partition;
      read_.key = key;
      read_.r = counts.r;
      core_->read(read_, now);
      continue;
    }
    const auto value = command.op == Op::kSet ? command.args[1]
                       : pairs                ? command.args[2 * i + 1]
                                              : ByteView();
    dynamo::WriteRequest one;
    set_request(command, key, value, counts, one);
    one.ticket = ticket;
    one.partition = partition;
    one.seen = seen;
    if (stopping_) {
      dynamo::Result refused;
      refused.ticket = ticket;
      refused.ended = dynamo::Ended::kRefused;
      refused.code = ErrorCode::kNoQuorum;
      refused.why = "this node is shutting down; nothing was done";
      refused_.push_back(std::move(refused));
      continue;
    }
    core_->write(std::move(one), now);
  }
  return id;
}

bool Leaderless::done(std::uint64_t id) const {
  const auto* request = requests_.find(id);
  return request != nullptr && request->open == 0;
}

const Leaderless::Request& Leaderless::request(std::uint64_t id) const { return requests_.at(id); }

void Leaderless::forget(std::uint64_t id) { requests_.erase(id); }

void Leaderless::take_result(dynamo::Result&& result,
                             std::vector<std::pair<ConnId, std::uint64_t>>& done) {
  Part part{result.ticket, 0};
  if (result.ticket >= kPart) {
    const auto found = parts_.find(result.ticket);
    CHECK(found != parts_.end(), "a result of ticket {}, which nobody has", result.ticket);
    part = found->second;
    parts_.erase(found);
  }
  auto& request = requests_.at(part.request);
  if (request.results.empty()) {
    request.results.push_back(std::move(result));
  } else {
    request.results[part.key] = std::move(result);
  }
  if (--request.open == 0) {
    const auto named_again = std::remove_if(
        request.results.begin(), request.results.end(),
        [](const dynamo::Result& one) { return one.ticket == 0; });  // behind it: nobody was asked
    request.results.erase(named_again, request.results.end());
    done.emplace_back(request.conn, part.request);
  }
}

void Leaderless::peer(NodeId node, bool up, Incarnation replica, std::int64_t ahead_ms, Now now) {
  core_->peer(node, up, replica, ahead_ms, now);
}

// What arrives after the last write to disk must not be acknowledged any more.
void Leaderless::step(dynamo::Message message, Now now) {
  const ReplicaId sender{message.from, message.incarnation};
  if (!stopping_ && !paused_ &&
      std::find(fenced_.begin(), fenced_.end(), sender) == fenced_.end()) {
    core_->step(std::move(message), now);
  }
}

void Leaderless::drain(Output& out, store::Batch& batch,
                       std::vector<std::pair<ConnId, std::uint64_t>>& done, Now now) {
  turn_.clear();
  core_->drain(turn_, now);
  for (Bytes* scratch : {&here_.key, &here_.value, &read_.key}) {
    if (scratch->capacity() > kScratchBytes) {
      Bytes().swap(*scratch);
    }
  }
  std::move(refused_.begin(), refused_.end(), std::back_inserter(turn_.results));
  refused_.clear();
  for (std::size_t i = 0; i < turn_.results.size(); ++i) {
    if (i + kFetchAhead < turn_.results.size()) {
      requests_.fetch(turn_.results[i + kFetchAhead].ticket);
    }
    take_result(std::move(turn_.results[i]), done);
  }
  for (auto& line : turn_.log) {
    out.log.push_back({LogLevel::kWarn, std::move(line)});
  }
  const auto append = [&out](std::vector<dynamo::Message>& messages) {
    out.leaderless.insert(out.leaderless.end(), std::make_move_iterator(messages.begin()),
                          std::make_move_iterator(messages.end()));
    messages.clear();
  };
  if (paused_) {
    persisted_sends_.clear();
    turn_.send_now.clear();
  }
  append(persisted_sends_);
  append(turn_.send_now);
  wake_at_ = turn_.wake_at;
  write(batch);
}

void Leaderless::put_record(store::Batch& batch) const {
  Bytes record;
  put_fixed(record, self_.incarnation.value());
  put_fixed(record, stopping_ ? options_.boot : std::uint64_t{0});
  put_fixed(record, bounds_.counter);
  put_fixed(record, bounds_.stamp.packed);
  put_fixed(record, started_over_from_.value());
  put_fixed(record, heard_at_.value_or(WallMs()).value());
  batch.operations.push_back(store::PutRecord{Bytes(kRecordName), std::move(record)});
}

void Leaderless::write(store::Batch& batch) {
  auto& operations = batch.operations;
  if (std::exchange(table_dirty_, false)) {
    operations.push_back(store::PutRecord{Bytes(kTableName), encode(table_)});
  }
  for (const auto& [partition, generation, whole] : std::exchange(dropped_, {})) {
    if (whole) {
      journal_.drop(partition, batch);
    } else {
      journal_.drop_rows(partition, generation, batch);
    }
  }
  const bool fresh = write_start(batch);
  const bool last = stopping_ && !stopped_ && turn_.must_sync;
  if (turn_.bounds || last || std::exchange(record_due_, false)) {
    bounds_ = turn_.bounds.value_or(bounds_);
    put_record(batch);
  }
  for (auto& write : turn_.rows) {
    auto* table = core_->table(write.partition);
    journal_.write(std::move(write), table, batch);
  }
  hurry(batch);
  auto put = journal_.take_put();
  if (options_.memory_budget == 0) {
    put.clear();
  }
  for (const auto& cut : turn_.cuts) {
    operations.push_back(store::PutRecord{cut_name(cut.partition), encode_cut(cut)});
  }
  batch.sync = batch.sync || turn_.must_sync;
  const bool waits = turn_.ticket != 0 || !turn_.send_after_persist.empty() || last || fresh;
  if (!waits && put.empty()) {
    return;
  }
  if (!pending_) {
    pending_.emplace();
  }
  pending_->core_ticket = turn_.ticket == 0 ? pending_->core_ticket : turn_.ticket;
  for (const auto& [partition, row] : put) {
    if (KVORUM_MUTANT(kEvictUnwritten)) {
      core_->on_disk(partition, row);
    }
    pending_->put.emplace_back(partition, row);
  }
  pending_->last = pending_->last || last;
  pending_->fresh = pending_->fresh || fresh;
  std::move(turn_.send_after_persist.begin(), turn_.send_after_persist.end(),
            std::back_inserter(pending_->messages));
}

// Batches that put rows of the journal's are on their way.
bool Leaderless::writes_rows() const {
  return (pending_ && !pending_->put.empty()) ||
         std::any_of(flights_.begin(), flights_.end(),
                     [](const LeaderlessFlight& flight) { return !flight.put.empty(); });
}

void Leaderless::hurry(store::Batch& batch) {
  if (writes_rows()) {
    return;
  }
  for (const auto id : std::exchange(in_a_hurry_, {})) {
    if (auto* table = core_->table(id)) {
      journal_.hurry(id, *table, hurried_rows_, batch);
    }
  }
}

void Leaderless::ticketed(std::uint64_t ticket) {
  pending_->ticket = ticket;
  flights_.push_back(std::move(*pending_));
  pending_.reset();
}

void Leaderless::persisted(std::uint64_t ticket, Now now) {
  while (!flights_.empty() && flights_.front().ticket <= ticket) {
    auto flight = std::move(flights_.front());
    flights_.pop_front();
    if (flight.core_ticket != 0) {
      core_->persisted(flight.core_ticket, now);
    }
    std::move(flight.messages.begin(), flight.messages.end(), std::back_inserter(persisted_sends_));
    for (const auto& [partition, row] : flight.put) {
      core_->on_disk(partition, row);
    }
    stopped_ = stopped_ || flight.last;
    dropping_ = dropping_ && !flight.fresh;
  }
}

void Leaderless::each_partition(const std::function<void(PartitionId partition)>& visit) const {
  for (const auto& keyspace : table_.keyspaces) {
    for (std::uint32_t i = 0; i < keyspace.partitions && keyspace.leaderless(); ++i) {
      visit(PartitionId(keyspace.first_partition.value() + i));
    }
  }
}

std::size_t Leaderless::partitions() const {
  std::size_t count = 0;
  each_partition([&count](PartitionId) { ++count; });
  return count;
}

bool Leaderless::has_values(PartitionId partition, ByteView key, ConnId conn) {
  const bool here = core_->has_values(partition, key);
  if (!here && conn) {
    value_waiters_.push_back(conn);
  }
  return here;
}

void Leaderless::fetch(Output& out) {
  for (auto& missing : core_->take_missing()) {
    out.fetches.push_back(
        FetchJob{missing.partition, missing.generation, missing.id, std::move(missing.keys)});
  }
}

bool Leaderless::fetched(const FetchDone& done, Now now, std::vector<ConnId>& woken) {
  std::move(value_waiters_.begin(), value_waiters_.end(), std::back_inserter(woken));
  value_waiters_.clear();
  return core_->restore({done.job.partition, done.job.generation, done.job.id, {}}, done.values,
                        now);
}

bool Leaderless::evict(std::size_t rows) {
  bool more = false;
  in_a_hurry_.clear();
  hurried_rows_ = rows;
  each_partition([&](PartitionId id) {
    if (core_->evict(id, rows)) {
      more = true;
    } else if (core_->table(id) != nullptr && journal_.may_hurry(id)) {
      in_a_hurry_.push_back(id);
    }
  });
  return more || (!in_a_hurry_.empty() && !writes_rows());
}

void Leaderless::heard(Now now) {
  paused_ = false;
  heard_at_ = now.wall;
  if (now.mono >= record_at_) {
    record_due_ = true;
    record_at_ = now.mono + options_.fence_after / 32;
  }
}

void Leaderless::fence(std::vector<ReplicaId> fenced, Now now) {
  if (fenced == fenced_) {
    return;
  }
  fenced_ = std::move(fenced);
  for (const auto& keyspace : table_.keyspaces) {
    if (keyspace.leaderless()) {
      configure(keyspace, now);
    }
  }
}

void Leaderless::start_over(Incarnation fenced, Now now) {
  started_over_from_ = fenced;
  end_requests();
  self_.incarnation = Incarnation(Prng(self_.incarnation.value()).next() | 1);
  core_ = std::make_unique<dynamo::Core>(
      core_options(options_, self_, ClientId(self_.incarnation.value())), bounds_, now);
  for (const auto& keyspace : table_.keyspaces) {
    if (!keyspace.leaderless()) {
      continue;
    }
    configure(keyspace, now);
    for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
      dropped_.push_back(
          {PartitionId(keyspace.first_partition.value() + i), keyspace.generation, false});
    }
  }
  // What the old core waits for comes to nothing.
  for (auto& flight : flights_) {
    flight.core_ticket = 0;
    flight.messages.clear();
    flight.put.clear();
  }
  pending_.reset();
  persisted_sends_.clear();
  start_dirty_ = dropping_ = true;
}

// Nobody is left to end them: a write may have been done.
void Leaderless::end_requests() {
  std::map<std::uint64_t, std::vector<std::uint64_t>> tickets;  // by request; sorted below
  for (const auto& [ticket, part] : parts_) {                   // tidy: allow pure
    tickets[part.request].push_back(ticket);
  }
  requests_.each([&tickets](std::uint64_t id, const Request& request) {
    if (request.open > tickets[id].size()) {
      tickets[id].push_back(id);
    }
  });
  for (auto& [id, parts] : tickets) {
    std::sort(parts.begin(), parts.end());
    for (const auto ticket : parts) {
      dynamo::Result ended;
      ended.ticket = ticket;
      const bool write = requests_.at(id).write;
      ended.ended = write ? dynamo::Ended::kUnknown : dynamo::Ended::kTimeout;
      ended.code = write ? ErrorCode::kUnknown : ErrorCode::kTimeout;
      ended.why = "this replica was fenced, and starts over";
      refused_.push_back(std::move(ended));
    }
  }
}

// The rows are dropped by the same batch; cuts of no generation are not read.
bool Leaderless::write_start(store::Batch& batch) {
  if (!std::exchange(start_dirty_, false)) {
    return false;
  }
  put_record(batch);
  for (const auto& keyspace : table_.keyspaces) {
    for (std::uint32_t i = 0; i < keyspace.partitions && keyspace.leaderless(); ++i) {
      dynamo::CutWrite none;
      none.partition = PartitionId(keyspace.first_partition.value() + i);
      batch.operations.push_back(store::PutRecord{cut_name(none.partition), encode_cut(none)});
    }
  }
  batch.sync = true;
  return true;
}

void Leaderless::stop() {
  if (!stopping_) {
    stopping_ = true;
    core_->flush();
  }
}

}  // namespace kvorum::node
