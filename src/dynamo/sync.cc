// Anti-entropy: a round finds what two replicas hold differently, from sums of ranges down to keys,
// and moves it both ways. The side that begins it keeps its state; the other one only answers.
//
//   begins                                answers
//   sum of all rows                   ->
//                                     <-  differs: the sums of its 16 parts
//   sums of the parts of those        ->
//                                     <-  ... down to the last level
//   list these ranges                 ->
//                                     <-  their keys' prints
//   prints that it lacks or differ    ->
//                                     <-  the rows
//   rows that the other one lacks     ->
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {
namespace {

constexpr std::size_t kSums = 4096;  // in one message
constexpr auto kBurst = 10ms;        // of its budget that a round may be ahead
constexpr int kMaxFailures = 5;      // doublings of the wait

std::size_t bytes_of(const Context& context) { return 20 * context.seen().size(); }

Range part_of(Range range, int part) {
  return {static_cast<std::uint8_t>(range.level + 1),
          range.number * Table::kFanOut + static_cast<std::uint32_t>(part)};
}

// Keys of one hash count as one.
std::map<std::uint64_t, std::uint64_t> combine(const std::vector<KeyPrint>& prints) {
  std::map<std::uint64_t, std::uint64_t> sums;
  for (const KeyPrint& print : prints) {
    sums[print.hash] += print.fingerprint;
  }
  return sums;
}

}  // namespace

void Core::Impl::schedule(Pair& pair, Duration wait) {
  const auto quarter = static_cast<std::uint64_t>(wait.count() / 4 + 1);
  pair.next_at = now_.mono + wait - wait / 8 + Duration(prng_.below(quarter));
  sync_at_ = std::min(sync_at_, pair.next_at);
}

Core::Impl::Round* Core::Impl::find_round(std::uint64_t id, NodeId peer) {
  const auto at = rounds_.find(id);
  return at != rounds_.end() && at->second.peer == peer && at->second.waits ? &at->second : nullptr;
}

void Core::Impl::run_rounds() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, round] : rounds_) {
    ids.push_back(id);
  }
  for (const std::uint64_t id : ids) {
    Round& round = rounds_.at(id);
    if (round.deadline <= now_.mono) {
      end_round(id, false);
    } else if (!round.waits && !round.cold) {
      advance(round);
    }
  }
  if (sync_at_ > now_.mono) {
    return;
  }
  sync_at_ = Instant::max();
  std::vector<std::tuple<Instant, PartitionId, NodeId>> due;
  for (auto& [id, partition] : partitions_) {
    for (auto& [node, pair] : partition.pairs) {
      if (!is_up(node) || pair.active) {
        continue;  // peer() and end_round() come back to it
      }
      if (pair.next_at <= now_.mono) {
        due.emplace_back(pair.next_at, id, node);
      } else {
        sync_at_ = std::min(sync_at_, pair.next_at);
      }
    }
  }
  std::sort(due.begin(), due.end());  // who has waited longest
  for (const auto& [at, id, node] : due) {
    if (rounds_.size() >= kRounds) {
      break;  // when one ends, the others are looked at again
    }
    begin_round(*find(id), node);
  }
}

void Core::Impl::begin_round(Partition& partition, NodeId peer) {
  partition.pairs.at(peer).active = true;
  mark_known(partition);
  const std::uint64_t id = ++next_id_;
  Round& round = rounds_[id];
  round.id = id;
  round.partition = partition.config.id;
  round.generation = partition.config.generation;
  round.peer = peer;
  round.begun = now_.mono;
  round.deadline = now_.mono + options_.request_timeout;
  round.sums.push_back({});
  advance(round);
}

// The next message, when the last one is answered and the budget allows.
void Core::Impl::advance(Round& round) {
  Partition* partition = find(round.partition);
  if (partition == nullptr || partition->config.generation != round.generation ||
      !partition->pairs.contains(round.peer)) {
    return end_round(round.id, false);
  }
  if (budget_at_ > now_.mono + kBurst) {
    round.deadline = budget_at_ + options_.request_timeout;
    return;
  }
  Message message = make(MessageType::kSync, *partition, round.peer);
  if (!round.sums.empty()) {
    for (const Range range : round.sums) {
      message.sums.emplace_back(range, partition->table.sum(range));
    }
    round.sums.clear();
  } else if (!round.pushes.empty()) {
    message.type = MessageType::kRows;
    take_pushes(*partition, round, message);
    if (round.cold) {
      return;
    }
  } else if (!round.pulls.empty()) {
    message.type = MessageType::kPrints;
    round.asked = std::min(round.pulls.size(), kPullPrints);
    const auto end = round.pulls.begin() + static_cast<std::ptrdiff_t>(round.asked);
    message.prints.assign(round.pulls.begin(), end);
    round.pulls.erase(round.pulls.begin(), end);
  } else if (!round.lists.empty()) {
    const auto count = std::min(round.lists.size(), kListRanges);
    message.ranges.assign(round.lists.begin(),
                          round.lists.begin() + static_cast<std::ptrdiff_t>(count));
  } else {
    return end_round(round.id, true);
  }
  if (message.type == MessageType::kSync) {
    message.known = partition->told;
    message.cut = partition->cut;
  }
  message.id = round.id;
  round.waits = true;
  round.deadline = now_.mono + options_.request_timeout;
  pay(size_of(message));
  send_now_.push_back(std::move(message));
}

