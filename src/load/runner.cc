#include "load/runner.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <memory>
#include <thread>
#include <utility>

#include "load/worker.h"
#include "wire/resp.h"

namespace kvorum::load {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kGraceShare = 10;  // of the duration, for what an open loop has not sent by its end

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

Result<std::vector<Target>> resolve(const std::vector<client::Endpoint>& names) {
  std::vector<Target> targets;
  asio::io_context io;
  for (const auto& name : names) {
    error_code error;
    const auto found =
        asio::ip::tcp::resolver(io).resolve(name.host, std::to_string(name.port), error);
    if (error || found.empty()) {
      return fail(ErrorCode::kConfig, "{}: {}", client::to_string(name), error.message());
    }
    targets.push_back({name, found.begin()->endpoint()});
  }
  return targets;
}

Prelude prelude_of(const Options& options) {
  Prelude prelude;
  const auto add = [&prelude](std::initializer_list<ByteView> words) {
    const std::vector<ByteView> args(words);
    wire::append_request(args, prelude.requests);
    ++prelude.count;
  };
  if (!options.keyspace.empty()) {
    add({"SELECT", options.keyspace});
  }
  if (!options.read_level.empty()) {
    add({"KV.LEVEL", "read", options.read_level});
  }
  if (!options.write_level.empty()) {
    add({"KV.LEVEL", "write", options.write_level});
  }
  return prelude;
}

// Thread i's part of so many, as even as can be.
std::uint64_t share(std::uint64_t all, std::size_t i, std::size_t threads) {
  return all / threads + (i < all % threads ? 1 : 0);
}

class Run {
 public:
  Run(const Options& options, const std::function<void(const Progress&)>& tell)
      : options_(options), tell_(tell), signals_(io_), timer_(io_) {}

  Result<Measured> run();

 private:
  using Work = std::function<Result<void>(Worker&, std::size_t)>;

  void make_workers(const std::vector<Target>& targets);
  Result<void> on_all(const char* phase, const Work& work);
  Result<void> load(const char* phase, Duration duration, std::uint64_t requests);
  Result<void> prepare();
  Result<std::vector<std::optional<NodeFigures>>> look() const;
  Result<Measured> measure();
  void watch_signals();
  void watch_progress();

  const Options& options_;
  const std::function<void(const Progress&)>& tell_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool interrupted_ = false;
  // What progress is told of.
  const char* phase_ = "";
  Instant phase_begin_;
  std::uint64_t told_ = 0;  // requests, the last time
};

void Run::make_workers(const std::vector<Target>& targets) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    WorkerOptions own;
    own.targets = targets;
    own.prelude = prelude_of(options_);
    own.plan = options_.plan;
    own.pipeline = options_.pipeline;
    own.connections = share(options_.clients, i, options_.threads);
    own.first_connection = first;
    own.thread = i;
    own.threads = options_.threads;
    first += own.connections;
    workers_.push_back(std::make_unique<Worker>(std::move(own)));
  }
}

void Run::watch_signals() {
  signals_.async_wait([this](const error_code& cancelled, int) {
    if (cancelled) {
      return;
    }
    for (const auto& worker : workers_) {
      if (interrupted_) {
        worker->abandon();
      } else {
        worker->stop();
      }
    }
    interrupted_ = true;
    watch_signals();
  });
}

void Run::watch_progress() {
  timer_.expires_after(1s);
  timer_.async_wait([this](const error_code& cancelled) {
    if (cancelled) {
      return;
    }
    std::uint64_t answered = 0;
    for (const auto& worker : workers_) {
      answered += worker->answered();
    }
    tell_({phase_, seconds_of(clock_now() - phase_begin_), answered,
           static_cast<double>(answered - std::min(told_, answered))});
    told_ = answered;
    watch_progress();
  });
}

