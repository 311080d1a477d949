#include "net/test_node.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/parse.h"

namespace kvorum::net {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);
constexpr Duration kLater = 20ms;
constexpr NodeId kMembers[] = {NodeId(1), NodeId(2), NodeId(3)};

}  // namespace

TestNode::TestNode(node::Connections& connections, NodeId self)
    : connections_(connections), self_(self), faults_(self, kMembers) {}

void TestNode::connect(node::ConnId, ByteView address, Now) {
  CHECK(address.starts_with("127.0.0.1:"));
}

void TestNode::disconnect(node::ConnId conn) {
  std::erase_if(waiting_, [conn](const Waiting& waiting) { return waiting.conn == conn; });
}

void TestNode::request(node::ConnId conn, std::span<const ByteView> args, Now) {
  CHECK(!paused_, "a request came while clients are paused");
  ++requests_;
  most_ = std::max(most_, ++this_turn_[conn]);
  if (args[0] == "PING" && waiting_.empty()) {
    return connections_.reply(conn).status("PONG");
  }
  held_ = args[0] == "RELEASE" ? false : held_;
  Waiting waiting{conn, {}, {}, false};
  for (const auto arg : args) {
    waiting.args.emplace_back(arg);
  }
  waiting_.push_back(std::move(waiting));
}

void TestNode::reject(node::ConnId conn, const Error& error, bool close, Now) {
  waiting_.push_back({conn, {}, error, close});
}

void TestNode::peer_up(const PeerHello& peer, Now) { peers_[peer.node] = peer.incarnation; }
void TestNode::peer_down(NodeId peer, Now) { peers_.erase(peer); }

void TestNode::step(NodeId from, PartitionId partition, const raft::Message& message, Now) {
  received_.push_back(
      fmt::format("message {} {} {}", from.value(), partition.value(), message.data));
}

void TestNode::step(const Forward& forward, Now) {
  constexpr std::size_t kShown = 1000;
  received_.push_back(forward.runs->size() > kShown
                          ? fmt::format("long {}", forward.runs->size())
                          : fmt::format("forward {} {}", forward.from.value(), *forward.runs));
}

void TestNode::step(dynamo::Message message, Now) {
  received_.push_back(fmt::format("leaderless {} {}", message.from.value(), message.id));
}

void TestNode::step(const Query& query, Now) {
  received_.push_back(fmt::format("query {} {}", query.from.value(), query.id));
}

void TestNode::step(Answer answer, Now) {
  received_.push_back(fmt::format("answer {} {}", answer.from.value(), answer.reply));
}

Result<void> TestNode::fault(ByteView command, Now now) {
  std::vector<ByteView> words;
  while (!command.empty()) {
    const auto blank = std::min(command.find(' '), command.size());
    words.push_back(command.substr(0, blank));
    command.remove_prefix(std::min(blank + 1, command.size()));
  }
  const auto parsed = parse_fault(words, kMembers);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  faults_changed_ = true;
  faults_.apply(*parsed, 1, now.mono);
  return {};
}

void TestNode::fault_answered(const node::FaultAnswer& answer, Now) {
  constexpr const char* kNames[] = {"done", "refused", "absent", "unreached", "unknown"};
  received_.push_back(fmt::format("{}{}{}", kNames[static_cast<std::size_t>(answer.kind)],
                                  answer.why.empty() ? "" : ": ", answer.why));
}

void TestNode::answer_fault(const Waiting& waiting, node::Output& out, Now now) {
  auto& reply = connections_.reply(waiting.conn);
  const auto& name = waiting.args[0];
  if (name == "CALL") {
    const NodeId to(*parse_number<std::uint32_t>(waiting.args.at(1)));
    out.fault_calls.push_back({waiting.conn.value(), to, waiting.args.at(2)});
  } else if (name == "FAULT") {
    const auto done = fault(waiting.args.at(1), now);
    return done ? reply.status("OK") : reply.error(done.error());
  } else {
    Bytes all;
    for (const auto& line : faults_.describe(now.mono)) {
      all += (all.empty() ? "" : ", ") + line;
    }
    return reply.bulk(all);
  }
  reply.status("OK");
}

void TestNode::step(node::DiskDone done, Now) {
  CHECK_EQ(std::get<node::WriteDone>(done).ticket, ticket_);
  for (const auto conn : std::exchange(on_disk_, {})) {
    connections_.reply(conn).status("WRITTEN");
  }
}

