// kvorum sim: runs simulated clusters over many seeds, judges what their clients saw, and makes
// what fails small.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/files.h"
#include "app/sim_report.h"
#include "app/verbs.h"
#include "base/parse.h"
#include "lab/seed_run.h"

namespace kvorum::app {
namespace {

constexpr int kNotConverged = 4;

struct SimFlags {
  std::string seeds;
  std::string scenario;
  std::vector<std::string> settings;
  std::string out = "kvorum-sim";
  double budget_s = 2;
  unsigned jobs = 0;
  bool trace = false;
  bool shrink = false;
  bool first = false;

  std::chrono::nanoseconds budget() const {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(budget_s * 1e9));
  }
};

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

using Counts = std::map<std::string, std::uint64_t>;

int exit_code_of(lab::Finding finding) {
  switch (finding) {
    case lab::Finding::kOk:
      return kOk;
    case lab::Finding::kUndecided:
      return kUndecided;
    case lab::Finding::kNotConverged:
      return kNotConverged;
    case lab::Finding::kUnsafe:
      return kFailed;
  }
  return kFailed;
}

std::optional<SeedRange> parse_seeds(const std::string& text) {
  const ByteView view = text;
  const auto dots = view.find("..");
  const auto first = parse_number<std::uint64_t>(view.substr(0, dots));
  const auto last =
      dots == ByteView::npos ? first : parse_number<std::uint64_t>(view.substr(dots + 2));
  constexpr std::uint64_t kMost = 1'000'000'000;  // seeds in a range
  if (!first || !last || *first > *last || *last - *first >= kMost || *last + 1 == 0) {
    return std::nullopt;
  }
  return SeedRange{*first, *last};
}

std::string count_text(const Counts& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("  {:<20} {:>12}\n", name, count);
  }
  return text;
}

// How to see this run again.
std::string replay(const sim::Options& options, const SimFlags& flags) {
  if (flags.scenario.empty()) {
    return lab::replay_command(options);
  }
  auto command = "kvorum sim --scenario " + flags.scenario;
  for (const auto& setting : flags.settings) {
    command += " --set " + setting;
  }
  return command;
}

void report(const sim::Options& options, const lab::SeedRun& run, const SimFlags& flags) {
  const std::filesystem::path scenario(flags.scenario);
  FailureReport failure;
  failure.folder =
      std::filesystem::path(flags.out) /
      (flags.scenario.empty() ? fmt::format("seed-{}", options.seed) : scenario.stem().string());
  failure.budget = flags.budget();
  failure.shrink = flags.shrink;
  report_failure(options, run, failure);
}

bool failed(const lab::SeedRun& run) {
  return run.finding == lab::Finding::kUnsafe || run.finding == lab::Finding::kNotConverged;
}

int run_one(const sim::Options& options, const SimFlags& flags) {
  fmt::print("seed {}: {}\n", options.seed, sim::to_string(options));
  std::function<void(const std::string&)> trace;
  if (flags.trace) {
    trace = [](const std::string& line) { fmt::print("{}\n", line); };
  }
  const auto run = lab::run_seed(options, flags.budget(), trace);
  fmt::print("{}", count_text(run.outcome.counts));
  fmt::print("simulated {} ms in {} events, trace {:016x}, {} operations judged\n",
             run.outcome.simulated_ms, run.outcome.events, run.outcome.trace_hash,
             run.history.operations.size());
  fmt::print("{}{}{}\n", lab::to_string(run.finding), run.why.empty() ? "" : ": ", run.why);
  if (failed(run)) {
    fmt::print("see it again: {}\n", replay(options, flags));
    report(options, run, flags);
  }
  return exit_code_of(run.finding);
}

// Many seeds over the cores.
class Sweep {
 public:
  Sweep(const SeedRange& range, const SimFlags& flags)
      : range_(range), flags_(flags), next_(range.first), shows_(isatty(STDERR_FILENO) != 0) {}

  int run();

 private:
  sim::Options options_of(std::uint64_t seed) const;
  void work();
  void tell(const sim::Options& options, const lab::SeedRun& run);
  void keep(const sim::Options& options, lab::SeedRun run);
  void show() const;
  int conclude();

  SeedRange range_;
  const SimFlags& flags_;
  std::atomic<std::uint64_t> next_;
  std::atomic<bool> stop_ = false;
  bool shows_;
  std::mutex mutex_;  // guards what follows
  Counts counts_;
  std::map<lab::Finding, std::uint64_t> findings_;
  std::map<std::string, std::pair<sim::Options, lab::SeedRun>> kept_;  // by kind of failure
  std::uint64_t cheap_hold_ = 0;
  std::uint64_t done_ = 0;
  std::int64_t simulated_ms_ = 0;
};

sim::Options Sweep::options_of(std::uint64_t seed) const {
  auto options = sim::draw(seed);
  for (const auto& setting : flags_.settings) {
    (void)sim::set(options, setting);  // checked when the flags were read
  }
  return options;
}

void Sweep::work() {
  for (auto seed = next_++; seed <= range_.last && !stop_; seed = next_++) {
    const auto options = options_of(seed);
    auto run = lab::run_seed(options, flags_.budget());
    const std::lock_guard lock(mutex_);
    tell(options, run);
    if (failed(run)) {
      keep(options, std::move(run));
    }
  }
}

