// One thread of a load: its connections, its requests, its tally. Shares nothing with the others.
#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "load/connection.h"
#include "load/pace.h"

namespace kvorum::load {

struct WorkerOptions {
  std::vector<Target> targets;  // at least one
  Prelude prelude;
  PlanOptions plan;
  std::size_t pipeline = 1;
  std::size_t connections = 1;
  std::size_t first_connection = 0;  // how many the threads before it have
  std::size_t thread = 0;            // of `threads`
  std::size_t threads = 1;
};

struct Phase {
  PaceOptions pace;
  bool fill = false;  // a SET of each of this thread's keys, instead of what the plan draws
};

// All but stop(), abandon() and answered() are for one thread at a time.
class Worker final : private Connection::Host {
 public:
  explicit Worker(WorkerOptions options);

  // Until every connection is up. Errors: kIo, the first that did not come about.
  Result<void> connect();
  // Until the pace is at its end and every request is answered or lost. Connections that break are
  // made anew, each at the next target. Errors: kIo, no connection was up for kPatience, or a write
  // of a fill failed; the tally is good all the same.
  Result<void> run(const Phase& phase);

  // From any thread: nothing new is begun; what is in flight is waited for.
  void stop();
  // From any thread: connect() or run() ends now, and whatever is called later at once.
  void abandon() {
    abandoned_ = true;
    io_.stop();
  }
  // From any thread: requests of this run that were answered or lost.
  std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }

  const Tally& tally() const { return tally_; }  // of the last run
  std::uint64_t fill_count() const;              // how many keys are this thread's

 private:
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  static constexpr Duration kTick = 100ms;   // between looks at what time alone changes
  static constexpr Duration kPatience = 5s;  // without any connection

  void up(Connection& connection, Instant now) override;
  void moved(Connection& connection, std::size_t answered, Instant now) override;
  void down(Connection& connection, const Connection::Down& down) override;

  Result<void> loop();
  void list(Connection& connection);
  void dispatch(Instant now);
  void arm(Instant at);
  void tick();
  void finish_if_done(Instant now);
  void give_up(std::string why);
  void count(std::size_t ended);

  WorkerOptions options_;
  boost::asio::io_context io_{1};
  Timer tick_;
  Timer due_;
  Instant armed_ = Instant::max();  // what due_ is set to
  Tally tally_;
  Plan plan_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> roomy_;  // those that may have room
  std::vector<Connection*> dirty_;
  std::optional<Pace> pace_;  // empty: connecting
  bool filling_ = false;
  bool stopped_ = false;
  bool done_ = false;
  std::size_t up_ = 0;
  std::size_t in_flight_ = 0;
  Instant last_up_;
  std::string why_down_;  // of the last connection that went or did not come
  std::string failure_;
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<bool> abandoned_ = false;
};

}  // namespace kvorum::load
