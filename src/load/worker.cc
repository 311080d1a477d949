#include "load/worker.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace kvorum::load {
namespace {

std::chrono::steady_clock::time_point to_timer(Instant at) {
  return std::chrono::steady_clock::time_point(at.time_since_epoch());
}

}  // namespace

Worker::Worker(WorkerOptions options)
    : options_(std::move(options)), tick_(io_), due_(io_), plan_(options_.plan, options_.thread) {
  const Connection::Parts parts{io_, *this, options_.prelude, tally_, plan_};
  for (std::size_t i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(parts, options_.pipeline));
    connections_.back()->next_target = options_.first_connection + i;
  }
}

std::uint64_t Worker::fill_count() const {
  return (options_.plan.keys + options_.threads - 1 - options_.thread) / options_.threads;
}

Result<void> Worker::connect() {
  pace_.reset();
  return loop();
}

Result<void> Worker::run(const Phase& phase) {
  tally_ = Tally();
  answered_ = 0;
  tally_.begin = phase.pace.begin;
  pace_.emplace(phase.pace);
  filling_ = phase.fill;
  if (phase.fill) {
    plan_.fill(options_.thread, options_.threads);
  } else {
    plan_.draw();
  }
  auto ended = loop();
  tally_.left_over = pace_->left_over(clock_now());
  return ended;
}

Result<void> Worker::loop() {
  done_ = false;
  failure_.clear();
  last_up_ = clock_now();
  io_.restart();
  for (const auto& connection : connections_) {
    list(*connection);
  }
  tick();
  if (!done_ && !abandoned_) {
    io_.run();
  }
  return failure_.empty() ? Result<void>() : fail(ErrorCode::kIo, "{}", failure_);
}

void Worker::stop() {
  boost::asio::post(io_, [this] {
    stopped_ = true;
    finish_if_done(clock_now());
  });
}

void Worker::list(Connection& connection) {
  if (!connection.listed && connection.has_room()) {
    connection.listed = true;
    roomy_.push_back(&connection);
  }
}

void Worker::up(Connection& connection, Instant now) {
  ++up_;
  last_up_ = now;
  list(connection);
  dispatch(now);
}

void Worker::moved(Connection& connection, std::size_t answered, Instant now) {
  count(answered);
  tally_.last = answered > 0 ? now : tally_.last;
  list(connection);
  if (filling_ && answered > 0 && !tally_.failures.empty()) {
    return give_up("writing the keys failed: " + tally_.failures.begin()->second.example);
  }
  dispatch(now);
}

void Worker::down(Connection& connection, const Connection::Down& down) {
  const auto where = client::to_string(connection.target().name);
  ++connection.next_target;
  up_ -= down.broke ? 1 : 0;
  if (!pace_) {
    return give_up(where + ": " + down.why);
  }
  why_down_ = where + ": " + down.why;
  if (down.broke) {
    auto& losses = tally_.losses[where];
    ++losses.count;
    losses.why = down.why;
  }
  count(down.lost);
  if (filling_ && down.lost > 0) {
    return give_up("writing the keys failed: " + why_down_);
  }
  finish_if_done(clock_now());
}

void Worker::count(std::size_t ended) {
  in_flight_ -= ended;
  answered_.store(answered_.load(std::memory_order_relaxed) + ended, std::memory_order_relaxed);
}

// Sends what is due on connections that have room: in turn where requests are due one by one, so
// that they spread; else each gets as many as it may.
void Worker::dispatch(Instant now) {
  if (!pace_ || stopped_) {
    return finish_if_done(now);
  }
  while (!roomy_.empty()) {
    auto& connection = *roomy_.front();
    if (!connection.has_room()) {
      connection.listed = false;
      roomy_.pop_front();
      continue;
    }
    const auto due = pace_->take(now);
    if (!due) {
      break;
    }
    connection.send(*due, now);
    ++in_flight_;
    if (!connection.dirty) {
      connection.dirty = true;
      dirty_.push_back(&connection);
    }
    if (pace_->open_loop()) {
      roomy_.pop_front();
      roomy_.push_back(&connection);
    }
  }
  for (auto* const connection : dirty_) {
    connection->dirty = false;
    connection->flush();
  }
  dirty_.clear();
  if (pace_->open_loop() && !roomy_.empty() && !pace_->finished(now)) {
    arm(pace_->next_due());
  }
  finish_if_done(now);
}

void Worker::arm(Instant at) {
  if (at == armed_) {
    return;
  }
  armed_ = at;
  due_.expires_at(to_timer(at));
  due_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) {
      armed_ = Instant::max();
      dispatch(clock_now());
    }
  });
}

// Connections that are down are tried again, at the next target; and what ends by time ends.
void Worker::tick() {
  const auto now = clock_now();
  for (const auto& connection : connections_) {
    connection->check(now);
    if (connection->is_down() && !done_) {
      connection->connect(options_.targets[connection->next_target % options_.targets.size()]);
    }
  }
  last_up_ = up_ > 0 ? now : last_up_;
  if (pace_ && now - last_up_ > kPatience) {
    give_up("no node answers any more; " + why_down_);
  }
  dispatch(now);
  tick_.expires_after(kTick);
  tick_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) {
      tick();
    }
  });
}

void Worker::finish_if_done(Instant now) {
  const bool connected = up_ == connections_.size();
  const bool ended = pace_ ? in_flight_ == 0 && (stopped_ || pace_->finished(now)) : connected;
  if (ended || (stopped_ && !pace_)) {
    done_ = true;
    io_.stop();
  }
}

void Worker::give_up(std::string why) {
  if (failure_.empty()) {
    failure_ = std::move(why);
  }
  done_ = true;
  io_.stop();
}

}  // namespace kvorum::load
