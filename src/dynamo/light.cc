// Light reads: R = 2 of a replica. The word of one other node that it has the same is all they
// need, so nothing is kept of them but who asks for which key, and the print of our row: no row, no
// timer of their own. What is out of the ordinary lets one grow into a read like any other: the
// rows differ, ours was changed or left memory meanwhile, the node is silent, or may lack rows.
#include <algorithm>

#include "dynamo/impl.h"

namespace kvorum::dynamo {

void Core::Impl::read_light(Partition& partition, const ReadRequest& request) {
  const auto& replicas = partition.config.replicas;
  auto at = first_asked(replicas);
  while (replicas[at] == options_.self.node || !is_up(replicas[at])) {  // as R are up, one is
    at = (at + 1) % replicas.size();
  }
  ++lights_;
  const auto print = partition.table.print(request.key);
  ask(partition, replicas[at], {request.ticket, print, true}, request.key);
}

// What another node says of it. With the number of a read like any other: that goes on, with what
// was said.
std::optional<std::uint64_t> Core::Impl::hear_light(Partition& partition, const Asker& asker,
                                                    ByteView key, Instant deadline, Word word) {
  const auto item = partition.table.item(key);
  // What the other node said is about the row that we had when we asked. If we still have it, that
  // is the answer, and no read after this one finds less.
  const bool changed = item.print != asker.print;
  if (word.same && !changed && !item.cold) {
    end_light(partition, asker, key, word.from);
    return std::nullopt;
  }
  const auto id = grow(partition.config.id, asker, key, deadline);
  Read& read = *reads_.find(id)->second;
  if (item.cold || (changed && !word.differs)) {
    begin_read(id, read, false);
    return std::nullopt;
  }
  look_here(partition, read);
  read.asked.push_back(word.from);
  hedges_.push_back({now_.mono + options_.request_timeout / 4, id});
  return id;
}

void Core::Impl::end_light(Partition& partition, const Asker& asker, ByteView key, NodeId node) {
  --lights_;
  Result& result = results_.emplace_back();
  result.ticket = asker.id;
  result.acks = 2;
  result.coordinator = options_.self.node;
  if (const Row* row = partition.table.find(key)) {
    result.row = *row;
  }
  print_to_others(partition, key, asker.print, {options_.self.node, node});
}

// Becomes a read that has neither looked nor asked yet. Its number.
std::uint64_t Core::Impl::grow(PartitionId partition, const Asker& asker, ByteView key,
                               Instant deadline) {
  --lights_;
  const auto id = set_timer(deadline);
  add_read(id, {asker.id, partition, Bytes(key), 2});
  return id;
}

// Of a message that is not answered: they ask everybody. Its answer still counts.
void Core::Impl::grow_all(boost::unordered_flat_map<std::uint64_t, Asked>::iterator at) {
  const auto number = at->first;
  Asked asked = std::move(at->second);
  asked_.erase(at);  // what is asked now may move it
  Partition& partition = *find(asked.partition);
  auto key = asked.keys.begin();
  for (Asker& asker : asked.askers) {
    if (asker.light) {
      const auto item = partition.table.item(*key);
      const auto id = grow(asked.partition, asker, *key, asked.deadline);
      begin_read(id, *reads_.find(id)->second, true);
      // The answer is about the row that we had when we asked.
      asker.id = item.print == asker.print && !item.cold ? id : 0;
      asker.light = false;
    }
    ++key;
  }
  asked_.emplace(number, std::move(asked));
}

// The partition's rows are dropped: what was asked and said of them counts no more. In the order in
// which they asked.
std::vector<Core::Impl::Light> Core::Impl::take_lights(Partition& partition) {
  std::vector<Light> lights;
  const auto take = [&](const std::vector<Asker>& askers, const KeyList& keys, Instant deadline) {
    auto key = keys.begin();
    for (const Asker& asker : askers) {
      if (asker.light) {
        lights.push_back({{asker.id, partition.config.id, Bytes(*key), 2}, deadline});
      }
      ++key;
    }
  };
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, asked] : asked_) {  // tidy: allow pure, sorted below
    if (asked.partition == partition.config.id) {
      numbers.push_back(number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  for (const std::uint64_t number : numbers) {
    const auto at = asked_.find(number);
    take(at->second.askers, at->second.keys, at->second.deadline);
    asked_.erase(at);
  }
  for (const AskBatch& batch : partition.asks) {
    take(batch.askers, batch.keys, now_.mono + options_.request_timeout);
  }
  partition.asks.clear();
  lights_ -= lights.size();
  return lights;
}

}  // namespace kvorum::dynamo
