// The order on a connection: its commands take effect in the order sent, pipelined or not, at any
// level.
//
// Writes of one partition are begun as they come and are applied in that order. A read between them
// waits at its place: it is answered when the write ahead of it has been applied, or right before
// the write behind it is. The commit of such a write confirms the leader, if it was sent after the
// read came. A linearizable read asks for a confirmed index of its own if the write ahead of it was
// on its way by then, or if there is none. A command of another partition waits until the queue is
// empty.
#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"
#include "node/replica.h"

namespace kvorum::node {

bool Replica::may_begin(const Session& session, const Item& item) const {
  if (session.queue.size() != session.begun) {
    return false;
  }
  if (session.queue.empty()) {
    return true;
  }
  return may_follow(session, session.queue.back(), item);
}

// Whether `item` may begin behind `ahead`, which has begun. Of leaderless keyspaces: a replica
// takes up its own requests as they come, so a read sees what was written ahead of it and not what
// comes behind, if that waits until the read is done. What another node coordinates, or what waits
// for a stamp, may be overtaken.
bool Replica::may_follow(const Session& session, const Item& ahead, const Item& item) const {
  const bool data = item.kind == Item::Kind::kWrite || item.kind == Item::Kind::kRead;
  const bool behind_data = ahead.kind == Item::Kind::kWrite || ahead.kind == Item::Kind::kRead;
  if (!data || !behind_data || item.everywhere || ahead.everywhere ||
      item.leaderless != ahead.leaderless) {
    return false;
  }
  if (item.leaderless) {
    const bool reads = item.kind == Item::Kind::kRead;
    return session.open_remote == 0 &&
           (reads ? !leaderless_.core().writes_wait() : session.open_reads == 0);
  }
  return item.partition == ahead.partition;
}

bool Replica::waits_for_nothing(const Session& session, const Item& item) {
  if (item.everywhere || item.met.kind != LevelKind::kSequential) {
    return !item.everywhere && item.met.kind == LevelKind::kPrefix;
  }
  return !session.seen_index || KVORUM_MUTANT(kStaleSequential) ||
         (session.seen_partition == item.partition &&
          find(item.partition)->machine().applied() >= session.seen_index);
}

// `item` is the first one that has not begun.
void Replica::begin(Session& session, Item& item, const Command& command) {
  item.begun = true;
  ++session.begun;
  if (item.change) {
    return begin_change(session, item);
  }
  if (item.asks) {
    return begin_asking(session, item, command);
  }
  if (item.leaderless) {
    return begin_leaderless(session, item, command);
  }
  if (!item.everywhere) {
    // Values that it will need come from the disk while it waits for its turn.
    find(item.partition)->has_values(command, ConnId());
  }
  if (item.kind == Item::Kind::kRead) {
    return begin_read(session, item);
  }
  if (!item.everywhere) {
    auto& outbox = find(item.partition)->outbox();
    item.tag = outbox.seals();
    outbox.push(command, session.id);
    return;
  }
  const auto* keyspace = keyspace_of(session);
  for (std::uint32_t i = 0; i < keyspace->partitions; ++i) {
    find(PartitionId(keyspace->first_partition.value() + i))->outbox().push(command, session.id);
    ++item.outstanding;
  }
}

void Replica::begin_read(Session& session, Item& item) {
  // A linearizable read is not served by a write that was sent before it came: the write's node may
  // learn of its commit when others have long overwritten what the read looks for.
  for (std::size_t i = 0; i + 1 < session.begun; ++i) {
    const auto& ahead = session.queue[i];
    if (ahead.kind == Item::Kind::kWrite) {
      item.behind_write = item.met.kind != LevelKind::kLinearizable ||
                          KVORUM_MUTANT(kReadBehindSent) ||
                          ahead.tag == find(ahead.partition)->outbox().seals();
    }
  }
  if (item.behind_write || item.met.kind == LevelKind::kPrefix) {
    return;
  }
  const auto* keyspace = keyspace_of(session);
  if (item.everywhere) {
    for (std::uint32_t i = 0; i < keyspace->partitions; ++i) {
      auto& partition = *find(PartitionId(keyspace->first_partition.value() + i));
      item.tags.push_back(partition.barrier(session.id));
    }
    return;
  }
  auto& partition = *find(item.partition);
  const bool here = !session.seen_index || session.seen_partition == item.partition;
  if (item.met.kind == LevelKind::kSequential && here) {
    item.at_least = session.seen_index;
    if (partition.machine().applied() < item.at_least) {
      partition.wait_applied(item.at_least, session.id);
    }
    return;
  }
  // Linearizable; or sequential in another partition than the session's, where only a confirmed
  // index keeps its order (Lev-Ari et al., Modular composition of coordination services, USENIX ATC
  // 2016).
  item.tag = partition.barrier(session.id);
}

// Whether the first item of the queue can be answered now.
bool Replica::servable(const Session& session, const Item& item) {
  if (item.asks) {
    return queries_.settled(session.id);
  }
  if (item.leaderless) {
    return leaderless_.done(item.tag);
  }
  switch (item.kind) {
    case Item::Kind::kVerb:
      return item.verb != Verb::kKvFault || faults_.settled(session.id);
    case Item::Kind::kError:
      return true;
    case Item::Kind::kLater:
      break;  // never the first
    case Item::Kind::kWrite:
      return false;  // answered by after_write() alone
    case Item::Kind::kRead:
      break;
  }
  if (item.behind_write) {
    return true;  // that write has been answered, else it would still be ahead
  }
  if (!item.everywhere) {
    const auto& partition = *find(item.partition);
    return partition.confirmed() >= item.tag && partition.machine().applied() >= item.at_least;
  }
  const auto* keyspace = keyspace_of(session);
  for (std::size_t i = 0; i < item.tags.size(); ++i) {
    const PartitionId id(keyspace->first_partition.value() + static_cast<std::uint32_t>(i));
    if (find(id)->confirmed() < item.tags[i]) {
      return false;
    }
  }
  return true;
}

void Replica::pop(Session& session) {
  session.begun -= session.queue.front().begun ? 1 : 0;
  session.queue.pop_front();
}

void Replica::serve(Session& session, Item& item) {
  if (item.kind == Item::Kind::kVerb) {
    run_verb(session, item);
  } else if (item.kind == Item::Kind::kError) {
    connections_.reply(session.id).error(item.error);
    session.receipt = Receipt{};
    if (item.close) {
      connections_.close_after_replies(session.id);
    }
  } else if (item.change) {
    serve_change(session, item);
  } else {
    Reader reader(item.body);
    Command command;
    CHECK(decode(reader, command), "a queued command that the node encoded itself");
    item.asks         ? serve_asking(session, item, command)
    : item.leaderless ? serve_leaderless(session, item, command)
                      : serve_read(session, item, command);
  }
  pop(session);
}

void Replica::serve_read(Session& session, const Item& item, const Command& command) {
  auto& partition = *find(item.partition);
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  const auto* keyspace = keyspace_of(session);
  Version version;
  if (const auto cold = command.op == Op::kDump ? cold_rows(*keyspace) : 0; cold > 0) {
    reply.error(too_many_values(cold));
  } else if (item.everywhere) {
    read_everywhere(*keyspace, command, reply);
  } else if (command.op == Op::kScan && keyspace->partitions > 1) {
    scan(*keyspace, partition, command, reply);
  } else if (command.op == Op::kRandomKey) {
    Command drawn = command;
    drawn.number = static_cast<std::int64_t>(prng_.next());
    partition.machine().read(drawn, {now_.wall}, reply);
  } else {
    version = partition.machine().read(command, {now_.wall}, reply);
  }
  const bool looks_inside = command.op == Op::kDump || command.op == Op::kDigest;
  Receipt unused;
  auto& receipt = looks_inside ? unused : session.receipt;
  receipt = Receipt{};
  receipt.asked = item.asked.value_or(item.met);
  receipt.met = item.met;
  receipt.path = item.tag != 0 || !item.tags.empty() ? Path::kReadIndex
                 : item.behind_write                 ? Path::kLog
                                                     : Path::kLocal;
  receipt.partition = item.partition;
  receipt.index = partition.machine().applied();
  receipt.version = version;
  receipt.term = partition.machine().applied_term();
  receipt.replicas = 1;
  receipt.durable = options_.durable;
  // A prefix read may be older than what the session saw before it: it takes no place from that.
  if (item.met.kind != LevelKind::kPrefix) {
    session.seen_partition = item.partition;
    session.seen_index = receipt.index;
  } else if (session.seen_partition == item.partition) {
    session.seen_index = std::max(session.seen_index, receipt.index);
  }
  if (item.with_receipt) {
    reply_receipt(receipt, reply);
  }
}

// What had to wait until a setting was made: all that is in the queue.
void Replica::admit_later(Session& session) {
  auto later = std::exchange(session.queue, {});
  for (auto& item : later) {
    if (item.kind == Item::Kind::kLater) {
      admit(session, unpack(item.body), item.arrived);
    } else {
      enqueue(session, std::move(item), nullptr);  // the parser refused it
    }
  }
}

// Answers from the front of the queue what can be answered, then begins what may begin.
void Replica::advance(Session& session) {
  Command command;
  while (!session.queue.empty()) {
    auto& head = session.queue.front();
    const bool data = head.kind == Item::Kind::kRead || head.kind == Item::Kind::kWrite;
    if (data && !head.begun) {
      Reader reader(head.body);
      CHECK(head.change || decode(reader, command),
            "a queued command that the node encoded itself");
      begin(session, head, command);
    } else if (head.kind == Item::Kind::kVerb && head.verb == Verb::kKvFault && !head.begun) {
      begin_fault(session, head);
    } else if (head.kind == Item::Kind::kVerb && head.verb == Verb::kKvSend && !head.begun) {
      begin_sending(session, head);
    } else if (head.kind == Item::Kind::kVerb && head.verb == Verb::kKvLead && !head.begun) {
      begin_leading(session, head);
    }
    if (!servable(session, head) || !has_values(session, head)) {
      break;
    }
    const bool setting = head.kind == Item::Kind::kVerb && is_setting(head.verb);
    serve(session, head);
    if (setting) {
      --session.settings;
      return admit_later(session);
    }
  }
  while (session.begun < session.queue.size()) {
    auto& next = session.queue[session.begun];
    const auto& ahead = session.queue[session.begun - 1];
    if (!may_follow(session, ahead, next)) {
      break;
    }
    Reader reader(next.body);
    CHECK(decode(reader, command), "a queued command that the node encoded itself");
    begin(session, next, command);
  }
}

ReplyWriter& Replica::before_write(Partition&, ConnId conn) {
  auto* session = find(conn);
  if (session == nullptr) {
    return no_reply_;
  }
  while (!session->queue.empty() && session->queue.front().kind == Item::Kind::kRead) {
    serve(*session, session->queue.front());
  }
  CHECK(!session->queue.empty() && session->queue.front().kind == Item::Kind::kWrite,
        "a write is applied for a connection that does not wait for one");
  const auto& item = session->queue.front();
  if (item.change) {
    return change_reply_;
  }
  if (item.everywhere && item.outstanding > 1) {
    return no_reply_;  // the last partition's reply is everybody's
  }
  auto& reply = connections_.reply(conn);
  if (item.with_receipt) {
    reply.array(2);
  }
  return reply;
}

void Replica::after_write(Partition& partition, ConnId conn, std::uint64_t seq, Version version) {
  auto* session = find(conn);
  if (session == nullptr) {
    return;
  }
  auto& item = session->queue.front();
  if (item.change) {
    return change_applied(*session);
  }
  if (item.everywhere && --item.outstanding > 0) {
    return;
  }
  auto& receipt = session->receipt;
  receipt = Receipt{};
  receipt.asked = item.asked.value_or(item.met);
  receipt.met = item.met;
  receipt.path = Path::kLog;
  receipt.partition = partition.id();
  receipt.index = version.index();
  receipt.version = version;
  receipt.term = partition.machine().applied_term();
  receipt.replicas = static_cast<std::uint8_t>(voters_.size() / 2 + 1);
  receipt.durable = options_.durable;
  receipt.client = client_id_.value();
  receipt.seq = seq;
  session->seen_partition = partition.id();
  session->seen_index = version.index();
  if (item.with_receipt) {
    reply_receipt(receipt, connections_.reply(conn));
  }
  pop(*session);
  while (!session->queue.empty() && session->queue.front().behind_write) {
    serve(*session, session->queue.front());
  }
  if (!session->queue.empty() && (session->queue.size() > session->begun ||
                                  session->queue.front().kind == Item::Kind::kRead)) {
    wake(conn);
  }
}

void Replica::write_missed(ConnId conn) {
  auto* session = find(conn);
  if (session == nullptr) {
    return;
  }
  // What waits ahead of the write must not see it.
  while (session->queue.front().kind == Item::Kind::kRead) {
    connections_.reply(conn).error(
        {ErrorCode::kTimeout, "a later write of this connection came first, by a snapshot"});
    session->receipt = Receipt{};
    pop(*session);
  }
  auto& item = session->queue.front();
  CHECK(item.kind == Item::Kind::kWrite, "a write came for a connection that does not wait for it");
  if (item.everywhere && --item.outstanding > 0) {
    return;
  }
  connections_.reply(conn).error(
      {ErrorCode::kUnknown, "the write was committed, but its reply came by a snapshot"});
  session->receipt = Receipt{};
  session->receipt.outcome = Outcome::kUnknown;
  pop(*session);
  wake(conn);
}

Error Replica::timeout_error(Session& session, const Item& item) {
  if (item.kind == Item::Kind::kVerb && item.verb == Verb::kKvFault) {
    return faults_.abandon(session.id);
  }
  if (item.leaderless || item.asks) {
    return Error{ErrorCode::kTimeout, "what was sent before it took too long; nothing was done"};
  }
  if (item.kind == Item::Kind::kRead && servable(session, item)) {
    return Error{ErrorCode::kTimeout, "the disk took too long to give its value"};
  }
  if (item.kind == Item::Kind::kRead) {
    return item.at_least ? Error{ErrorCode::kStale, {}} : Error{ErrorCode::kNoLeader, {}};
  }
  bool never_sent = true;
  if (item.begun && !item.everywhere) {
    never_sent = find(item.partition)->outbox().abandon(session.id);
  } else if (item.change) {
    never_sent = !item.begun || find(kMetaPartition)->outbox().abandon(session.id);
  } else if (item.begun) {
    for (auto& [id, partition] : partitions_) {
      if (id != kMetaPartition) {
        never_sent = partition->outbox().abandon(session.id) && never_sent;
      }
    }
    never_sent = never_sent && item.outstanding == keyspace_of(session)->partitions;
  }
  return Error{
      never_sent || KVORUM_MUTANT(kUnknownAsFailure) ? ErrorCode::kNoLeader : ErrorCode::kUnknown,
      {}};
}

// The first item's time is over. What waited behind it goes on: a read that leaned on this write
// must now ask for itself.
void Replica::expire(Session& session) {
  auto& item = session.queue.front();
  const auto error = timeout_error(session, item);
  session.receipt = Receipt{};
  session.receipt.asked = item.asked.value_or(item.met);
  session.receipt.met = item.met;
  session.receipt.partition = item.partition;
  session.receipt.outcome = outcome_of(error.code);
  connections_.reply(session.id).error(error);
  const bool was_write = item.kind == Item::Kind::kWrite;
  pop(session);
  for (std::size_t i = 0; was_write && i < session.begun; ++i) {
    auto& behind = session.queue[i];
    if (behind.kind == Item::Kind::kWrite) {
      break;
    }
    behind.behind_write = false;
    behind.tag = find(behind.partition)->barrier(session.id);
  }
}

// In the order of the connections' ids: what they ask of the partitions then must not depend on
// how a hash table lies in memory.
void Replica::sweep(Now now) {
  // What is with the leaderless core has its time-out there. A setting that is first in the queue
  // waits for nothing, and what came behind it waits to be understood.
  const auto late = [this, now](const Session& session) {
    if (session.queue.empty()) {
      return false;
    }
    const auto& first = session.queue.front();
    const bool setting = first.kind == Item::Kind::kVerb && is_setting(first.verb);
    return !setting && !(first.leaderless && !first.asks && first.begun) &&
           first.arrived + options_.request_timeout <= now.mono;
  };
  std::vector<ConnId> ids;
  for (const auto& [id, session] : sessions_) {
    if (late(*session)) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  for (const auto id : ids) {
    auto& session = *sessions_.at(id);
    while (late(session)) {
      auto& head = session.queue.front();
      if (head.asks && head.begun) {  // who has not answered is told as silent
        queries_.give_up(id);
        if (has_values(session, head)) {
          serve(session, head);
        } else {
          queries_.take(id);
          expire(session);
        }
      } else {
        expire(session);
        advance(session);  // what only waited behind it has an answer
      }
    }
    advance(session);
  }
}

}  // namespace kvorum::node
