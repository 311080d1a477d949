#include "net/client_port.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace kvorum::net {

ClientPort::ClientPort(Loop& loop, const ServerOptions& options, FrontPort front,
                       std::size_t number, std::size_t& connected)
    : loop_(loop),
      options_(options),
      front_(std::move(front)),
      number_(number),
      listener_(loop),
      poller_(loop, [this](std::uint64_t key,
                           Poller::Events events) { on_ready(node::ConnId(key), events); }),
      read_buffer_(std::make_unique<std::array<char, kReadBytes>>()),
      connected_(connected),
      lingering_(loop, kLinger, [](ClientSession& session) { session.close(); }),
      slow_(loop, options.output_patience, [](ClientSession& session) { session.check_slow(); }),
      patience_(loop.io()) {}

void ClientPort::start(node::Node& node) {
  node_ = &node;
  listener_.start([this](Socket socket) { accept(std::move(socket)); });
  check_patience();
}

void ClientPort::check_patience() {
  const auto now = Loop::now().mono;
  for (const auto& session : slots_) {
    if (session != nullptr) {
      session->check_patience(now);
    }
  }
  patience_.expires_after(kPatienceCheck);
  patience_.async_wait([this](const ErrorOf& cancelled) {
    if (!cancelled) {
      check_patience();
    }
  });
}

void ClientPort::accept(Socket socket) {
  set_client_options(socket);
  if (connected_ >= std::min(options_.max_clients, std::size_t{1} << kSlotBits)) {
    return refuse(std::move(socket));
  }
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const auto slot = free_slots_.back();
  free_slots_.pop_back();
  const node::ConnId id((++serial_ * kMaxPorts + number_) << kSlotBits | slot);
  const auto address = remote_address(socket.native_handle());
  const auto session = std::make_shared<ClientSession>(*this, std::move(socket), id);
  slots_[slot] = session;
  node_->set_client_count(++connected_);
  node_->connect(id, address, Loop::now());
  if (!poller_.add(session->socket(), id.value())) {
    session->close();
  }
}

void ClientPort::on_ready(node::ConnId conn, Poller::Events events) {
  if (auto* const session = find(conn)) {
    const auto kept = session->shared_from_this();
    session->on_ready(events);
  }
}

void ClientPort::refuse(Socket socket) {
  ErrorOf ignored;
  socket.write_some(asio::buffer(front_.refusal), ignored);
  socket.close(ignored);
}

std::size_t ClientPort::slot_of(node::ConnId conn) {
  return conn.value() & ((std::uint64_t{1} << kSlotBits) - 1);
}

ClientSession* ClientPort::find(node::ConnId conn) {
  const auto slot = slot_of(conn);
  if (slot >= slots_.size() || slots_[slot] == nullptr || slots_[slot]->id() != conn) {
    return nullptr;
  }
  return slots_[slot].get();
}

ReplyWriter& ClientPort::reply(node::ConnId conn) {
  auto* const session = find(conn);
  if (session == nullptr) {
    return no_reply_;
  }
  mark_dirty(*session);
  auto* const writer = session->writer();
  return writer != nullptr ? *writer : no_reply_;
}

void ClientPort::mark_dirty(ClientSession& session) {
  if (!session.dirty) {
    session.dirty = true;
    dirty_.push_back(session.shared_from_this());
    loop_.schedule_turn();
  }
}

void ClientPort::pause(bool on) {
  resumed_ = paused_ && !on;
  paused_ = on;
}

void ClientPort::serve_next_turn(ClientSession& session) {
  if (!session.waiting) {
    session.waiting = true;
    waiting_.push_back(session.shared_from_this());
    loop_.schedule_turn();
  }
}

void ClientPort::begin_turn() {
  ++turn_;
  batch_.swap(waiting_);
  for (const auto& session : batch_) {
    session->waiting = false;
    session->go_on();
  }
  batch_.clear();
}

void ClientPort::flush() {
  batch_.swap(dirty_);
  for (const auto& session : batch_) {
    session->dirty = false;
    session->flush();
  }
  batch_.clear();
  if (resumed_) {
    resumed_ = false;
    for (const auto& session : slots_) {
      if (session != nullptr) {
        serve_next_turn(*session);
      }
    }
  }
}

void ClientPort::begin_shutdown() {
  shutting_down_ = true;
  listener_.close();
}

bool ClientPort::all_sent() const {
  return std::none_of(slots_.begin(), slots_.end(), [](const auto& session) {
    return session != nullptr && session->has_unsent();
  });
}

// A session's output left behind the turn's back: the shutdown may be waiting for it.
void ClientPort::on_drained() {
  if (shutting_down_) {
    loop_.schedule_turn();
  }
}

void ClientPort::forget(ClientSession& session) {
  node_->disconnect(session.id());
  node_->set_client_count(--connected_);
  loop_.schedule_turn();
}

void ClientPort::release(ClientSession& session) {
  const auto slot = slot_of(session.id());
  free_slots_.push_back(slot);
  slots_[slot] = nullptr;
}

void ClientPort::close_soon(std::shared_ptr<ClientSession> session) {
  if (lingering_.size() >= kMaxLingering) {
    lingering_.expire_first();
  }
  lingering_.add(std::move(session));
}

}  // namespace kvorum::net