// As many as one message takes, up to the first whose value is not here. If that is the first of
// all, the round waits for what the next message would take.
void Core::Impl::take_pushes(Partition& partition, Round& round, Message& message) {
  std::size_t bytes = 0;
  while (!round.pushes.empty() && bytes < kPushBytes) {
    auto& [key, row] = round.pushes.front();
    const auto held = row.empty() ? partition.table.item(key) : Table::Item();
    if (held.cold) {
      break;
    }
    if (row.empty()) {
      row = held.row;
    }
    if (!row.empty()) {
      bytes += key.size() + row.size();
      message.rows.add(key, row);
    }
    round.pushes.pop_front();
  }
  stats_.sync_rows_sent += message.rows.size();
  round.cold = bytes == 0 && !round.pushes.empty();
  std::size_t wanted = 0;
  for (std::size_t i = 0; round.cold && i < round.pushes.size() && wanted < kPushBytes; ++i) {
    const auto& [key, row] = round.pushes[i];
    const auto held = row.empty() ? partition.table.item(key) : Table::Item();
    wanted += key.size() + row.size() + held.bytes;
    want_if_cold(partition, key);
  }
}

std::size_t Core::Impl::size_of(const Message& message) {
  std::size_t bytes = 40 + bytes_of(message.known) + bytes_of(message.cut) +
                      14 * message.sums.size() + 16 * message.prints.size() +
                      5 * message.ranges.size() + message.keys.bytes().size();
  for (const auto& [key, row] : message.rows) {
    bytes += key.size() + row.size();
  }
  return bytes;
}

void Core::Impl::pay(std::size_t bytes) {
  stats_.sync_bytes_sent += bytes;
  spend(bytes);
}

// Bytes of a round of ours, either way.
void Core::Impl::spend(std::size_t bytes) {
  const auto rate = std::max<std::size_t>(options_.sync_bytes_per_s, 1);
  budget_at_ = std::max(budget_at_, now_.mono) + Duration(1s) / rate * bytes;
}

void Core::Impl::end_round(std::uint64_t id, bool finished) {
  const Round round = std::move(rounds_.at(id));
  rounds_.erase(id);
  sync_at_ = now_.mono;
  Partition* partition = find(round.partition);
  if (partition == nullptr) {
    return;
  }
  const auto at = partition->pairs.find(round.peer);
  if (at == partition->pairs.end()) {
    return;
  }
  Pair& pair = at->second;
  pair.active = false;
  // The answers were another incarnation's, or it has gone since: what it said holds no more.
  if (!finished || partition->config.generation != round.generation ||
      !is_current(round.peer, round.incarnation)) {
    pair.failures = std::min(pair.failures + 1, kMaxFailures);
    return schedule(pair, options_.sync_interval * (1 << pair.failures));
  }
  pair.failures = 0;
  ++stats_.sync_rounds;
  replace_actors(*partition, {round.peer, round.incarnation}, round.begun);
  finish_round(*partition, pair, round.begun, round.known);
  schedule(pair, round.differed ? options_.sync_interval : options_.sync_idle_interval);
}

// We have now all that the other side had when the round began.
void Core::Impl::finish_round(Partition& partition, Pair& pair, Instant begun,
                              const Context& known) {
  pair.finished = begun;
  learn(partition, known);
  close_actors(partition);
  mark_known(partition);
  judge_refilled(partition);
  raise_cut(partition);
}

