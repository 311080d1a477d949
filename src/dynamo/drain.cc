// A turn's effects: messages in batches, the disk's batch, timers.
#include <algorithm>
#include <iterator>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

// All of these have the same time to live, so the queue is in order.
std::uint64_t Core::Impl::set_timer() {
  deadlines_.push_back({now_.mono + options_.request_timeout, ++next_id_});
  return next_id_;
}

// Of a read that waits since some time ago. They come nearly in order: this is near the end.
std::uint64_t Core::Impl::set_timer(Instant deadline) {
  const auto place = std::upper_bound(grown_deadlines_.begin(), grown_deadlines_.end(), deadline,
                                      [](Instant at, const Timer& timer) { return at < timer.at; });
  grown_deadlines_.insert(place, {deadline, ++next_id_});
  return next_id_;
}

Core::Impl::RowsBatch& Core::Impl::batch_of(Partition& partition, NodeId to, NodeId hint_for) {
  auto& batches = partition.batches;
  const auto at = std::find_if(batches.begin(), batches.end(), [&](const RowsBatch& batch) {
    return batch.to == to && batch.hint_for == hint_for;
  });
  if (at != batches.end()) {
    return *at;
  }
  RowsBatch& fresh = batches.emplace_back(RowsBatch{to, hint_for, {}, {}});
  fresh.rows.reserve(kFirstBatchBytes);
  return fresh;
}

void Core::Impl::queue_row(Partition& partition, NodeId to, ByteView key, ByteView row,
                           std::uint64_t request, NodeId hint_for) {
  RowsBatch& batch = batch_of(partition, to, hint_for);
  const auto bytes = batch.rows.bytes().size() + key.size() + row.size();
  if (!batch.rows.empty() && bytes > kBatchBytes) {
    send_batch(partition, std::exchange(batch, {to, hint_for, {}, {}}));
  }
  batch.rows.add(key, row);
  if (request != 0) {
    batch.requests.push_back(request);
    leaves_now(to);
  } else {
    may_wait(to, key.size() + row.size());
  }
}

void Core::Impl::leaves_now(NodeId to) {
  if (to != options_.self.node) {
    peers_[to].leaves_at = now_.mono;
  }
}

// To wake another node, and to be woken by it, costs more than what one row does there. So what
// nobody waits for leaves with the next message to that node that somebody does wait for, or with
// others of its kind.
void Core::Impl::may_wait(NodeId to, std::size_t bytes) {
  Peer& peer = peers_[to];
  peer.queued_bytes += bytes;
  const bool full = peer.queued_bytes >= kCompanyBytes;
  peer.leaves_at = std::min(peer.leaves_at, full ? now_.mono : now_.mono + kCompanyWait);
}

void Core::Impl::send_batch(const Partition& partition, RowsBatch batch) {
  Message message = make(MessageType::kRows, partition, batch.to);
  message.rows = std::move(batch.rows);
  message.hint = batch.hint_for != NodeId();
  message.hint_for = batch.hint_for;
  if (!batch.requests.empty()) {
    message.id = set_timer();
    sent_[message.id] = {batch.to, std::move(batch.requests)};
  }
  send_now_.push_back(std::move(message));
}

void Core::Impl::send_batches(Partition& partition) {
  auto& batches = partition.batches;
  const auto gone = std::partition(batches.begin(), batches.end(),
                                   [&](const RowsBatch& batch) { return !leaves(batch.to); });
  for (auto batch = gone; batch != batches.end(); ++batch) {
    send_batch(partition, std::move(*batch));
  }
  batches.erase(gone, batches.end());
}

void Core::Impl::send_all() {
  for (const Message& message : send_now_) {
    leaves_now(message.to);
  }
  const bool any = std::any_of(peers_.begin(), peers_.end(),
                               [&](const auto& peer) { return leaves(peer.first); });
  if (!any) {
    return;
  }
  // An answer of this turn may hold the outcome of a conflict with a row that is still queued: who
  // got that outcome first would not notice the conflict.
  later_.swap(send_now_);
  for (auto& [id, partition] : partitions_) {
    send_batches(partition);
    send_asks(partition);
    send_prints(partition);  // behind the rows, which they may be of
  }
  std::move(later_.begin(), later_.end(), std::back_inserter(send_now_));
  later_.clear();
  for (auto& [node, peer] : peers_) {
    if (leaves(node)) {
      peer.leaves_at = Instant::max();
      peer.queued_bytes = 0;
    }
  }
}