void TestNode::tick(Now now) {
  if (now.mono < wake_at_) {
    return;
  }
  wake_at_ = Instant::max();
  for (const auto conn : std::exchange(later_, {})) {
    connections_.reply(conn).status("LATER");
  }
  if (std::exchange(paused_, false)) {
    connections_.pause(false);
  }
}

void TestNode::begin_shutdown(Now) {}

void TestNode::drain(node::Output& out, Now now) {
  this_turn_.clear();
  while (!waiting_.empty() && !held_) {
    const auto waiting = std::move(waiting_.front());
    waiting_.pop_front();
    answer(waiting, out, now);
  }
  if (std::exchange(faults_changed_, false)) {
    out.fault_rules = faults_.rules();
  }
  out.wake_at = wake_at_;
}

void TestNode::answer(const Waiting& waiting, node::Output& out, Now now) {
  auto& reply = connections_.reply(waiting.conn);
  if (waiting.error) {
    reply.error(*waiting.error);
    return waiting.close ? connections_.close_after_replies(waiting.conn) : void();
  }
  const auto& name = waiting.args[0];
  if (name == "FAULT" || name == "FAULTS" || name == "CALL") {
    return answer_fault(waiting, out, now);
  }
  if (name == "QUIT") {
    reply.status("OK");
    return connections_.close_after_replies(waiting.conn);
  }
  if (name == "DISK") {
    on_disk_.push_back(waiting.conn);
    out.disk.emplace_back(node::WriteJob{++ticket_, {}});
    return;
  }
  if (name == "LATER") {
    later_.push_back(waiting.conn);
    wake_at_ = now.mono + kLater;
    return;
  }
  if (name == "PAUSE") {
    paused_ = true;
    wake_at_ = now.mono + kLater;
    connections_.pause(true);
  } else if (name == "HELLO") {
    connections_.set_protocol(waiting.conn, 3);
    return reply.map(0);
  } else if (name == "HOLD") {
    held_ = true;
  } else if (name == "FATAL") {
    out.fatal = "the disk broke";
  } else if (name == "SEND" || name == "FORWARD" || name == "LONG" || name == "ASK") {
    send(waiting, out);
  } else {
    return answer_count(waiting, reply);
  }
  reply.status("OK");
}

void TestNode::answer_count(const Waiting& waiting, ReplyWriter& reply) {
  const auto& name = waiting.args[0];
  if (name == "ECHO") {
    return reply.bulk(waiting.args.at(1));
  }
  if (name == "BIG") {
    return reply.bulk(Bytes(*parse_number<std::size_t>(waiting.args.at(1)), 'x'));
  }
  if (name == "RECEIVED") {
    Bytes all;
    for (const auto& text : received_) {
      all += (all.empty() ? "" : ", ") + text;
    }
    return reply.bulk(all);
  }
  if (name == "LAST") {
    return reply.bulk(received_.empty() ? "" : received_.back());
  }
  if (name == "PEERS") {
    Bytes all;
    for (const auto& [node, incarnation] : peers_) {
      all += fmt::format("{}{}:{}", all.empty() ? "" : " ", node.value(), incarnation.value());
    }
    return reply.bulk(all);
  }
  if (name == "SENT") {
    return reply.bulk(std::to_string(peer_bytes_));
  }
  if (name == "REQUESTS" || name == "MOST" || name == "CONNECTIONS") {
    const auto count = name == "REQUESTS" ? requests_ : name == "MOST" ? most_ : clients_;
    return reply.bulk(std::to_string(count));
  }
  reply.status(name == "RELEASE" ? "OK" : "PONG");
}

void TestNode::send(const Waiting& waiting, node::Output& out) {
  const NodeId to(*parse_number<std::uint32_t>(waiting.args.at(1)));
  if (waiting.args[0] == "FORWARD") {
    out.forwards.push_back({PartitionId(1), self_, to, share(waiting.args.at(2))});
    return;
  }
  if (waiting.args[0] == "LONG") {
    const auto bytes = *parse_number<std::size_t>(waiting.args.at(2));
    out.forwards.push_back({PartitionId(1), self_, to, share(Bytes(bytes, 'x'))});
    return;
  }
  if (waiting.args[0] == "ASK") {
    out.queries.push_back({self_, to, 7, KeyspaceId(1), {PartitionId(1)}, waiting.args.at(2)});
    out.answers.push_back({self_, to, 7, std::nullopt, waiting.args.at(2)});
    return;
  }
  raft::Message message;
  message.type = raft::MessageType::kSnapshot;
  message.from = self_;
  message.to = to;
  message.data = waiting.args.at(2);
  out.messages.push_back({PartitionId(5), message});
}

