#include "net/peer_link.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>

namespace kvorum::net {

std::string mismatch(const ServerOptions& ours, const PeerHello& theirs) {
  if (theirs.cluster != ours.cluster) {
    return fmt::format("it is of another cluster, {:016x}", theirs.cluster.value());
  }
  if (theirs.max_value_bytes != ours.requests.bulk_bytes) {
    return fmt::format("its max_value_bytes is {}, and {} here", theirs.max_value_bytes,
                       ours.requests.bulk_bytes);
  }
  return {};
}

PeerLink::PeerLink(Loop& loop, const ServerOptions& options, const Peer& peer)
    : loop_(loop),
      options_(options),
      peer_(peer),
      socket_(loop.io()),
      resolver_(loop.io()),
      timer_(loop.io()),
      faults_(loop, options.peer_queue_bytes),
      backoff_(options.min_redial),
      prng_(options.incarnation.value() ^ peer.node.value()) {}

void PeerLink::start(node::Node& node, std::function<PeerHello()> self) {
  node_ = &node;
  self_ = std::move(self);
  dial();
}

void PeerLink::nudge() {
  if (state_ == State::kWaiting) {
    backoff_ = options_.min_redial;
    dial();
  }
}

void PeerLink::set_faults(const std::vector<node::FaultRule>& rules) {
  const bool was_cut = faults_.cut();
  faults_.set(peer_.node, rules);
  if (faults_.cut() && state_ != State::kWaiting) {
    fall("cut by KV.FAULT");
  } else if (was_cut && !faults_.cut()) {
    nudge();
  }
}

void PeerLink::dial() {
  if (faults_.cut()) {
    return;  // set_faults() dials when it is healed
  }
  state_ = State::kDialling;
  const auto attempt = ++attempt_;
  timer_.expires_after(options_.handshake_timeout);
  timer_.async_wait([this, attempt](const ErrorOf& cancelled) {
    if (!cancelled && attempt == attempt_ && state_ != State::kUp) {
      fall("no answer in time");
    }
  });
  ErrorOf is_name;
  const auto literal = asio::ip::make_address(peer_.address.host, is_name);
  if (!is_name) {
    return connect({literal, peer_.address.port});
  }
  resolver_.async_resolve(
      peer_.address.host, std::to_string(peer_.address.port),
      [this, attempt](const ErrorOf& failed, const Tcp::resolver::results_type& found) {
        if (attempt == attempt_) {
          failed ? fall(failed.message()) : connect(found.begin()->endpoint());
        }
      });
}

void PeerLink::connect(const Tcp::endpoint& endpoint) {
  socket_ = Socket(loop_.io());
  socket_.async_connect(endpoint, [this, attempt = attempt_](const ErrorOf& failed) {
    if (attempt == attempt_) {
      failed ? fall(failed.message()) : greet();
    }
  });
}

void PeerLink::greet() {
  state_ = State::kGreeting;
  set_peer_options(socket_);
  parser_.reset();
  out_.clear();
  writing_ = false;
  overfull_ = false;
  wire::encode_hello(self_(), out_.bytes());
  read();
  flush();
}

void PeerLink::read() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [this, attempt = attempt_](const ErrorOf& failed, std::size_t count) {
                            if (attempt == attempt_) {
                              failed ? fall(failed.message()) : on_read(count);
                            }
                          });
}

void PeerLink::on_read(std::size_t count) {
  if (state_ == State::kUp) {
    return fall("it answered on a link that only we send on");
  }
  parser_.feed({buffer_.data(), count});
  const auto frame = parser_.next();
  parser_.keep();
  if (!frame) {
    return fall(frame.error().detail);
  }
  if (!*frame) {
    return read();
  }
  const auto* const hello = std::get_if<PeerHello>(&**frame);
  if (hello == nullptr) {
    return fall("it did not greet");
  }
  on_hello(*hello);
}

void PeerLink::on_hello(const PeerHello& hello) {
  if (const auto why = mismatch(options_, hello); !why.empty()) {
    return fall(why);
  }
  if (hello.node != peer_.node) {
    return fall(fmt::format("node {} answers there", hello.node.value()));
  }
  state_ = State::kUp;
  incarnation_ = hello.incarnation;
  backoff_ = options_.min_redial;
  timer_.cancel();
  spdlog::info("link to node {} at {}:{} is up", peer_.node.value(), peer_.address.host,
               peer_.address.port);
  node_->peer_up(hello, Loop::now());
  loop_.schedule_turn();
  read();
}