void Core::Impl::on_rows(const Message& message) {
  Partition& partition = *find(message.partition);
  bool cold = false;
  const bool whole = each_row(message.rows, partition.table, [&](const RowList::Item& item) {
    Reader reader(item.row);
    if (!decode(reader, received_) || !reader.done()) {
      return false;
    }
    const auto absorbed = absorb(partition, item.key, received_);
    cold = cold || absorbed.cold;
    if (absorbed.answer) {
      Bytes encoded;
      encode(*absorbed.answer, encoded);
      queue_row(partition, message.from, item.key, encoded, 0);
    }
    return true;
  });
  if (!whole) {  // and no answer: what is not merged is not acknowledged
    return say(fmt::format("a malformed row from node {}", message.from.value()));
  }
  if (cold) {
    return park(partition, message);
  }
  if (message.id != 0) {
    Message done = make(MessageType::kRowsDone, partition, message.from);
    done.id = message.id;
    (partition.config.fsync && !KVORUM_MUTANT(kAckRowsEarly) ? send_persisted_ : send_now_)
        .push_back(std::move(done));
  }
}

void Core::Impl::on_rows_done(const Message& message) {
  const auto sent =
      KVORUM_MUTANT(kShareAcks)
          ? std::find_if(sent_.begin(), sent_.end(),
                         [&](const auto& item) { return item.second.to == message.from; })
          : sent_.find(message.id);
  if (sent != sent_.end()) {
    if (sent->second.to == message.from) {
      const auto requests = std::move(sent->second.requests);
      sent_.erase(sent);
      for (const std::uint64_t request : requests) {
        ack(request, message.from);
      }
    }
  } else if (Round* round = find_round(message.id, message.from)) {
    round->waits = false;
    advance(*round);
  } else {
    on_hints_done(message.from, message.id);
  }
}

void Core::Impl::write_partition(Partition& partition, Output& out, DiskBatch& batch) {
  const auto& config = partition.config;
  if (partition.table.changed() > 0) {
    out.must_sync = out.must_sync || config.fsync;
    out.rows.push_back({config.id, config.generation, {}});
    const auto each =
        partition.table.row_bytes() / std::max<std::size_t>(partition.table.rows(), 1);
    out.rows.back().rows.reserve(std::min(kBatchBytes, partition.table.changed() * each));
    partition.table.take_changed([&](ByteView key, ByteView row) {
      if (out.rows.back().rows.bytes().size() >= kBatchBytes) {
        out.rows.push_back({config.id, config.generation, {}});
      }
      out.rows.back().rows.add(key, row);
    });
  }
  if (std::exchange(partition.write_cut, false)) {
    // Synced, because what we have told makes others drop tombstones.
    out.must_sync = true;
    out.cuts.push_back(
        {config.id, config.generation, partition.cut, partition.known, partition.refilled});
    batch.known.emplace_back(config.id, config.generation, partition.known);
  }
}

void Core::Impl::drain_disk(Output& out) {
  DiskBatch batch;
  out.bounds = batch.bounds = raise_bounds();
  out.must_sync = out.bounds.has_value() || flushing_;
  const bool due = write_at_ <= now_.mono || flushing_;
  const bool known = known_at_ <= now_.mono || flushing_;
  if (known) {
    known_at_ = Instant::max();
    known_written_ = now_.mono;
  }
  if (due || known || disk_work_) {
    for (auto& [id, partition] : partitions_) {
      partition.write_cut =
          partition.write_cut || (known && partition.mine && partition.known != partition.told);
      const bool full = partition.table.changed() >= kChangedRows;
      if (due || full || partition.config.fsync || partition.write_cut) {
        write_partition(partition, out, batch);
      }
    }
    if (due) {
      write_at_ = Instant::max();
    }
    disk_work_ = flushing_ = false;
  }
  batch.requests = std::move(own_copies_);
  own_copies_.clear();
  out.send_after_persist.swap(send_persisted_);
  send_persisted_.clear();
  if (out.bounds || out.must_sync || !out.rows.empty() || !out.cuts.empty() ||
      !batch.requests.empty() || !out.send_after_persist.empty()) {
    out.ticket = batch.ticket = ++last_ticket_;
    disk_.push_back(std::move(batch));
  }
}

void Core::Impl::persisted(std::uint64_t ticket, Now now) {
  now_ = now;
  while (!disk_.empty() && disk_.front().ticket <= ticket) {
    const DiskBatch batch = std::move(disk_.front());
    disk_.pop_front();
    if (batch.bounds) {
      durable_ = *batch.bounds;
    }
    for (const auto& [id, generation, known] : batch.known) {
      Partition* partition = find(id);
      if (partition != nullptr && partition->config.generation == generation) {
        partition->told.merge(known);
        raise_cut(*partition);
      }
    }
    for (const std::uint64_t request : batch.requests) {
      ack(request, options_.self.node);
    }
  }
  stamp_waiting();
}

