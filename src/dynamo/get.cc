// Reads: the rows of R replicas, merged.
#include <algorithm>
#include <span>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

const Row* Core::Impl::read_here(PartitionId id, ByteView key) {
  Partition* partition = find(id);
  if (partition == nullptr || !partition->mine || !partition->refilled) {
    return nullptr;
  }
  const Row* row = partition->table.find(key);
  if (row == nullptr) {
    return nullptr;
  }
  here_ = *row;
  print_to_others(*partition, key, here_, {options_.self.node});
  return &here_;
}

void Core::Impl::refuse_read(const ReadRequest& request, Error error) {
  Result result;
  result.ticket = request.ticket;
  result.ended = Ended::kRefused;
  result.code = error.code;
  result.why = std::move(error.detail);
  result.coordinator = options_.self.node;
  results_.push_back(std::move(result));
}

void Core::Impl::read(ReadRequest request, Now now) {
  now_ = now;
  const Partition* partition = find(request.partition);
  if (partition == nullptr) {
    return refuse_read(request, {ErrorCode::kNoKeyspace, "no such partition"});
  }
  const auto replicas = partition->config.replicas.size();
  if (request.r < 1 || request.r > replicas) {
    return refuse_read(
        request, {ErrorCode::kLevel, fmt::format("r={} of {} replicas", request.r, replicas)});
  }
  if (const auto up = count_up(*partition); up < request.r) {
    return refuse_read(request, {ErrorCode::kNoQuorum, fmt::format("{} of {} replicas are up, r={}",
                                                                   up, replicas, request.r)});
  }
  if (writes_.size() + waiting_.size() + reads_.size() >= kRequests) {
    return refuse_read(request, {ErrorCode::kBusy, {}});
  }
  if (KVORUM_MUTANT(kReadFew) && request.r > 1) {
    --request.r;
  }
  if (request.r == 1 && partition->mine && partition->refilled) {
    Read read;
    const Row* row = partition->table.find(request.key);
    read.merged = row != nullptr ? *row : Row();
    print_to_others(*partition, request.key, read.merged, {options_.self.node});
    read.request = std::move(request);
    read.answers.emplace_back();
    return finish(read, Ended::kDone);
  }
  const std::uint64_t id = set_timer();
  Read& read = reads_[id];
  read.request = std::move(request);
  if (partition->mine) {
    const Row* row = partition->table.find(read.request.key);
    read.asked.push_back(options_.self.node);
    read.answers.push_back(
        {options_.self.node, row != nullptr ? *row : Row(), partition->cut, !partition->refilled});
    if (judge(id, read)) {
      return;
    }
  }
  ask_more(id, read, false);
  hedges_.push_back({now_.mono + options_.request_timeout / 4, id});
}

bool Core::Impl::has_answered(const Read& read, NodeId node) {
  return std::any_of(read.answers.begin(), read.answers.end(),
                     [node](const Answer& answer) { return answer.node == node; });
}

// As many replicas as are still needed; if those have been silent, all that have not answered.
void Core::Impl::ask_more(std::uint64_t id, Read& read, bool all) {
  const Partition* partition = find(read.request.partition);
  if (partition == nullptr || read.writes_back) {
    return;
  }
  const auto refilling = std::count_if(read.answers.begin(), read.answers.end(),
                                       [](const Answer& answer) { return answer.refilling; });
  auto good = read.asked.size() - static_cast<std::size_t>(refilling);
  const auto& replicas = partition->config.replicas;
  // From read to read somebody else, so that load and knowledge spread.
  const auto first = prng_.below(replicas.size());
  for (std::size_t i = 0; i < replicas.size() && (all || good < read.request.r); ++i) {
    const NodeId node = replicas[(first + i) % replicas.size()];
    const bool asked = std::find(read.asked.begin(), read.asked.end(), node) != read.asked.end();
    if (node != options_.self.node && is_up(node) && !(all ? has_answered(read, node) : asked)) {
      if (!asked) {
        read.asked.push_back(node);
      }
      ++good;
      ask(*partition, node, read.request.key, id);
    }
  }
}

void Core::Impl::ask(const Partition& partition, NodeId node, ByteView key, std::uint64_t id) {
  asks_[{node, partition.config.id}][Bytes(key)].push_back(id);
  leaves_now(node);
}

void Core::Impl::send_asks() {
  for (auto& [name, keys] : asks_) {
    const auto& [node, id] = name;
    const Partition* partition = find(id);
    while (partition != nullptr && !keys.empty()) {
      Message message = make(MessageType::kRead, *partition, node);
      message.id = set_timer();
      Asked& asked = asked_[message.id];
      asked.to = node;
      while (!keys.empty() && message.keys.size() < kReadKeys) {
        message.keys.push_back(keys.begin()->first);
        asked.reads.insert(keys.extract(keys.begin()));
      }
      send_now_.push_back(std::move(message));
    }
  }
  asks_.clear();
}

