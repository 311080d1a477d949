#include "net/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <utility>

#include "front/resp_front.h"
#include "net/client_port.h"
#include "net/disk_thread.h"
#include "net/fault_caller.h"
#include "net/loop.h"
#include "net/peer_link.h"
#include "net/peer_port.h"

namespace kvorum::net {
namespace {

constexpr std::size_t kReservedFiles = 512;  // the store's, the peers', the listeners'

std::chrono::steady_clock::time_point to_timer(Instant at) {
  return std::chrono::steady_clock::time_point(at.time_since_epoch());
}

void write_log(const node::LogLine& line) {
  switch (line.level) {
    case node::LogLevel::kDebug:
      return spdlog::debug("{}", line.text);
    case node::LogLevel::kInfo:
      return spdlog::info("{}", line.text);
    case node::LogLevel::kWarn:
      return spdlog::warn("{}", line.text);
    case node::LogLevel::kError:
      return spdlog::error("{}", line.text);
  }
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerOptions options);

  Result<void> open();
  int run(node::Node& node, node::Disk& disk);
  void stop() {
    asio::post(loop_.io(), [this] { begin_shutdown(); });
  }

  ClientPort& clients(node::ConnId conn) { return *clients_[ClientPort::number_of(conn)]; }
  const ClientPort& clients(std::size_t number) const { return *clients_[number]; }
  void pause(bool on);
  const PeerPort& peers() const { return peers_; }
  PeerLink* link(NodeId node);

 private:
  void turn();
  void apply_faults();
  void send_messages();
  void arm_timer(Instant wake_at);
  void on_timer();
  void watch_signals();
  void begin_shutdown();
  PeerHello hello() const;

  ServerOptions options_;
  Loop loop_;
  std::size_t connected_ = 0;
  std::vector<std::unique_ptr<ClientPort>> clients_;  // RESP's, then those of options_.fronts
  PeerPort peers_;
  std::vector<std::unique_ptr<PeerLink>> links_;
  FaultCaller fault_caller_;
  asio::signal_set signals_;
  Timer timer_;
  Timer patience_;

