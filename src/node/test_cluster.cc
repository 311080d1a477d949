#include "node/test_cluster.h"

#include <sstream>

#include "base/check.h"

namespace kvorum::node {

ReplyWriter& TextConnections::reply(ConnId conn) {
  current_ = conn;
  return *this;
}

void TextConnections::add(std::string text) {
  auto& arrays = open_[current_];
  if (arrays.empty()) {
    replies[current_].push_back(std::move(text));
    return;
  }
  arrays.back().text += (arrays.back().text.size() > 1 ? " " : "") + text;
  --arrays.back().left;
  close_full();
}

void TextConnections::open(std::size_t count) {
  open_[current_].push_back({count, "["});
  close_full();
}

void TextConnections::close_full() {
  auto& arrays = open_[current_];
  if (!arrays.empty() && arrays.back().left == 0) {
    auto text = arrays.back().text + "]";
    arrays.pop_back();
    add(std::move(text));
  }
}

TestCluster::TestCluster(std::size_t nodes, std::uint64_t seed, std::function<void(Options&)> tune)
    : prng_(seed), tune_(std::move(tune)) {
  for (std::uint32_t i = 1; i <= nodes; ++i) {
    auto& node = nodes_[NodeId(i)];
    node.id = NodeId(i);
    node.store = store::open_mem();
    node.incarnation = Incarnation(prng_.next() | 1);
  }
  for (std::uint32_t i = 1; i <= nodes; ++i) {
    start(i);
  }
}

void TestCluster::start(std::uint32_t id, bool init) {
  auto& node = this->node(id);
  const auto identity = identify(*node.store, ClusterId(7), node.id, node.incarnation, init);
  CHECK(identity.has_value());
  Options options;
  options.cluster = identity->cluster;
  options.self = node.id;
  options.incarnation = identity->incarnation;
  options.boot = identity->boot;
  options.may_vote = identity->may_vote;
  for (const auto& [member, unused] : nodes_) {
    options.members.push_back(member);
  }
  options.seed = prng_.next();
  if (tune_) {
    tune_(options);
  }
  node.connections = std::make_unique<TextConnections>();
  node.disk = std::make_unique<Disk>(*node.store);
  node.fetcher = std::make_unique<Disk>(*node.store);
  node.jobs.clear();
  node.fetches.clear();
  auto opened = Node::open(options, *node.store, *node.connections, now_);
  CHECK(opened.has_value(), "{}", opened ? "" : to_string(opened.error()));
  node.node = std::move(*opened);
  for (auto& [other, peer] : nodes_) {
    if (other != node.id && peer.node && connected(node.id, other)) {
      link(node.id, other);
      link(other, node.id);
    }
  }
}

void TestCluster::link(NodeId a, NodeId b) {
  const auto& peer = nodes_.at(b);
  nodes_.at(a).node->peer_up(
      PeerHello{ClusterId(7), b, peer.incarnation, now_.wall.value(), 0, peer.node->replica()},
      now_);
}

void TestCluster::crash(std::uint32_t id) {
  node(id).node.reset();
  node(id).jobs.clear();
  node(id).fetches.clear();
  std::erase_if(packets_, [&](const Packet& packet) {
    return packet.to == NodeId(id) || packet.from == NodeId(id);
  });
  for (auto& [other, peer] : nodes_) {
    if (peer.node) {
      peer.node->peer_down(NodeId(id), now_);
    }
  }
}

void TestCluster::wipe(std::uint32_t id) {
  crash(id);
  node(id).store = store::open_mem();
  node(id).incarnation = Incarnation(prng_.next() | 1);
}

void TestCluster::cut(std::uint32_t a, std::uint32_t b) {
  cut_.insert({NodeId(a), NodeId(b)});
  cut_.insert({NodeId(b), NodeId(a)});
}

void TestCluster::isolate(std::uint32_t id) {
  for (const auto& [other, unused] : nodes_) {
    if (other != NodeId(id)) {
      cut(id, other.value());
    }
  }
}

void TestCluster::heal() {
  const auto was = std::exchange(cut_, {});
  for (const auto& [a, b] : was) {
    if (nodes_.at(a).node && nodes_.at(b).node) {
      link(a, b);
    }
  }
}

bool TestCluster::connected(NodeId a, NodeId b) const { return !cut_.contains({a, b}); }

ConnId TestCluster::connect(std::uint32_t id) {
  const ConnId conn(++next_conn_[NodeId(id)]);
  node(id).node->connect(conn, "test", now_);
  return conn;
}

void TestCluster::send(std::uint32_t id, ConnId conn, const std::vector<std::string>& args) {
  const std::vector<ByteView> views(args.begin(), args.end());
  node(id).node->request(conn, views, now_);
}

std::string TestCluster::ask(std::uint32_t id, const std::string& line) {
  const auto conn = connect(id);
  send(id, conn, words(line));
  const bool answered = run_until([&] { return !replies(id, conn).empty(); });
  auto text = answered ? replies(id, conn).front() : std::string("no reply");
  if (node(id).node) {
    node(id).node->disconnect(conn);
  }
  return text;
}

bool TestCluster::run_disk(TestNode& node) {
  const bool wrote = run_jobs(node, *node.disk, node.jobs, node.disk_held);
  return run_jobs(node, *node.fetcher, node.fetches, node.fetches_held) || wrote;
}

bool TestCluster::run_jobs(TestNode& node, Disk& disk, std::vector<DiskJob>& jobs, bool held) {
  if (held || jobs.empty() || !node.node) {
    return false;
  }
  std::vector<DiskDone> done;
  disk.run(std::exchange(jobs, {}), done);
  for (auto& one : done) {
    node.node->step(std::move(one), now_);
  }
  return true;
}

void TestCluster::deliver() {
  for (auto packets = std::exchange(packets_, {}); !packets.empty(); packets.pop_front()) {
    auto& packet = packets.front();
    auto& to = nodes_.at(packet.to);
    if (!to.node || !connected(packet.from, packet.to) || prng_.chance(drop_percent_, 100)) {
      continue;
    }
    if (const auto* forward = std::get_if<Forward>(&packet.body)) {
      to.node->step(*forward, now_);
    } else if (auto* leaderless = std::get_if<dynamo::Message>(&packet.body)) {
      to.node->step(std::move(*leaderless), now_);
    } else if (const auto* query = std::get_if<Query>(&packet.body)) {
      to.node->step(*query, now_);
    } else if (auto* answer = std::get_if<Answer>(&packet.body)) {
      to.node->step(std::move(*answer), now_);
    } else {
      const auto& message = std::get<Output::PeerMessage>(packet.body);
      to.node->step(packet.from, message.partition, message.message, now_);
    }
  }
}

void TestCluster::turn() {
  ++turns_;
  auto wake_at = Instant::max();
  bool busy = false;
  for (auto& [id, node] : nodes_) {
    if (!node.node) {
      continue;
    }
    node.node->tick(now_);
    busy = run_disk(node) || busy;
    node.out.clear();
    node.node->drain(node.out, now_);
    CHECK(node.out.fatal.empty(), "{}", node.out.fatal);
    for (const auto& line : node.out.log) {
      node.notes += line.text + '\n';
    }
    for (auto& job : node.out.disk) {
      node.jobs.push_back(std::move(job));
    }
    for (auto& job : node.out.fetches) {
      node.fetches.push_back(std::move(job));
    }
    for (auto& message : node.out.messages) {
      const auto to = message.message.to;
      packets_.push_back({id, to, std::move(message)});
    }
    for (auto& forward : node.out.forwards) {
      packets_.push_back({id, forward.to, forward});
    }
    for (auto& message : node.out.leaderless) {
      const auto to = message.to;
      packets_.push_back({id, to, std::move(message)});
    }
    for (const auto& query : node.out.queries) {
      packets_.push_back({id, query.to, query});
    }
    for (const auto& answer : node.out.answers) {
      packets_.push_back({id, answer.to, answer});
    }
    for (auto& [other, peer] : nodes_) {
      if (node.out.greet_again && other != id && peer.node && connected(id, other)) {
        link(other, id);
      }
    }
    busy = busy || (!node.jobs.empty() && !node.disk_held) ||
           (!node.fetches.empty() && !node.fetches_held);
    wake_at = std::min(wake_at, node.out.wake_at);
  }
  busy = busy || !packets_.empty();
  deliver();
  // Busy turns take 100 us; idle ones jump to the next timer.
  const auto step = busy ? Duration(100'000) : std::max(wake_at - now_.mono, Duration(100'000));
  const auto bounded = std::min(step, Duration(10ms));
  now_.mono += bounded;
  now_.wall = WallMs(1'000'000 + (now_.mono - Instant(1s)) / 1ms);
}

