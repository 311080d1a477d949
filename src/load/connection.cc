#include "load/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <chrono>

namespace kvorum::load {

namespace asio = boost::asio;
using asio::ip::tcp;

Instant clock_now() { return Instant(std::chrono::steady_clock::now().time_since_epoch()); }

Connection::Connection(const Parts& parts, std::size_t pipeline)
    : host_(parts.host),
      prelude_(parts.prelude),
      tally_(parts.tally),
      socket_(parts.io),
      lane_(parts.plan, parts.tally, pipeline) {}

void Connection::connect(const Target& target) {
  CHECK(is_down());
  target_ = &target;
  state_ = State::kConnecting;
  heard_ = clock_now();
  socket_.async_connect(target.address, [this, life = life_](const ErrorOf& failed) {
    if (life == life_) {
      on_connected(failed);
    }
  });
}

void Connection::on_connected(const ErrorOf& failed) {
  if (failed) {
    return fail(failed.message());
  }
  ErrorOf ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  if (prelude_.count == 0) {
    become_up(clock_now());
  } else {
    state_ = State::kGreeting;
    greetings_ = 0;
    greeting_ = ReplyScanner();
    out_ = prelude_.requests;
    flush();
  }
  if (!is_down()) {
    read();
  }
}

void Connection::become_up(Instant now) {
  state_ = State::kUp;
  heard_ = now;
  host_.up(*this, now);
}

void Connection::read() {
  socket_.async_read_some(asio::buffer(buffer_),
                          [this, life = life_](const ErrorOf& failed, std::size_t count) {
                            if (life == life_) {
                              on_read(failed, count);
                            }
                          });
}

void Connection::on_read(const ErrorOf& failed, std::size_t count) {
  if (failed) {
    return fail(failed == asio::error::eof ? "the node closed the connection" : failed.message());
  }
  const auto life = life_;
  const auto now = clock_now();
  const ByteView bytes(buffer_.data(), count);
  heard_ = now;
  if (state_ == State::kGreeting) {
    greet(bytes, now);
  } else {
    tally_.bytes_received += count;
    const auto before = lane_.in_flight();
    const bool understood = lane_.take(bytes, now);
    host_.moved(*this, before - lane_.in_flight(), now);
    if (!understood) {
      return fail("the node sent what is no reply, or one too many");
    }
  }
  if (life == life_) {
    read();
  }
}

void Connection::greet(ByteView bytes, Instant now) {
  std::string refusal;
  const auto on_reply = [this, &refusal](ReplyScanner::What what, ByteView text) {
    ++greetings_;
    if (what == ReplyScanner::What::kError && refusal.empty()) {
      refusal = text;
    }
  };
  if (!greeting_.feed(bytes, on_reply) || greetings_ > prelude_.count) {
    return fail("the node sent what is no reply, or one too many");
  }
  if (!refusal.empty()) {
    return fail("the node refused the connection's settings: " + refusal);
  }
  if (greetings_ == prelude_.count) {
    become_up(now);
  }
}

void Connection::flush() {
  if (writing_ || is_down()) {
    return;
  }
  ErrorOf failed;
  const auto count =
      socket_.write_some(asio::buffer(out_.data() + sent_, out_.size() - sent_), failed);
  if (failed && failed != asio::error::would_block) {
    return fail(failed.message());
  }
  sent_ += count;
  tally_.bytes_sent += is_up() ? count : 0;
  if (sent_ < out_.size()) {
    return wait_writable();
  }
  out_.clear();
  sent_ = 0;
}

void Connection::wait_writable() {
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [this, life = life_](const ErrorOf& failed) {
    if (life != life_) {
      return;
    }
    writing_ = false;
    if (failed) {
      return fail(failed.message());
    }
    flush();
    if (is_up()) {
      host_.moved(*this, 0, clock_now());
    }
  });
}

void Connection::check(Instant now) {
  if (state_ == State::kConnecting && now - heard_ > kConnectPatience) {
    return fail("connecting timed out");
  }
  const bool owes = state_ == State::kGreeting || (is_up() && lane_.in_flight() > 0);
  if (owes && now - heard_ > kReplyPatience) {
    fail("the node did not answer in time");
  }
}

void Connection::fail(const std::string& why) {
  if (is_down()) {
    return;
  }
  const bool broke = is_up();
  state_ = State::kDown;
  ++life_;
  ErrorOf ignored;
  socket_.close(ignored);
  out_.clear();
  sent_ = 0;
  writing_ = false;
  const auto lost = lane_.in_flight();
  lane_.lose(why);
  host_.down(*this, {broke, lost, why});
}

}  // namespace kvorum::load
