// Requests of leaderless keyspaces in a connection's order.
#include <boost/container/small_vector.hpp>

#include "base/check.h"
#include "node/leaderless_reply.h"
#include "node/replica.h"

namespace kvorum::node {
namespace {

constexpr std::size_t kHeldBytes = std::size_t{64} << 10;  // of memory that a held command keeps

}  // namespace

// A GET or SET, which mostly needs nothing but memory, is held until there are as many as are
// fetched at once, or something else comes, or the turn ends: so memory is waited for once and not
// for each.
bool Replica::may_hold(const Item& item, const Command& command) {
  return item.leaderless && (command.op == Op::kGet || command.op == Op::kSet);
}

void Replica::hold(const Session& session, Item&& item, const Command& command) {
  Held& held = held_[held_count_++];
  held.conn = session.id;
  held.item = std::move(item);
  held.command.clear();
  encode(command, held.command);
  if (held_count_ == held_.size()) {
    settle();
  }
}

// Before anything else is done.
void Replica::settle() {
  const auto count = std::exchange(held_count_, 0);
  std::array<Command, dynamo::Table::kFetch> commands;
  std::array<dynamo::Core::Wanted, dynamo::Table::kFetch> rows;
  for (std::size_t i = 0; i < count; ++i) {
    Reader reader(held_[i].command);
    CHECK(decode(reader, commands[i]), "a held command that the node encoded itself");
    rows[i] = {held_[i].item.partition, commands[i].args[0]};
  }
  leaderless_.fetch({rows.data(), count});
  for (std::size_t i = 0; i < count; ++i) {
    auto& held = held_[i];
    enqueue_now(*find(held.conn), std::move(held.item), &commands[i]);
    if (held.command.capacity() > kHeldBytes) {
      Bytes().swap(held.command);
    }
  }
}

// What needs no other replica, nor the disk, and has nothing ahead of it: no place in the queue
// either.
bool Replica::serve_at_once(Session& session, const Item& item, const Command& command) {
  if (item.kind == Item::Kind::kWrite) {
    return write_at_once(session, item, command);
  }
  if (item.kind != Item::Kind::kRead || item.everywhere || item.met.r != 1 ||
      command.args.size() != 1) {
    return false;
  }
  const bool values = command.op == Op::kGet || command.op == Op::kMGet ||
                      command.op == Op::kStrLen || command.op == Op::kGetRange;
  const auto* row = leaderless_.read_here(item.partition, command.args[0], values);
  if (row == nullptr) {
    return false;
  }
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  reply_rows(command, {&row, 1}, now_.wall, reply);
  auto& receipt = session.receipt;
  receipt = Receipt{};
  receipt.leaderless = true;
  receipt.asked = item.asked.value_or(item.met);
  receipt.met = item.met;
  receipt.path = Path::kLocal;
  receipt.partition = item.partition;
  receipt.replicas = 1;
  receipt.coordinator = options_.self;
  const auto live = look(*row, now_.wall);
  receipt.siblings = live.count;
  receipt.dot = live.newest == nullptr ? Dot{} : live.newest->dot;
  session.context = row->context;
  if (item.with_receipt) {
    reply_receipt(session, reply);
  }
  return true;
}

bool Replica::write_at_once(Session& session, const Item& item, const Command& command) {
  const Counts counts{item.met.w, item.met.r, item.met.sloppy};
  if (item.everywhere || counts.w != 1) {
    return false;
  }
  const auto* result = leaderless_.write_here(item.partition, command, counts, item.seen, now_);
  if (result == nullptr) {
    return false;
  }
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  leaderless_receipt(session, item, {result, 1}, *keyspace_of(session));
  reply_written(command, {result, 1}, reply);
  if (item.with_receipt) {
    reply_receipt(session, reply);
  }
  return true;
}

void Replica::begin_leaderless(Session& session, Item& item, const Command& command) {
  const Counts counts{item.met.w, item.met.r, item.met.sloppy};
  item.tag = leaderless_.begin(session.id, *keyspace_of(session), command, counts, item.seen, now_);
  const auto& request = leaderless_.request(item.tag);
  session.open_reads += request.write ? 0 : 1;
  session.open_remote += request.remote ? 1 : 0;
}

void Replica::leaderless_done(ConnId conn, std::uint64_t id) {
  auto* session = find(conn);
  if (session == nullptr) {
    leaderless_.forget(id);  // nobody wants it any more
    return;
  }
  const auto& request = leaderless_.request(id);
  session->open_reads -= request.write ? 0 : 1;
  session->open_remote -= request.remote ? 1 : 0;
  // What stands behind others is answered with them, unless something waits for it to begin.
  if (session->queue.front().tag == id || session->begun < session->queue.size()) {
    wake(conn);
  }
}

void Replica::leaderless_receipt(Session& session, const Item& item,
                                 std::span<const dynamo::Result> results,
                                 const Keyspace& keyspace) {
  const auto& result = results.front();
  auto& receipt = session.receipt;
  receipt = Receipt{};
  receipt.leaderless = true;
  receipt.asked = item.asked.value_or(item.met);
  receipt.met = item.met;
  receipt.path = Path::kCoordinator;
  receipt.partition = item.partition;
  receipt.coordinator = result.coordinator;
  receipt.durable = options_.durable && keyspace.flush_ms == 0;
  receipt.wrote = item.kind == Item::Kind::kWrite && result.dot.counter != 0;
  const auto live = look(result.row, now_.wall);
  receipt.siblings = live.count;
  receipt.dot = receipt.wrote ? result.dot : live.newest == nullptr ? Dot{} : live.newest->dot;
  receipt.replicas = 255;
  for (const auto& one : results) {  // of several keys: what all of them got
    receipt.replicas = std::min(receipt.replicas, static_cast<std::uint8_t>(one.acks));
    receipt.stand_ins = receipt.stand_ins || one.stand_ins;
  }
  session.context = result.row.context;
}

void Replica::serve_leaderless(Session& session, const Item& item, const Command& command) {
  const auto* keyspace = keyspace_of(session);
  const auto& request = leaderless_.request(item.tag);
  auto& reply = connections_.reply(session.id);
  if (item.with_receipt) {
    reply.array(2);
  }
  leaderless_receipt(session, item, request.results, keyspace == nullptr ? Keyspace() : *keyspace);
  if (const auto failed = failure_of(command, request.results)) {
    session.receipt.outcome = outcome_of(failed->code);
    session.receipt.path = Path::kNone;
    reply.error(*failed);
  } else if (item.kind == Item::Kind::kWrite) {
    reply_written(command, request.results, reply);
  } else {
    boost::container::small_vector<const dynamo::Row*, 4> rows;
    for (const auto& result : request.results) {
      rows.push_back(&result.row);
    }
    reply_rows(command, rows, now_.wall, reply);
  }
  leaderless_.forget(item.tag);
  if (item.with_receipt) {
    reply_receipt(session, reply);
  }
}

}  // namespace kvorum::node
