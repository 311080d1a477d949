#include "dynamo/test_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace kvorum::dynamo::test {

namespace {

std::string context(const Context& seen) {
  std::string text = "[";
  for (const auto& [replica, counter] : seen.seen()) {
    text += fmt::format("{}{}.{:04x}:{}", text.size() > 1 ? " " : "", replica.node.value(),
                        replica.incarnation.value() & 0xffff,
                        counter == ~std::uint64_t{0} ? "all" : fmt::format("{}", counter));
  }
  return text + "]";
}

}  // namespace

void Disk::apply(const Batch& batch) {
  for (const RowsWrite& write : batch.rows) {
    for (const auto& [key, row] : write.rows) {
      if (row.empty()) {
        rows.erase({write.partition, Bytes(key)});
      } else {
        rows[{write.partition, Bytes(key)}] = {write.generation, Bytes(row)};
      }
    }
  }
  for (const CutWrite& write : batch.cuts) {
    cuts[write.partition] = write;
  }
  bounds = batch.bounds.value_or(bounds);
}

Cluster::Cluster(const ClusterSetup& setup)
    : prng_(setup.seed), options_(setup.options), partitions_(setup.partitions), cold_(setup.cold) {
  config_.generation = Generation(1);
  config_.conflict = setup.conflict;
  config_.fsync = setup.fsync;
  config_.interval = setup.interval;
  for (const unsigned id : setup.replicas) {
    config_.replicas.emplace_back(id);
  }
  for (unsigned id = 1; id <= setup.nodes; ++id) {
    nodes_[NodeId(id)].id = NodeId(id);
  }
  for (unsigned id = 1; id <= setup.nodes; ++id) {
    start(id);
  }
}

Cluster::~Cluster() = default;

void Cluster::configure() {
  for (auto& [id, node] : nodes_) {
    for (unsigned partition = 1; node.core && partition <= partitions_; ++partition) {
      PartitionConfig config = config_;
      config.id = PartitionId(partition);
      node.core->configure(config, now(id.value()));
    }
  }
}

void Cluster::start(unsigned id) {
  Node& target = node(id);
  CHECK(!target.core);
  pass(1ms);
  if (!target.incarnation) {
    target.incarnation = Incarnation(prng_.next());
  }
  Options options = options_;
  options.self = replica(id);
  options.seed = prng_.next();
  Disk disk = target.synced;
  for (const Batch& batch : target.written) {
    disk.apply(batch);
  }
  target.core = std::make_unique<Core>(options, disk.bounds, now(id));
  target.conflicts = 0;
  for (unsigned partition = 1; partition <= partitions_; ++partition) {
    PartitionConfig config = config_;
    config.id = PartitionId(partition);
    target.core->configure(config, now(id));
  }
  for (const auto& [name, row] : disk.rows) {
    if (row.first == config_.generation) {
      CHECK(target.core->load_row(name.first, name.second, row.second, true, false));
    }
  }
  for (const auto& [partition, cut] : disk.cuts) {
    CHECK(target.core->load_cut(cut));
  }
  for (auto& [other, unused] : nodes_) {
    meet(target.id, other);
  }
  collect(target);
}

// The handshake of a link that works.
void Cluster::meet(NodeId a, NodeId b) {
  Node& first = nodes_.at(a);
  Node& second = nodes_.at(b);
  if (a == b || !first.core || !second.core || noticed_.contains({a, b})) {
    return;
  }
  const auto ahead = first.clock_ms - second.clock_ms;
  first.core->peer(b, true, second.incarnation, ahead, now(a.value()));
  second.core->peer(a, true, first.incarnation, -ahead, now(b.value()));
}

void Cluster::collect(Node& node) {
  Output& out = node.last;
  out.clear();
  node.core->drain(out, now(node.id.value()));
  CHECK(out.ticket != 0 ||
        (out.rows.empty() && out.cuts.empty() && !out.bounds && out.send_after_persist.empty()));
  if (out.ticket != 0) {
    node.queue.push_back(
        {out.ticket, out.must_sync, out.rows, out.cuts, out.bounds, out.send_after_persist});
  }
  for (const Message& message : out.send_now) {
    if (on_send) {
      on_send(message);
    }
    network_.push_back(message);
  }
  for (const Result& result : out.results) {
    CHECK(node.results.emplace(result.ticket, result).second, "two answers to one request");
  }
  node.log.insert(node.log.end(), out.log.begin(), out.log.end());
  const auto conflicts = node.core->stats().conflicts;
  const auto& ledger = node.core->ledger();
  const auto fresh = std::min<std::size_t>(conflicts - node.conflicts, ledger.size());
  node.losses.insert(node.losses.end(), ledger.end() - static_cast<std::ptrdiff_t>(fresh),
                     ledger.end());
  node.conflicts = conflicts;
  node.wake_at = out.wake_at;
  auto missing = node.core->take_missing();
  std::move(missing.begin(), missing.end(), std::back_inserter(node.missing));
  if (cold_) {
    evict(node);
  }
  if (on_drain) {
    on_drain(node);
  }
}

