// kvorum sim: runs simulated clusters over many seeds, judges what their clients saw, and makes
// what fails small.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "app/verbs.h"
#include "base/parse.h"
#include "check/report.h"
#include "lab/seed_run.h"

namespace kvorum::app {
namespace {

constexpr int kUndecided = 3;
constexpr int kNotConverged = 4;
constexpr std::size_t kTraceTail = 40;

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
std::string replay_command(std::uint64_t seed, const SimFlags& flags) {
  auto command = flags.scenario.empty() ? fmt::format("kvorum sim --seed {}", seed)
                                        : "kvorum sim --scenario " + flags.scenario;
  for (const auto& setting : flags.settings) {
    command += " --set " + setting;
  }
  return command;
}

Result<void> write_file(const std::filesystem::path& path, const std::string& text) {
  std::error_code ignored;
  if (path.has_parent_path()) {
    std::filesystem::create_directories(path.parent_path(), ignored);
  }
  std::ofstream file(path, std::ios::binary);
  if (!(file << text) || !file.flush()) {
    return fail(ErrorCode::kIo, "cannot write {}", path.string());
  }
  return {};
}

// What a failure leaves behind: the trace's tail on the screen; trace, history and report as files.
void keep_failure(const sim::Options& options, const lab::SeedRun& run, const SimFlags& flags) {
  const auto base = std::filesystem::path(flags.out) / fmt::format("seed-{}", options.seed);
  std::deque<std::string> tail;
  std::string trace;
  std::vector<HistoryRecord> history = sim::run(options, [&](const std::string& line) {
                                         trace += line + '\n';
                                         tail.push_back(line);
                                         if (tail.size() > kTraceTail) {
                                           tail.pop_front();
                                         }
                                       }).history;
  std::string lines;
  for (const auto& record : history) {
    append_json(record, lines);
  }
  fmt::print("the last {} events:\n", tail.size());
  for (const auto& line : tail) {
    fmt::print("  {}\n", line);
  }
  auto written = write_file(base / "trace.txt", trace);
  written = written ? write_file(base / "history.jsonl", lines) : written;
  written = written ? write_file(base / "scenario.json", lab::to_json(options)) : written;
  if (written && run.verdict.answer == check::Answer::kViolation) {
    const auto again = "kvorum check --model levels " + (base / "history.jsonl").string();
    fmt::print("{}", check::explain_text(run.history, run.verdict, {}, again));
    written =
        write_file(base / "report.html", check::explain_html(run.history, run.verdict, {}, again));
  }
  if (written) {
    fmt::print("trace, history and scenario: {}\n", base.string());
  } else {
    fmt::print("{}\n", written.error().detail);
  }
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
  if (run.finding == lab::Finding::kUnsafe || run.finding == lab::Finding::kNotConverged) {
    fmt::print("see it again: {}\n", replay_command(options.seed, flags));
    keep_failure(options, run, flags);
    if (flags.shrink) {
      const auto small = lab::shrink(options, run.finding, flags.budget(), [](const auto& smaller) {
        fmt::print(stderr, "  smaller: {}\n", sim::to_string(smaller));
      });
      const auto path =
          std::filesystem::path(flags.out) / fmt::format("seed-{}", options.seed) / "shrunk.json";
      const auto written = write_file(path, lab::to_json(small));
      fmt::print(
          "smallest run found: {}\n{}\n", sim::to_string(small),
          written ? "run it: kvorum sim --scenario " + path.string() : written.error().detail);
    }
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
  void work();
  void tell(std::uint64_t seed, const lab::SeedRun& run);
  void show() const;

  SeedRange range_;
  const SimFlags& flags_;
  std::atomic<std::uint64_t> next_;
  std::atomic<bool> stop_ = false;
  bool shows_;
  std::mutex mutex_;  // guards what follows
  Counts counts_;
  std::map<lab::Finding, std::uint64_t> findings_;
  std::uint64_t done_ = 0;
  std::int64_t simulated_ms_ = 0;
};

void Sweep::work() {
  for (auto seed = next_++; seed <= range_.last && !stop_; seed = next_++) {
    auto options = sim::draw(seed);
    for (const auto& setting : flags_.settings) {
      (void)sim::set(options, setting);  // checked when the flags were read
    }
    const auto run = lab::run_seed(options, flags_.budget());
    const std::lock_guard lock(mutex_);
    tell(seed, run);
  }
}

void Sweep::tell(std::uint64_t seed, const lab::SeedRun& run) {
  ++done_;
  ++findings_[run.finding];
  simulated_ms_ += run.outcome.simulated_ms;
  for (const auto& [name, count] : run.outcome.counts) {
    counts_[name] += count;
  }
  if (run.finding != lab::Finding::kOk) {
    fmt::print("{}seed {}: {}: {}\n  see it again: {}\n", shows_ ? "\r\x1b[K" : "", seed,
               lab::to_string(run.finding), run.why, replay_command(seed, flags_));
    std::fflush(stdout);
    stop_ = stop_ || (flags_.first && run.finding != lab::Finding::kUndecided);
  }
  if (shows_) {
    show();
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
  fmt::print("{}", count_text(counts_));
  fmt::print("{} seeds, {} s simulated: {} violations, {} not converged, {} undecided\n", done_,
             simulated_ms_ / 1000, findings_[lab::Finding::kUnsafe],
             findings_[lab::Finding::kNotConverged], findings_[lab::Finding::kUndecided]);
  for (const auto finding :
       {lab::Finding::kUnsafe, lab::Finding::kNotConverged, lab::Finding::kUndecided}) {
    if (findings_[finding] > 0) {
      return exit_code_of(finding);
    }
  }
  return kOk;
}

Result<sim::Options> read_scenario(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!(text << file.rdbuf())) {
    return fail(ErrorCode::kConfig, "cannot read {}", path);
  }
  auto options = lab::from_json(text.str());
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
  verb->add_flag("--trace", flags->trace, "print every event of a single run");
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
