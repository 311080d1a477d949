// kvorum bench: puts a load on a cluster, or on a Redis, and tells what it cost.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/config.h"
#include "app/endpoint.h"
#include "app/files.h"
#include "app/verbs.h"
#include "load/report.h"
#include "load/runner.h"
#include "net/socket.h"

namespace kvorum::app {
namespace {

constexpr std::uint16_t kFirstPort = 7001;
constexpr std::size_t kOtherFiles = 64;

struct Flags {
  load::Options options;
  std::vector<std::string> targets;
  std::string data;
  double reads_percent = 50;
  std::string distribution = "uniform";
  std::optional<double> duration_s;
  double warm_up_s = 1;
  std::string json;
  bool quiet = false;
};

Duration duration_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

Result<void> find_targets(const Flags& flags, load::Options& options) {
  if (!flags.data.empty()) {
    const auto config = load_config(flags.data + "/cluster.toml");
    if (!config) {
      return tl::unexpected(config.error());
    }
    for (const auto& node : config->nodes) {
      options.targets.push_back({node.host, node.resp_port});
    }
    return {};
  }
  for (const auto& text : flags.targets) {
    auto target = parse_endpoint(text, kFirstPort, "bench");
    if (!target) {
      return tl::unexpected(std::move(target.error()));
    }
    options.targets.push_back(std::move(*target));
  }
  if (options.targets.empty()) {
    options.targets.push_back({"127.0.0.1", kFirstPort});
  }
  return {};
}

// What no single flag can tell by itself.
Result<void> check(const load::Options& options) {
  if (options.threads > options.clients) {
    return fail(ErrorCode::kConfig, "--threads {}: there are only {} connections", options.threads,
                options.clients);
  }
  if (const auto least = load::key_digits(options.plan.keys); options.plan.key_size < least) {
    return fail(ErrorCode::kConfig, "--key-size {}: {} keys need {} bytes each",
                options.plan.key_size, options.plan.keys, least);
  }
  if (options.redis && (!options.read_level.empty() || !options.write_level.empty())) {
    return fail(ErrorCode::kConfig,
                "a Redis has no levels: --redis excludes --read-level and "
                "--write-level");
  }
  if (net::raise_file_limit(options.clients + kOtherFiles) < options.clients + kOtherFiles) {
    return fail(ErrorCode::kConfig, "--clients {}: this process may not open so many files",
                options.clients);
  }
  return {};
}

void show(const load::Progress& progress) {
  fmt::print(stderr, "\r\x1b[K{}: {:.0f} s, {} requests, {:.0f} a second", progress.phase,
             progress.seconds, progress.answered, progress.rate);
  std::fflush(stderr);
}

int run_bench(const Flags& flags) {
  auto options = flags.options;
  options.plan.reads = flags.reads_percent / 100;
  options.plan.distribution =
      flags.distribution == "zipfian" ? load::Distribution::kZipfian : load::Distribution::kUniform;
  if (flags.duration_s || options.requests > 0) {
    options.duration = duration_of(flags.duration_s.value_or(0));
  }
  options.warm_up = duration_of(flags.warm_up_s);
  auto ready = find_targets(flags, options);
  ready = ready ? check(options) : ready;
  if (!ready) {
    return complain(kBadInput, ready.error().detail);
  }
  const bool shows = !flags.quiet && ::isatty(STDERR_FILENO) == 1;
  const auto measured =
      load::run(options, shows ? show : std::function<void(const load::Progress&)>());
  if (shows) {
    fmt::print(stderr, "\r\x1b[K");
  }
  if (!measured) {
    return complain(measured.error().code == ErrorCode::kConfig ? kBadInput : kFailed,
                    measured.error().detail);
  }
  if (flags.json == "-") {
    fmt::print("{}", load::json(options, *measured));
  } else {
    fmt::print("{}", load::table(options, *measured));
    if (!flags.json.empty()) {
      if (const auto written = write_file(flags.json, load::json(options, *measured)); !written) {
        return complain(kFailed, written.error().detail);
      }
    }
  }
  return measured->ended == load::Ended::kFailed ? complain(kFailed, measured->why) : kOk;
}

// For CLI11: changes the text, and has nothing to complain of.
std::string drop_percent_sign(std::string& text) {
  if (text.ends_with('%')) {
    text.pop_back();
  }
  return {};
}

void add_work_options(CLI::App* bench, Flags& flags) {
  auto& plan = flags.options.plan;
  bench
      ->add_option("--reads", flags.reads_percent,
                   "GETs among the requests, like 50%; the others are SETs")
      ->transform(CLI::Validator(drop_percent_sign, ""))
      ->check(CLI::Range(0.0, 100.0))
      ->default_str("50%");
  bench->add_option("--keys", plan.keys, "How many different ones")
      ->check(CLI::Range(std::uint64_t{1}, load::kMostKeys))
      ->capture_default_str();
  bench->add_option("--key-size", plan.key_size, "Bytes of a key")
      ->check(CLI::Range(1u, 65536u))
      ->capture_default_str();
  bench->add_option("--value-size", plan.value_size, "Bytes of a value")
      ->check(CLI::Range(0u, 512u << 20))
      ->capture_default_str();
  bench
      ->add_option("--distribution", flags.distribution,
                   "How often each key is drawn: uniform, or zipfian as YCSB has it (0.99)")
      ->check(CLI::IsMember({"uniform", "zipfian"}))
      ->capture_default_str();
  bench->add_option("--seed", plan.seed, "Of keys, values and the order of reads and writes")
      ->capture_default_str();
  bench->add_option("--keyspace", flags.options.keyspace, "By its name or number (SELECT)");
  bench->add_option("--read-level", flags.options.read_level,
                    "Level of all GETs (KV.LEVEL); without it the keyspace's");
  bench->add_option("--write-level", flags.options.write_level,
                    "Level of all SETs (KV.LEVEL); without it the keyspace's");
  bench->add_flag("--fill", flags.options.fill, "First write every key once, not measured");
}

void add_pace_options(CLI::App* bench, Flags& flags) {
  const std::map<std::string, double> units{{"ms", 0.001}, {"s", 1}, {"m", 60}};
  auto& options = flags.options;
  bench->add_option("--clients", options.clients, "Connections, spread over the nodes in turn")
      ->check(CLI::Range(1u, 100'000u))
      ->capture_default_str();
  bench->add_option("--pipeline", options.pipeline, "Requests in flight on a connection, at most")
      ->check(CLI::Range(1u, 65'536u))
      ->capture_default_str();
  bench->add_option("--threads", options.threads, "Of this program")
      ->check(CLI::Range(1u, 256u))
      ->capture_default_str();
  bench
      ->add_option("--rate", options.rate,
                   "Requests a second of all connections together, each due at its time; its "
                   "latency counts from then on (open loop). Without it a request follows a reply")
      ->check(CLI::Range(0.001, 1e9));
  bench->add_option("--requests", options.requests, "End after so many")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  bench
      ->add_option("--duration", flags.duration_s,
                   "End after so long, like 500ms, 10s or 2m (default 5s without --requests)")
      ->transform(CLI::AsNumberWithUnit(units))
      ->check(CLI::Range(0.001, 1e6));
  bench->add_option("--warm-up", flags.warm_up_s, "The same before, not measured")
      ->transform(CLI::AsNumberWithUnit(units))
      ->check(CLI::Range(0.0, 1e6))
      ->default_str("1s");
}

}  // namespace

void add_bench_verb(CLI::App& app, int& exit_code) {
  auto* bench = app.add_subcommand("bench", "Put a load on a cluster and measure it");
  const auto flags = std::make_shared<Flags>();
  auto* targets = bench->add_option("targets", flags->targets,
                                    "HOST:PORT of nodes, their ports for Redis clients (default "
                                    "127.0.0.1:7001)");
  bench->add_option("--data", flags->data, "Directory of a cluster on this machine: all its nodes")
      ->excludes(targets);
  add_work_options(bench, *flags);
  add_pace_options(bench, *flags);
  bench->add_flag("--redis", flags->options.redis,
                  "The nodes are Redis, or speak like it: no levels, no figures of theirs");
  bench->add_option("--json", flags->json,
                    "Write the result there as JSON; - for stdout, without the table");
  bench->add_flag("--quiet", flags->quiet, "No progress on the terminal");
  bench->callback([flags, &exit_code] { exit_code = run_bench(*flags); });
}

}  // namespace kvorum::app
