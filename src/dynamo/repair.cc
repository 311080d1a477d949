// Read repair: rows to those who lack them, before an answer or behind it.
#include <algorithm>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

// Sends the merged row to those of the asked who lack it, with the losers of concurrent writes, so
// that they note them. True: the answer need not wait for them, because R have it. With R = 1
// nobody waits.
bool Core::Impl::write_back(std::uint64_t id, Read& read, Partition& partition, const Row& whole) {
  Bytes row;
  encode(whole, row);
  Nodes answered;
  const bool waits = read.request.r > 1;
  for (const Answer& answer : read.answers) {
    answered.push_back(answer.node);
    if (row_of(read, answer) == *read.merged) {
      read.have.push_back(answer.node);
      continue;
    }
    ++stats_.read_repairs;
    if (answer.node != options_.self.node) {
      queue_row(partition, answer.node, read.request.key, row, waits ? id : 0);
      continue;
    }
    Row ours = whole;
    const bool cold = absorb(partition, read.request.key, ours).cold;
    CHECK(!cold, "a read goes on without the values of its row");  // on_read_done() waited for them
    if (partition.config.fsync) {
      own_copies_.push_back(id);
    } else {
      read.have.push_back(answer.node);
    }
  }
  if (partition.mine) {
    const auto& key = read.request.key;
    const auto& merged = *read.merged;
    const auto print = merged.context.empty() ? 0 : fingerprint(key, merged);
    print_to_others(partition, key, print, answered);
  }
  read.writes_back = waits && read.have.size() < read.request.r && !KVORUM_MUTANT(kNoWriteBack);
  return !read.writes_back;
}

// Behind a read: do the replicas that were not asked have the same?
void Core::Impl::print_to_others(Partition& partition, ByteView key, std::uint64_t print,
                                 const Nodes& answered) {
  if (printed_until_ <= now_.mono) {
    printed_.clear();
    printed_until_ = now_.mono + 1s;
  }
  if (answered.size() == partition.config.replicas.size() || prints_of_turn_ >= kPrintsPerTurn ||
      printed_.size() >= kPrintsPerSecond) {
    return;
  }
  const auto hash = Table::hash_of(key);
  if (!printed_.insert(hash + partition.config.id.value()).second) {
    return;
  }
  ++prints_of_turn_;
  for (const NodeId node : partition.config.replicas) {
    if (is_up(node) && std::find(answered.begin(), answered.end(), node) == answered.end()) {
      auto& batches = partition.prints;
      auto batch = std::find_if(batches.begin(), batches.end(),
                                [node](const PrintBatch& one) { return one.to == node; });
      if (batch == batches.end()) {
        batch = batches.insert(batch, {node, {}, {}});
      }
      batch->keys.add(key);
      batch->prints.push_back({hash, print});
      may_wait(node, key.size() + sizeof(KeyPrint));
    }
  }
}

void Core::Impl::send_prints(Partition& partition) {
  std::erase_if(partition.prints, [&](PrintBatch& batch) {
    if (!leaves(batch.to)) {
      return false;
    }
    Message message = make(MessageType::kPrints, partition, batch.to);
    message.id = ++next_id_;
    message.keys = std::move(batch.keys);
    message.prints = std::move(batch.prints);
    send_now_.push_back(std::move(message));
    return true;
  });
}

void Core::Impl::on_prints(const Message& message) {
  Partition& partition = *find(message.partition);
  Message answer = make(MessageType::kPrintsDone, partition, message.from);
  answer.id = message.id;
  if (!message.keys.empty() && message.keys.size() != message.prints.size()) {
    return;
  }
  const bool whole = message.keys.empty() ? answer_hashes(partition, message, answer)
                                          : answer_keys(partition, message, answer);
  if (!whole) {
    park(partition, message);
  } else if (message.keys.empty() || !answer.rows.empty()) {
    send_now_.push_back(std::move(answer));
  }
}

// The rows that differ from what the prints say; what does not fit into one message: its keys.
// False: not all of their values are here.
bool Core::Impl::answer_keys(Partition& partition, const Message& message, Message& answer) {
  bool whole = true;
  auto print = message.prints.begin();
  std::size_t bytes = 0;
  each_key(message.keys, partition.table, [&](ByteView key) {
    const auto item = partition.table.item(key);
    if (item.print == (print++)->fingerprint) {
      return;
    }
    if (bytes > 0 && bytes + item.bytes > kBatchBytes) {
      return answer.keys.add(key);
    }
    bytes += key.size() + item.bytes;
    answer.rows.add(key, item.row);
    whole = !want_if_cold(partition, key) && whole;
  });
  return whole;
}

// Anti-entropy's: it does not know the keys. False: not all of their values are here.
bool Core::Impl::answer_hashes(Partition& partition, const Message& message, Message& answer) {
  std::size_t bytes = 0;
  bool whole = true;
  for (const KeyPrint& print : message.prints) {
    if (bytes >= kPushBytes) {
      answer.prints.push_back(print);
      continue;
    }
    partition.table.each_of(print.hash, [&](const Table::Item& item) {
      if (item.print != print.fingerprint) {
        bytes += item.key.size() + item.bytes;
        answer.rows.add(item.key, item.row);
        whole = whole && !item.cold;
        if (item.cold) {
          want(partition, item.key, item.print);
        }
      }
    });
  }
  if (!whole) {
    return false;
  }
  stats_.sync_rows_sent += answer.rows.size();
  stats_.sync_bytes_sent += bytes;
  return true;
}

void Core::Impl::on_prints_done(const Message& message) {
  if (Round* round = find_round(message.id, message.from)) {
    return on_pulled(message, *round);
  }
  Partition& partition = *find(message.partition);
  bool cold = false;
  for (const auto& [key, theirs] : message.rows) {
    const auto taken = take_row(partition, key, theirs);
    cold = cold || taken.cold;
    if (taken.answer) {
      ++stats_.read_repairs;
      queue_row(partition, message.from, key, *taken.answer, 0);
    }
  }
  if (cold) {
    park(partition, message);
  }
}

// Merges a row that differed from ours. What its sender must have of it then, if anything.
Core::Impl::Taken Core::Impl::take_row(Partition& partition, ByteView key, ByteView bytes) {
  Row theirs;
  Reader reader(bytes);
  if (!bytes.empty() && (!decode(reader, theirs) || !reader.done())) {
    return {};
  }
  Row from = theirs;
  auto absorbed = absorb(partition, key, from);
  if (absorbed.cold) {
    return {std::nullopt, true};
  }
  auto& answer = absorbed.answer;
  const Row* ours = partition.table.find(key);
  if (!answer && ours != nullptr && fingerprint(key, *ours) != fingerprint(key, theirs)) {
    if (want_if_cold(partition, key)) {
      return {std::nullopt, true};
    }
    answer = *ours;
  }
  if (!answer) {
    return {};
  }
  Taken taken;
  encode(*answer, taken.answer.emplace());
  return taken;
}

}  // namespace kvorum::dynamo
