#include "sim/watch.h"

#include <fmt/format.h>

#include "base/checksum.h"

namespace kvorum::sim {
namespace {

constexpr std::uint64_t kRemembered = 4096;  // entries whose bytes are compared, behind the last

bool on_disk(const store::Store& store, PartitionId id, Index index, Term term) {
  const auto extent = store.log(id);
  if (index < extent->base) {
    return true;  // part of its rows
  }
  const auto held = store.term_at(id, index);
  return held && *held == term;
}

}  // namespace

void Watch::started(const Server& server) {
  for (std::uint32_t i = 0; i <= partitions_; ++i) {
    const PartitionId id(i);
    auto& log = logs_[{server.id(), id}];
    const auto promised = server.incarnation() == log.incarnation ? log.promised : Term();
    if (server.store().hard_state(id)->term < promised) {
      fail_("durable promises",
            fmt::format("node {} comes back in term {} of partition {}; it acted in term {}",
                        server.id().value(), server.store().hard_state(id)->term.value(), i,
                        promised.value()));
    }
    log = Log{};
    log.promised = promised;
    log.incarnation = server.incarnation();
    const auto extent = server.store().log(id);
    log.base = extent->base;
    log.base_term = extent->base_term;
    for (auto index = extent->first(); index <= extent->last; index = index.next()) {
      log.terms.push_back(*server.store().term_at(id, index));
    }
  }
}

void Watch::turn(const Server& server, const node::Output& out) {
  if (!out.fatal.empty() && server.store().healthy()) {
    fail_("a good disk holds what was written",
          fmt::format("node {} stops: {}", server.id().value(), out.fatal));
  }
  for (const auto& job : out.disk) {
    if (const auto* write = std::get_if<node::WriteJob>(&job)) {
      for (const auto& operation : write->batch.operations) {
        follow(server, operation);
      }
    }
  }
  for (const auto& message : out.messages) {
    check_message(server, message);
  }
  for (std::uint32_t i = 0; i <= partitions_; ++i) {
    const PartitionId id(i);
    if (const auto* group = server.node().group(id)) {
      if (group->role() == raft::Role::kLeader) {
        check_leader(server, id, group->term());
      }
      check_commit(server, id);
      check_state(server, id);
    }
  }
}

void Watch::follow(const Server& server, const store::Operation& operation) {
  if (const auto* appended = std::get_if<store::AppendLog>(&operation)) {
    append(server, *appended);
  } else if (const auto* truncated = std::get_if<store::TruncateLog>(&operation)) {
    auto& log = logs_[{server.id(), truncated->partition}];
    if (truncated->from <= log.commit) {
      fail_(
          "committed entries stay",
          fmt::format("node {} drops its entry {} of partition {}, which it knew to be committed",
                      server.id().value(), truncated->from.value(), truncated->partition.value()));
    } else if (truncated->from <= log.last()) {
      log.terms.resize(truncated->from - log.base - 1);
    }
  } else if (const auto* reset = std::get_if<store::ResetLog>(&operation)) {
    auto& log = logs_[{server.id(), reset->partition}];
    log.base = reset->base;
    log.base_term = reset->base_term;
    log.terms.clear();
    ++snapshots_;
  }
}

void Watch::append(const Server& server, const store::AppendLog& append) {
  auto& log = logs_[{server.id(), append.partition}];
  auto& entries = groups_[append.partition].entries;
  for (const auto& entry : append.entries) {
    if (entry.type == EntryType::kRows) {
      continue;  // a leaderless partition's, and nobody else's
    }
    if (entry.index > log.last().next() || entry.index <= log.base) {
      return fail_("log order", fmt::format("node {} appends entry {} of partition {} behind {}",
                                            server.id().value(), entry.index.value(),
                                            append.partition.value(), log.last().value()));
    }
    if (entry.index <= log.commit) {
      return fail_("committed entries stay",
                   fmt::format("node {} replaces its committed entry {} of partition {}",
                               server.id().value(), entry.index.value(), append.partition.value()));
    }
    log.terms.resize(entry.index - log.base - 1);
    log.terms.push_back(entry.term);
    const auto sum = checksum(*entry.payload) ^ static_cast<std::uint64_t>(entry.stamp.value());
    const auto [known, fresh] = entries.try_emplace({entry.index, entry.term}, sum);
    if (!fresh && known->second != sum) {
      return fail_("log matching",
                   fmt::format("two entries {} of term {} in partition {}", entry.index.value(),
                               entry.term.value(), append.partition.value()));
    }
  }
  while (entries.size() > kRemembered) {
    entries.erase(entries.begin());
  }
}

void Watch::vote(PartitionId id, Term term, NodeId voter, NodeId candidate) {
  const auto [known, fresh] = groups_[id].votes.try_emplace({term, voter}, candidate);
  if (!fresh && known->second != candidate) {
    fail_("election safety",
          fmt::format("node {} votes for {} and {} in term {} of partition {}", voter.value(),
                      known->second.value(), candidate.value(), term.value(), id.value()));
  }
}

void Watch::check_message(const Server& server, const node::Output::PeerMessage& sent) {
  const auto& message = sent.message;
  const bool acts = message.type == raft::MessageType::kVoteReply ||
                    message.type == raft::MessageType::kAppendReply;
  if (acts && !message.reject) {
    auto& promised = logs_[{server.id(), sent.partition}].promised;
    promised = std::max(promised, message.term);
  }
  switch (message.type) {
    case raft::MessageType::kVote:
      return vote(sent.partition, message.term, server.id(), server.id());
    case raft::MessageType::kVoteReply:
      if (!message.reject) {
        vote(sent.partition, message.term, server.id(), message.to);
      }
      return;
    case raft::MessageType::kAppend:
    case raft::MessageType::kHeartbeat:
    case raft::MessageType::kSnapshot:
      return check_leader(server, sent.partition, message.term);
    case raft::MessageType::kAppendReply:
      if (!message.reject) {
        check_acknowledgement(server, sent.partition, message);
      }
      return;
    default:
      return;
  }
}

// Its disk holds the log up to that entry, and the entry is the one that the leader has there.
void Watch::check_acknowledgement(const Server& server, PartitionId id,
                                  const raft::Message& message) {
  const auto index = message.log_index;
  const auto& disk = server.store().durable();
  if (disk.log(id)->last < index) {
    return fail_(
        "durable acknowledgements",
        fmt::format("node {} acknowledges entry {} of partition {}; its disk holds up to {}",
                    server.id().value(), index.value(), id.value(), disk.log(id)->last.value()));
  }
  const auto leader = groups_[id].leaders.find(message.term);
  if (leader == groups_[id].leaders.end()) {
    return;
  }
  const auto& log = logs_[{leader->second, id}];
  if (log.led == message.term && log.holds(index) && !on_disk(disk, id, index, log.at(index))) {
    fail_("durable acknowledgements",
          fmt::format("node {} acknowledges entry {} of partition {} in term {}; its disk does not "
                      "hold the leader's, of term {}",
                      server.id().value(), index.value(), id.value(), message.term.value(),
                      log.at(index).value()));
  }
}

void Watch::check_leader(const Server& server, PartitionId id, Term term) {
  auto& group = groups_[id];
  const auto [known, fresh] = group.leaders.try_emplace(term, server.id());
  if (known->second != server.id()) {
    return fail_("election safety",
                 fmt::format("nodes {} and {} lead partition {} in term {}", known->second.value(),
                             server.id().value(), id.value(), term.value()));
  }
  if (!fresh) {
    return;
  }
  ++elections_;
  const auto& log = logs_[{server.id(), id}];
  for (auto index = log.base.next(); index.value() <= group.decided.size(); index = index.next()) {
    const auto decided = group.decided[index.value() - 1].term;
    if (decided < term && (!log.holds(index) || log.at(index) != decided)) {
      return fail_("leader completeness",
                   fmt::format("node {} leads partition {} in term {} without entry {}, which was "
                               "committed in term {}",
                               server.id().value(), id.value(), term.value(), index.value(),
                               decided.value()));
    }
  }
}

void Watch::check_commit(const Server& server, PartitionId id) {
  auto& log = logs_[{server.id(), id}];
  const auto commit = server.node().group(id)->commit();
  if (commit > log.last()) {
    return fail_("commitment",
                 fmt::format("node {} counts entry {} of partition {} as committed; it holds {}",
                             server.id().value(), commit.value(), id.value(), log.last().value()));
  }
  const auto& group = *server.node().group(id);
  const bool led = group.role() == raft::Role::kLeader && log.led == group.term();
  log.led = group.role() == raft::Role::kLeader ? group.term() : Term();
  if (led && commit > log.commit && log.at(commit) != group.term()) {
    fail_("commitment",
          fmt::format("the leader of term {} of partition {} counts for entry {} of "
                      "term {}",
                      group.term().value(), id.value(), commit.value(), log.at(commit).value()));
  }
  for (auto index = std::max(log.commit.next(), log.base); index <= commit; index = index.next()) {
    if (index) {
      decide(server, id, index, log.at(index));
    }
  }
  log.commit = std::max(log.commit, commit);
}

void Watch::decide(const Server& server, PartitionId id, Index index, Term term) {
  auto& decided = groups_[id].decided;
  if (index.value() <= decided.size()) {
    if (decided[index.value() - 1].term != term) {
      fail_("state machine safety",
            fmt::format("entry {} of partition {} was committed in term {}; node {} "
                        "commits one of term {}",
                        index.value(), id.value(), decided[index.value() - 1].term.value(),
                        server.id().value(), term.value()));
    }
    return;
  }
  if (index.value() != decided.size() + 1) {
    return fail_("commitment",
                 fmt::format("node {} commits entry {} of partition {} after {}",
                             server.id().value(), index.value(), id.value(), decided.size()));
  }
  decided.push_back({term});
  ++committed_;
  std::size_t holders = 0;
  const auto& voters = server.node().group(id)->config().voters;
  for (const auto voter : voters) {
    const auto& other = *servers_.at(voter);
    // An acknowledgement may be older than the loss of the disk that it spoke of.
    const auto* lost = other.lost_store();
    const bool held = on_disk(other.store().durable(), id, index, term) ||
                      (lost != nullptr && on_disk(lost->durable(), id, index, term));
    holders += held ? 1 : 0;
  }
  if (2 * holders <= voters.size()) {
    fail_("durable commitment",
          fmt::format("entry {} of partition {} is committed by node {} on {} of {} disks",
                      index.value(), id.value(), server.id().value(), holders, voters.size()));
  }
}

void Watch::check_state(const Server& server, PartitionId id) {
  auto& log = logs_[{server.id(), id}];
  const auto& machine = *server.node().machine(id);
  const auto applied = machine.applied();
  if (applied == log.applied) {
    return;
  }
  if (applied < log.applied || applied > server.node().group(id)->commit()) {
    return fail_("order of application",
                 fmt::format("node {} has applied {} of partition {} after {}, with {} committed",
                             server.id().value(), applied.value(), id.value(), log.applied.value(),
                             server.node().group(id)->commit().value()));
  }
  log.applied = applied;
  auto& decided = groups_[id].decided;
  if (applied.value() > decided.size()) {
    return fail_("order of application",
                 fmt::format("node {} has applied entry {} of partition {}, of which {} are known "
                             "to be committed",
                             server.id().value(), applied.value(), id.value(), decided.size()));
  }
  auto& state = decided[applied.value() - 1];
  if (!state.has_digest) {
    state.digest = machine.digest();
    state.has_digest = true;
  } else if (state.digest != machine.digest()) {
    fail_("state machine safety",
          fmt::format("behind entry {} of partition {} node {} holds another "
                      "state than a node before it",
                      applied.value(), id.value(), server.id().value()));
  }
}

}  // namespace kvorum::sim
