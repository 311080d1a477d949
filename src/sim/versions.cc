#include "sim/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/checksum.h"
#include "model/meta.h"
#include "node/journal.h"

namespace kvorum::sim {
namespace {

constexpr PartitionId kMetaPartition{0};

bool holds(const dynamo::Row& row, const Dot& dot) {
  return std::any_of(row.siblings.begin(), row.siblings.end(),
                     [&](const dynamo::Sibling& sibling) { return sibling.dot == dot; });
}

// Of the free_keys of a keyspace, and of as many that expire.
std::string name_of(std::int64_t i) { return fmt::format("{}k{}", i % 2 == 0 ? "" : "t", i / 2); }

bool decodes(ByteView bytes, dynamo::Row& row) {
  Reader reader(bytes);
  return decode(reader, row) && reader.done();
}

}  // namespace

Versions::Versions(const Servers& servers, const Options& options, Fail fail)
    : servers_(servers), options_(options), fail_(std::move(fail)) {
  for (std::uint32_t id = 1; id <= options.nodes; ++id) {
    members_.emplace_back(id);
  }
}

std::string Versions::told(const Dot& dot) const {
  auto text = fmt::format("n{}:{:x}:{}", dot.replica.node.value(), dot.replica.incarnation.value(),
                          dot.counter);
  if (const auto made = made_.find(dot); made != made_.end()) {
    const auto& version = made->second.version;
    const auto& key = *made->second.key;
    text += fmt::format(" ({} of {} in {})", version.deleted ? "a delete" : version.value, key.name,
                        table_.find(key.keyspace)->name);
  }
  return text;
}

// Keyspaces and their partitions never change, but for the generation of the one that is flushed;
// more are created.
void Versions::learn_keyspaces(const Server& server) {
  const auto* machine = server.node().machine(kMetaPartition);
  auto& seen = table_seen_[server.id()];
  if (machine == nullptr || machine->applied() == seen) {
    return;
  }
  seen = machine->applied();
  const auto row = machine->get(kKeyspacesRowKey);
  auto table = row ? decode_keyspaces(*row) : std::nullopt;
  if (!table || table->version <= table_.version) {
    return;
  }
  const auto before = std::exchange(table_, std::move(*table));
  for (const auto& keyspace : table_.keyspaces) {
    if (!keyspace.leaderless() || before.find(keyspace.id) != nullptr ||
        keyspace.name == FreeLoad::kSwept) {
      continue;
    }
    for (std::int64_t i = 0; i < 2 * options_.free_keys; ++i) {
      auto key = std::make_unique<Key>();
      key->name = name_of(i);
      key->keyspace = keyspace.id;
      key->partition = keyspace.partition_of(slot_of(key->name));
      key->fsync = keyspace.flush_ms == 0;
      key->conflict = keyspace.conflict;
      by_name_[{keyspace.name, key->name}] = key.get();
      keys_[key->partition].push_back(std::move(key));
    }
  }
}

void Versions::started(const Server& server) {
  // One that finds on its disk that it was fenced has started over by now.
  const auto* machine = server.node().machine(kMetaPartition);
  const auto row = machine == nullptr ? std::nullopt : machine->get(replica_row_key(server.id()));
  const auto replica = row ? decode_replica(*row) : std::nullopt;
  const bool fenced = replica && replica->fenced;
  fenced_ += fenced ? 1 : 0;
  begin_life(server, !fenced && lives_[server.id()].disk == server.incarnation());
}

void Versions::begin_life(const Server& server, bool same_disk) {
  auto& life = lives_[server.id()];
  life = {};
  life.disk = server.incarnation();
  life.replica = server.node().replica();
  for (auto& [partition, keys] : keys_) {
    const auto* table = server.node().leaderless()->table(partition);
    for (auto& key : keys) {
      const auto* row = table == nullptr ? nullptr : table->find(key->name);
      came_back(server, *key, row == nullptr ? dynamo::Row() : whole(*row), same_disk);
    }
  }
}

// Of what the node had, perhaps less is left.
void Versions::came_back(const Server& server, Key& key, const dynamo::Row& row, bool same_disk) {
  auto& at = key.at[server.id()];
  for (const auto& dot : key.dots) {
    if (!at.context.covers(dot) || row.context.covers(dot)) {
      continue;
    }
    if (same_disk && made_.at(dot).on_disk_of.contains(server.id())) {
      fail_("durable acknowledgements",
            fmt::format("node {} comes back without {}, which stood on its disk when it was "
                        "acknowledged",
                        server.id().value(), told(dot)));
    }
    made_.at(dot).on_disk_of.erase(server.id());
    made_.at(dot).thinned = true;
    const bool elsewhere = std::any_of(key.at.begin(), key.at.end(), [&](const auto& item) {
      return item.first != server.id() && item.second.context.covers(dot);
    });
    if (!elsewhere) {
      lost_.insert(dot);
    }
  }
  at = row;
}

void Versions::turn(const Server& server) {
  learn_keyspaces(server);
  auto& life = lives_[server.id()];
  if (life.replica != server.node().replica()) {
    begin_life(server, false);  // it was fenced, and starts over
    ++fenced_;
  }
  for (const auto& [partition, keys] : keys_) {
    if (const auto* table = server.node().leaderless()->table(partition)) {
      look(server, partition, *table);
    }
  }
  look_at_swept(server);
  const auto fetches = server.node().leaderless()->stats().fetches;
  fetches_ += fetches - std::min(std::exchange(life.fetches, fetches), fetches);
}

dynamo::Row Versions::whole(const dynamo::Row& row) const {
  auto whole = row;
  for (auto& sibling : whole.siblings) {
    if (const auto made = made_.find(sibling.dot); sibling.cold && made != made_.end()) {
      sibling.value = made->second.version.value;
      sibling.cold = false;
    }
  }
  return whole;
}

void Versions::look(const Server& server, PartitionId partition, const dynamo::Table& table) {
  for (auto& key : keys_.at(partition)) {
    const auto* found = table.find(key->name);
    const auto row = found == nullptr ? dynamo::Row() : whole(*found);
    if (row != key->at[server.id()]) {
      compare(server, *key, row);
    }
  }
  note_losers(server);
}

// What was written there may be flushed at any moment; what was, or was replaced, stays away.
void Versions::look_at_swept(const Server& server) {
  const auto* keyspace = table_.find(ByteView(FreeLoad::kSwept));
  const auto* table =
      keyspace == nullptr ? nullptr : server.node().leaderless()->table(keyspace->first_partition);
  if (table == nullptr) {
    return;
  }
  auto& life = lives_[server.id()];
  std::set<Dot> held;
  for (std::int64_t i = 0; i < 2 * options_.free_keys; ++i) {
    const auto* row = table->find(name_of(i));
    for (std::size_t n = 0; row != nullptr && n < row->siblings.size(); ++n) {
      const auto& sibling = row->siblings[n];
      if (!sibling.deleted) {
        held.insert(sibling.dot);
      }
      if (!sibling.deleted && life.let_go.contains(sibling.dot)) {
        fail_("what is gone stays gone",
              fmt::format("{} of {} in {} is back at node {}", told(sibling.dot), name_of(i),
                          keyspace->name, server.id().value()));
      }
    }
  }
  std::set_difference(life.swept.begin(), life.swept.end(), held.begin(), held.end(),
                      std::inserter(life.let_go, life.let_go.end()));
  life.swept = std::move(held);
}

void Versions::compare(const Server& server, Key& key, const dynamo::Row& row) {
  auto& at = key.at[server.id()];
  auto& life = lives_[server.id()];
  const auto before = std::exchange(at, row);
  for (const auto& sibling : row.siblings) {
    // By a clock that is too far ahead, a delete can win over what was written after it was
    // dropped.
    const bool may = sibling.deleted && key.conflict == Conflict::kLww;
    if (!may && life.let_go.contains(sibling.dot)) {
      fail_("what is gone stays gone",
            fmt::format("{} is back at node {}", told(sibling.dot), server.id().value()));
    }
    note(server, key, sibling, before, row);
  }
  // A write of its own, that lost to what came within the same turn, may have replaced it before.
  const ReplicaId self{server.id(), server.node().replica()};
  const Dot own{self, row.context.of(self)};
  const bool wrote = own.counter > before.context.of(self) && !holds(row, own);
  for (const auto& sibling : before.siblings) {
    if (!holds(row, sibling.dot)) {
      life.let_go.insert(sibling.dot);
      if (wrote) {
        replaced_.insert(sibling.dot);
      }
    }
  }
  for (const auto& dot : key.dots) {
    if (before.context.covers(dot) && !row.context.covers(dot)) {
      made_.at(dot).on_disk_of.erase(server.id());
      made_.at(dot).dropped_by.insert(server.id());
      made_.at(dot).thinned = true;
    }
  }
  note_seen(server.id(), key, row);
}

void Versions::note(const Server& server, Key& key, const dynamo::Sibling& sibling,
                    const dynamo::Row& before, const dynamo::Row& row) {
  const auto [at, fresh] = made_.try_emplace(sibling.dot);
  auto& made = at->second;
  if (!fresh) {
    if (made.key != &key || made.version != sibling) {
      fail_("a dot is one version", fmt::format("node {} holds another version by the dot of {}",
                                                server.id().value(), told(sibling.dot)));
    }
    return;
  }
  made.key = &key;
  for (const auto& [node, held] : key.at) {
    if (held.context.covers(sibling.dot)) {
      made.seen_by.insert(node);
    }
  }
  made.version = sibling;
  key.dots.push_back(sibling.dot);
  key.spreading.push_back(sibling.dot);
  if (!sibling.deleted && !by_value_.emplace(sibling.value, sibling.dot).second) {
    fail_("a write is done once", fmt::format("{} is there as {}, too", told(sibling.dot),
                                              told(by_value_.at(sibling.value))));
  }
  auto& [counter, stamp] = newest_[sibling.dot.replica];
  const bool later = sibling.dot.counter > counter;
  if (later != (sibling.stamp > stamp)) {
    fail_("counters and stamps rise",
          fmt::format("{} has a counter and a stamp of different order than one before it",
                      told(sibling.dot)));
  }
  counter = std::max(counter, sibling.dot.counter);
  stamp = std::max(stamp, sibling.stamp);
  if (sibling.dot.replica != ReplicaId{server.id(), server.node().replica()}) {
    replaced_.insert(sibling.dot);  // within the turn that made it, or it would have shown there
    return;
  }
  for (const auto& old : before.siblings) {
    (holds(row, old.dot) ? made.beside : made.replaced).insert(old.dot);
  }
  // What came and was replaced within this turn was never seen here. Its own dots do not come: one
  // that it no longer has is buried by the next.
  for (const auto& dot : key.dots) {
    const bool came = dot.replica != sibling.dot.replica && !before.context.covers(dot);
    if (came && row.context.covers(dot) && !holds(row, dot)) {
      replaced_.insert(dot);
    }
  }
  replaced_.insert(made.replaced.begin(), made.replaced.end());
}

void Versions::note_seen(NodeId node, Key& key, const dynamo::Row& row) {
  const auto replicas = table_.find(key.keyspace)->n;
  std::erase_if(key.spreading, [&](const Dot& dot) {
    auto& seen_by = made_.at(dot).seen_by;
    if (row.context.covers(dot)) {
      seen_by.insert(node);
    }
    return seen_by.size() >= replicas;
  });
}

void Versions::note_losers(const Server& server) {
  const auto& core = *server.node().leaderless();
  const auto conflicts = core.stats().conflicts;
  auto& seen = lives_[server.id()].conflicts;
  const auto& ledger = core.ledger();
  const auto more = std::min<std::uint64_t>(conflicts - seen, ledger.size());
  for (auto i = ledger.size() - more; i < ledger.size(); ++i) {
    losers_.insert(ledger[i].lost.dot);
  }
  seen = conflicts;
}

void Versions::acknowledged(const FreeWrite& write, const FreeAck& ack, Instant now) {
  const auto found = by_value_.find(write.value);
  std::optional<Dot> dot = ack.dot;
  if (!write.deletes && found != by_value_.end()) {
    if (dot && *dot != found->second) {
      fail_("a receipt names its write",
            fmt::format("{} was written as {}", write.value, told(*dot)));
    }
    dot = found->second;
  }
  const auto made = dot ? made_.find(*dot) : made_.end();
  if (made == made_.end()) {
    return;  // replaced within the turn that made it
  }
  acked_.insert(*dot);
  check_stands(write, made->second, *dot);
  if (ack.stand_ins) {
    return;
  }
  check_quorum(write, made->second, *dot);
  note_held(made->second, write.w, now);
}

void Versions::note_held(Made& made, std::size_t replicas, Instant now) {
  if (made.version.deadline) {
    return;
  }
  if (made.held_by.empty()) {
    made.key->told.push_back(made.version.dot);
  }
  made.held_by.try_emplace(replicas, now);
}

// R + W > N: some replica that answered the read had seen each write that was acknowledged before
// the read began, as long as none of its replicas has lost it or let it go. What R replicas were
// read to have, they have from then on, too.
void Versions::answered(const FreeRead& read, Instant now) {
  const auto found = by_name_.find({read.keyspace, read.key});
  if (found == by_name_.end()) {
    return;
  }
  auto& key = *found->second;
  const auto replicas = table_.find(key.keyspace)->n;
  for (const auto& dot : key.told) {
    const auto& made = made_.at(dot);
    for (const auto& [count, since] : made.held_by) {
      if (!made.thinned && since < read.sent && count + read.r > replicas &&
          !tells_of(key, read, made)) {
        fail_("R + W > N",
              fmt::format("a read of {} with r={} tells nothing of {}, of which {} replicas were "
                          "known to have it before",
                          read.key, read.r, told(dot), count));
      }
    }
  }
  for (const auto& dot : key.dots) {
    auto& made = made_.at(dot);
    const auto& version = made.version;
    if (read.has_seen ? read.has_seen->covers(dot)
                      : !version.deleted && version.value == read.value) {
      note_held(made, read.r, now);
    }
  }
}

// Whether what was read has seen that version, or won over it.
bool Versions::tells_of(const Key& key, const FreeRead& read, const Made& made) const {
  if (read.has_seen) {
    return read.has_seen->covers(made.version.dot);
  }
  if (key.conflict != Conflict::kLww || (read.value && !by_value_.contains(*read.value))) {
    return true;  // one cannot tell; a value may be replaced within the turn that made it
  }
  const auto order = [](const dynamo::Sibling& sibling) {
    return std::tie(sibling.stamp, sibling.dot);
  };
  return std::any_of(key.dots.begin(), key.dots.end(), [&](const Dot& dot) {
    const auto& version = made_.at(dot).version;
    // A delete may be replaced within its turn, too: by what won over the version then.
    const bool is_it = read.value ? !version.deleted && version.value == *read.value
                                  : version.deleted || dot != made.version.dot;
    return is_it && order(version) >= order(made.version);
  });
}

void Versions::check_stands(const FreeWrite& write, const Made& made, const Dot& dot) {
  for (const auto& old : made.beside) {
    if (!write.seen || write.seen->covers(old)) {
      fail_("a write replaces what it has seen",
            fmt::format("{} stands beside {}", told(old), told(dot)));
    }
  }
}

void Versions::check_quorum(const FreeWrite& write, Made& made, const Dot& dot) {
  if (made.seen_by.size() < write.w) {
    fail_("W replicas have it",
          fmt::format("{} is acknowledged with w={}; {} replicas have seen it", told(dot), write.w,
                      made.seen_by.size()));
  }
  if (!made.key->fsync) {
    return;
  }
  const auto& keyspace = *table_.find(made.key->keyspace);
  std::size_t disks = 0;
  for (const auto node : keyspace.replicas(made.key->partition, members_)) {
    if (made.dropped_by.contains(node)) {
      ++disks;  // its disk had it before
      continue;
    }
    const auto& server = *servers_.at(node);
    const auto find = [&](const SimStore& store) {
      bool covered = false;
      const auto visited =
          node::visit_rows(store.durable(), made.key->partition, keyspace.generation,
                           [&](ByteView key, ByteView value, bool) {
                             if (key == made.key->name) {
                               dynamo::Row row;
                               covered = decodes(value, row) && row.context.covers(dot);
                             }
                             return true;
                           });
      return visited && covered;
    };
    if (find(server.store())) {
      made.on_disk_of.insert(node);
      ++disks;
    } else if (server.lost_store() != nullptr && find(*server.lost_store())) {
      ++disks;  // an acknowledgement may be older than the loss of the disk that it spoke of
    }
  }
  if (disks < write.w) {
    fail_("durable acknowledgements",
          fmt::format("{} is acknowledged with w={}, on {} disks", told(dot), write.w, disks));
  }
}

// The first key whose rows differ, and how; empty: none. A row that only tells what is gone may be
// dropped here and not there: by whom it was seen, who dropped it, is known as well.
std::string Versions::difference(const dynamo::Core& a, const dynamo::Core& b,
                                 PartitionId partition) const {
  if (a.table(partition)->digest() == b.table(partition)->digest()) {
    return {};
  }
  const auto rows = [partition](const dynamo::Core& core) {
    std::map<Bytes, dynamo::Row> all;
    core.each(partition, [&](ByteView key, const dynamo::Row& row) {
      if (!row.siblings.empty()) {
        all.emplace(key, row);
      }
      return true;
    });
    return all;
  };
  const auto one = rows(a), other = rows(b);
  const auto text = [this](const std::map<Bytes, dynamo::Row>& all, const Bytes& key) {
    const auto found = all.find(key);
    if (found == all.end()) {
      return std::string("nothing");
    }
    std::string siblings;
    for (const auto& sibling : found->second.siblings) {
      siblings += (siblings.empty() ? "" : ", ") + told(sibling.dot);
    }
    std::string seen;
    for (const auto& [replica, counter] : found->second.context.seen()) {
      seen += " " + told({replica, counter});
    }
    return fmt::format("{} after{}", siblings, seen);
  };
  for (const auto* all : {&one, &other}) {
    for (const auto& [key, row] : *all) {
      if (!one.contains(key) || !other.contains(key) || one.at(key) != other.at(key)) {
        return fmt::format("{}: {} against {}", key, text(other, key), text(one, key));
      }
    }
  }
  return {};
}

std::string Versions::unrest() const {
  for (const auto& keyspace : table_.keyspaces) {
    for (std::uint32_t i = 0; keyspace.leaderless() && i < keyspace.partitions; ++i) {
      const PartitionId id(keyspace.first_partition.value() + i);
      const dynamo::Core* first = nullptr;
      for (const auto node : keyspace.replicas(id, members_)) {
        const auto& core = *servers_.at(node)->node().leaderless();
        first = first == nullptr ? &core : first;
        if (core.table(id) == nullptr) {
          return fmt::format("node {} does not have partition {} of '{}'", node.value(), id.value(),
                             keyspace.name);
        }
        if (const auto why = difference(*first, core, id); !why.empty()) {
          return fmt::format("node {} holds other rows in partition {} of '{}': {}", node.value(),
                             id.value(), keyspace.name, why);
        }
      }
    }
  }
  return {};
}

// Whether it is as it should be that an acknowledged version is not there.
bool Versions::explained(const Dot& dot) const {
  const auto& version = made_.at(dot).version;
  return version.deleted || version.deadline || replaced_.contains(dot) || losers_.contains(dot) ||
         lost_.contains(dot);
}

void Versions::judge() {
  std::set<Dot> present;
  for (const auto& [partition, keys] : keys_) {
    for (const auto& [id, server] : servers_) {
      if (const auto* table = server->node().leaderless()->table(partition)) {
        look(*server, partition, *table);
      }
    }
    for (const auto& key : keys) {
      const auto& keyspace = *table_.find(key->keyspace);
      const auto replicas = keyspace.replicas(partition, members_);
      const auto& first = key->at[replicas.front()];
      for (const auto node : replicas) {
        if (key->at[node].siblings != first.siblings) {
          fail_("replicas are equal",
                fmt::format("nodes {} and {} hold {} of '{}' differently, by equal digests",
                            replicas.front().value(), node.value(), key->name, keyspace.name));
        }
      }
      for (const auto& sibling : first.siblings) {
        present.insert(sibling.dot);
      }
    }
  }
  for (const auto& dot : acked_) {
    if (!present.contains(dot) && !explained(dot)) {
      fail_("acknowledged writes stay",
            fmt::format("{} is neither there, nor replaced, nor a known loser", told(dot)));
    }
    for (const auto& old : made_.at(dot).replaced) {
      if (present.contains(old) && !lost_.contains(dot)) {
        fail_("what is replaced stays gone",
              fmt::format("{} is there, which {} had replaced", told(old), told(dot)));
      }
    }
  }
}

}  // namespace kvorum::sim
