// Reads: the rows of R replicas, merged. A replica that is asked is told the print of the asker's
// own row, and sends its row only if that is another one.
#include <algorithm>
#include <map>
#include <memory>

#include "base/mutant.h"
#include "dynamo/impl.h"

namespace kvorum::dynamo {

const Row* Core::Impl::read_here(PartitionId id, ByteView key, bool values) {
  Partition* partition = find(id);
  if (partition == nullptr || !partition->mine || !partition->refilled) {
    return nullptr;
  }
  const Row* row = partition->table.find(key);
  if (row == nullptr || (values && row->cold())) {
    return nullptr;
  }
  print_to_others(*partition, key, partition->table.print(key), {options_.self.node});
  return row;
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

void Core::Impl::Read::begin_anew() {
  std::destroy_at(&ours);  // one that was moved from has no room of its own
  std::construct_at(&ours);
  merged.reset();
  print = 0;
  answers.clear();
  asked.clear();
  writes_back = false;
  have.clear();
}

Core::Impl::Read& Core::Impl::add_read(std::uint64_t id, const ReadRequest& request) {
  auto& read = reads_[id];
  if (spare_reads_.empty()) {
    read = std::make_unique<Read>();
  } else {
    read = std::move(spare_reads_.back());
    spare_reads_.pop_back();
  }
  read->request = request;
  return *read;
}

// What it had room for, the next one has.
void Core::Impl::end_read(ById<Read>::iterator at) {
  auto read = std::move(at->second);
  reads_.erase(at);
  if (spare_reads_.size() < kSpareReads && read->request.key.capacity() <= kSpareKeyBytes) {
    read->begin_anew();
    spare_reads_.push_back(std::move(read));
  }
}

void Core::Impl::read(const ReadRequest& request, Now now) {
  now_ = now;
  Partition* partition = find(request.partition);
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
  if (open() >= kRequests) {
    return refuse_read(request, {ErrorCode::kBusy, {}});
  }
  // Behind what waits for the same key, so that the later one of two reads is not the older one.
  const auto& waited_for = partition->cold.read;
  const bool waits = partition->table.is_cold(request.key) ||
                     (!waited_for.empty() && waited_for.contains(Table::hash_of(request.key)));
  const bool few = KVORUM_MUTANT(kReadFew) && request.r > 1;
  const auto r = static_cast<std::uint8_t>(request.r - (few ? 1 : 0));
  const bool ready = !waits && partition->mine && partition->refilled;
  if (ready && r == 1) {
    Read read;
    read.request = request;
    return answer_alone(*partition, read);
  }
  if (ready && r == 2) {
    return read_light(*partition, request);
  }
  const std::uint64_t id = set_timer();
  Read& read = add_read(id, request);
  read.request.r = r;
  if (waits) {
    wait_for_values(*partition, id, read);
  } else {
    begin_read(id, read, false);
  }
}

void Core::Impl::wait_for_values(Partition& partition, std::uint64_t id, const Read& read) {
  const Bytes& key = read.request.key;
  want_if_cold(partition, key);
  partition.cold.read.insert(Table::hash_of(key));
  partition.cold.next.reads.push_back(id);
}

void Core::Impl::answer_alone(Partition& partition, Read& read) {
  const Row* row = partition.table.find(read.request.key);
  read.ours = row != nullptr ? *row : Row();
  read.print = partition.table.print(read.request.key);
  print_to_others(partition, read.request.key, read.print, {options_.self.node});
  read.answers.emplace_back();
  finish(read, Ended::kDone);
}

// This node's own answer.
void Core::Impl::look_here(Partition& partition, Read& read) {
  const Bytes& key = read.request.key;
  if (const Row* row = partition.table.find(key)) {
    read.ours = *row;
    read.print = partition.table.print(key);
  }
  read.asked.push_back(options_.self.node);
  read.answers.push_back({options_.self.node, shared_cut(partition), !partition.refilled, nullptr});
}

// `all`: asks all other replicas at once, and not as many as are needed.
void Core::Impl::begin_read(std::uint64_t id, Read& read, bool all) {
  Partition& partition = *find(read.request.partition);
  if (partition.table.is_cold(read.request.key)) {
    return wait_for_values(partition, id, read);
  }
  if (read.request.r == 1 && partition.mine && partition.refilled) {
    answer_alone(partition, read);
    end_read(reads_.find(id));
    return;
  }
  if (partition.mine) {
    look_here(partition, read);
    if (judge(partition, id, read)) {
      return;
    }
  }
  ask_more(partition, id, read, all);
  hedges_.push_back({now_.mono + options_.request_timeout / 4, id});
}

// The partition's rows are dropped: what was found of them so far counts no more, and must not be
// written back. Reads that wait for values begin when those come.
void Core::Impl::begin_reads_anew(PartitionId partition) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, read] : reads_) {  // tidy: allow pure, sorted below
    if (read->request.partition == partition && !read->asked.empty()) {
      ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  for (const std::uint64_t id : ids) {
    Read& read = *reads_.find(id)->second;
    read.begin_anew();
    begin_read(id, read, false);
  }
}

bool Core::Impl::has_answered(const Read& read, NodeId node) {
  return std::any_of(read.answers.begin(), read.answers.end(),
                     [node](const Answer& answer) { return answer.node == node; });
}

// Where among the replicas to begin with asking. From turn to turn with another node, so that load
// and knowledge spread; all reads of a turn with the same, whatever their partitions: to wake a
// node costs more than what a read does there.
std::size_t Core::Impl::first_asked(const std::vector<NodeId>& replicas) {
  if (!turn_asks_ && !peers_.empty()) {
    const auto drawn = static_cast<std::ptrdiff_t>(prng_.below(peers_.size()));
    turn_asks_ = std::next(peers_.begin(), drawn)->first;
  }
  const auto node = turn_asks_.value_or(options_.self.node);
  const auto at = std::find(replicas.begin(), replicas.end(), node);
  return at != replicas.end() ? static_cast<std::size_t>(at - replicas.begin())
                              : node.value() % replicas.size();
}

// As many replicas as are still needed; if those have been silent, all that have not answered.
void Core::Impl::ask_more(Partition& partition, std::uint64_t id, Read& read, bool all) {
  if (read.writes_back) {
    return;
  }
  const auto refilling = std::count_if(read.answers.begin(), read.answers.end(),
                                       [](const Answer& answer) { return answer.refilling; });
  auto good = read.asked.size() - static_cast<std::size_t>(refilling);
  const auto& replicas = partition.config.replicas;
  const auto first = first_asked(replicas);
  for (std::size_t i = 0; i < replicas.size() && (all || good < read.request.r); ++i) {
    const NodeId node = replicas[(first + i) % replicas.size()];
    const bool asked = std::find(read.asked.begin(), read.asked.end(), node) != read.asked.end();
    if (node != options_.self.node && is_up(node) && !(all ? has_answered(read, node) : asked)) {
      if (!asked) {
        read.asked.push_back(node);
      }
      ++good;
      ask(partition, node, {id, read.print, false}, read.request.key);
    }
  }
}

void Core::Impl::ask(Partition& partition, NodeId node, const Asker& asker, ByteView key) {
  auto& asks = partition.asks;
  auto batch = std::find_if(asks.begin(), asks.end(),
                            [node](const AskBatch& one) { return one.to == node; });
  if (batch == asks.end()) {
    leaves_now(node);
    batch = asks.insert(batch, {node, {}, {}});
  } else if (batch->askers.size() == kReadKeys) {
    send_ask(partition, std::exchange(*batch, {node, {}, {}}));
  }
  batch->askers.push_back(asker);
  batch->keys.add(key);
}

void Core::Impl::send_ask(const Partition& partition, AskBatch batch) {
  Message message = make(MessageType::kRead, partition, batch.to);
  message.id = set_timer();
  message.prints.reserve(batch.askers.size());
  bool light = false;
  for (const Asker& asker : batch.askers) {
    message.prints.push_back({0, asker.print});
    light = light || asker.light;
  }
  message.keys = batch.keys;
  if (light) {
    hedges_.push_back({now_.mono + options_.request_timeout / 4, message.id});
  }
  asked_.emplace(message.id,
                 Asked{batch.to, partition.config.id, now_.mono + options_.request_timeout,
                       std::move(batch.askers), std::move(batch.keys)});
  send_now_.push_back(std::move(message));
}

void Core::Impl::send_asks(Partition& partition) {
  for (AskBatch& batch : partition.asks) {
    send_ask(partition, std::move(batch));
  }
  partition.asks.clear();
}

void Core::Impl::on_read(const Message& message) {
  if (message.keys.size() != message.prints.size()) {
    return;
  }
  Partition& partition = *find(message.partition);
  Message answer = make(MessageType::kReadDone, partition, message.from);
  answer.id = message.id;
  answer.cut = partition.cut;
  answer.refilling = !partition.refilled;
  if (!answer_keys(partition, message, answer)) {
    return park(partition, message);
  }
  send_now_.push_back(std::move(answer));
}

// Where answers differ, what is merged of them is merged into our row, too.
bool Core::Impl::lacks_values(Partition& partition, const Asked& asked, const Message& message) {
  if (partition.table.cold() == 0) {
    return false;
  }
  bool lacks = false;
  for (const Asker& asker : asked.askers) {
    const auto read = reads_.find(asker.id);
    if (asker.light || read == reads_.end()) {  // a light one looks when it grows
      continue;
    }
    const auto& answers = read->second->answers;
    const bool differ = !message.rows.empty() ||
                        std::any_of(answers.begin(), answers.end(),
                                    [](const Answer& answer) { return answer.row != nullptr; });
    lacks = (differ && want_if_cold(partition, read->second->request.key)) || lacks;
  }
  return lacks;
}

void Core::Impl::on_read_done(const Message& message) {
  const auto at = asked_.find(message.id);
  Partition* partition = find(message.partition);
  if (at == asked_.end() || at->second.to != message.from || partition == nullptr) {
    return;
  }
  if (lacks_values(*partition, at->second, message)) {
    return park(*partition, message);
  }
  const Asked asked = std::move(at->second);
  asked_.erase(at);
  Said said{message, boost::make_local_shared<const Context>(message.cut), {}};
  for (const auto& [key, row] : message.rows) {
    said.rows.emplace(key, row);
  }
  auto asker = asked.askers.begin();
  each_key(asked.keys, partition->table,
           [&](ByteView key) { hear_answer(*partition, *asker++, key, asked.deadline, said); });
}

void Core::Impl::hear_answer(Partition& partition, const Asker& asker, ByteView key,
                             Instant deadline, const Said& said) {
  const NodeId from = said.message.from;
  const auto row = said.rows.find(key);
  const bool differs = row != said.rows.end();
  const bool left_out = !differs && said.message.keys.has(key);
  auto id = asker.id;
  if (asker.light) {
    const bool same = !differs && !left_out && !said.message.refilling;
    const auto grown = hear_light(partition, asker, key, deadline, {from, same, differs});
    if (!grown) {
      return;
    }
    id = *grown;
  }
  const auto found = reads_.find(id);
  if (found == reads_.end() || found->second->request.partition != partition.config.id) {
    return;
  }
  Read& read = *found->second;
  if (left_out) {
    return ask(partition, from, {id, read.print, false}, key);
  }
  Answer answer{from, said.cut, said.message.refilling, nullptr};
  if (differs) {
    Reader reader(row->second);
    answer.row = std::make_unique<Row>();
    if (!row->second.empty() && (!decode(reader, *answer.row) || !reader.done())) {
      return;
    }
  }
  if (read.writes_back || has_answered(read, from)) {
    return;
  }
  read.answers.push_back(std::move(answer));
  if (!judge(partition, id, read)) {
    ask_more(partition, id, read, false);
  }
}

// Whether the read has enough answers, and went on with them. One who may lack what it had counts
// only when nobody else is left to be asked.
bool Core::Impl::judge(Partition& partition, std::uint64_t id, Read& read) {
  const auto good = static_cast<std::size_t>(
      std::count_if(read.answers.begin(), read.answers.end(),
                    [](const Answer& answer) { return !answer.refilling; }));
  if (good < read.request.r &&
      (read.answers.size() < read.request.r || read.answers.size() < count_up(partition))) {
    return false;
  }
  complete(partition, id, read);
  return true;
}

// Seldom a new one.
boost::local_shared_ptr<const Context> Core::Impl::shared_cut(Partition& partition) {
  auto& shared = partition.cut_of_answers;
  if (!shared || *shared != partition.cut) {
    shared = boost::make_local_shared<const Context>(partition.cut);
  }
  return shared;
}

const Row& Core::Impl::row_of(const Read& read, const Answer& answer) {
  return answer.row ? *answer.row : read.ours;
}

// What one of those who answered has seen and not kept is dead, whoever else still has it: it was
// superseded, or dropped below the stable cut.
void Core::Impl::drop_dead(const Read& read, Row& row) {
  auto& siblings = row.siblings;
  const auto is_dead = [&](const Sibling& sibling) {
    return std::any_of(read.answers.begin(), read.answers.end(), [&](const Answer& answer) {
      const auto& held = row_of(read, answer).siblings;
      return answer.cut->covers(sibling.dot) &&
             std::none_of(held.begin(), held.end(),
                          [&](const Sibling& other) { return other.dot == sibling.dot; });
    });
  };
  siblings.erase(std::remove_if(siblings.begin(), siblings.end(), is_dead), siblings.end());
}

void Core::Impl::complete(Partition& partition, std::uint64_t id, Read& read) {
  const bool same = std::none_of(read.answers.begin(), read.answers.end(),
                                 [](const Answer& answer) { return answer.row != nullptr; });
  if (same) {
    if (partition.mine) {
      Nodes answered;
      for (const Answer& answer : read.answers) {
        answered.push_back(answer.node);
      }
      print_to_others(partition, read.request.key, read.print, answered);
    }
  } else {
    Row whole = read.ours;
    for (const Answer& answer : read.answers) {
      merge(whole, row_of(read, answer));
    }
    drop_dead(read, whole);
    read.merged = whole;
    std::vector<Sibling> losers;
    settle(*read.merged, partition.config.conflict, losers);
    if (!write_back(id, read, partition, whole)) {
      return;  // until enough of them have it
    }
  }
  finish(read, Ended::kDone);
  end_read(reads_.find(id));
}

void Core::Impl::finish(Read& read, Ended ended, Error error) {
  Result& result = results_.emplace_back();
  result.ticket = read.request.ticket;
  result.ended = ended;
  result.code = error.code;
  result.why = std::move(error.detail);
  result.acks = read.answers.size();
  result.coordinator = options_.self.node;
  if (ended == Ended::kDone) {
    result.row = std::move(read.merged ? *read.merged : read.ours);
  }
}

}  // namespace kvorum::dynamo