void Cluster::evict(Node& node) {
  constexpr std::size_t kAll = 1'000'000;
  for (unsigned partition = 1; partition <= partitions_; ++partition) {
    node.core->evict(PartitionId(partition), kAll);
  }
}

std::uint64_t Cluster::write(unsigned id, WriteRequest request) {
  request.ticket = ++tickets_;
  request.partition = request.partition ? request.partition : kPartition;
  if (const auto* here = core(id).write_here(request, now(id))) {
    Result result = *here;
    result.ticket = tickets_;
    node(id).results.emplace(tickets_, std::move(result));
  } else {
    core(id).write(std::move(request), now(id));
  }
  collect(node(id));
  return tickets_;
}

std::uint64_t Cluster::put(unsigned id, const std::string& key, const std::string& value,
                           unsigned w) {
  WriteRequest request;
  request.key = key;
  request.value = value;
  request.w = static_cast<std::uint8_t>(w);
  return write(id, std::move(request));
}

std::uint64_t Cluster::del(unsigned id, const std::string& key, unsigned w) {
  WriteRequest request;
  request.key = key;
  request.deleted = true;
  request.w = static_cast<std::uint8_t>(w);
  return write(id, std::move(request));
}

std::uint64_t Cluster::get(unsigned id, const std::string& key, unsigned r) {
  core(id).read({++tickets_, kPartition, key, static_cast<std::uint8_t>(r)}, now(id));
  collect(node(id));
  return tickets_;
}

const Result* Cluster::result(unsigned id, std::uint64_t ticket) {
  const auto& results = node(id).results;
  const auto at = results.find(ticket);
  return at == results.end() ? nullptr : &at->second;
}

std::string Cluster::show(unsigned id, const Row& row) {
  std::vector<std::string> values;
  for (const Sibling& sibling : row.siblings) {
    if (!sibling.gone(now(id).wall)) {
      values.push_back(sibling.value);
    }
  }
  std::sort(values.begin(), values.end());
  return values.empty() ? "-" : fmt::format("{}", fmt::join(values, "|"));
}

std::string Cluster::show(unsigned id, const Result& result) {
  switch (result.ended) {
    case Ended::kDone:
      return show(id, result.row);
    case Ended::kRefused:
      return "refused: " + result.why;
    case Ended::kTimeout:
      return "timeout: " + result.why;
    case Ended::kUnknown:
      return "unknown: " + result.why;
  }
  return "?";
}

std::string Cluster::put_now(unsigned id, const std::string& key, const std::string& value,
                             unsigned w) {
  const auto ticket = put(id, key, value, w);
  settle();
  return result(id, ticket) != nullptr ? show(id, *result(id, ticket)) : "waits";
}

std::string Cluster::del_now(unsigned id, const std::string& key, unsigned w) {
  const auto ticket = del(id, key, w);
  settle();
  return result(id, ticket) != nullptr ? show(id, *result(id, ticket)) : "waits";
}

std::string Cluster::get_now(unsigned id, const std::string& key, unsigned r) {
  const auto ticket = get(id, key, r);
  settle();
  return result(id, ticket) != nullptr ? show(id, *result(id, ticket)) : "waits";
}

std::string Cluster::at(unsigned id, const std::string& key) {
  const Table* table = core(id).table(kPartition);
  const Row* row = table != nullptr ? table->find(key) : nullptr;
  return row != nullptr ? show(id, *row) : "nothing";
}

void Cluster::tick(unsigned id) {
  core(id).tick(now(id));
  collect(node(id));
}

void Cluster::drain(unsigned id) { collect(node(id)); }

void Cluster::deliver(const Message& message) {
  Node& target = nodes_.at(message.to);
  target.core->step(message, now(message.to.value()));
  collect(target);
}

