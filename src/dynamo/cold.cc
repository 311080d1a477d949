// Rows colder than memory: who waits for values that are on the disk alone.
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

std::size_t Core::Impl::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, partition] : partitions_) {
    bytes += partition.table.memory_bytes();
  }
  return bytes;
}

void Core::Impl::on_disk(PartitionId id, const KeyPrint& row) {
  if (Partition* partition = find(id)) {
    partition->table.on_disk(row);
  }
}

// What waits for several rows may lose one while another one comes. Then they stay until it has
// all of them.
bool Core::Impl::evict(PartitionId id, std::size_t rows) {
  Partition* partition = find(id);
  return partition != nullptr && !partition->cold.next.again && !partition->cold.under_way.again &&
         partition->table.evict(rows);
}

void Core::Impl::want(Partition& partition, ByteView key, std::uint64_t print) {
  partition.cold.next.rows.emplace_back(key, print);
}

bool Core::Impl::want_if_cold(Partition& partition, ByteView key) {
  if (!partition.table.is_cold(key)) {
    return false;
  }
  want(partition, key, partition.table.print(key));
  return true;
}

bool Core::Impl::has_values(PartitionId id, ByteView key) {
  Partition* partition = find(id);
  return partition == nullptr || !want_if_cold(*partition, key);
}

// Whether a sibling that the write has not seen is not here: it stays beside it, or loses to it and
// is noted.
bool Core::Impl::lacks_values(Partition& partition, const WriteRequest& request) {
  if (!request.seen || !partition.table.is_cold(request.key)) {
    return false;
  }
  const auto& siblings = partition.table.find(request.key)->siblings;
  const bool lacks = std::any_of(siblings.begin(), siblings.end(), [&](const Sibling& sibling) {
    return sibling.cold && !request.seen->covers(sibling.dot);
  });
  return lacks && want_if_cold(partition, request.key);
}

// To be taken up again, as a whole, when its rows are there.
void Core::Impl::park(Partition& partition, const Message& message) {
  auto& cold = partition.cold;
  const auto bytes = size_of(message);
  if (cold.parked_bytes > 0 && cold.parked_bytes + bytes > kParkedBytes) {
    return;
  }
  cold.parked_bytes += bytes;
  cold.next.messages.push_back(message);
  cold.next.again = cold.next.again || resuming_;
}

std::vector<Missing> Core::Impl::take_missing() {
  std::vector<Missing> missing;
  for (auto& [id, partition] : partitions_) {
    auto& cold = partition.cold;
    const bool idle = cold.next.rows.empty() && cold.next.reads.empty();
    if (idle || cold.asked != 0) {
      continue;
    }
    cold.under_way = std::exchange(cold.next, {});
    cold.asked = ++next_id_;
    auto& rows = cold.under_way.rows;
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    Missing one{id, partition.config.generation, cold.asked, {}};
    for (const auto& [key, print] : rows) {
      one.keys.push_back(key);
    }
    stats_.fetches += rows.size();
    missing.push_back(std::move(one));
  }
  return missing;
}

bool Core::Impl::restore(const Missing& missing, const std::vector<std::optional<Bytes>>& rows,
                         Now now) {
  now_ = now;
  Partition* partition = find(missing.partition);
  if (partition == nullptr || partition->cold.asked != missing.id) {
    return true;
  }
  auto& cold = partition->cold;
  cold.asked = 0;
  auto waiting = std::exchange(cold.under_way, {});
  bool whole = true;
  const bool same = missing.generation == partition->config.generation;
  for (std::size_t i = 0; same && i < rows.size(); ++i) {
    const auto& [key, print] = waiting.rows[i];
    whole = partition->table.restore(key, print, rows[i]) && whole;
  }
  resume(*partition, std::move(waiting));
  return whole;
}

// Whoever still misses something asks again.
void Core::Impl::resume(Partition& partition, Waiting waiting) {
  resuming_ = true;
  auto& cold = partition.cold;
  cold.read.clear();
  for (const std::uint64_t id : waiting.reads) {
    if (const auto at = reads_.find(id); at != reads_.end()) {
      begin_read(id, *at->second, false);
    }
  }
  for (const std::uint64_t id : cold.next.reads) {
    if (const auto at = reads_.find(id); at != reads_.end()) {
      cold.read.insert(Table::hash_of(at->second->request.key));
    }
  }
  for (const std::uint64_t id : waiting.writes) {
    if (const auto at = writes_.find(id); at != writes_.end()) {
      spread_again(id, *at->second);
    }
  }
  stamp_waiting();
  for (const Message& message : waiting.messages) {
    cold.parked_bytes -= size_of(message);
    // Not what would be acknowledged behind the last write to disk, nor of one that nobody listens
    // to any more.
    if (!flushed_ && !is_fenced(partition, {message.from, message.incarnation})) {
      take(message);
    }
  }
  resume_repair(partition.config.id);
  resuming_ = false;
}

void Core::Impl::resume_repair(PartitionId id) {
  for (const auto& [node, peer] : peers_) {
    send_hints(node);
  }
  std::vector<std::uint64_t> rounds;
  for (auto& [number, round] : rounds_) {
    if (round.partition == id && std::exchange(round.cold, false)) {
      rounds.push_back(number);
    }
  }
  for (const std::uint64_t number : rounds) {
    advance(rounds_.at(number));
  }
}

}  // namespace kvorum::dynamo
