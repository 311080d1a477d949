// Rows colder than memory: which values a read or an entry must wait for, and which may leave.
#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "model/meta.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

// Rows that one turn looks at for values to evict, so that no turn takes long; of each partition a
// share.
constexpr std::size_t kEvictRows = 2048;
constexpr std::size_t kEvictLeast = 64;
constexpr std::size_t kFetchAhead = 4096;  // rows that later entries may add to a fetch
// With rows above the budget, some of them until the next checkpoint: then it is too small.
constexpr Duration kPatience = 30s;

bool by_key(const kv::ColdRow& a, const kv::ColdRow& b) { return a.key < b.key; }

}  // namespace

// Group 0 is small and read all the time.
std::size_t Partition::memory_left() const {
  return id_ == kMetaPartition ? SIZE_MAX : host_.memory_left();
}

std::size_t Partition::memory_bytes() const {
  return machine_->memory_bytes() + (incoming_ != nullptr ? incoming_->memory_bytes() : 0);
}

bool Partition::has_values(const Command& command, ConnId conn) {
  const auto before = wanted_.size();
  machine_->missing(command, wanted_);
  if (wanted_.size() == before) {
    return true;
  }
  if (conn) {
    value_waiters_.push_back(conn);
  }
  return false;
}

// Of the entry's commands, and of the reads that wait around those of this node. If not, what the
// entries behind it need is fetched with it.
bool Partition::has_values(const Entry& entry) {
  if (machine_->cold() == 0) {
    return true;
  }
  const auto before = wanted_.size();
  machine_->missing(entry, wanted_);
  each_owner(entry, [this](ConnId conn) {
    host_.each_read(conn, [this](const Command& read) { machine_->missing(read, wanted_); });
  });
  apply_waits_ = wanted_.size() > before;
  for (std::size_t i = 1;
       apply_waits_ && i < to_apply_.size() && wanted_.size() < before + kFetchAhead; ++i) {
    machine_->missing(to_apply_[i], wanted_);
  }
  return !apply_waits_;
}

// Calls visit(conn) for those who wait for a command of this entry, some of them more than once.
void Partition::each_owner(const Entry& entry, const std::function<void(ConnId)>& visit) const {
  if (entry.type != EntryType::kCommands) {
    return;
  }
  Reader reader(*entry.payload);
  while (const auto head = decode_run_head(reader)) {
    reader.take(head->bytes);
    ConnId last;
    for (std::uint32_t i = 0; i < head->count && head->client == outbox_.client(); ++i) {
      if (const auto conn = outbox_.owner(head->first_seq + i); conn && conn != last) {
        visit(conn);
        last = conn;
      }
    }
  }
}

// One fetch at a time: what is missed meanwhile gathers for the next. None while a snapshot takes
// the place of the rows: it drops their generation from the disk.
void Partition::fetch(Output& out) {
  if (wanted_.empty() || fetching_ || installing_) {
    return;
  }
  std::sort(wanted_.begin(), wanted_.end(), by_key);
  const auto same =
      std::unique(wanted_.begin(), wanted_.end(),
                  [](const kv::ColdRow& a, const kv::ColdRow& b) { return a.key == b.key; });
  wanted_.erase(same, wanted_.end());
  fetches_ += wanted_.size();
  asked_ = std::exchange(wanted_, {});
  FetchJob job{id_, machine_->generation(), 0, {}};
  for (const auto& row : asked_) {
    job.keys.push_back(row.key);
  }
  out.fetches.push_back(std::move(job));
  fetching_ = true;
}

bool Partition::fetched(const FetchDone& done) {
  fetching_ = apply_waits_ = false;
  const auto asked = std::exchange(asked_, {});
  // Who still misses one of these asks again.
  std::erase_if(wanted_, [&asked](const kv::ColdRow& row) {
    return std::binary_search(asked.begin(), asked.end(), row, by_key);
  });
  wake_value_waiters();
  if (installing_ || done.job.generation != machine_->generation()) {
    return true;  // of rows that are gone, or will be before anybody reads them
  }
  bool whole = true;
  for (std::size_t i = 0; i < done.values.size(); ++i) {
    whole = machine_->restore(asked[i], done.values[i]) && whole;
  }
  return whole;
}

void Partition::wake_value_waiters() {
  for (const auto conn : std::exchange(value_waiters_, {})) {
    host_.wake(conn);
  }
}

// A row is on the disk as it is once the checkpoint that took it is written. While an entry waits
// for values, those that have come stay.
bool Partition::evict(std::size_t rows) {
  const bool written = !checkpointing_ || KVORUM_MUTANT(kEvictEarly);
  return id_ != kMetaPartition && written && !installing_ && !apply_waits_ && machine_->evict(rows);
}