  node::Node* node_ = nullptr;
  DiskThread* disk_ = nullptr;
  DiskThread* fetcher_ = nullptr;  // of rows that are on disk alone: never behind a sync
  node::Output out_;
  Instant wake_at_ = Instant::max();  // what the node wants
  Instant armed_ = Instant::max();    // what the timer is set to; never later
  bool shutting_down_ = false;
  int exit_code_ = 0;
};

Server::Impl::Impl(ServerOptions options)
    : options_(std::move(options)),
      peers_(loop_, options_),
      fault_caller_(loop_, options_),
      signals_(loop_.io()),
      timer_(loop_.io()),
      patience_(loop_.io()) {
  CHECK(options_.fronts.size() < ClientPort::kMaxPorts);
  const auto& limits = options_.requests;
  const FrontPort resp{
      options_.clients,
      [&limits](Bytes& out) { return std::make_unique<front::RespFront>(limits, out); },
      "-ERR max number of clients reached\r\n"};
  for (std::size_t i = 0; i <= options_.fronts.size(); ++i) {
    clients_.push_back(std::make_unique<ClientPort>(
        loop_, options_, i == 0 ? resp : options_.fronts[i - 1], i, connected_));
  }
  for (const auto& peer : options_.peers) {
    if (peer.node != options_.self) {
      links_.push_back(std::make_unique<PeerLink>(loop_, options_, peer));
    }
  }
}

Result<void> Server::Impl::open() {
  const auto files = raise_file_limit(options_.max_clients + kReservedFiles);
  if (files < options_.max_clients + kReservedFiles) {
    options_.max_clients = files > 2 * kReservedFiles ? files - kReservedFiles : files / 2;
    spdlog::warn("only {} open files are allowed, so no more than {} clients are served", files,
                 options_.max_clients);
  }
  for (const auto& port : clients_) {
    if (auto opened = port->open(); !opened) {
      return opened;
    }
  }
  return peers_.open();
}

PeerLink* Server::Impl::link(NodeId node) {
  const auto at = std::find_if(links_.begin(), links_.end(),
                               [node](const auto& link) { return link->node() == node; });
  return at == links_.end() ? nullptr : at->get();
}

void Server::Impl::pause(bool on) {
  for (const auto& port : clients_) {
    port->pause(on);
  }
}

PeerHello Server::Impl::hello() const {
  return {options_.cluster,
          options_.self,
          options_.incarnation,
          Loop::now().wall.value(),
          options_.requests.bulk_bytes,
          node_->replica()};
}

int Server::Impl::run(node::Node& node, node::Disk& disk) {
  node_ = &node;
  // Completions that nobody will hear of any more stay in the loop, which outlives the threads.
  const auto deliver = [this](std::vector<node::DiskDone> done) {
    asio::post(loop_.io(), [this, done = std::move(done)]() mutable {
      for (auto& one : done) {
        node_->step(std::move(one), Loop::now());
      }
      loop_.schedule_turn();
    });
  };
  DiskThread thread(disk, deliver);
  node::Disk reading(disk.store());
  DiskThread fetcher(reading, deliver);
  disk_ = &thread;
  fetcher_ = &fetcher;
  loop_.on_turn([this] { turn(); });
  if (options_.handle_signals) {
    watch_signals();
  }
  for (const auto& port : clients_) {
    port->start(node);
  }
  peers_.start(
      node, [this] { return hello(); }, [this](NodeId id) { return link(id); });
  for (const auto& link : links_) {
    link->start(node, [this] { return hello(); });
  }
  loop_.schedule_turn();
  loop_.io().run();
  return exit_code_;
}

// All input of this turn is with the node: collects the effects and sends them on their ways.
void Server::Impl::turn() {
  for (const auto& port : clients_) {
    port->begin_turn();
  }
  out_.clear();
  node_->drain(out_, Loop::now());
  for (const auto& line : out_.log) {
    write_log(line);
  }
  if (!out_.fatal.empty()) {
    // Nothing is flushed: replies of this turn may rest on what just failed.
    spdlog::critical("{}", out_.fatal);
    exit_code_ = 1;
    return loop_.io().stop();
  }
  disk_->push(out_.disk);
  fetcher_->push(out_.fetches);
  apply_faults();
  send_messages();
  if (out_.greet_again) {
    peers_.close_all();
  }
  for (const auto& port : clients_) {
    port->flush();
  }
  arm_timer(out_.wake_at);
  const bool all_sent = std::all_of(clients_.begin(), clients_.end(),
                                    [](const auto& port) { return port->all_sent(); });
  if (shutting_down_ && node_->idle() && all_sent) {
    loop_.io().stop();
  }
}

void Server::Impl::apply_faults() {
  if (out_.fault_rules) {
    for (const auto& link : links_) {
      link->set_faults(*out_.fault_rules);
    }
    peers_.close_cut();
    Duration disk{};
    Duration clock{};
    for (const auto& rule : *out_.fault_rules) {
      disk = rule.kind == FaultKind::kDisk ? rule.delay : disk;
      clock = rule.kind == FaultKind::kClock ? rule.delay : clock;
    }
    disk_->slow(disk);
    fetcher_->slow(disk);
    Loop::skew(clock);
  }
  for (const auto& call : out_.fault_calls) {
    const auto* const to = link(call.to);
    fault_caller_.call(call, to == nullptr ? Address{} : to->address(),
                       [this](const node::FaultAnswer& answer) {
                         node_->fault_answered(answer, Loop::now());
                         loop_.schedule_turn();
                       });
  }
}

void Server::Impl::send_messages() {
  for (const auto& [partition, message] : out_.messages) {
    if (auto* const to = link(message.to)) {
      to->send(partition, message);
    }
  }
  for (const auto& forward : out_.forwards) {
    if (auto* const to = link(forward.to)) {
      to->send(forward);
    }
  }
  for (const auto& message : out_.leaderless) {
    if (auto* const to = link(message.to)) {
      to->send(message);
    }
  }
  for (const auto& query : out_.queries) {
    if (auto* const to = link(query.to)) {
      to->send(query);
    }
  }
  for (const auto& answer : out_.answers) {
    if (auto* const to = link(answer.to)) {
      to->send(answer);
    }
  }
  for (const auto& link : links_) {
    link->flush();
  }
}

// The timer is only ever moved forward in time: one that rings too early costs less than moving it
// every turn.
void Server::Impl::arm_timer(Instant wake_at) {
  wake_at_ = wake_at;
  if (wake_at_ >= armed_) {
    return;
  }
  armed_ = wake_at_;
  timer_.expires_at(to_timer(armed_));
  timer_.async_wait([this](const ErrorOf& cancelled) {
    if (!cancelled) {
      on_timer();
    }
  });
}

void Server::Impl::on_timer() {
  armed_ = Instant::max();
  const auto now = Loop::now();
  if (now.mono < wake_at_) {
    return arm_timer(wake_at_);
  }
  wake_at_ = Instant::max();
  node_->tick(now);
  loop_.schedule_turn();
}

void Server::Impl::watch_signals() {
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.async_wait([this](const ErrorOf& cancelled, int) {
    if (!cancelled) {
      begin_shutdown();
      watch_signals();
    }
  });
}

// A second request stops at once.
void Server::Impl::begin_shutdown() {
  if (shutting_down_) {
    return loop_.io().stop();
  }
  shutting_down_ = true;
  spdlog::info("shutting down");
  for (const auto& port : clients_) {
    port->begin_shutdown();
  }
  node_->begin_shutdown(Loop::now());
  patience_.expires_after(options_.shutdown_patience);
  patience_.async_wait([this](const ErrorOf& cancelled) {
    if (!cancelled) {
      spdlog::warn("not everything was handed over in time; stopping all the same");
      loop_.io().stop();
    }
  });
  loop_.schedule_turn();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::open(ServerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(); !opened) {
    return tl::unexpected(opened.error());
  }
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::client_port() const { return impl_->clients(std::size_t{0}).port(); }
std::uint16_t Server::front_port(std::size_t number) const {
  return impl_->clients(number + 1).port();
}
std::uint16_t Server::peer_port() const { return impl_->peers().port(); }

void Server::set_peer_address(NodeId peer, Address address) {
  auto* const link = impl_->link(peer);
  CHECK(link != nullptr, "node {} is no peer", peer.value());
  link->set_address(address);
}

int Server::run(node::Node& node, node::Disk& disk) { return impl_->run(node, disk); }
void Server::stop() { impl_->stop(); }

ReplyWriter& Server::reply(node::ConnId conn) { return impl_->clients(conn).reply(conn); }

void Server::set_protocol(node::ConnId conn, int version) {
  if (auto* const session = impl_->clients(conn).find(conn)) {
    session->set_protocol(version);
  }
}

void Server::close_after_replies(node::ConnId conn) {
  if (auto* const session = impl_->clients(conn).find(conn)) {
    session->close_after_replies();
  }
}

void Server::pause(bool on) { impl_->pause(on); }

}  // namespace kvorum::net
