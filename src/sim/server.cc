#include "sim/server.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "sim/chance.h"

namespace kvorum::sim {
namespace {

constexpr ClusterId kCluster{7};
constexpr Duration kWakeUp = std::chrono::microseconds(3);      // from an arrival to its turn
constexpr Duration kTurnCost = std::chrono::microseconds(5);    // of a turn
constexpr Duration kInputCost = std::chrono::nanoseconds(500);  // of each input in it
constexpr Duration kStopPatience = 5s;

node::Options node_options(const Options& from, NodeId self, const node::Identity& identity,
                           std::uint64_t seed) {
  node::Options options;
  options.cluster = identity.cluster;
  options.self = self;
  options.incarnation = identity.incarnation;
  options.boot = identity.boot;
  options.may_vote = identity.may_vote;
  for (std::uint32_t id = 1; id <= from.nodes; ++id) {
    options.members.emplace_back(id);
  }
  options.main.partitions = static_cast<std::uint32_t>(from.partitions);
  options.main = from.main.value_or(options.main);
  options.read_level = from.read_level;
  options.seed = seed;
  options.election_timeout = std::chrono::milliseconds(from.election_ms);
  options.heartbeat = std::chrono::milliseconds(from.heartbeat_ms);
  options.request_timeout = std::chrono::milliseconds(from.request_timeout_ms);
  options.checkpoint_interval = std::chrono::milliseconds(from.checkpoint_ms);
  options.log_keep_bytes = static_cast<std::uint64_t>(from.log_keep_kb) << 10;
  options.journal_bytes = static_cast<std::size_t>(from.log_keep_kb) << 10;
  options.sync_interval = std::chrono::milliseconds(from.sync_ms);
  options.sync_idle_interval = 10 * options.sync_interval;
  options.hint_life = std::chrono::milliseconds(from.hint_life_ms);
  options.fence_after = std::chrono::milliseconds(from.fence_ms);
  options.memory_budget = static_cast<std::size_t>(from.memory_budget);
  options.kv.max_value_bytes = static_cast<std::size_t>(from.max_value_kb) << 10;
  return options;
}

}  // namespace

Server::Chances::Chances(std::uint64_t seed, NodeId id)
    : incarnations(chance_of(seed, "incarnation", id.value())),
      boots(chance_of(seed, "boot", id.value())),
      disks(chance_of(seed, "disk delay", id.value())),
      fetches(chance_of(seed, "fetch delay", id.value())),
      crashes(chance_of(seed, "what a crash leaves", id.value())),
      turns(chance_of(seed, "order in a turn", id.value())) {}

Server::Server(NodeId id, const Options& options, EventQueue& events, Trace& trace,
               ServerHost& host)
    : id_(id),
      options_(options),
      events_(events),
      trace_(trace),
      host_(host),
      chances_(options.seed, id),
      store_(std::make_unique<SimStore>()) {
  auto clocks = chance_of(options.seed, "clock", id.value());
  const auto spread = [&clocks](std::int64_t limit) {
    return static_cast<std::int64_t>(clocks.below(2 * static_cast<std::uint64_t>(limit) + 1)) -
           limit;
  };
  const auto drift = spread(options.drift_ppm);
  clock_ = Clock(drift, spread(options.offset_ms));
  incarnation_ = Incarnation(chances_.incarnations.next() | 1);
}

Server::~Server() = default;

void Server::start() {
  CHECK(!running(), "the server runs already");
  trace_.event(events_.now(), "start", id_.value());
  if (const auto whole = store_->look_over(); !whole) {
    trace_.text(events_.now(), "refuses", id_.value(), to_string(whole.error()));
    return host_.exited(id_, true);
  }
  const auto identity =
      node::identify(*store_, kCluster, id_, incarnation_, !std::exchange(formed_, true));
  CHECK(identity.has_value(), "a store in memory cannot refuse an identity");
  const auto options = node_options(options_, id_, *identity, chances_.boots.next());
  auto opened = node::Node::open(options, *store_, *this, clock_.now(events_.now()));
  CHECK(opened.has_value(), "{}", to_string(opened.error()));
  node_ = std::move(*opened);
  const auto deliver = [this](std::vector<node::DiskDone> done) {
    for (auto& one : done) {
      take(std::move(one));
    }
  };
  disk_ =
      std::make_unique<SimDisk>(events_, *store_, options_, Prng(chances_.disks.next()), deliver);
  fetcher_ =
      std::make_unique<SimDisk>(events_, *store_, options_, Prng(chances_.fetches.next()), deliver);
  slow_disk(disk_factor_);
  schedule(events_.now() + kWakeUp);
}

void Server::crash(bool power) {
  trace_.event(events_.now(), power ? "power cut" : "kill", id_.value());
  ++epoch_;
  disk_->crash(chances_.crashes, power);
  disk_.reset();
  fetcher_.reset();
  node_.reset();
  inbox_.clear();
  held_.clear();
  out_.clear();
  touched_.clear();
  for (const auto& [conn, unused] : std::exchange(conns_, {})) {
    if (!power) {
      host_.hang_up(conn);
    }
  }
  stopping_ = hold_clients_ = frozen_ = false;
  scheduled_ = wake_at_ = stop_at_ = Instant::max();
}

void Server::stop() {
  if (!running() || stopping_) {
    return;
  }
  trace_.event(events_.now(), "stop", id_.value());
  stopping_ = true;
  stop_at_ = events_.now() + kStopPatience;
  node_->begin_shutdown(clock_.now(events_.now()));
  schedule(std::max(events_.now() + kWakeUp, busy_until_));
}

void Server::wipe() {
  CHECK(!running(), "the disk of a server that is down");
  trace_.event(events_.now(), "wipe", id_.value());
  lost_ = std::exchange(store_, std::make_unique<SimStore>());
  incarnation_ = Incarnation(chances_.incarnations.next() | 1);
}

void Server::slow_disk(std::int64_t factor) {
  disk_factor_ = factor;
  if (disk_) {
    disk_->slow(factor);
    fetcher_->slow(factor);
  }
}

void Server::freeze(bool on) {
  thawed_ = frozen_ && !on;
  frozen_ = on && running();
  if (!frozen_ && running()) {
    schedule(std::max(events_.now() + kWakeUp, busy_until_));
  }
}

Bytes Server::hello() const {
  Bytes frame;
  const auto now = clock_.now(events_.now());
  wire::encode_hello(PeerHello{kCluster, id_, incarnation_, now.wall.value(), 0, node_->replica()},
                     frame);
  return frame;
}

void Server::connected(NodeId peer, Bytes hello) { take(PeerUp{peer, std::move(hello)}); }
void Server::disconnected(NodeId peer) { take(PeerDown{peer}); }
void Server::packet(NodeId from, Bytes frames) { take(Packet{from, std::move(frames)}); }
void Server::connect(ConnId conn) { take(Connect{conn}); }
void Server::request(ConnId conn, Bytes bytes) { take(Request{conn, std::move(bytes)}); }
void Server::disconnect(ConnId conn) { take(Disconnect{conn}); }

ReplyWriter& Server::reply(ConnId conn) {
  auto& found = *conns_.at(conn);
  if (found.out.empty()) {
    touched_.push_back(conn);
  }
  return found.writer;
}

void Server::set_protocol(ConnId conn, int version) {
  conns_.at(conn)->writer.set_protocol(version);
}

void Server::close_after_replies(ConnId conn) {
  conns_.at(conn)->closing = true;
  touched_.push_back(conn);
}

void Server::take(Input input) {
  if (!running()) {
    return;
  }
  inbox_.push_back(std::move(input));
  schedule(std::max(events_.now() + kWakeUp, busy_until_));
}

void Server::schedule(Instant when) {
  if (frozen_ || when >= scheduled_) {
    return;
  }
  scheduled_ = when;
  events_.at(when, [this, when, epoch = epoch_] {
    if (epoch == epoch_ && scheduled_ == when) {
      scheduled_ = Instant::max();
      if (!frozen_) {
        turn();
      }
    }
  });
}

void Server::turn() {
  const auto now = clock_.now(events_.now());
  auto inputs = std::exchange(inbox_, {});
  defer_some(inputs);
  trace_.event(events_.now(), "turn", id_.value(), inputs.size());
  for (auto& input : inputs) {
    feed(input, now);
  }
  if (!hold_clients_) {
    for (auto& request : std::exchange(held_, {})) {
      feed_request(request.conn, request.bytes, now);
    }
  }
  // Timers and sockets that are ready together may come in either order.
  const bool rings = events_.now() >= wake_at_;
  const bool late = rings && !inputs.empty() && (thawed_ || chances_.turns.chance(1, 2));
  thawed_ = false;
  if (rings && !late) {
    node_->tick(now);
  }
  out_.clear();
  node_->drain(out_, now);
  for (const auto& line : out_.log) {
    trace_.text(events_.now(), "says", id_.value(), line.text);
  }
  host_.on_turn(id_, out_);
  if (!out_.fatal.empty()) {
    trace_.text(events_.now(), "fatal", id_.value(), out_.fatal);
    return exit(false);
  }
  disk_->push(out_.disk);
  fetcher_->push(out_.fetches);
  send_messages();
  for (std::uint32_t id = 1; out_.greet_again && id <= options_.nodes; ++id) {
    if (NodeId(id) != id_) {
      host_.reset(NodeId(id), id_);
    }
  }
  flush();
  const auto cost = (kTurnCost + kInputCost * static_cast<std::int64_t>(inputs.size())) * factor_;
  busy_until_ = events_.now() + cost;
  wake_at_ = late ? events_.now() : clock_.true_time(out_.wake_at);
  if (stopping_ && (node_->idle() || events_.now() >= stop_at_)) {
    return exit(false);
  }
  const bool more = !inbox_.empty();
  inputs.clear();
  if (!more) {
    inbox_ = std::move(inputs);  // keeps its memory
  }
  schedule(std::max(more ? events_.now() : std::min(wake_at_, stop_at_), busy_until_));
}

// What is ready together need not be read together: now and then the peers' bytes or the clients'
// wait for the next turn.
void Server::defer_some(std::vector<Input>& inputs) {
  if (inputs.size() < 2 || !chances_.turns.chance(1, thawed_ ? 2 : 8)) {
    return;
  }
  const bool peers_wait = chances_.turns.chance(1, 2);
  const auto waits = [peers_wait](const Input& input) {
    const bool from_peer = std::holds_alternative<Packet>(input) ||
                           std::holds_alternative<PeerUp>(input) ||
                           std::holds_alternative<PeerDown>(input);
    return from_peer == peers_wait && !std::holds_alternative<node::DiskDone>(input);
  };
  const auto later = std::stable_partition(inputs.begin(), inputs.end(),
                                           [&](const Input& input) { return !waits(input); });
  inbox_.assign(std::make_move_iterator(later), std::make_move_iterator(inputs.end()));
  inputs.erase(later, inputs.end());
}

void Server::exit(bool disk_damaged) {
  crash(false);
  host_.exited(id_, disk_damaged);
}

void Server::feed(Input& input, Now now) {
  if (auto* up = std::get_if<PeerUp>(&input)) {
    wire::FrameParser parser;
    parser.feed(up->hello);
    const auto frame = parser.next();
    CHECK(frame.has_value() && frame->has_value(), "a handshake that was just encoded");
    node_->peer_up(std::get<PeerHello>(**frame), now);
  } else if (const auto* down = std::get_if<PeerDown>(&input)) {
    node_->peer_down(down->peer, now);
  } else if (const auto* packet = std::get_if<Packet>(&input)) {
    feed_packet(packet->from, packet->frames, now);
  } else if (const auto* opened = std::get_if<Connect>(&input)) {
    conns_.emplace(opened->conn, std::make_unique<Conn>());
    node_->connect(opened->conn, "client", now);
  } else if (auto* request = std::get_if<Request>(&input)) {
    if (hold_clients_) {
      held_.push_back(std::move(*request));
    } else {
      feed_request(request->conn, request->bytes, now);
    }
  } else if (const auto* closed = std::get_if<Disconnect>(&input)) {
    if (conns_.contains(closed->conn)) {
      node_->disconnect(closed->conn);  // may still reply
      conns_.erase(closed->conn);
    }
  } else {
    node_->step(std::move(std::get<node::DiskDone>(input)), now);
  }
}

void Server::feed_packet(NodeId from, ByteView frames, Now now) {
  wire::FrameParser parser;
  parser.feed(frames);
  while (true) {
    auto frame = parser.next();
    if (!frame) {
      trace_.text(events_.now(), "garbage", id_.value(), to_string(frame.error()));
      return host_.reset(from, id_);
    }
    if (!*frame) {
      break;
    }
    if (auto* message = std::get_if<wire::PeerMessage>(&**frame)) {
      trace_.event(events_.now(), "message", id_.value(), from.value(),
                   static_cast<std::uint64_t>(message->message.type),
                   message->message.log_index.value());
      node_->step(from, message->partition, message->message, now);
    } else if (const auto* forward = std::get_if<Forward>(&**frame)) {
      trace_.event(events_.now(), "forward", id_.value(), from.value(), forward->runs->size());
      node_->step(*forward, now);
    } else if (auto* leaderless = std::get_if<dynamo::Message>(&**frame)) {
      trace_.event(events_.now(), "leaderless", id_.value(), from.value(),
                   static_cast<std::uint64_t>(leaderless->type), leaderless->rows.size());
      node_->step(std::move(*leaderless), now);
    } else if (const auto* query = std::get_if<Query>(&**frame)) {
      trace_.event(events_.now(), "query", id_.value(), from.value(), query->id);
      node_->step(*query, now);
    } else if (auto* answer = std::get_if<Answer>(&**frame)) {
      trace_.event(events_.now(), "answer", id_.value(), from.value(), answer->id);
      node_->step(std::move(*answer), now);
    }
  }
  if (parser.buffered() > 0) {  // a length that was damaged: the rest of the frame never comes
    host_.reset(from, id_);
  }
}

void Server::feed_request(ConnId conn, ByteView bytes, Now now) {
  const auto found = conns_.find(conn);
  if (found == conns_.end()) {  // closed, or of the time before the machine lost power
    return host_.hang_up(conn);
  }
  auto& parser = found->second->parser;
  parser.feed(bytes);
  for (auto status = parser.next(); status != wire::RequestParser::Status::kNeedMore;
       status = parser.next()) {
    CHECK(status == wire::RequestParser::Status::kRequest, "{}", to_string(parser.error()));
    node_->request(conn, parser.args(), now);
  }
  parser.keep();
}

void Server::send_messages() {
  for (const auto& [partition, message] : out_.messages) {
    auto& frames = outgoing_[message.to];
    CHECK(wire::encode_message(partition, message, frames), "a message beyond the frame limit");
    if (options_.split != 0) {
      host_.send(id_, message.to, std::exchange(frames, {}));
    }
  }
  for (const auto& forward : out_.forwards) {
    auto& frames = outgoing_[forward.to];
    CHECK(wire::encode_forward(forward, frames), "a run beyond the frame limit");
  }
  for (const auto& message : out_.leaderless) {
    CHECK(wire::encode_dynamo(message, outgoing_[message.to]), "a message beyond the frame limit");
  }
  for (const auto& query : out_.queries) {
    CHECK(wire::encode_query(query, outgoing_[query.to]), "a question beyond the frame limit");
  }
  for (const auto& answer : out_.answers) {
    CHECK(wire::encode_answer(answer, outgoing_[answer.to]), "an answer beyond the frame limit");
  }
  for (auto& [to, frames] : outgoing_) {
    if (!frames.empty()) {
      host_.send(id_, to, std::exchange(frames, {}));
    }
  }
}

void Server::flush() {
  for (const auto id : std::exchange(touched_, {})) {
    const auto found = conns_.find(id);
    if (found == conns_.end()) {
      continue;
    }
    auto& conn = *found->second;
    if (!conn.out.empty()) {
      host_.reply(id, std::exchange(conn.out, {}));
    }
    if (conn.closing) {
      conns_.erase(found);
      node_->disconnect(id);
      host_.hang_up(id);
    }
  }
}

}  // namespace kvorum::sim