void PeerLink::fall(const std::string& why) {
  const bool was_up = state_ == State::kUp;
  ++attempt_;
  state_ = State::kWaiting;
  writing_ = false;
  ErrorOf ignored;
  socket_.close(ignored);
  resolver_.cancel();
  out_.clear();
  faults_.out().clear();
  if (was_up || log_limit_.allow(Loop::now().mono)) {
    spdlog::warn("link to node {} at {}:{} {}: {}{}", peer_.node.value(), peer_.address.host,
                 peer_.address.port, was_up ? "broke" : "failed", why, log_limit_.more());
  }
  if (was_up) {
    node_->peer_down(peer_.node, Loop::now());
    loop_.schedule_turn();
  }
  redial_later();
}

// Anywhere in the second half of the back-off, so that nodes that lost one another do not dial in
// step.
void PeerLink::redial_later() {
  const auto half = static_cast<std::uint64_t>(std::max<Duration::rep>(backoff_.count() / 2, 1));
  timer_.expires_after(Duration(static_cast<Duration::rep>(half + prng_.below(half))));
  backoff_ = std::min(2 * backoff_, options_.max_redial);
  timer_.async_wait([this, attempt = attempt_](const ErrorOf& cancelled) {
    if (!cancelled && attempt == attempt_ && state_ == State::kWaiting) {
      dial();
    }
  });
}

bool PeerLink::may_queue() {
  if (state_ != State::kUp) {
    return false;
  }
  if (out_.unsent() <= options_.peer_queue_bytes) {
    return true;
  }
  if (!overfull_) {
    overfull_ = true;
    spdlog::warn("node {} does not keep up: messages to it are dropped while {} bytes wait",
                 peer_.node.value(), out_.unsent());
  }
  return false;
}

void PeerLink::too_long(const char* what) {
  spdlog::error("a {} to node {} is dropped: it is longer than a frame may be", what,
                peer_.node.value());
}

void PeerLink::send(PartitionId partition, const raft::Message& message) {
  const auto start = out_.bytes().size();
  if (may_queue() && !wire::encode_message(partition, message, out_.bytes())) {
    too_long("message");
  }
  queued(start);
}

void PeerLink::send(const Forward& forward) {
  const auto start = out_.bytes().size();
  if (may_queue() && !wire::encode_forward(forward, out_.bytes())) {
    too_long("batch of commands");
  }
  queued(start);
}

// What stands behind `start` is a new message: it goes on if no fault keeps it.
void PeerLink::queued(std::size_t start) {
  auto& bytes = out_.bytes();
  if (!faults_.active() || bytes.size() == start) {
    return;
  }
  auto frame = bytes.substr(start);
  bytes.resize(start);
  const auto size = frame.size();
  faults_.out().take(size, [this, frame = std::move(frame)] { out_.bytes().append(frame); });
}

void PeerLink::send(const dynamo::Message& message) {
  const auto start = out_.bytes().size();
  if (may_queue() && !wire::encode_dynamo(message, out_.bytes())) {
    too_long("message");
  }
  queued(start);
}

void PeerLink::send(const Query& query) {
  const auto start = out_.bytes().size();
  if (may_queue() && !wire::encode_query(query, out_.bytes())) {
    too_long("question");
  }
  queued(start);
}

void PeerLink::send(const Answer& answer) {
  const auto start = out_.bytes().size();
  if (may_queue() && !wire::encode_answer(answer, out_.bytes())) {
    too_long("answer");
  }
  queued(start);
}

void PeerLink::flush() {
  if (writing_ || out_.unsent() == 0 || state_ < State::kGreeting) {
    return;
  }
  const auto waited = out_.unsent();
  const auto sent = out_.send(socket_.native_handle());
  node_->add_peer_bytes(waited - out_.unsent());
  switch (sent) {
    case OutBuffer::Sent::kAll:
      overfull_ = false;
      return;
    case OutBuffer::Sent::kBroken:
      return fall("sending failed");
    case OutBuffer::Sent::kSome:
      break;
  }
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [this, attempt = attempt_](const ErrorOf& failed) {
    if (attempt == attempt_) {
      writing_ = false;
      failed ? fall(failed.message()) : flush();
    }
  });
}

}  // namespace kvorum::net
