// kvorum run: plays a scenario on a cluster of its own, judges what its clients saw, and leaves a
// folder.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "app/endpoint.h"
#include "app/files.h"
#include "app/order_log.h"
#include "app/process_stage.h"
#include "app/run_compare.h"
#include "app/run_folder.h"
#include "app/target_stage.h"
#include "app/udp_feed.h"
#include "app/verbs.h"
#include "lab/expect.h"
#include "lab/play.h"
#include "lab/run_logs.h"
#include "lab/side_by_side.h"
#include "lab/sim_play.h"

namespace kvorum::app {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kFeedPort = 1234;  // that picture program's own

struct Flags {
  std::string scenario;
  std::string out;
  std::string links;  // an older system's file
  std::string unit = "s";
  std::optional<std::uint64_t> seed;
  std::optional<std::uint32_t> repeat;
  double budget_s = 10;
  std::string feed;
  std::string mode = "remote-write";
  bool quiet = false;
  std::optional<std::string> target;
  std::uint32_t wait = 0;
  bool replica_reads = false;
  bool beside = false;
  bool sim = false;
  bool compare = false;
  double delay_ms = 0;

  std::chrono::nanoseconds budget() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(budget_s * 1e9));
  }
};

int exit_code_of(lab::PlayResult result) {
  switch (result) {
    case lab::PlayResult::kMet:
      return kOk;
    case lab::PlayResult::kNotMet:
      return kFailed;
    case lab::PlayResult::kUndecided:
      return kUndecided;
  }
  return kFailed;
}

// A file of delays is JSON with a matrix, or lines.
Result<void> read_links(const Flags& flags, lab::Scenario& scenario) {
  const auto text = read_file(flags.links);
  if (!text) {
    return tl::unexpected(text.error());
  }
  const auto first = text->find_first_not_of(" \t\r\n");
  const bool json = first != std::string::npos && (*text)[first] == '{';
  const Duration unit = flags.unit == "ms" ? Duration(1ms) : 1s;
  auto read =
      json ? lab::read_delay_matrix(*text, scenario) : lab::read_server_list(*text, unit, scenario);
  if (!read) {
    return fail(read.error().code, "{}: {}", flags.links, read.error().detail);
  }
  return {};
}

Result<lab::Scenario> load(const Flags& flags) {
  const auto text = read_file(flags.scenario);
  if (!text) {
    return tl::unexpected(text.error());
  }
  auto scenario = lab::parse_scenario(*text, fs::path(flags.scenario).stem().string());
  if (!scenario) {
    return fail(scenario.error().code, "{}: {}", flags.scenario, scenario.error().detail);
  }
  if (!flags.links.empty()) {
    if (auto read = read_links(flags, *scenario); !read) {
      return tl::unexpected(std::move(read.error()));
    }
  }
  scenario->local_write = flags.mode == "local-write";
  scenario->repeat = flags.repeat.value_or(scenario->repeat);
  return scenario;
}

int complain_of(const Error& error) {
  return complain(error.code == ErrorCode::kConfig ? kBadInput : kFailed, error.detail);
}

class Runner {
 public:
  Runner(const Flags& flags, lab::Scenario scenario, fs::path folder)
      : flags_(flags),
        scenario_(std::move(scenario)),
        folder_(std::move(folder)),
        seed_(flags.seed       ? *flags.seed
              : scenario_.seed ? *scenario_.seed
                               : std::random_device()()) {}

  // The exit code.
  int run_here();  // on our own processes, or simulated
  int run_on_target(const Target& target);

  bool concluded() const { return concluded_; }
  const lab::Side& side() const { return side_; }  // what is compared with others

 private:
  void introduce(const std::string& where) const;
  // Without a stage, simulated.
  Result<lab::RunRecord> play_once(lab::Stage* stage, std::uint64_t seed);
  Result<void> play_all(lab::Stage* stage);
  void take(lab::RunRecord record);
  void show_progress(std::uint32_t played) const;
  Result<void> leave_orders(const ProcessStage& stage);
  int conclude();

