// Who belongs to the group, and who of them counts (Raft paper, section 6; thesis, chapter 4).
#include <algorithm>

#include "base/codec.h"
#include "base/mutant.h"
#include "raft/core.h"

namespace kvorum::raft {

namespace {

constexpr std::uint64_t kMaxMembers =
    64;  // of each list; a frame of nonsense must not make us allocate

void put_ids(Bytes& out, const std::vector<NodeId>& ids) {
  put_varint(out, ids.size());
  for (const NodeId id : ids) {
    put_varint(out, id.value());
  }
}

// Ascending ids, none of them zero.
bool take_ids(Reader& reader, std::vector<NodeId>& ids) {
  ids.clear();
  const auto count = reader.varint();
  if (!reader.ok() || count > kMaxMembers) {
    return false;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto raw = reader.varint();
    const NodeId id(static_cast<NodeId::rep>(raw));
    if (!reader.ok() || id.value() != raw || id <= (ids.empty() ? NodeId() : ids.back())) {
      return false;
    }
    ids.push_back(id);
  }
  return true;
}

bool holds(const std::vector<NodeId>& ids, NodeId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

bool overlap(const std::vector<NodeId>& a, const std::vector<NodeId>& b) {
  return std::any_of(a.begin(), a.end(), [&](NodeId id) { return holds(b, id); });
}

}  // namespace

Bytes encode(const Config& config) {
  Bytes out;
  put_ids(out, config.voters);
  put_ids(out, config.outgoing);
  put_ids(out, config.learners);
  return out;
}

bool decode(ByteView bytes, Config& config) {
  Reader reader(bytes);
  return take_ids(reader, config.voters) && take_ids(reader, config.outgoing) &&
         take_ids(reader, config.learners) && reader.done() && !config.voters.empty() &&
         !overlap(config.voters, config.learners) && !overlap(config.outgoing, config.learners);
}

bool Raft::Core::is_voter(NodeId id) const {
  return holds(config().voters, id) || holds(config().outgoing, id);
}

bool Raft::Core::is_member(NodeId id) const { return is_voter(id) || holds(config().learners, id); }

// Whether a voter's votes, acks and heartbeat replies count. The size of a quorum stays what it is.
bool Raft::Core::counts(NodeId id) const {
  if (KVORUM_MUTANT(kVoteWithoutDisk)) {
    return true;
  }
  if (untrusted_.contains(id) || (id == options_.self && !options_.may_vote)) {
    return false;
  }
  const auto peer = peers_.find(id);
  return peer == peers_.end() || !peer->second.lost_below;
}

void Raft::Core::step(const Trust& trust) {
  if (trust.trusted ? untrusted_.erase(trust.peer) > 0 : untrusted_.insert(trust.peer).second) {
    trace("{} n{}", trust.trusted ? "trusts" : "does not trust", trust.peer.value());
    advance_commit();
  }
}

// Thesis, 4.1: one change at a time, of one voter, and (Ongaro, raft-dev, 2015) only after an entry
// of this term is committed. A leader does not remove itself: it hands over first.
bool Raft::Core::may_propose_config(ByteView payload) const {
  Config to;
  if (!decode(payload, to) || log_.commit() < first_own_ || configs_.back().first > log_.commit() ||
      !config().outgoing.empty() || !to.outgoing.empty() || !holds(to.voters, options_.self)) {
    return false;
  }
  std::vector<NodeId> changed;
  std::set_symmetric_difference(config().voters.begin(), config().voters.end(), to.voters.begin(),
                                to.voters.end(), std::back_inserter(changed));
  return changed.size() <= 1;
}

// Thesis, 4.1: a configuration rules from when it is in the log, committed or not.
void Raft::Core::note_config(const Entry& entry) {
  Config config;
  CHECK(decode(*entry.payload, config), "the configuration at {} is malformed",
        entry.index.value());
  CHECK_GT(entry.index, configs_.back().first);
  configs_.emplace_back(entry.index, std::move(config));
  trace("has a new configuration at {}", entry.index.value());
}

void Raft::Core::drop_configs_from(Index index) {
  while (configs_.size() > 1 && configs_.back().first >= index) {
    configs_.pop_back();
    trace("goes back to the configuration at {}", configs_.back().first.value());
  }
}

void Raft::Core::prune_configs() {
  while (configs_.size() > 1 && configs_[1].first <= log_.commit()) {
    configs_.erase(configs_.begin());
  }
}

// Leader: one Peer for each other member.
void Raft::Core::refresh_peers() {
  std::set<NodeId> members(config().voters.begin(), config().voters.end());
  members.insert(config().outgoing.begin(), config().outgoing.end());
  members.insert(config().learners.begin(), config().learners.end());
  members.erase(options_.self);
  std::erase_if(peers_, [&](const auto& item) { return !members.contains(item.first); });
  for (const NodeId id : members) {
    peers_.try_emplace(id, id, log_.last(), now_.mono);
  }
}

Peer* Raft::Core::find_peer(NodeId id) {
  const auto peer = peers_.find(id);
  return peer == peers_.end() ? nullptr : &peer->second;
}

std::vector<Progress> Raft::Core::progress() const {
  std::vector<Progress> out;
  for (const auto& [id, peer] : peers_) {
    out.push_back({id, peer.match, peer.next, to_string(peer.state), is_voter(id),
                   !untrusted_.contains(id), peer.lost_below.has_value(), peer.last_heard});
  }
  return out;
}

}  // namespace kvorum::raft