std::size_t Replica::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, partition] : partitions_) {
    bytes += partition->memory_bytes();
  }
  return bytes + leaderless_.memory_bytes();
}

std::size_t Replica::cold_rows(const Keyspace& keyspace) const {
  std::size_t rows = 0;
  for (std::uint32_t i = 0; i < keyspace.partitions; ++i) {
    const PartitionId id(keyspace.first_partition.value() + i);
    if (!keyspace.leaderless()) {
      rows += find(id)->machine().cold();
    } else if (const auto* table = leaderless_.core().table(id)) {
      rows += table->cold();
    }
  }
  return rows;
}

Error Replica::too_many_values(std::size_t cold) {
  return {ErrorCode::kRefused,
          fmt::format("KV.DUMP shows all values at once, and {} are on disk alone: they are more "
                      "than the memory budget",
                      cold)};
}

std::size_t Replica::memory_left() const {
  if (options_.memory_budget == 0) {
    return SIZE_MAX;
  }
  return options_.memory_budget - std::min(options_.memory_budget, memory_bytes());
}

// Whether memory has the values that a read tells of; else its connection is woken once they came.
bool Replica::has_values(const Session& session, const Item& item, const Command& command) {
  if (options_.memory_budget == 0) {
    return true;
  }
  if (item.leaderless) {  // the core waits for what others need
    return command.op != Op::kSearch ||
           leaderless_.has_values(item.partition, command.args[0], session.id);
  }
  // Of the others KV.DUMP alone shows values, and is refused (serve_read).
  const bool one_partition = !item.everywhere || command.op == Op::kSearch;
  return !one_partition || find(item.partition)->has_values(command, session.id);
}

bool Replica::has_values(const Session& session, const Item& item) {
  if (options_.memory_budget == 0 || item.kind != Item::Kind::kRead) {
    return true;
  }
  Reader reader(item.body);
  Command command;
  CHECK(decode(reader, command), "a queued command that the node encoded itself");
  return has_values(session, item, command);
}

// Of another node's question, which is held back if not. Its asker does not wait for ever.
bool Replica::has_values(const Query& query) {
  Reader reader(query.command);
  Command command;
  const bool looks = query.partitions.size() == 1 && decode(reader, command) &&
                     command.op == Op::kSearch && command.args.size() == 1;
  if (!looks) {
    return true;
  }
  auto* partition = find(query.partitions.front());
  return partition != nullptr
             ? partition->has_values(command, ConnId())
             : leaderless_.has_values(query.partitions.front(), command.args[0], ConnId());
}

void Replica::each_read(ConnId conn, const std::function<void(const Command&)>& visit) {
  const auto* session = find(conn);
  for (std::size_t i = 0; session != nullptr && i < session->begun; ++i) {
    const auto& item = session->queue[i];
    if (item.kind == Item::Kind::kRead) {
      Reader reader(item.body);
      Command command;
      CHECK(decode(reader, command), "a queued command that the node encoded itself");
      visit(command);
    }
  }
}

void Replica::fetched(const FetchDone& done) {
  auto* partition = find(done.job.partition);
  const bool whole =
      partition != nullptr ? partition->fetched(done) : leaderless_.fetched(done, now_, woken_);
  if (!whole) {
    fatal_ = fmt::format("disk: a row of partition {} is not what was written",
                         done.job.partition.value());
  }
  answer_held(now_);
}

void Replica::tend_memory(Output& out) {
  if (options_.memory_budget == 0) {
    return;
  }
  for (auto& [id, partition] : partitions_) {
    partition->fetch(out);
  }
  leaderless_.fetch(out);
  evict(out);
  if (memory_left() > 0) {
    above_since_.reset();
  } else if (!above_since_) {
    above_since_ = now_.mono;
  }
  if (const bool above = is_above_budget(); above != std::exchange(told_above_, above)) {
    note(above ? LogLevel::kWarn : LogLevel::kInfo,
         above ? fmt::format("rows have long taken more memory ({} bytes) than the budget of {}: "
                             "keys stay there, and what the disk does not have yet",
                             memory_bytes(), options_.memory_budget)
               : Bytes("rows are within the memory budget again"));
  }
}

bool Replica::is_above_budget() const {
  return above_since_ && now_.mono - *above_since_ >= kPatience;
}

void Replica::evict(Output& out) {
  if (memory_left() > 0) {
    return;
  }
  const auto partitions = partitions_.size() + leaderless_.partitions();
  const auto share = std::max(kEvictRows / partitions, kEvictLeast);
  for (auto& [id, partition] : partitions_) {
    if (partition->evict(share)) {
      out.wake_at = now_.mono;  // more next turn
    }
  }
  if (leaderless_.evict(share)) {
    out.wake_at = now_.mono;
  }
}

}  // namespace kvorum::node
