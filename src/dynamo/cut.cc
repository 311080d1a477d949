// The stable cut: what every replica has seen, and so what may be forgotten (core.h).
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

bool Core::Impl::is_fenced(const Partition& partition, ReplicaId replica) {
  const auto& fenced = partition.config.fenced;
  return std::find(fenced.begin(), fenced.end(), replica) != fenced.end();
}

// Whether the cut needs this node's word. One that we have not met since our start is fenced if any
// incarnation of it is: group 0 takes that back when another one is registered.
bool Core::Impl::waits_for(const Partition& partition, NodeId node) const {
  const auto peer = peers_.find(node);
  if (peer != peers_.end() && peer->second.incarnation) {
    return !is_fenced(partition, {node, *peer->second.incarnation});
  }
  const auto& fenced = partition.config.fenced;
  return std::none_of(fenced.begin(), fenced.end(),
                      [&](const ReplicaId& replica) { return replica.node == node; });
}

void Core::Impl::note_actors(Partition& partition, const Context& context) {
  auto& actors = partition.actors;
  bool added = false;
  for (const auto& seen : context.seen()) {
    const auto at = std::lower_bound(
        actors.begin(), actors.end(), seen.replica,
        [](const Actor& actor, const ReplicaId& replica) { return actor.replica < replica; });
    if ((at == actors.end() || at->replica != seen.replica) && actors.size() < kActors) {
      actors.insert(at, {seen.replica, now_.mono, std::nullopt});
      added = true;
    }
  }
  if (added) {
    judge_actors(partition);
  }
}

// Who makes no more dots: our own earlier incarnations, fenced ones, and nodes that are no
// replicas.
void Core::Impl::judge_actors(Partition& partition) {
  const auto& replicas = partition.config.replicas;
  for (Actor& actor : partition.actors) {
    const NodeId node = actor.replica.node;
    const bool gone = (node == options_.self.node && actor.replica != options_.self) ||
                      is_fenced(partition, actor.replica) ||
                      std::find(replicas.begin(), replicas.end(), node) == replicas.end();
    if (gone && !actor.gone) {
      actor.gone = now_.mono;
    }
  }
}

// A node was seen to be this one, later than what we have noted of others that it was: those were
// earlier. Not so what is noted after; the next incarnation's rows may come before its handshake.
void Core::Impl::replace_actors(Partition& partition, ReplicaId present, Instant before) {
  for (Actor& actor : partition.actors) {
    if (actor.replica.node == present.node && actor.replica != present && actor.noted < before &&
        !actor.gone) {
      actor.gone = now_.mono;
    }
  }
}

// Of a replica that is gone there are perhaps dots that nobody has, so no `known` would ever get to
// its last one. When a round with each of the others has begun after the last stand-in's hint must
// have expired (and it may be late by an eighth), all that is left of it is here.
void Core::Impl::close_actors(Partition& partition) {
  const Duration patience = options_.hint_life + options_.hint_life / 4;
  for (const Actor& actor : partition.actors) {
    if (!actor.gone || *actor.gone + patience > now_.mono ||
        partition.known.of(actor.replica) == kClosed) {
      continue;
    }
    const auto& pairs = partition.pairs;
    const bool all = std::all_of(pairs.begin(), pairs.end(), [&](const auto& item) {
      const auto& [node, pair] = item;
      return !waits_for(partition, node) ||
             (pair.finished && *pair.finished >= *actor.gone + patience);
    });
    if (all) {
      partition.known.add({actor.replica, kClosed});
    }
  }
}

void Core::Impl::judge_refilled(Partition& partition) {
  const auto& pairs = partition.pairs;
  const auto finished = [](const auto& item) { return item.second.finished.has_value(); };
  if (partition.refilled ||
      (!pairs.empty() && std::none_of(pairs.begin(), pairs.end(), finished)) ||
      !std::all_of(pairs.begin(), pairs.end(),
                   [&](const auto& item) { return finished(item) || !is_up(item.first); })) {
    return;
  }
  partition.refilled = true;
  partition.write_cut = disk_work_ = true;
}

// What another replica says that it knows, and what it knows of the cut.
void Core::Impl::hear(Partition& partition, const Message& message) {
  const bool replica = partition.pairs.contains(message.from);
  if (!replica || !is_current(message.from, message.incarnation)) {
    return;  // an earlier incarnation's word says nothing of what this one has
  }
  Heard& heard = partition.heard[message.from];
  heard.known.merge(message.known);
  note_actors(partition, message.known);
  // All replicas have seen it, it says. Of us, that may mean another incarnation.
  Context cut = message.cut;
  cut.meet(partition.told);
  partition.cut.merge(cut);
  raise_cut(partition);
}