void Sweep::tell(const sim::Options& options, const lab::SeedRun& run) {
  ++done_;
  ++findings_[run.finding];
  cheap_hold_ += run.cheap_hold ? 1 : 0;
  simulated_ms_ += run.outcome.simulated_ms;
  for (const auto& [name, count] : run.outcome.counts) {
    counts_[name] += count;
  }
  if (run.finding != lab::Finding::kOk) {
    fmt::print("{}seed {}: {}: {}\n  see it again: {}\n", shows_ ? "\r\x1b[K" : "", options.seed,
               lab::to_string(run.finding), run.why, replay(options, flags_));
    std::fflush(stdout);
    stop_ = stop_ || (flags_.first && failed(run));
  }
  if (shows_) {
    show();
  }
}

// Of each kind of failure, the lowest seed's run.
void Sweep::keep(const sim::Options& options, lab::SeedRun run) {
  const auto found = kept_.find(run.kind);
  if (found == kept_.end() || options.seed < found->second.first.seed) {
    const auto kind = run.kind;
    kept_.insert_or_assign(kind, std::pair(options, std::move(run)));
  }
}

void Sweep::show() const {
  constexpr std::uint64_t kWidth = 40;
  const auto all = range_.last - range_.first + 1;
  const auto filled = kWidth * done_ / all;
  const auto count = [this](lab::Finding finding) {
    const auto found = findings_.find(finding);
    return found == findings_.end() ? 0 : found->second;
  };
  fmt::print(stderr, "\r\x1b[K[{:<{}}] {}/{} seeds, {} violations, {} not converged",
             std::string(filled, '#'), kWidth, done_, all, count(lab::Finding::kUnsafe),
             count(lab::Finding::kNotConverged));
  std::fflush(stderr);
}

int Sweep::run() {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < flags_.jobs; ++i) {
    threads.emplace_back([this] { work(); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  if (shows_) {
    fmt::print(stderr, "\r\x1b[K");
  }
  for (const auto& [kind, kept] : kept_) {
    fmt::print("seed {} is the first with: {}\n", kept.first.seed, kind);
    report(kept.first, kept.second, flags_);
  }
  return conclude();
}

int Sweep::conclude() {
  fmt::print("{}", count_text(counts_));
  const auto undecided = findings_[lab::Finding::kUndecided];
  fmt::print("{} seeds, {} s simulated: {} violations, {} not converged, {} undecided{}\n", done_,
             simulated_ms_ / 1000, findings_[lab::Finding::kUnsafe],
             findings_[lab::Finding::kNotConverged], undecided,
             undecided > 0 ? fmt::format(" ({} of them durable and convergent)", cheap_hold_) : "");
  for (const auto finding :
       {lab::Finding::kUnsafe, lab::Finding::kNotConverged, lab::Finding::kUndecided}) {
    if (findings_[finding] > 0) {
      return exit_code_of(finding);
    }
  }
  return kOk;
}

Result<sim::Options> read_scenario(const std::string& path) {
  const auto text = read_file(path);
  if (!text) {
    return tl::unexpected(text.error());
  }
  auto options = lab::from_json(*text);
  if (!options) {
    return fail(ErrorCode::kConfig, "{}: {}", path, options.error().detail);
  }
  return options;
}

int run_sim(SimFlags& flags) {
  if (flags.jobs == 0) {
    flags.jobs = std::max(1u, std::thread::hardware_concurrency());
  }
  const auto range = parse_seeds(flags.seeds);
  if (flags.scenario.empty() == flags.seeds.empty() || (!flags.seeds.empty() && !range)) {
    return complain(kBadInput, "sim takes --seed N, --seeds A..B or --scenario FILE");
  }
  auto options = flags.scenario.empty() ? Result<sim::Options>(sim::draw(range->first))
                                        : read_scenario(flags.scenario);
  if (!options) {
    return complain(kBadInput, options.error().detail);
  }
  for (const auto& setting : flags.settings) {
    if (const auto done = sim::set(*options, setting); !done) {
      return complain(kBadInput, done.error().detail);
    }
  }
  if (options->value_bytes + 64 > options->max_value_kb * 1024) {
    return complain(kBadInput, "value_bytes does not fit into max_value_kb");
  }
  const bool many = range && range->first != range->last;
  if (many && flags.trace) {
    return complain(kBadInput, "--trace takes one seed, not a range");
  }
  return many ? Sweep(*range, flags).run() : run_one(*options, flags);
}

}  // namespace

void add_sim_verb(CLI::App& app, int& exit_code) {
  auto* verb = app.add_subcommand("sim", "simulates whole clusters, with faults, from seeds");
  auto flags = std::make_shared<SimFlags>();
  verb->add_option("--seed,--seeds", flags->seeds, "a seed N, or a range of seeds A..B");
  verb->add_option("--scenario", flags->scenario, "a run that --shrink or a failure wrote down");
  verb->add_option("--set", flags->settings,
                   "NAME=NUMBER: an option instead of the seed's draw (repeatable)");
  verb->add_option("--out", flags->out, "where a failing run leaves trace, history, report")
      ->capture_default_str();
  verb->add_option("--budget", flags->budget_s, "seconds that a run's judge may take")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  verb->add_option("--jobs", flags->jobs, "seeds that run at once (default: one per core)")
      ->check(CLI::Range(1, 1024));
  verb->add_flag("--trace", flags->trace, "print every event of a run; not of a range");
  verb->add_flag("--shrink", flags->shrink, "make a failing run small, and write it down");
  verb->add_flag("--first", flags->first, "stop at the first failing seed of a range");
  verb->footer([] {
    std::string text = "Options of a run, and their ranges:\n";
    for (const auto& option : sim::option_table()) {
      text += fmt::format("  {:<20} {} to {}\n", option.name, option.min, option.max);
    }
    return text;
  });
  verb->callback([flags, &exit_code] { exit_code = run_sim(*flags); });
}

}  // namespace kvorum::app