bool Cluster::deliver_at(std::size_t position) {
  const Message message = std::move(network_[position]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  const bool arrives =
      nodes_.at(message.to).core && !is_cut(message.from, message.to) && !(loses && loses(message));
  if (arrives) {
    deliver(message);
  }
  return arrives;
}

void Cluster::write_disk(unsigned id) {
  Node& target = node(id);
  CHECK(!target.queue.empty(), "the disk of n{} has nothing to do", id);
  Batch done = std::move(target.queue.front());
  target.queue.pop_front();
  for (const Message& message : std::exchange(done.messages, {})) {
    if (on_send) {
      on_send(message);
    }
    network_.push_back(message);
  }
  const auto ticket = done.ticket;
  const bool sync = done.must_sync;
  std::vector<std::pair<PartitionId, KeyPrint>> rows;
  for (const RowsWrite& write : done.rows) {
    for (const auto& [key, bytes] : write.rows) {
      Row row;
      Reader reader(bytes);
      CHECK(bytes.empty() || decode(reader, row));
      rows.emplace_back(write.partition, KeyPrint{Table::hash_of(key), fingerprint(key, row)});
    }
  }
  target.written.push_back(std::move(done));
  for (; sync && !target.written.empty(); target.written.pop_front()) {
    target.synced.apply(target.written.front());
  }
  target.core->persisted(ticket, now(id));
  for (const auto& [partition, row] : rows) {
    target.core->on_disk(partition, row);
  }
  collect(target);
}

void Cluster::read_disk(unsigned id) {
  Node& target = node(id);
  const Missing missing = std::move(target.missing.front());
  target.missing.pop_front();
  Disk disk = target.synced;
  for (const Batch& batch : target.written) {
    disk.apply(batch);
  }
  std::vector<std::optional<Bytes>> rows;
  for (const Bytes& key : missing.keys) {
    const auto at = disk.rows.find({missing.partition, key});
    const bool there = at != disk.rows.end() && at->second.first == missing.generation;
    rows.push_back(there ? std::optional(at->second.second) : std::nullopt);
  }
  CHECK(target.core->restore(missing, rows, now(id)), "n{}: the disk lacks a cold row", id);
  collect(target);
}

void Cluster::lose(MessageType type, unsigned to) {
  std::erase_if(network_, [&](const Message& message) {
    return message.type == type && message.to == NodeId(to);
  });
}

void Cluster::settle() {
  for (auto& [id, node] : nodes_) {
    if (node.core) {
      collect(node);
    }
  }
  for (bool busy = true; busy;) {
    busy = false;
    for (std::size_t waiting = network_.size(); waiting > 0; --waiting) {
      deliver_at(0);
      busy = true;
    }
    for (auto& [id, node] : nodes_) {
      while (node.core && !node.queue.empty() && !node.disk_paused) {
        write_disk(id.value());
        busy = true;
      }
      while (node.core && !node.missing.empty() && !node.disk_paused) {
        read_disk(id.value());
        busy = true;
      }
    }
    busy = busy || depart();
  }
}

bool Cluster::depart() {
  constexpr Duration kWait = 1ms;
  const bool soon = std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& entry) {
    return entry.second.core && entry.second.wake_at <= mono_ + kWait;
  });
  if (soon) {
    pass(kWait);
    for (auto& [id, node] : nodes_) {
      if (node.core) {
        collect(node);
      }
    }
  }
  return !network_.empty();
}

void Cluster::pass(Duration duration) {
  // The wall clock counts ms; nothing of them may be lost on the way.
  const auto before = mono_.time_since_epoch() / 1ms;
  mono_ += duration;
  wall_ = wall_ + (mono_.time_since_epoch() / 1ms - before);
}