void Core::Impl::learn(Partition& partition, const Context& known) {
  for (const auto& seen : known.seen()) {
    if (seen.replica != options_.self) {
      partition.known.add({seen.replica, seen.counter});
    }
  }
  mark_known(partition);
}

// What we know is to be told: to the disk first, for all partitions together, as that is a sync.
void Core::Impl::mark_known(const Partition& partition) {
  if (partition.known != partition.told) {
    known_at_ = std::min(known_at_, known_written_ + options_.sync_interval);
  }
}

void Core::Impl::raise_cut(Partition& partition) {
  Stage fresh{partition.told, partition.known};
  for (const auto& [node, pair] : partition.pairs) {
    if (!waits_for(partition, node)) {
      continue;
    }
    const auto heard = partition.heard.find(node);
    if (heard == partition.heard.end()) {
      return;
    }
    fresh.cut.meet(heard->second.known);
    fresh.made.merge(heard->second.known);
  }
  partition.cut.merge(fresh.cut);
  if (partition.stage && !partition.cut.covers(partition.stage->made)) {
    return;
  }
  if (partition.stage) {
    partition.limit.merge(partition.stage->cut);
  }
  partition.stage = std::move(fresh);
}

// Not while rows may be missing here, nor while somebody's last dots may be anywhere.
bool Core::Impl::may_drop(const Partition& partition) {
  const auto& actors = partition.actors;
  return partition.refilled && actors.size() < kActors &&
         std::all_of(actors.begin(), actors.end(), [&](const Actor& actor) {
           return !actor.gone || partition.cut.of(actor.replica) == kClosed;
         });
}

// A value that expired is as good as deleted, once that is so on every clock that we believe.
bool Core::Impl::is_gone(const Row& row) const {
  return std::all_of(row.siblings.begin(), row.siblings.end(), [&](const Sibling& sibling) {
    return sibling.gone(now_.wall + -options_.max_clock_skew_ms);
  });
}

void Core::Impl::drop(Partition& partition, ByteView key) {
  store(partition, key, {});
  ++stats_.tombstones_dropped;
  partition.scans_in_vain = 0;
  // With the rows that it lets go. Another row may be made of an older message at any time.
  partition.write_cut = disk_work_ = true;
}

void Core::Impl::plan_scan(Partition& partition, Duration wait) {
  partition.scan_at = std::min(partition.scan_at, now_.mono + wait);
  scan_at_ = std::min(scan_at_, partition.scan_at);
}

void Core::Impl::run_scans() {
  if (scan_at_ > now_.mono) {
    return;
  }
  scan_at_ = Instant::max();
  for (auto& [id, partition] : partitions_) {
    if (partition.scan_at <= now_.mono) {
      scan(partition);
    }
    scan_at_ = std::min(scan_at_, partition.scan_at);
  }
}

// Drops what can be dropped from the next few ranges.
void Core::Impl::scan(Partition& partition) {
  if (partition.pairs.empty()) {  // the only replica: no round will ever do this
    close_actors(partition);
    mark_known(partition);
    raise_cut(partition);
  }
  std::vector<std::string> dropped;
  const bool may = may_drop(partition);
  const auto end = may ? std::min(partition.scan_range + kScanRanges, kLeaves) : kLeaves;
  for (; may && partition.scan_range < end; ++partition.scan_range) {
    partition.table.each(
        {Table::kDepth, partition.scan_range}, [&](const std::string& key, const Row& row) {
          const auto& siblings = row.siblings;
          const bool passed = KVORUM_MUTANT(kDropEarly) ||
                              std::all_of(siblings.begin(), siblings.end(), [&](const Sibling& s) {
                                return partition.limit.covers(s.dot);
                              });
          if (!is_gone(row)) {
            partition.scan_again |=
                std::any_of(siblings.begin(), siblings.end(),
                            [](const Sibling& s) { return s.deadline.has_value(); });
          } else if (passed && (KVORUM_MUTANT(kDropEarly) || partition.cut.covers(row.context))) {
            dropped.push_back(key);
          } else {
            partition.scan_again = true;
          }
          return true;
        });
  }
  for (const std::string& key : dropped) {
    drop(partition, key);
  }
  if (end < kLeaves) {
    return;  // the rest in the next turns
  }
  // The longer nothing could be dropped, the seldomer it is tried.
  const bool again = std::exchange(partition.scan_again, false) || !may;
  partition.scan_range = 0;
  partition.scan_at = Instant::max();
  if (again) {
    plan_scan(partition, options_.sync_idle_interval * (1 << partition.scans_in_vain));
    partition.scans_in_vain = std::min(partition.scans_in_vain + 1, 4);
  }
}

}  // namespace kvorum::dynamo