// Each worker on a thread of its own. The first failure ends the others, too.
Result<void> Run::on_all(const char* phase, const Work& work) {
  std::vector<std::thread> threads;
  std::size_t running = workers_.size();
  Result<void> all;
  io_.restart();
  phase_ = phase;
  phase_begin_ = clock_now();
  told_ = 0;
  if (tell_) {
    watch_progress();
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    threads.emplace_back([this, &work, &running, &all, i] {
      auto ended = work(*workers_[i], i);
      asio::post(io_, [this, &running, &all, ended = std::move(ended)] {
        if (!ended && all) {
          all = ended;
          for (const auto& worker : workers_) {
            worker->abandon();
          }
        }
        if (--running == 0) {
          timer_.cancel();
          io_.stop();
        }
      });
    });
  }
  io_.run();
  for (auto& thread : threads) {
    thread.join();
  }
  return all;
}

// Either bound may be 0: none.
Result<void> Run::load(const char* phase, Duration duration, std::uint64_t requests) {
  const auto threads = workers_.size();
  return on_all(phase, [this, duration, requests, threads](Worker& worker, std::size_t i) {
    PaceOptions pace;
    pace.begin = clock_now();
    pace.end = duration > Duration() ? pace.begin + duration : pace.end;
    pace.requests = requests > 0 ? share(requests, i, threads) : pace.requests;
    if (options_.rate > 0) {
      pace.grace = duration / kGraceShare;
      pace.rate = options_.rate / static_cast<double>(threads);
      pace.lead =
          Duration(static_cast<Duration::rep>(static_cast<double>(i) * 1e9 / options_.rate));
    }
    return worker.run({pace, false});
  });
}

// Everything that is not measured: connections, keys, the warm-up.
Result<void> Run::prepare() {
  auto done = on_all("connect", [](Worker& worker, std::size_t) { return worker.connect(); });
  if (done && options_.fill && !interrupted_) {
    done = on_all("fill", [](Worker& worker, std::size_t) {
      PaceOptions pace;
      pace.begin = clock_now();
      pace.requests = worker.fill_count();
      return worker.run({pace, true});
    });
  }
  if (done && options_.warm_up > Duration() && !interrupted_) {
    done = load("warm-up", options_.warm_up, 0);
  }
  return done;
}

// Nodes that are gone have none.
Result<std::vector<std::optional<NodeFigures>>> Run::look() const {
  std::vector<std::optional<NodeFigures>> figures;
  for (const auto& target : options_.targets) {
    if (options_.redis) {
      break;
    }
    const auto found = look_at(target);
    if (!found && found.error().code != ErrorCode::kIo) {
      return tl::unexpected(found.error());
    }
    figures.push_back(found ? std::optional(*found) : std::nullopt);
  }
  return figures;
}

Result<Measured> Run::measure() {
  const auto before = look();
  if (!before) {
    return tl::unexpected(before.error());
  }
  Measured measured;
  const auto cpu = cpu_seconds();
  const auto loaded = load("load", options_.duration, options_.requests);
  measured.load_cpu_seconds = cpu_seconds() - cpu;
  const auto after = look();  // an error here is a node that began anew
  for (std::size_t i = 0; i < before->size(); ++i) {
    const bool known = after && (*before)[i] && (*after)[i];
    measured.nodes.push_back(known ? difference(*(*before)[i], *(*after)[i]) : std::nullopt);
  }
  for (const auto& worker : workers_) {
    measured.tally.merge(worker->tally());
  }
  const auto& tally = measured.tally;
  measured.seconds = tally.last > tally.begin ? seconds_of(tally.last - tally.begin) : 0;
  if (!loaded) {
    measured.ended = Ended::kFailed;
    measured.why = loaded.error().detail;
  } else if (interrupted_) {
    measured.ended = Ended::kInterrupted;
  }
  return measured;
}

Result<Measured> Run::run() {
  const auto targets = resolve(options_.targets);
  if (!targets) {
    return tl::unexpected(targets.error());
  }
  make_workers(*targets);
  signals_.add(SIGINT);
  signals_.add(SIGTERM);
  watch_signals();
  if (auto prepared = prepare(); !prepared) {
    return tl::unexpected(std::move(prepared.error()));
  }
  if (interrupted_) {
    return fail(ErrorCode::kIo, "interrupted before anything was measured");
  }
  return measure();
}

}  // namespace

Result<Measured> run(const Options& options, const std::function<void(const Progress&)>& tell) {
  return Run(options, tell).run();
}

}  // namespace kvorum::load
