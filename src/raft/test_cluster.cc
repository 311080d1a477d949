#include "raft/test_cluster.h"

#include <algorithm>

#include "base/check.h"
#include "base/checksum.h"
#include "base/parse.h"

namespace kvorum::raft::test {

namespace {

constexpr std::uint64_t kChunks = 3;

Bytes chunk_of(const Machine& machine, std::uint64_t chunk) {
  return fmt::format("{}/{}/{}", machine.applied.value(), machine.digest, chunk);
}

// What chunk_of put in.
Machine machine_in(const Bytes& chunk) {
  const auto slash = chunk.find('/');
  const auto applied = parse_number<std::uint64_t>(chunk.substr(0, slash));
  const auto digest =
      parse_number<std::uint64_t>(chunk.substr(slash + 1, chunk.rfind('/') - slash - 1));
  CHECK(applied && digest, "a chunk is malformed: {}", chunk);
  return {Index(*applied), *digest};
}

}  // namespace

void Machine::apply(const Entry& entry) {
  CHECK_EQ(entry.index, applied.next());
  applied = entry.index;
  digest = digest * 1000003 + checksum(*entry.payload) + entry.term.value();
}

Term Disk::term_at(Index index) const {
  CHECK_GE(index, base.index);
  CHECK_LE(index, last());
  return index == base.index ? base.term : entries[index - base.index.next()].term;
}

Config config_of(const std::vector<unsigned>& voters, const std::vector<unsigned>& learners) {
  Config config;
  for (const unsigned id : voters) {
    config.voters.emplace_back(id);
  }
  for (const unsigned id : learners) {
    config.learners.emplace_back(id);
  }
  return config;
}

Cluster::Cluster(const ClusterSetup& setup) : seed_(setup.seed) {
  auto all = setup.voters;
  all.insert(all.end(), setup.learners.begin(), setup.learners.end());
  for (const unsigned id : all) {
    Node& node = nodes_[NodeId(id)];
    node.id = NodeId(id);
    node.options = setup.options;
    node.options.self = node.id;
    node.disk.config = node.disk.base.config = config_of(setup.voters, setup.learners);
    start(node);
  }
}

Cluster::~Cluster() = default;

void Cluster::start(Node& node) {
  node.options.seed = seed_ = seed_ * 6364136223846793005 + 1442695040888963407;
  Restored restored;
  restored.hard = node.disk.hard;
  restored.base = node.disk.base;
  restored.first_index = node.disk.base.index.next();
  restored.applied = node.disk.machine.applied;
  restored.before_entries = node.disk.term_at(restored.applied);
  for (const Entry& entry : node.disk.entries) {
    if (entry.index > restored.applied) {
      restored.entries.push_back(entry);
    }
  }
  restored.config = node.disk.config;
  restored.last_stamp = node.disk.stamp;
  node.machine = node.disk.machine;
  node.applied_config = node.disk.config;
  node.applied_stamp = node.disk.stamp;
  node.applied.clear();
  node.raft = std::make_unique<Raft>(node.options, std::move(restored), now_);
  node.raft->set_tracing(true);
  collect(node);
}

void Cluster::collect(Node& node) {
  output_.clear();
  node.raft->drain(output_, now_);
  Output& out = output_;
  CHECK(out.ticket != 0 || (!out.hard_state && out.append.empty() && !out.truncate_from &&
                            out.snapshot_writes.empty() && out.send_after_persist.empty()));
  node.last = out;
  if (out.ticket != 0) {
    node.writes.push_back({out.ticket, out.hard_state, out.truncate_from, std::move(out.append),
                           std::move(out.snapshot_writes), std::move(out.send_after_persist)});
  }
  network_.insert(network_.end(), out.send_now.begin(), out.send_now.end());
  if (out.installed) {
    node.machine = node.installed;
    CHECK_EQ(node.machine.applied, out.installed->index);
    node.applied_config = out.installed->config;
    node.applied.clear();
  }
  for (const Entry& entry : out.apply) {
    node.machine.apply(entry);
    if (entry.type == EntryType::kConfig) {
      CHECK(decode(*entry.payload, node.applied_config));
    }
    node.applied_stamp = entry.stamp;
    node.applied.push_back(entry);
  }
  for (const ReadReady& read : out.reads) {
    node.reads[read.tag] = read.index;
  }
  node.failed.insert(out.failed_reads.begin(), out.failed_reads.end());
  for (const auto& request : out.loads) {
    load(node, request);
  }
  for (const auto& request : out.snapshot_reads) {
    read_chunk(node, request);
  }
  if (on_drain) {
    on_drain(node);
  }
}

void Cluster::load(Node& node, const LoadRequest& request) {
  node.answers.push_back([&node, request](Raft& raft, Now now) {
    Loaded loaded{request.to, request.prev_index, {}, {}};
    if (request.prev_index >= node.disk.base.index) {
      loaded.prev_term = node.disk.term_at(request.prev_index);
      std::size_t bytes = 0;
      for (Index at = request.prev_index.next(); at <= request.last_index; at = at.next()) {
        const Entry& entry = node.disk.entries[at - node.disk.base.index.next()];
        bytes += entry.byte_size();
        if (bytes > request.max_bytes && !loaded.entries.empty()) {
          break;
        }
        loaded.entries.push_back(entry);
      }
    }
    raft.step(std::move(loaded), now);
  });
}

void Cluster::read_chunk(Node& node, const SnapshotRead& request) {
  node.answers.push_back([&node, request](Raft& raft, Now now) {
    if (request.chunk == 0) {
      // What is durable, so that a snapshot never holds more than the log of its maker.
      node.outgoing = SnapshotMeta{node.disk.machine.applied,
                                   node.disk.term_at(node.disk.machine.applied), node.disk.config};
    }
    SnapshotChunk chunk{request.to, node.outgoing, request.chunk, request.chunk + 1 == kChunks, {}};
    if (node.disk.machine.applied != node.outgoing->index) {
      chunk.meta.reset();  // the durable state moved on: begin again
    }
    chunk.data = chunk_of(node.disk.machine, request.chunk);
    raft.step(std::move(chunk), now);
  });
}

void Cluster::finish(Node& node, const Write& write) {
  Disk& disk = node.disk;
  for (const SnapshotWrite& chunk : write.chunks) {
    if (chunk.chunk == 0) {
      node.incoming.clear();
    }
    CHECK_EQ(chunk.chunk, node.incoming.size());
    node.incoming.push_back(chunk);
    if (chunk.last) {
      const Machine machine = machine_in(chunk.data);
      for (const auto& part : node.incoming) {
        CHECK(part.data == chunk_of(machine, part.chunk), "chunks of two snapshots were mixed");
      }
      CHECK_EQ(machine.applied, chunk.meta.index);
      disk.base = chunk.meta;
      disk.config = chunk.meta.config;
      disk.entries.clear();
      disk.machine = node.installed = machine;
      node.incoming.clear();
    }
  }
  if (write.truncate_from) {
    CHECK_GT(*write.truncate_from, disk.base.index);
    CHECK_LE(*write.truncate_from, disk.last());
    disk.entries.resize(*write.truncate_from - disk.base.index.next());
  }
  for (const Entry& entry : write.append) {
    CHECK_EQ(entry.index, disk.last().next());
    disk.entries.push_back(entry);
  }
  if (write.hard) {
    CHECK_GE(write.hard->term, disk.hard.term);
    disk.hard = *write.hard;
  }
}

void Cluster::write(unsigned id) {
  Node& target = node(id);
  CHECK(!target.writes.empty(), "the disk of n{} has nothing to do", id);
  Write done = std::move(target.writes.front());
  target.writes.pop_front();
  finish(target, done);
  network_.insert(network_.end(), done.messages.begin(), done.messages.end());
  target.raft->step(Persisted{done.ticket}, now_);
  collect(target);
}

void Cluster::answer(unsigned id) {
  Node& target = node(id);
  CHECK(!target.answers.empty(), "the host of n{} was asked nothing", id);
  auto next = std::move(target.answers.front());
  target.answers.pop_front();
  next(*target.raft, now_);
  collect(target);
}

void Cluster::tick(unsigned id) {
  raft(id).tick(now_);
  collect(node(id));
}

void Cluster::drain(unsigned id) { collect(node(id)); }

void Cluster::deliver(Message message) {
  Node& target = nodes_.at(message.to);
  target.raft->step(message, now_);
  collect(target);
}

bool Cluster::deliver_at(std::size_t position) {
  Message message = std::move(network_[position]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  const auto target = nodes_.find(message.to);
  const bool arrives =
      target != nodes_.end() && target->second.raft != nullptr && !is_cut(message.from, message.to);
  if (on_deliver) {
    on_deliver(message, arrives);
  }
  if (arrives) {
    deliver(std::move(message));
  }
  return arrives;
}

bool Cluster::propose(unsigned id, const std::string& payload, unsigned notify) {
  return raft(id).propose(EntryType::kCommands, share(payload), NodeId(notify), now_);
}

bool Cluster::propose_config(unsigned id, const Config& config) {
  return raft(id).propose(EntryType::kConfig, share(encode(config)), NodeId(), now_);
}

void Cluster::read(unsigned id, std::uint64_t tag) { raft(id).read_barrier(tag, now_); }

void Cluster::settle() {
  for (auto& [id, node] : nodes_) {
    if (node.raft) {
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
      while (node.raft && !node.writes.empty() && !node.disk_paused) {
        write(id.value());
        busy = true;
      }
      while (node.raft && !node.answers.empty()) {
        answer(id.value());
        busy = true;
      }
    }
  }
}

bool Cluster::run_until(const std::function<bool()>& done, Duration limit) {
  const Instant end = now_.mono + limit;
  for (settle(); !done(); settle()) {
    Instant next = Instant::max();
    for (const auto& [id, node] : nodes_) {
      next = node.raft ? std::min(next, node.last.wake_at) : next;
    }
    if (next > end) {
      pass(end - now_.mono);
      return done();
    }
    pass(std::max(next, now_.mono) - now_.mono);
    for (auto& [id, node] : nodes_) {
      if (node.raft && node.last.wake_at <= now_.mono) {
        tick(id.value());
      }
    }
  }
  return true;
}

void Cluster::run_for(Duration duration) {
  run_until([] { return false; }, duration);
  settle();
}

void Cluster::campaign(unsigned id) {
  const auto at = node(id).last.wake_at;
  pass(std::max(at, now_.mono) - now_.mono);
  tick(id);
}

void Cluster::elect(unsigned id) {
  campaign(id);
  settle();
  CHECK(raft(id).role() == Role::kLeader, "n{} is {}", id, raft::to_string(raft(id).role()));
}

unsigned Cluster::leader() const {
  Term term;
  unsigned found = 0;
  for (const auto& [id, node] : nodes_) {
    if (node.raft && node.raft->role() == Role::kLeader && node.raft->term() > term) {
      term = node.raft->term();
      found = id.value();
    }
  }
  return found;
}

void Cluster::cut(unsigned a, unsigned b) {
  cut_.insert({NodeId(a), NodeId(b)});
  cut_.insert({NodeId(b), NodeId(a)});
}

void Cluster::isolate(unsigned id) {
  for (const auto& [other, node] : nodes_) {
    if (other.value() != id) {
      cut(id, other.value());
    }
  }
}

void Cluster::crash(unsigned id, std::size_t writes_done) {
  Node& target = node(id);
  for (; writes_done > 0 && !target.writes.empty(); --writes_done) {
    finish(target, target.writes.front());
    target.writes.pop_front();
  }
  target.raft.reset();
  target.writes.clear();
  target.incoming.clear();
  target.answers.clear();
  target.outgoing.reset();
}

void Cluster::restart(unsigned id) {
  pass(1ms);  // no two lives begin at the same moment
  start(node(id));
}

void Cluster::checkpoint(unsigned id) {
  Node& target = node(id);
  // Rows never reach the disk before their entries do.
  if (target.machine.applied <= target.disk.last() &&
      target.machine.applied > target.disk.machine.applied && target.writes.empty()) {
    target.disk.machine = target.machine;
    target.disk.config = target.applied_config;
    target.disk.stamp = target.applied_stamp;
  }
}

void Cluster::compact(unsigned id, Index first) {
  Node& target = node(id);
  Disk& disk = target.disk;
  const Index base = std::min(first.prev(), disk.machine.applied);
  if (base <= disk.base.index) {
    return;
  }
  const Term term = disk.term_at(base);
  disk.entries.erase(disk.entries.begin(),
                     disk.entries.begin() + static_cast<std::ptrdiff_t>(base - disk.base.index));
  disk.base = {base, term, disk.config};
  target.raft->step(Compacted{base.next(), term});
  collect(target);
}

std::string to_string(const Message& m) {
  static constexpr const char* kNames[] = {"pre-vote",         "pre-vote-reply",  "vote",
                                           "vote-reply",       "append",          "append-reply",
                                           "heartbeat",        "heartbeat-reply", "read-index",
                                           "read-index-reply", "snapshot",        "snapshot-reply",
                                           "timeout-now"};
  std::string text = fmt::format("n{}->n{} {} t{}", m.from.value(), m.to.value(),
                                 kNames[static_cast<int>(m.type)], m.term.value());
  switch (m.type) {
    case MessageType::kPreVote:
    case MessageType::kVote:
      text += fmt::format(" last {}/{}{}", m.log_index.value(), m.log_term.value(),
                          m.force ? " forced" : "");
      break;
    case MessageType::kAppend:
      text += fmt::format(" prev {}/{} entries {}..{} commit {}", m.log_index.value(),
                          m.log_term.value(), m.entries.front().index.value(),
                          m.entries.back().index.value(), m.commit.value());
      break;
    case MessageType::kAppendReply:
      text += m.reject ? fmt::format(" {} does not fit, try {}/{}", m.log_index.value(),
                                     m.hint_index.value(), m.hint_term.value())
                       : fmt::format(" has {}", m.log_index.value());
      return text;
    case MessageType::kHeartbeat:
      text += fmt::format(" commit {} round {}", m.commit.value(), m.round);
      break;
    case MessageType::kHeartbeatReply:
      text += fmt::format(" round {}", m.round);
      break;
    case MessageType::kReadIndexReply:
      text += fmt::format(" index {} commit {}", m.log_index.value(), m.commit.value());
      break;
    case MessageType::kSnapshot:
      text += fmt::format(" at {}/{} chunk {}{}", m.snapshot.index.value(), m.snapshot.term.value(),
                          m.chunk, m.last_chunk ? ", the last" : "");
      break;
    case MessageType::kSnapshotReply:
      text += fmt::format(" chunk {}", m.chunk);
      break;
    default:
      break;
  }
  return text + (m.reject ? " refused" : "");
}

std::vector<MessageType> types(const std::vector<Message>& messages) {
  std::vector<MessageType> out;
  for (const Message& message : messages) {
    out.push_back(message.type);
  }
  return out;
}

std::vector<std::string> texts(const std::vector<Message>& messages) {
  std::vector<std::string> out;
  for (const Message& message : messages) {
    out.push_back(to_string(message));
  }
  return out;
}

Message message(MessageType type, unsigned from, unsigned to, std::uint64_t term) {
  Message out;
  out.type = type;
  out.from = NodeId(from);
  out.to = NodeId(to);
  out.term = Term(term);
  return out;
}

Message ask_vote(unsigned from, unsigned to, std::uint64_t term, Position last) {
  Message out = message(MessageType::kVote, from, to, term);
  out.log_index = last.index;
  out.log_term = last.term;
  return out;
}

std::vector<Entry> entries_of(const std::vector<unsigned>& terms, std::uint64_t first) {
  std::vector<Entry> out;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    out.push_back({Term(terms[i]), Index(first + i), EntryType::kCommands, WallMs(1),
                   share(fmt::format("{}/{}", first + i, terms[i]))});
  }
  return out;
}

Message append_to(unsigned from, unsigned to, std::uint64_t term, Position prev,
                  const std::vector<unsigned>& terms, std::uint64_t commit) {
  Message out = message(MessageType::kAppend, from, to, term);
  out.log_index = prev.index;
  out.log_term = prev.term;
  out.commit = Index(commit);
  out.entries = entries_of(terms, prev.index.value() + 1);
  return out;
}

void restart_with(Cluster& cluster, unsigned id, const std::vector<unsigned>& terms,
                  std::uint64_t term) {
  cluster.crash(id);
  cluster.node(id).disk.entries = entries_of(terms);
  cluster.node(id).disk.hard = {Term(term), NodeId(), Index()};
  cluster.restart(id);
}

std::vector<unsigned> terms_on_disk(Cluster& cluster, unsigned id) {
  std::vector<unsigned> out;
  for (const Entry& entry : cluster.node(id).disk.entries) {
    out.push_back(static_cast<unsigned>(entry.term.value()));
  }
  return out;
}

}  // namespace kvorum::raft::test