bool TestCluster::run_until(const std::function<bool()>& condition, Duration limit) {
  const auto end = now_.mono + limit;
  while (!condition()) {
    if (now_.mono >= end) {
      return false;
    }
    turn();
  }
  return true;
}

void TestCluster::run_for(Duration duration) {
  run_until([] { return false; }, duration);
}

std::uint32_t TestCluster::leader() {
  std::map<std::string, std::size_t> votes;
  for (auto& [id, node] : nodes_) {
    if (!node.node) {
      continue;
    }
    const auto conn = connect(id.value());
    send(id.value(), conn, {"KV.STATUS"});
    const auto text = replies(id.value(), conn).back();
    node.node->disconnect(conn);
    if (status_word(text, "partitions") != "0") {
      ++votes[status_word(text, "leader")];
    }
  }
  for (const auto& [word, count] : votes) {
    if (word != "0" && 2 * count > nodes_.size()) {
      return static_cast<std::uint32_t>(std::stoul(word));
    }
  }
  return 0;
}

std::uint32_t TestCluster::wait_leader() {
  const bool found = run_until([&] {
    const auto id = leader();
    return id != 0 && node(id).node != nullptr;
  });
  CHECK(found, "no leader within 20 s of simulated time");
  return leader();
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> out;
  for (std::string word; in >> word;) {
    out.push_back(word);
  }
  return out;
}

std::string status_word(const std::string& status, const std::string& name) {
  const auto line = status.substr(0, status.find('\n'));
  const auto at = line.find(name + ":");
  if (at == std::string::npos) {
    return "";
  }
  const auto from = at + name.size() + 1;
  return line.substr(from, line.find_first_of(" \n\"", from) - from);
}

}  // namespace kvorum::node