// Nobody was heard in a quarter of the time: what was sent may be lost, or its receiver did not
// know the partition yet. To say it again does no harm.
void Core::Impl::hedge(std::uint64_t id) {
  if (const auto read = reads_.find(id); read != reads_.end()) {
    if (Partition* partition = find(read->second->request.partition)) {
      ask_more(*partition, id, *read->second, true);
    }
  } else if (const auto write = writes_.find(id);
             write != writes_.end() && !write->second->forwarded) {
    spread_again(id, *write->second);
  } else {
    if (const auto asked = asked_.find(id); asked != asked_.end()) {
      grow_all(asked);
    }
    return;
  }
  hedges_.push_back({now_.mono + options_.request_timeout / 4, id});
}

// The time of who has that number is up.
void Core::Impl::expire(std::uint64_t id) {
  if (const auto at = writes_.find(id); at != writes_.end()) {
    Write& late = *at->second;
    finish(late, Ended::kUnknown,
           {ErrorCode::kUnknown,
            late.forwarded ? "the coordinator did not answer"
                           : fmt::format("{} of {} acks", late.acked.size(), late.request.w)});
    writes_.erase(at);
  } else if (const auto read = reads_.find(id); read != reads_.end()) {
    Read& late = *read->second;
    finish(late, Ended::kTimeout,
           {ErrorCode::kTimeout,
            late.asked.empty() && late.answers.empty()
                ? Bytes("the disk took too long to give its value")
                : fmt::format("{} of {} answers", late.answers.size(), late.request.r)});
    end_read(read);
  } else if (sent_.erase(id) == 0) {
    asked_.erase(id);
  }
}

void Core::Impl::expire() {
  while (!hedges_.empty() && hedges_.front().at <= now_.mono) {
    const auto id = hedges_.front().id;
    hedges_.pop_front();
    hedge(id);
  }
  for (auto* timers : {&deadlines_, &grown_deadlines_}) {
    while (!timers->empty() && timers->front().at <= now_.mono) {
      const auto id = timers->front().id;
      timers->pop_front();
      expire(id);
    }
  }
  if (hints_at_ <= now_.mono) {
    expire_hints();
  }
  for (auto& [node, flight] : flights_) {
    if (flight.id != 0 && flight.deadline <= now_.mono) {
      flight = {};
      send_hints(node);
    }
  }
}

// Of what is done by now, which is nearly all: else each of them would wake us when its time comes.
void Core::Impl::forget_timers() {
  const auto is_request = [&](std::uint64_t id) {
    return reads_.contains(id) || writes_.contains(id);
  };
  while (!hedges_.empty() && !is_request(hedges_.front().id) &&
         !asked_.contains(hedges_.front().id)) {
    hedges_.pop_front();
  }
  while (!deadlines_.empty()) {
    const auto id = deadlines_.front().id;
    if (is_request(id) || sent_.contains(id) || asked_.contains(id)) {
      break;
    }
    deadlines_.pop_front();
  }
  while (!grown_deadlines_.empty() && !reads_.contains(grown_deadlines_.front().id)) {
    grown_deadlines_.pop_front();
  }
}

Instant Core::Impl::wake_at() const {
  Instant wake = std::min({write_at_, known_at_, scan_at_, hints_at_, sync_at_});
  for (const auto* timers : {&deadlines_, &grown_deadlines_, &hedges_}) {
    wake = timers->empty() ? wake : std::min(wake, timers->front().at);
  }
  for (const auto& [node, peer] : peers_) {
    wake = std::min(wake, peer.leaves_at);
  }
  for (const auto& [id, round] : rounds_) {
    wake =
        std::min({wake, round.deadline, round.waits || round.cold ? Instant::max() : budget_at_});
  }
  for (const auto& [node, flight] : flights_) {
    wake = std::min(wake, flight.id != 0 ? flight.deadline : Instant::max());
  }
  if (!waiting_.empty()) {
    const auto early = std::max(clock_.wall() - now_.wall - options_.max_clock_skew_ms + 1,
                                floor_.wall() - now_.wall);
    wake = std::min(wake, waiting_.front()->deadline);
    wake = early > 0 ? std::min(wake, now_.mono + early * 1ms) : wake;
  }
  return wake;
}

// One long value must not keep its memory in each of them.
void Core::Impl::trim_scratch() {
  for (Row* row : {&merged_, &received_, &written_.row}) {
    for (Sibling& sibling : row->siblings) {
      if (sibling.value.capacity() > kScratchBytes) {
        Bytes().swap(sibling.value);
      }
    }
  }
}

void Core::Impl::drain(Output& out, Now now) {
  now_ = now;
  trim_scratch();
  prints_of_turn_ = 0;
  turn_asks_.reset();
  send_all();
  drain_disk(out);
  out.send_now.swap(send_now_);
  send_now_.clear();
  out.results.swap(results_);
  results_.clear();
  out.log.swap(log_);
  log_.clear();
  forget_timers();
  out.wake_at = wake_at();
}

}  // namespace kvorum::dynamo