void Core::Impl::on_read(const Message& message) {
  const Partition& partition = *find(message.partition);
  Message answer = make(MessageType::kReadDone, partition, message.from);
  answer.id = message.id;
  answer.cut = partition.cut;
  answer.refilling = !partition.refilled;
  std::vector<std::uint64_t> hashes;
  for (const Bytes& key : message.keys) {
    hashes.push_back(Table::hash_of(key));
  }
  std::size_t bytes = 0;
  for (std::size_t n = 0; n < message.keys.size(); ++n) {
    if (n % Table::kFetch == 0) {
      partition.table.fetch(
          std::span(hashes).subspan(n, std::min(Table::kFetch, hashes.size() - n)));
    }
    const Bytes& key = message.keys[n];
    const ByteView row = partition.table.packed(key);
    // One message as a rule; no longer one than for rows elsewhere.
    if (bytes > 0 && bytes + row.size() > kBatchBytes) {
      bytes = 0;
      Message rest = answer;
      rest.rows.clear();
      send_now_.push_back(std::exchange(answer, std::move(rest)));
    }
    bytes += key.size() + row.size();
    answer.rows.add(key, row);
  }
  send_now_.push_back(std::move(answer));
}

void Core::Impl::on_read_done(const Message& message) {
  const auto asked = asked_.find(message.id);
  if (asked == asked_.end() || asked->second.to != message.from) {
    return;
  }
  for (const auto& [key, bytes] : message.rows) {
    auto waiting = asked->second.reads.extract(Bytes(key));
    Row row;
    Reader reader(bytes);
    if (waiting.empty() || (!bytes.empty() && (!decode(reader, row) || !reader.done()))) {
      continue;
    }
    for (const std::uint64_t id : waiting.mapped()) {
      take_answer(id, {message.from, row, message.cut, message.refilling});
    }
  }
  if (asked->second.reads.empty()) {
    asked_.erase(asked);
  }
}

void Core::Impl::take_answer(std::uint64_t id, Answer answer) {
  const auto at = reads_.find(id);
  if (at == reads_.end() || at->second.writes_back || has_answered(at->second, answer.node)) {
    return;
  }
  at->second.answers.push_back(std::move(answer));
  if (!judge(id, at->second)) {
    ask_more(id, at->second, false);
  }
}

// Whether the read has enough answers, and went on with them. One who may lack what it had counts
// only when nobody else is left to be asked.
bool Core::Impl::judge(std::uint64_t id, Read& read) {
  const auto good = static_cast<std::size_t>(
      std::count_if(read.answers.begin(), read.answers.end(),
                    [](const Answer& answer) { return !answer.refilling; }));
  const Partition* partition = find(read.request.partition);
  const bool all = partition != nullptr && read.answers.size() >= count_up(*partition);
  if (good < read.request.r && !(all && read.answers.size() >= read.request.r)) {
    return false;
  }
  complete(id, read);
  return true;
}

// What one of those who answered has seen and not kept is dead, whoever else still has it: it was
// superseded, or dropped below the stable cut.
void Core::Impl::drop_dead(const Read& read, Row& row) {
  auto& siblings = row.siblings;
  const auto is_dead = [&](const Sibling& sibling) {
    return std::any_of(read.answers.begin(), read.answers.end(), [&](const Answer& answer) {
      const auto& held = answer.row.siblings;
      return answer.cut.covers(sibling.dot) &&
             std::none_of(held.begin(), held.end(),
                          [&](const Sibling& other) { return other.dot == sibling.dot; });
    });
  };
  siblings.erase(std::remove_if(siblings.begin(), siblings.end(), is_dead), siblings.end());
}

void Core::Impl::complete(std::uint64_t id, Read& read) {
  Row whole;
  for (const Answer& answer : read.answers) {
    merge(whole, answer.row);
  }
  drop_dead(read, whole);
  read.merged = whole;
  if (Partition* partition = find(read.request.partition)) {
    std::vector<Sibling> losers;
    settle(read.merged, partition->config.conflict, losers);
    if (!write_back(id, read, *partition, whole)) {
      return;  // until enough of them have it
    }
  }
  Read done = std::move(read);
  reads_.erase(id);
  finish(done, Ended::kDone);
}

void Core::Impl::finish(Read& read, Ended ended, Error error) {
  Result result;
  result.ticket = read.request.ticket;
  result.ended = ended;
  result.code = error.code;
  result.why = std::move(error.detail);
  result.acks = read.answers.size();
  result.coordinator = options_.self.node;
  result.row = std::move(read.merged);
  results_.push_back(std::move(result));
}

}  // namespace kvorum::dynamo