  const Flags& flags_;
  const lab::Scenario scenario_;
  const fs::path folder_;
  RunFolder mine_;
  const std::uint64_t seed_;
  std::optional<lab::RunRecord> kept_;  // the first that failed, else the last
  lab::PlayResult result_ = lab::PlayResult::kMet;
  std::uint32_t met_ = 0;
  std::vector<bool> seen_;  // of expect.once
  lab::Side side_;
  bool concluded_ = false;
};

void Runner::introduce(const std::string& where) const {
  fmt::print("{}: {} node{}, {}\n", scenario_.name, scenario_.nodes,
             scenario_.nodes == 1 ? "" : "s", where);
  if (!scenario_.teaches.empty()) {
    fmt::print("{}\n", scenario_.teaches);
  }
  std::fflush(stdout);
}

Result<lab::RunRecord> Runner::play_once(lab::Stage* stage, std::uint64_t seed) {
  lab::PlayOptions options;
  options.seed = seed;
  if (!flags_.quiet && scenario_.repeat == 1) {
    options.tell = [](const lab::Event& event) {
      fmt::print("{}\n", lab::line(event));
      std::fflush(stdout);
    };
  }
  auto record = stage != nullptr ? lab::play(scenario_, *stage, options)
                                 : lab::play_simulated(scenario_, options);
  if (record) {
    lab::judge(lab::history_of(*record), flags_.budget(), *record);
  }
  return record;
}

void Runner::take(lab::RunRecord record) {
  const auto& once = scenario_.expect.once;
  seen_.resize(once.size());
  for (std::size_t i = 0; i < once.size(); ++i) {
    seen_[i] = seen_[i] || lab::was_seen(record, once[i]);
  }
  const auto result = lab::result_of(record);
  met_ += result == lab::PlayResult::kMet ? 1 : 0;
  if (result_ != lab::PlayResult::kNotMet) {
    kept_ = std::move(record);
    result_ = result == lab::PlayResult::kMet ? result_ : result;
  }
}

void Runner::show_progress(std::uint32_t played) const {
  if (scenario_.repeat > 1 && ::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "\r{} of {} played, {} as expected{}", played, scenario_.repeat, met_,
               played == scenario_.repeat ? "\n" : "");
  }
}

Result<void> Runner::play_all(lab::Stage* stage) {
  for (std::uint32_t i = 0; i < scenario_.repeat; ++i) {
    if (i > 0 && stage != nullptr) {
      if (auto cleared = stage->clear(); !cleared) {
        return fail(ErrorCode::kGeneric, "what the play before left could not be cleared: {}",
                    cleared.error().detail);
      }
    }
    auto record = play_once(stage, seed_ + i);
    if (!record) {
      return tl::unexpected(std::move(record.error()));
    }
    if (flags_.beside) {
      lab::add_play(*record, flags_.budget(), side_);
    }
    take(std::move(*record));
    show_progress(i + 1);
  }
  return {};
}

// In which order each node applied writes. What was stopped there is no more.
Result<void> Runner::leave_orders(const ProcessStage& stage) {
  std::vector<std::string> paths;
  for (std::uint32_t id = 1; id <= scenario_.nodes; ++id) {
    paths.push_back(stage.dir().data_path(NodeId(id)));
  }
  const auto orders = read_orders(paths);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::error_code ignored;
    fs::remove_all(paths[i], ignored);
    if (orders && !(*orders)[i].empty()) {
      const auto name = fmt::format("order_{}.txt", i + 1);
      if (auto written = write_file(folder_ / name, (*orders)[i]); !written) {
        return written;
      }
    }
  }
  return orders ? Result<void>() : tl::unexpected(orders.error());
}

