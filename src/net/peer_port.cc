#include "net/peer_port.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "net/peer_link.h"

namespace kvorum::net {
namespace {

// Who sent it and who is to get it, as it says itself; nobody: it does not go to the node.
std::pair<NodeId, NodeId> ends_of(const wire::Frame& frame) {
  return std::visit(
      [](const auto& body) -> std::pair<NodeId, NodeId> {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, wire::PeerMessage>) {
          return {body.message.from, body.message.to};
        } else if constexpr (std::is_same_v<Body, PeerHello>) {
          return {};
        } else {
          return {body.from, body.to};
        }
      },
      frame);
}

}  // namespace

PeerSession::PeerSession(PeerPort& port, Socket socket)
    : port_(port),
      socket_(std::move(socket)),
      timer_(port.loop().io()),
      address_(remote_address(socket_.native_handle())) {}

void PeerSession::start() {
  set_peer_options(socket_);
  timer_.expires_after(port_.options().handshake_timeout);
  timer_.async_wait([self = shared_from_this()](const ErrorOf& cancelled) {
    if (!cancelled && !self->node_ && self->socket_.is_open()) {
      self->refuse("it did not greet in time");
    }
  });
  read();
}

void PeerSession::close() {
  ErrorOf ignored;
  socket_.close(ignored);
  timer_.cancel();
  port_.forget(*this);
}

void PeerSession::refuse(const std::string& why) {
  if (port_.log_limit().allow(Loop::now().mono)) {
    spdlog::warn("peer connection from {} is refused: {}{}", address_, why,
                 port_.log_limit().more());
  }
  close();
}

void PeerSession::read() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [self = shared_from_this()](const ErrorOf& failed, std::size_t count) {
                            if (self->socket_.is_open()) {
                              failed ? self->close() : self->on_read(count);
                            }
                          });
}

void PeerSession::on_read(std::size_t count) {
  parser_.feed({buffer_.data(), count});
  while (true) {
    const auto before = parser_.buffered();
    auto frame = parser_.next();
    if (!frame) {
      return refuse(frame.error().detail);
    }
    if (!*frame) {
      break;
    }
    if (!on_frame(**frame, before - parser_.buffered())) {
      return;
    }
  }
  parser_.keep();
  read();
}

bool PeerSession::on_frame(wire::Frame& frame, std::size_t bytes) {
  if (const auto* const hello = std::get_if<PeerHello>(&frame)) {
    return on_hello(*hello);
  }
  if (const auto* const fault = std::get_if<FaultFrame>(&frame)) {
    return on_fault(*fault);
  }
  const auto ends = ends_of(frame);
  if (!from_peer(ends.first, ends.second)) {
    return false;
  }
  auto& faults = port_.link(node_)->faults();
  if (!faults.active()) {
    deliver(std::move(frame));
    return true;
  }
  faults.in().take(bytes, [self = shared_from_this(), frame = std::move(frame)]() mutable {
    if (self->socket_.is_open()) {
      self->deliver(std::move(frame));
    }
  });
  return true;
}

void PeerSession::deliver(wire::Frame frame) {
  // Until the node has been told of this very incarnation (by our own link's handshake) it could
  // mistake a peer that lost its disk for the one that it knew. Dropping is safe: everything is
  // sent again.
  const auto* const link = port_.link(node_);
  if (link->incarnation() != incarnation_) {
    return;
  }
  if (const auto* const message = std::get_if<wire::PeerMessage>(&frame)) {
    port_.node().step(node_, message->partition, message->message, Loop::now());
  } else if (const auto* const forward = std::get_if<Forward>(&frame)) {
    port_.node().step(*forward, Loop::now());
  } else if (auto* const leaderless = std::get_if<dynamo::Message>(&frame)) {
    port_.node().step(std::move(*leaderless), Loop::now());
  } else if (const auto* const query = std::get_if<Query>(&frame)) {
    port_.node().step(*query, Loop::now());
  } else {
    port_.node().step(std::move(std::get<Answer>(frame)), Loop::now());
  }
  port_.loop().schedule_turn();
}

