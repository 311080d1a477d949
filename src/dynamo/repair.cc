// Read repair: rows to those who lack them, before an answer or behind it.
#include <algorithm>
#include <array>

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
    if (row_of(read, answer) == read.merged) {
      read.have.push_back(answer.node);
      continue;
    }
    ++stats_.read_repairs;
    if (answer.node != options_.self.node) {
      queue_row(partition, answer.node, read.request.key, row, waits ? id : 0);
      continue;
    }
    Row ours = whole;
    absorb(partition, read.request.key, ours);
    if (partition.config.fsync) {
      own_copies_.push_back(id);
    } else {
      read.have.push_back(answer.node);
    }
  }
  if (partition.mine) {
    print_to_others(partition, read.request.key, read.merged, answered);
  }
  read.writes_back = waits && read.have.size() < read.request.r && !KVORUM_MUTANT(kNoWriteBack);
  return !read.writes_back;
}

// Behind a read: do the replicas that were not asked have the same?
void Core::Impl::print_to_others(Partition& partition, ByteView key, const Row& row,
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
  const bool empty = row.context.empty();
  for (const NodeId node : partition.config.replicas) {
    if (is_up(node) && std::find(answered.begin(), answered.end(), node) == answered.end()) {
      auto& batches = partition.prints;
      auto batch = std::find_if(batches.begin(), batches.end(),
                                [node](const PrintBatch& one) { return one.to == node; });
      if (batch == batches.end()) {
        batch = batches.insert(batch, {node, {}, {}});
      }
      batch->keys.add(key);
      batch->prints.push_back({hash, empty ? 0 : fingerprint(key, row)});
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
  const Partition& partition = *find(message.partition);
  Message answer = make(MessageType::kPrintsDone, partition, message.from);
  answer.id = message.id;
  if (message.keys.empty()) {
    answer_hashes(partition, message, answer);
    send_now_.push_back(std::move(answer));
  } else if (message.keys.size() == message.prints.size()) {
    answer_keys(partition, message, answer);
    if (!answer.rows.empty()) {
      send_now_.push_back(std::move(answer));
    }
  }
}

// The rows that differ from what the prints say; what does not fit into one message: its keys.
void Core::Impl::answer_keys(const Partition& partition, const Message& message, Message& answer) {
  auto print = message.prints.begin();
  std::size_t bytes = 0;
  const auto compare = [&](ByteView key) {
    if (partition.table.print(key) == (print++)->fingerprint) {
      return;
    }
    const ByteView row = partition.table.packed(key);
    if (bytes > 0 && bytes + row.size() > kBatchBytes) {
      return answer.keys.add(key);
    }
    bytes += key.size() + row.size();
    answer.rows.add(key, row);
  };
  std::array<ByteView, Table::kFetch> some;
  std::array<std::uint64_t, Table::kFetch> hashes;
  for (auto at = message.keys.begin(); at != message.keys.end();) {
    std::size_t count = 0;
    for (; count < some.size() && at != message.keys.end(); ++at, ++count) {
      some[count] = *at;
      hashes[count] = Table::hash_of(some[count]);
    }
    partition.table.fetch({hashes.data(), count});
    std::for_each(some.begin(), some.begin() + count, compare);
  }
}

// Anti-entropy's: it does not know the keys.
void Core::Impl::answer_hashes(const Partition& partition, const Message& message,
                               Message& answer) {
  std::size_t bytes = 0;
  Row row;
  for (const KeyPrint& print : message.prints) {
    if (bytes >= kPushBytes) {
      answer.prints.push_back(print);
      continue;
    }
    partition.table.each_of(print.hash, [&](ByteView key, ByteView packed) {
      Reader reader(packed);
      CHECK(decode(reader, row));
      if (fingerprint(print.hash, row) != print.fingerprint) {
        bytes += key.size() + packed.size();
        answer.rows.add(key, packed);
      }
    });
  }
  stats_.sync_rows_sent += answer.rows.size();
  stats_.sync_bytes_sent += bytes;
}

void Core::Impl::on_prints_done(const Message& message) {
  if (Round* round = find_round(message.id, message.from)) {
    return on_pulled(message, *round);
  }
  Partition& partition = *find(message.partition);
  for (const auto& [key, theirs] : message.rows) {
    if (const auto ours = take_row(partition, key, theirs)) {
      ++stats_.read_repairs;
      queue_row(partition, message.from, key, *ours, 0);
    }
  }
}

// Merges a row that differed from ours. What its sender must have of it then, if anything.
std::optional<Bytes> Core::Impl::take_row(Partition& partition, ByteView key, ByteView bytes) {
  Row theirs;
  Reader reader(bytes);
  if (!bytes.empty() && (!decode(reader, theirs) || !reader.done())) {
    return std::nullopt;
  }
  Row from = theirs;
  auto answer = absorb(partition, key, from).answer;
  const Row* ours = partition.table.find(key);
  if (!answer && ours != nullptr && *ours != theirs) {
    answer = *ours;
  }
  if (!answer) {
    return std::nullopt;
  }
  Bytes encoded;
  encode(*answer, encoded);
  return encoded;
}

}  // namespace kvorum::dynamo