int Runner::conclude() {
  concluded_ = true;
  fmt::print("{}", verdict_text(folder_, *kept_));
  const auto& once = scenario_.expect.once;
  for (std::size_t i = 0; i < once.size(); ++i) {
    const bool seen = seen_[i];
    fmt::print("{} once: {}\n", seen ? "yes " : "NO  ", lab::describe(once[i]));
    result_ = seen ? result_ : lab::PlayResult::kNotMet;
  }
  if (scenario_.repeat > 1) {
    fmt::print("{} of {} plays as expected\n", met_, scenario_.repeat);
  }
  if (!flags_.feed.empty()) {
    const auto to = parse_endpoint(flags_.feed, kFeedPort, "--feed");
    if (const auto sent = send_lines(*to, lab::visualizer_lines(*kept_)); !sent) {
      return complain(kFailed, sent.error().detail);
    }
  }
  fmt::print("seed {}; log, history, verdict and report.html: {}\n", kept_->seed, folder_.string());
  return exit_code_of(result_);
}

int Runner::run_here() {
  if (const auto taken = mine_.take(folder_); !taken) {
    return complain_of(taken.error());
  }
  mine_.clear();
  // First of all, so that the folder is a run's even if it does not come to an end.
  const auto sign = folder_ / (flags_.compare ? "comparison.txt" : "verdict.txt");
  if (auto written = write_file(sign, "the run did not come to its end\n"); !written) {
    return complain(kBadInput, written.error().detail);
  }
  if (!flags_.sim) {
    hold_signals();  // there are processes to stop
  }
  introduce(to_string(scenario_.level));
  if (flags_.compare) {
    const auto delay = std::chrono::duration<double, std::milli>(flags_.delay_ms);
    return compare_levels(
        scenario_, {folder_, seed_, scenario_.repeat, std::chrono::duration_cast<Duration>(delay),
                    flags_.budget()});
  }
  side_.system = "kvorum, " + to_string(scenario_.level);
  std::unique_ptr<ProcessStage> stage;
  if (!flags_.sim) {
    auto started = ProcessStage::start(scenario_, (folder_ / "cluster").string());
    if (!started) {
      return complain_of(started.error());
    }
    stage = std::move(*started);
  }
  if (const auto played = play_all(stage.get()); !played) {
    return complain_of(played.error());
  }
  if (stage) {
    stage->stop();
  }
  if (const auto left = write_folder(folder_, *kept_); !left) {
    return complain_of(left.error());
  }
  if (stage) {
    if (const auto left = leave_orders(*stage); !left) {
      return complain_of(left.error());
    }
  }
  return conclude();
}

int Runner::run_on_target(const Target& target) {
  if (const auto taken = mine_.take(folder_); !taken) {
    return complain_of(taken.error());
  }
  hold_signals();
  const auto stage = TargetStage::open(scenario_, target);
  if (!stage) {
    return complain_of(stage.error());
  }
  mine_.clear();
  side_.system =
      fmt::format("target{}{}", target.wait > 0 ? fmt::format(", WAIT {}", target.wait) : "",
                  target.replica_reads ? ", replica reads" : "");
  introduce(*flags_.target + ", which knows no levels");
  if (const auto played = play_all(stage->get()); !played) {
    return complain_of(played.error());
  }
  if (const auto written = write_folder(folder_, *kept_); !written) {
    return complain_of(written.error());
  }
  return conclude();
}