bool Cluster::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = mono_ + limit;
  while (true) {
    settle();
    if (done()) {
      return true;
    }
    Instant next = Instant::max();
    for (const auto& [id, node] : nodes_) {
      next = node.core ? std::min(next, node.wake_at) : next;
    }
    if (next > end) {
      pass(end - mono_);
      return done();
    }
    pass(std::max(next - mono_, Duration(50'000)));
    for (auto& [id, node] : nodes_) {
      if (node.core && node.wake_at <= mono_) {
        tick(id.value());
      }
    }
  }
}

void Cluster::run_for(Duration duration) {
  run_until([] { return false; }, duration);
  settle();
}

void Cluster::cut(unsigned a, unsigned b, bool noticed) {
  for (const auto& [from, to] :
       {std::pair(NodeId(a), NodeId(b)), std::pair(NodeId(b), NodeId(a))}) {
    cut_.insert({from, to});
    if (noticed) {
      noticed_.insert({from, to});
      if (nodes_.at(from).core) {
        nodes_.at(from).core->peer(to, false, {}, 0, now(from.value()));
      }
    }
  }
}

void Cluster::isolate(unsigned id, bool noticed) {
  for (const auto& [other, node] : nodes_) {
    if (other.value() != id) {
      cut(id, other.value(), noticed);
    }
  }
}

void Cluster::heal() {
  cut_.clear();
  const auto met = std::exchange(noticed_, {});
  for (const auto& [a, b] : met) {
    if (a < b) {
      meet(a, b);
    }
  }
}

void Cluster::crash(unsigned id, std::size_t keep) {
  Node& target = node(id);
  for (; !target.queue.empty() && keep > target.written.size(); target.queue.pop_front()) {
    target.written.push_back(std::move(target.queue.front()));
  }
  for (; keep > 0 && !target.written.empty(); --keep) {
    target.synced.apply(target.written.front());
    target.written.pop_front();
  }
  target.written.clear();
  target.queue.clear();
  target.missing.clear();
  target.core.reset();
  target.incarnation = {};
  for (auto& [other, node] : nodes_) {
    if (node.core) {
      node.core->peer(target.id, false, {}, 0, now(other.value()));
    }
  }
}

void Cluster::stop(unsigned id) {
  Node& target = node(id);
  target.core->flush();
  collect(target);
  while (!target.queue.empty()) {
    write_disk(id);
  }
  CHECK(target.written.empty(), "something was not synced before an orderly stop");
  const auto incarnation = target.incarnation;
  crash(id);
  target.incarnation = incarnation;
  // Its links end, and what was on them; of what others repeat, that matters for kWrite alone.
  std::erase_if(network_, [&](const Message& message) {
    return message.to == target.id && message.type == MessageType::kWrite;
  });
}

void Cluster::wipe(unsigned id) {
  CHECK(!node(id).core);
  node(id).synced = {};
  node(id).incarnation = {};
}

bool Cluster::converged() {
  for (unsigned partition = 1; partition <= partitions_; ++partition) {
    std::optional<std::uint64_t> digest;
    for (auto& [id, node] : nodes_) {
      const Table* table = node.core ? node.core->table(PartitionId(partition)) : nullptr;
      if (table != nullptr && digest.value_or(table->digest()) != table->digest()) {
        return false;
      }
      digest = table != nullptr ? table->digest() : digest;
    }
  }
  return true;
}

bool Cluster::converge(Duration limit) {
  return run_until([&] { return converged(); }, limit);
}

std::string Cluster::digests() {
  std::string text;
  for (auto& [id, node] : nodes_) {
    const Table* table = node.core ? node.core->table(kPartition) : nullptr;
    text += fmt::format("\nn{} {:04x} {:016x} {}:", id.value(), node.incarnation.value() & 0xffff,
                        table ? table->digest() : 0,
                        node.core && node.core->refilled(kPartition) ? "" : "refilling");
    int shown = 0;
    const auto show_row = [&](ByteView key, const Row& row) {
      text += fmt::format("\n  {} {}", key, context(row.context));
      for (const Sibling& sibling : row.siblings) {
        Context dot;
        dot.add(sibling.dot);
        text += fmt::format(" {}={}@{:x}{}", context(dot), sibling.value, sibling.stamp.packed,
                            sibling.deleted ? " deleted" : "");
      }
      return ++shown < 20;
    };
    if (table != nullptr) {
      node.core->each(kPartition, show_row);
    }
    if (const auto cut = node.synced.cuts.find(kPartition); cut != node.synced.cuts.end()) {
      text += fmt::format("\n  known {}\n  cut   {}", context(cut->second.known),
                          context(cut->second.cut));
    }
  }
  return text;
}

std::vector<Message> of_type(const std::deque<Message>& messages, MessageType type, unsigned to) {
  std::vector<Message> out;
  std::copy_if(messages.begin(), messages.end(), std::back_inserter(out),
               [&](const Message& m) { return m.type == type && (to == 0 || m.to == NodeId(to)); });
  return out;
}

ClusterSetup quick() {
  ClusterSetup setup;
  setup.options.sync_interval = 100ms;
  setup.options.sync_idle_interval = 500ms;
  setup.options.hint_life = 1s;
  return setup;
}

void rest(Cluster& cluster) { cluster.run_for(5s); }

std::uint64_t tombstones(Cluster& cluster) {
  std::uint64_t sum = 0;
  for (auto& [id, node] : cluster.nodes()) {
    sum += node.core ? node.core->stats().tombstones : 0;
  }
  return sum;
}

void fill(Cluster& cluster, unsigned id, int from, int to) {
  for (int i = from; i < to; ++i) {
    WriteRequest request;
    request.ticket = 1'000'000 + cluster.node(id).results.size() + static_cast<std::uint64_t>(i);
    request.partition = kPartition;
    request.key = fmt::format("key{}", i);
    request.value = fmt::format("a value of some length, number {}", i);
    cluster.core(id).write(request, cluster.now(id));
  }
  cluster.settle();
}

}  // namespace kvorum::dynamo::test