ServerOptions test_options(std::uint64_t cluster, std::uint32_t self) {
  ServerOptions options;
  options.cluster = ClusterId(cluster);
  options.self = NodeId(self);
  options.incarnation = Incarnation(100 + self);
  options.min_redial = 1ms;
  options.max_redial = 20ms;
  options.handle_signals = false;
  return options;
}

TestServer::TestServer(const ServerOptions& options) {
  auto opened = Server::open(options);
  CHECK(opened.has_value(), "{}", opened ? "" : opened.error().detail);
  server_ = std::move(*opened);
  node_ = std::make_unique<TestNode>(*server_, options.self);
  store_ = store::open_mem();
  disk_ = std::make_unique<node::Disk>(*store_);
}

void TestServer::start() {
  thread_ = std::thread([this] { exit_code_ = server_->run(*node_, *disk_); });
}

int TestServer::join() {
  if (thread_.joinable()) {
    thread_.join();
  }
  return exit_code_;
}

TestServer::~TestServer() {
  server_->stop();
  join();
}

TestClient::TestClient(std::uint16_t port, int receive_buffer) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK(socket_ >= 0, "no socket");
  const timeval deadline{kDeadline.count(), 0};
  const int on = 1;
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (receive_buffer > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
        "cannot connect");
}

TestClient::~TestClient() { ::close(socket_); }

void TestClient::send(ByteView bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return;  // the next receive() tells
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void TestClient::shutdown_write() { ::shutdown(socket_, SHUT_WR); }

wire::Reply TestClient::receive() {
  while (true) {
    auto reply = parser_.next();
    if (!reply) {
      ADD_FAILURE() << reply.error().detail;
      return {};
    }
    if (*reply) {
      return std::move(**reply);
    }
    char bytes[65536];
    const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) {
      ADD_FAILURE() << "the connection ended, or no reply came in time";
      return {};
    }
    parser_.feed({bytes, static_cast<std::size_t>(count)});
  }
}

wire::Reply TestClient::call(std::initializer_list<Bytes> args) {
  send(command(args));
  return receive();
}

Bytes TestClient::read_to_end() {
  Bytes all;
  while (true) {
    char bytes[65536];
    const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count <= 0) {
      const bool timeout = errno == EAGAIN || errno == EWOULDBLOCK;
      return count == 0 ? all : all + (timeout ? "[timeout]" : "[reset]");
    }
    all.append(bytes, static_cast<std::size_t>(count));
  }
}

Bytes command(std::initializer_list<Bytes> args) {
  Bytes out = fmt::format("*{}\r\n", args.size());
  for (const auto& arg : args) {
    out += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  }
  return out;
}

Bytes ask_until(TestClient& client, std::initializer_list<Bytes> args, ByteView want) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  Bytes last = client.text(args);
  while (last != want && std::chrono::steady_clock::now() < deadline) {
    last = client.text(args);
  }
  return last;
}

struct LogCapture::Sink final : spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::lock_guard lock(mutex);
    lines.emplace_back(message.payload.data(), message.payload.size());
    wake.notify_all();
  }
  void flush_() override {}

  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::string> lines;
};

LogCapture::LogCapture() : sink_(std::make_shared<Sink>()) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_));
}

LogCapture::~LogCapture() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("test")); }

std::string LogCapture::wait_for(std::string_view part) {
  std::unique_lock lock(sink_->mutex);
  std::string found;
  sink_->wake.wait_for(lock, kDeadline, [&] {
    for (const auto& line : sink_->lines) {
      if (line.find(part) != std::string::npos) {
        found = line;
        return true;
      }
    }
    return false;
  });
  return found;
}

std::size_t LogCapture::count(std::string_view part) {
  const std::lock_guard lock(sink_->mutex);
  return static_cast<std::size_t>(std::count_if(
      sink_->lines.begin(), sink_->lines.end(),
      [part](const std::string& line) { return line.find(part) != std::string::npos; }));
}

}  // namespace kvorum::net
