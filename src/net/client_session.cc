#include "net/client_session.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/client_port.h"

namespace kvorum::net {

using Status = front::Front::Status;

ClientSession::ClientSession(ClientPort& port, Socket socket, node::ConnId id)
    : port_(port),
      socket_(std::move(socket)),
      id_(id),
      front_(port.make_front(out_.bytes())),
      quiet_since_(Loop::now().mono) {}

ReplyWriter* ClientSession::writer() {
  if (closed_ || closing_ || overflow_) {
    return nullptr;
  }
  // Asked before each reply, so that no turn's answers take more memory than the bound and one
  // reply.
  overflow_ = out_.unsent() > port_.options().output_limit_bytes;
  return overflow_ ? nullptr : &front_->writer();
}

bool ClientSession::may_parse() const {
  return !closed_ && !closing_ && !fatal_ && !port_.paused() && open() < window_ &&
         out_.unsent() <= port_.options().output_pause_bytes;
}

void ClientSession::parse() {
  if (turn_ != port_.turn()) {
    turn_ = port_.turn();
    left_this_turn_ = kRequestsPerTurn;
  }
  auto& node = port_.node();
  const auto now = Loop::now();
  while (may_parse()) {
    if (left_this_turn_ == 0) {
      return port_.serve_next_turn(*this);
    }
    const auto status = front_->next();
    if (status == Status::kNeedMore) {
      hungry_ = true;
      return;
    }
    if (status == Status::kWaits) {
      return;
    }
    --left_this_turn_;
    quiet_since_ = now.mono;
    if (status == Status::kAnswered) {
      fatal_ = front_->finished();
      port_.mark_dirty(*this);
      continue;
    }
    ++requests_;
    port_.schedule_turn();
    if (status == Status::kRequest) {
      node.request(id_, front_->args(), now);
    } else {
      fatal_ = status == Status::kFatal;
      node.reject(id_, front_->error(), fatal_, now);
    }
  }
}

void ClientSession::take(ByteView bytes) {
  hungry_ = false;
  front_->feed(bytes);
  parse();
  front_->keep();
}

void ClientSession::go_on() {
  if (closed_) {
    return socket_.is_open() ? discard() : void();
  }
  if (!hungry_) {
    parse();
    front_->keep();
  }
  if (hungry_ && eof_) {
    return after_flush();
  }
  read();
}

void ClientSession::on_ready(Poller::Events events) {
  readable_ = readable_ || events.readable;
  hung_up_ = hung_up_ || events.hung_up;
  if (closed_) {
    return discard();
  }
  if (events.writable && writing_) {
    writing_ = false;
    flush();
    port_.on_drained();
  }
  read();
}

// Within bounds, so that no client starves the others. A read that fills less than its buffer has
// all there is, and the next bytes will be told; but an end that was told already will not be.
void ClientSession::read() {
  auto& buffer = port_.read_buffer();
  for (int i = 0; hungry_ && readable_ && !eof_ && !closed_ && !port_.paused(); ++i) {
    if (i == kReadsPerTurn) {
      return port_.serve_next_turn(*this);
    }
    const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0) {
      readable_ = errno == EINTR;
      if (errno != EAGAIN && errno != EINTR) {
        return close();
      }
    } else if (count == 0) {
      eof_ = true;
      return after_flush();
    } else {
      readable_ = hung_up_ || static_cast<std::size_t>(count) == buffer.size();
      take({buffer.data(), static_cast<std::size_t>(count)});
    }
  }
}

void ClientSession::flush() {
  if (closed_) {
    return;
  }
  adapt_window();
  if (!writing_) {
    switch (out_.send(socket_.get())) {
      case OutBuffer::Sent::kBroken:
        return close();
      case OutBuffer::Sent::kSome:
        writing_ = true;
        break;
      case OutBuffer::Sent::kAll:
        break;
    }
  }
  flushed_unsent_ = out_.unsent();
  if (overflow_) {
    return cut_off();
  }
  // One long reply, to a client that reads it, is no reason to cut it off: it has some time to get
  // below the bound.
  if (!watched_ && flushed_unsent_ > port_.options().output_limit_bytes) {
    watched_ = true;
    port_.watch(shared_from_this());
  }
  after_flush();
}

void ClientSession::check_slow() {
  watched_ = false;
  if (!closed_ && out_.unsent() > port_.options().output_limit_bytes) {
    cut_off();
  }
}

// Looked at now and then, so it ends up to that much later. What the node owes is waited for, and
// so is a client that reads its replies slowly: those have bounds of their own.
void ClientSession::check_patience(Instant now) {
  if (closed_) {
    return;
  }
  const bool within = front_->within_request();
  if (open() > 0 || out_.unsent() > 0 || within != within_request_ || port_.paused()) {
    within_request_ = within;
    quiet_since_ = now;
    return;
  }
  if (!closing_ && now - quiet_since_ > front_->patience()) {
    front_->expire();
    closing_ = true;
    port_.mark_dirty(*this);
  }
}

void ClientSession::cut_off() {
  spdlog::warn("client {} is cut off: it left {} bytes of replies unread",
               remote_address(socket_.get()), out_.unsent());
  close();
}

// As many open requests as keep a turn's answers, at their size of late, well below what would cut
// the client off.
void ClientSession::adapt_window() {
  const auto replies = front_->replies() - flushed_replies_;
  if (replies == 0) {
    return;
  }
  const auto mean = std::max<std::size_t>((out_.unsent() - flushed_unsent_) / replies, 1);
  const auto fit = port_.options().output_limit_bytes / 4 / mean;
  window_ = std::clamp<std::uint64_t>(std::min<std::uint64_t>(fit, 2 * window_), 1, kMaxOpen);
  flushed_replies_ = front_->replies();
}

// What the bytes that left make possible.
void ClientSession::after_flush() {
  const bool sent = out_.unsent() == 0;
  closing_ = closing_ || front_->finished();
  if (closing_) {
    return sent ? end_politely() : void();
  }
  if (eof_ && hungry_ && open() == 0) {
    return sent ? close() : void();
  }
  if (hungry_) {
    return read();
  }
  if (may_parse()) {
    port_.serve_next_turn(*this);
  }
}

void ClientSession::close() {
  if (!closed_) {
    closed_ = true;
    port_.forget(*this);
  }
  if (socket_.is_open()) {
    socket_.close();
    port_.release(*this);
  }
}

// Closing while bytes of the client are unread would make the system drop replies that it has not
// delivered yet. So only the sending side is closed; what still comes is thrown away until the
// client closes too, or its time is up.
void ClientSession::end_politely() {
  closed_ = true;
  port_.forget(*this);
  port_.close_soon(shared_from_this());
  ::shutdown(socket_.get(), SHUT_WR);
  discard();
}

void ClientSession::discard() {
  auto& buffer = port_.read_buffer();
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) {
      return;
    }
    if (count <= 0 && errno != EINTR) {
      return close();
    }
  }
  port_.serve_next_turn(*this);
}

}  // namespace kvorum::net