void Core::Impl::on_sync(const Message& message) {
  Partition& partition = *find(message.partition);
  hear(partition, message);
  mark_known(partition);
  Message answer = make(MessageType::kSyncDone, partition, message.from);
  answer.id = message.id;
  answer.known = partition.told;
  answer.cut = partition.cut;
  for (std::size_t i = 0; i < std::min(message.sums.size(), kSums); ++i) {
    const auto& [range, sum] = message.sums[i];
    if (!Table::has(range) || partition.table.sum(range) == sum) {
      continue;
    }
    for (int part = 0; range.level < Table::kDepth && part < Table::kFanOut; ++part) {
      answer.sums.emplace_back(part_of(range, part), partition.table.sum(part_of(range, part)));
    }
  }
  for (const Range range : message.ranges) {
    if (Table::has(range) && range.level == Table::kDepth && answer.prints.size() < kListPrints) {
      const auto prints = partition.table.prints(range);
      answer.ranges.push_back(range);
      answer.prints.insert(answer.prints.end(), prints.begin(), prints.end());
    }
  }
  const auto pair = partition.pairs.find(message.from);
  const bool equal = message.sums.size() == 1 && message.sums.front().first == Range() &&
                     message.sums.front().second == partition.table.digest();
  if (equal && pair != partition.pairs.end() && is_current(message.from, message.incarnation)) {
    // As good as a round of our own.
    finish_round(partition, pair->second, now_.mono, message.known);
    if (!pair->second.active) {
      schedule(pair->second, options_.sync_idle_interval);
    }
  }
  stats_.sync_bytes_sent += size_of(answer);
  send_now_.push_back(std::move(answer));
}

void Core::Impl::on_sync_done(const Message& message) {
  Round* round = find_round(message.id, message.from);
  if (round == nullptr) {
    return;
  }
  Partition& partition = *find(message.partition);
  if (std::exchange(round->answered, true)) {
    if (round->incarnation != message.incarnation) {
      return end_round(round->id, false);
    }
  } else {
    round->incarnation = message.incarnation;
    round->known = message.known;
  }
  hear(partition, message);
  round->waits = false;
  spend(size_of(message));
  for (const auto& [range, sum] : message.sums) {
    if (!Table::has(range) || partition.table.sum(range) == sum) {
      continue;
    }
    round->differed = true;
    for (int part = 0; range.level < Table::kDepth && part < Table::kFanOut; ++part) {
      round->sums.push_back(part_of(range, part));
    }
    if (range.level == Table::kDepth) {
      round->lists.push_back(range);
    }
  }
  const auto theirs = combine(message.prints);
  for (const Range range : message.ranges) {
    if (round->lists.empty() || round->lists.front() != range) {
      return end_round(round->id, false);  // not what was asked
    }
    round->lists.pop_front();
    compare_list(partition, range, theirs, *round);
  }
  advance(*round);
}

void Core::Impl::compare_list(const Partition& partition, Range range,
                              const std::map<std::uint64_t, std::uint64_t>& theirs,
                              Round& round) const {
  const auto ours = combine(partition.table.prints(range));
  const std::uint64_t width = std::uint64_t{1} << (64 - 4 * Table::kDepth);
  const std::uint64_t first = range.number * width;
  const auto end = range.number + 1 == kLeaves ? theirs.end() : theirs.lower_bound(first + width);
  for (auto at = theirs.lower_bound(first); at != end; ++at) {
    const auto mine = ours.find(at->first);
    const auto sum = mine == ours.end() ? 0 : mine->second;
    if (sum != at->second && !(KVORUM_MUTANT(kSyncShort) && std::next(at) == theirs.end())) {
      round.pulls.push_back({at->first, sum});
    }
  }
  for (const auto& [hash, sum] : ours) {
    if (!theirs.contains(hash)) {
      partition.table.each_of(
          hash, [&](const Table::Item& item) { round.pushes.emplace_back(item.key, Bytes()); });
    }
  }
}

void Core::Impl::on_pulled(const Message& message, Round& round) {
  Partition& partition = *find(message.partition);
  if (message.prints.size() >= round.asked) {
    spend(size_of(message));
    return end_round(round.id, false);
  }
  std::vector<std::pair<Bytes, Bytes>> pushes;
  bool cold = false;
  for (const auto& [key, theirs] : message.rows) {
    auto taken = take_row(partition, key, theirs);
    cold = cold || taken.cold;
    if (taken.answer) {
      pushes.emplace_back(key, std::move(*taken.answer));
    }
  }
  if (cold) {
    return park(partition, message);
  }
  spend(size_of(message));
  round.waits = false;
  std::move(pushes.begin(), pushes.end(), std::back_inserter(round.pushes));
  round.pulls.insert(round.pulls.begin(), message.prints.begin(), message.prints.end());
  advance(round);
}

}  // namespace kvorum::dynamo