// On a target, and then perhaps on a cluster of our own with the same seeds.
int run_on_target(const Flags& flags, lab::Scenario scenario, const fs::path& folder) {
  const auto endpoints = parse_target(*flags.target);
  if (!endpoints) {
    return complain(kBadInput, endpoints.error().detail);
  }
  scenario.until_quiet = true;  // what was acknowledged and is lost shows in the end
  scenario.seed = scenario.seed ? scenario.seed : std::random_device()();
  Runner theirs(flags, scenario, folder);
  const int code = theirs.run_on_target({*endpoints, flags.wait, flags.replica_reads});
  if (!flags.beside || !theirs.concluded()) {
    return code;
  }
  fmt::print("\n");
  Runner ours(flags, scenario, folder / "kvorum");
  if (const int own = ours.run_here(); !ours.concluded()) {
    return own;
  }
  const auto table = lab::side_by_side({theirs.side(), ours.side()});
  if (const auto written = write_file(folder / "beside.txt", table); !written) {
    return complain(kFailed, written.error().detail);
  }
  fmt::print("\n{}", table);
  return code;
}

int run_scenario(const Flags& flags, lab::Scenario scenario) {
  const fs::path folder = flags.out.empty() ? "kvorum-run/" + scenario.name : flags.out;
  return flags.target ? run_on_target(flags, std::move(scenario), folder)
                      : Runner(flags, std::move(scenario), folder).run_here();
}

}  // namespace

void add_run_verb(CLI::App& app, int& exit_code) {
  auto* run = app.add_subcommand("run", "Play a scenario on a cluster of its own and judge it");
  const auto flags = std::make_shared<Flags>();
  run->add_option("scenario", flags->scenario, "The file (docs/scenarios.md)")->required();
  run->add_option("--out", flags->out, "The folder that it leaves (default kvorum-run/NAME)");
  run->add_option("--seed", flags->seed, "Of random requests, sleeps and delays");
  run->add_option("--repeat", flags->repeat, "Play it so often, each with the next seed")
      ->check(CLI::Range(1u, 1'000'000u));
  run->add_option("--links", flags->links,
                  "A file of servers and message delays, as two of the older systems had them");
  run->add_option("--unit", flags->unit, "Of the delays in a list of servers")
      ->check(CLI::IsMember({"s", "ms"}))
      ->capture_default_str();
  run->add_option("--budget", flags->budget_s, "Seconds that each judge may take")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  auto* target = run->add_option("--target", flags->target,
                                 "Play on a running Redis or Valkey instead: "
                                 "redis://host:port,host:port,..., the master first");
  run->add_option("--wait", flags->wait, "Replicas that must acknowledge each write (WAIT)")
      ->needs(target);
  run->add_flag("--replica-reads", flags->replica_reads, "Clients read at their own node")
      ->needs(target);
  run->add_flag("--beside", flags->beside, "Play on a cluster of our own as well, and compare")
      ->needs(target);
  run->add_option("--mode", flags->mode,
                  "Ordered keyspaces: a write goes to the leader, or the leadership to the write")
      ->check(CLI::IsMember({"remote-write", "local-write"}))
      ->capture_default_str()
      ->excludes(target);
  run->add_option("--feed", flags->feed,
                  "HOST:PORT that is sent the servers' logs in datagrams, for an older picture "
                  "program (its own: 127.0.0.1:1234)");
  run->add_flag("--quiet", flags->quiet, "Only the verdict");
  auto* sim = run->add_flag("--sim", flags->sim,
                            "On a simulated cluster, in simulated time: the same seed, the same")
                  ->excludes(target);
  auto* compare = run->add_flag("--compare", flags->compare,
                                "The same requests at eventual, sequential and linearizable")
                      ->excludes(sim)
                      ->excludes(target);
  run->add_option("--delay", flags->delay_ms, "Milliseconds for each message between nodes")
      ->check(CLI::Range(0.0, 60'000.0))
      ->needs(compare);
  run->callback([flags, &exit_code] {
    const auto feed = parse_endpoint(flags->feed, kFeedPort, "--feed");
    if (!flags->feed.empty() && !feed) {
      exit_code = complain(kBadInput, feed.error().detail);
      return;
    }
    auto scenario = load(*flags);
    exit_code = scenario ? run_scenario(*flags, std::move(*scenario))
                         : complain(kBadInput, scenario.error().detail);
  });
}

}  // namespace kvorum::app