// A connection of its own, without a greeting (net/fault_caller.h).
bool PeerSession::on_fault(const FaultFrame& frame) {
  if (node_ || frame.kind != FaultFrame::Kind::kCommand || frame.to != port_.options().self ||
      frame.cluster != port_.options().cluster) {
    refuse("a fault command that is not for this node");
    return false;
  }
  const auto done = port_.node().fault(frame.text, Loop::now());
  port_.loop().schedule_turn();
  // Behind the turn that puts it in force.
  asio::post(port_.loop().io(), [self = shared_from_this(), done] { self->answer_fault(done); });
  return false;
}

void PeerSession::answer_fault(const Result<void>& done) {
  if (!socket_.is_open()) {
    return;
  }
  FaultFrame answer{
      port_.options().cluster, port_.options().self, NodeId(), FaultFrame::Kind::kDone, {}};
  if (!done) {
    answer.kind = FaultFrame::Kind::kRefused;
    answer.text = done.error().detail;
  }
  Bytes out;
  ErrorOf ignored;
  if (wire::encode_fault(answer, out)) {
    socket_.write_some(asio::buffer(out), ignored);
  }
  close();
}

bool PeerSession::from_peer(NodeId from, NodeId to) {
  if (!node_) {
    refuse("it did not greet");
    return false;
  }
  if (from != node_ || to != port_.options().self) {
    refuse(fmt::format("node {} sent a message from {} to {}", node_.value(), from.value(),
                       to.value()));
    return false;
  }
  return true;
}

// Answered before it is judged, so that the other side can tell what is wrong too.
bool PeerSession::on_hello(const PeerHello& hello) {
  if (node_) {
    refuse("it greeted twice");
    return false;
  }
  const auto* const link = port_.link(hello.node);
  if (link != nullptr && link->cut()) {
    refuse(fmt::format("KV.FAULT cuts node {} off", hello.node.value()));
    return false;
  }
  answer_hello();
  auto why = mismatch(port_.options(), hello);
  if (why.empty() && hello.node == port_.options().self) {
    why = "it says that it is this node";
  } else if (why.empty() && link == nullptr) {
    why = fmt::format("node {} is not in the configuration", hello.node.value());
  }
  if (!why.empty()) {
    refuse(why);
    return false;
  }
  node_ = hello.node;
  incarnation_ = hello.incarnation;
  timer_.cancel();
  parser_.set_max_frame_bytes(
      std::min(port_.options().requests.request_bytes + kMaxEntryBytes + ServerOptions::kFrameRoom,
               wire::kMaxFrameBytes));
  port_.replace_older(*this);
  port_.link(node_)->nudge();
  return true;
}

// A hello fits any fresh connection's buffer; where it does not, the other side runs into its
// time-out.
void PeerSession::answer_hello() {
  Bytes out;
  wire::encode_hello(port_.self(), out);
  ErrorOf ignored;
  socket_.write_some(asio::buffer(out), ignored);
}

void PeerPort::start(node::Node& node, std::function<PeerHello()> self,
                     std::function<PeerLink*(NodeId)> link) {
  node_ = &node;
  self_ = std::move(self);
  link_ = std::move(link);
  listener_.start([this](Socket socket) { accept(std::move(socket)); });
}

void PeerPort::accept(Socket socket) {
  if (sessions_.size() >= kMaxSessions) {
    return;  // closes it
  }
  sessions_.push_back(std::make_shared<PeerSession>(*this, std::move(socket)));
  sessions_.back()->start();
}

// A node dials anew when it believes the old connection dead: so do we.
void PeerPort::replace_older(const PeerSession& session) {
  const auto all = sessions_;
  for (const auto& other : all) {
    if (other.get() != &session && other->node() == session.node()) {
      other->close();
    }
  }
}

void PeerPort::close_all() {
  const auto all = sessions_;
  for (const auto& session : all) {
    session->close();
  }
}

void PeerPort::close_cut() {
  const auto all = sessions_;
  for (const auto& session : all) {
    if (session->node() && link_(session->node())->cut()) {
      session->close();
    }
  }
}

void PeerPort::forget(const PeerSession& session) {
  std::erase_if(sessions_, [&session](const auto& other) { return other.get() == &session; });
}

}  // namespace kvorum::net
