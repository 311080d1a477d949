// Hinted handoff: what a replica that is down should have got (DeCandia et al., 4.6).
//
// A replica's hint is only the key; what its table holds when the other is back is sent, so a hint
// never brings back what was deleted meanwhile. A stand-in keeps the row itself, in memory.
#include <algorithm>

#include "dynamo/impl.h"

namespace kvorum::dynamo {

void Core::Impl::keep_hint(NodeId node, const Partition& partition, ByteView key, Bytes row) {
  auto& hints = hints_[node];
  const HintKey name(partition.config.id, key);
  const auto at = hints.find(name);
  if (at == hints.end() &&
      (hint_count_ >= options_.hints || hint_bytes_ + row.size() > kHintBytes)) {
    ++stats_.hints_dropped;
    return;
  }
  if (at == hints.end()) {
    ++hint_count_;
    hint_bytes_ += row.size();
    hints[name] = {now_.mono + options_.hint_life, partition.config.generation, std::move(row)};
    hints_at_ = std::min(hints_at_, now_.mono + options_.hint_life);
    return;
  }
  if (hint_bytes_ + row.size() > kHintBytes) {
    ++stats_.hints_dropped;
    return forget_hint(node, name);
  }
  Hint& hint = at->second;
  hint.under_way = false;  // what was sent is not the newest any more
  hint_bytes_ += row.size();
  hint_bytes_ -= hint.row.size();
  hint.row = std::move(row);
}

// We stand in for somebody. The acknowledgement says that we keep the rows, in memory.
void Core::Impl::on_hint_rows(const Message& message) {
  const Partition& partition = *find(message.partition);
  const auto& replicas = partition.config.replicas;
  if (std::find(replicas.begin(), replicas.end(), message.hint_for) == replicas.end()) {
    return;
  }
  const auto dropped = stats_.hints_dropped;
  for (const auto& [key, bytes] : message.rows) {
    Row row;
    Reader reader(bytes);
    if (!decode(reader, row) || !reader.done()) {
      return;
    }
    auto& hints = hints_[message.hint_for];
    Row held;
    if (const auto at = hints.find({partition.config.id, Bytes(key)});
        at != hints.end() && !at->second.row.empty()) {
      Reader before(at->second.row);
      CHECK(decode(before, held));
      merge(row, held);
    }
    Bytes merged;
    encode(row, merged);
    keep_hint(message.hint_for, partition, key, std::move(merged));
  }
  if (dropped == stats_.hints_dropped && message.id != 0) {
    Message done = make(MessageType::kRowsDone, partition, message.from);
    done.id = message.id;
    send_now_.push_back(std::move(done));
  }
  send_hints(message.hint_for);  // it may be up, as we see it
}

// The next of them, if the node is up and has acknowledged the last. Those whose values come from
// the disk follow when they are there.
void Core::Impl::send_hints(NodeId node) {
  auto& hints = hints_[node];
  Flight& flight = flights_[node];
  if (hints.empty() || !is_up(node) || flight.id != 0) {
    return;
  }
  std::optional<Message> message;
  std::size_t bytes = 0;
  for (auto at = hints.begin(); at != hints.end() && bytes < kBatchBytes;) {
    auto& [name, hint] = *at++;
    Partition* partition = find(name.first);
    Bytes row = hint.row;
    const auto held =
        row.empty() && partition != nullptr ? partition->table.item(name.second) : Table::Item();
    if (held.cold && partition->config.generation == hint.generation) {
      bytes += held.bytes;  // of what this turn asks of the disk
      want(*partition, name.second, held.print);
      continue;
    }
    if (row.empty()) {
      row = held.row;
    }
    if (row.empty() || partition->config.generation != hint.generation) {
      forget_hint(node, HintKey(name));
      continue;
    }
    if (message && (message->partition != name.first || message->rows.size() >= kHintRows)) {
      break;
    }
    if (!message) {
      message = make(MessageType::kRows, *partition, node);
    }
    bytes += row.size();
    hint.under_way = true;
    flight.keys.push_back(name);
    message->rows.add(name.second, row);
  }
  if (message) {
    flight.id = message->id = ++next_id_;
    flight.deadline = now_.mono + options_.request_timeout;
    send_now_.push_back(std::move(*message));
  }
}

void Core::Impl::on_hints_done(NodeId node, std::uint64_t id) {
  const auto flight = flights_.find(node);
  if (flight == flights_.end() || flight->second.id != id) {
    return;
  }
  const auto keys = std::move(flight->second.keys);
  flight->second = {};
  for (const HintKey& key : keys) {
    const auto at = hints_[node].find(key);
    if (at != hints_[node].end() && at->second.under_way) {
      forget_hint(node, key);
    }
  }
  send_hints(node);
}

void Core::Impl::forget_hint(NodeId node, const HintKey& key) {
  const auto at = hints_[node].find(key);
  --hint_count_;
  hint_bytes_ -= at->second.row.size();
  hints_[node].erase(at);
}

// All are looked at, so seldom: late by an eighth of a hint's life at most.
void Core::Impl::expire_hints() {
  for (auto& [node, hints] : hints_) {
    for (auto at = hints.begin(); at != hints.end();) {
      const auto& [key, hint] = *at++;
      if (hint.expires <= now_.mono) {
        ++stats_.hints_dropped;
        forget_hint(node, HintKey(key));
      }
    }
  }
  hints_at_ = hint_count_ > 0 ? now_.mono + options_.hint_life / 8 : Instant::max();
}

}  // namespace kvorum::dynamo
