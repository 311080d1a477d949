// kvorum sim: runs simulated clusters, judges what their clients saw, and shrinks what fails.
#include "sim/sim.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/verbs.h"
#include "base/parse.h"

namespace kvorum::app {
namespace {

constexpr int kNotConverged = 4;

struct SimFlags {
  std::string seeds;
  std::vector<std::string> settings;
  std::string history;
  unsigned jobs = 0;
  bool trace = false;
};

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 1;
};

std::optional<SeedRange> parse_seeds(const std::string& text) {
  const auto dots = text.find("..");
  const auto first = parse_number<std::uint64_t>(ByteView(text).substr(0, dots));
  const auto last = dots == std::string::npos
                        ? first
                        : parse_number<std::uint64_t>(ByteView(text).substr(dots + 2));
  if (!first || !last || *first > *last) {
    return std::nullopt;
  }
  return SeedRange{*first, *last};
}

std::string count_text(const std::map<std::string, std::uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += fmt::format("  {:<20} {}\n", name, count);
  }
  return text;
}

int run_one(const sim::Options& options, const SimFlags& flags) {
  fmt::print("seed {}: {}\n", options.seed, sim::to_string(options));
  const auto outcome = sim::run(
      options, flags.trace
                   ? [](const std::string&
                            line) { std::fwrite((line + '\n').data(), 1, line.size() + 1, stdout); }
                   : std::function<void(const std::string&)>());
  fmt::print("{}", count_text(outcome.counts));
  fmt::print("simulated {} ms, {} events, trace {:016x}\n", outcome.simulated_ms, outcome.events,
             outcome.trace_hash);
  if (!flags.history.empty()) {
    std::string lines;
    for (const auto& record : outcome.history) {
      append_json(record, lines);
    }
    auto* file = std::fopen(flags.history.c_str(), "w");
    std::fwrite(lines.data(), 1, lines.size(), file);
    std::fclose(file);
  }
  fmt::print("{}\n", outcome.failure == sim::Failure::kNone ? "ok" : outcome.why);
  return outcome.failure == sim::Failure::kNone     ? kOk
         : outcome.failure == sim::Failure::kSafety ? kFailed
                                                    : kNotConverged;
}

int run_many(const SeedRange& range, const SimFlags& flags) {
  std::atomic<std::uint64_t> next = range.first;
  std::mutex mutex;
  std::map<std::string, std::uint64_t> counts;
  int exit_code = kOk;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < flags.jobs; ++i) {
    threads.emplace_back([&] {
      for (auto seed = next++; seed <= range.last; seed = next++) {
        auto options = sim::draw(seed);
        for (const auto& setting : flags.settings) {
          (void)sim::set(options, setting);
        }
        const auto outcome = sim::run(options);
        const std::lock_guard lock(mutex);
        for (const auto& [name, count] : outcome.counts) {
          counts[name] += count;
        }
        if (outcome.failure != sim::Failure::kNone) {
          fmt::print("seed {}: {} {}\n", seed,
                     outcome.failure == sim::Failure::kSafety ? "SAFETY" : "LIVENESS", outcome.why);
          exit_code = std::max(exit_code,
                               outcome.failure == sim::Failure::kSafety ? kFailed : kNotConverged);
        }
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  fmt::print("{}", count_text(counts));
  return exit_code;
}

}  // namespace

void add_sim_verb(CLI::App& app, int& exit_code) {
  auto* verb = app.add_subcommand("sim", "simulates whole clusters from seeds");
  auto flags = std::make_shared<SimFlags>();
  verb->add_option("--seed,--seeds", flags->seeds, "a seed N, or a range A..B")->required();
  verb->add_option("--set", flags->settings, "NAME=NUMBER: an option instead of the seed's draw");
  verb->add_option("--history", flags->history, "where to write the clients' history");
  verb->add_option("--jobs", flags->jobs, "threads");
  verb->add_flag("--trace", flags->trace, "print every event");
  verb->callback([flags, &exit_code] {
    const auto range = parse_seeds(flags->seeds);
    if (!range) {
      exit_code = complain(kBadInput, "--seed takes a number N or a range A..B");
      return;
    }
    if (flags->jobs == 0) {
      flags->jobs = std::thread::hardware_concurrency();
    }
    if (range->first == range->last) {
      auto options = sim::draw(range->first);
      for (const auto& setting : flags->settings) {
        if (const auto done = sim::set(options, setting); !done) {
          exit_code = complain(kBadInput, to_string(done.error()));
          return;
        }
      }
      exit_code = run_one(options, *flags);
      return;
    }
    exit_code = run_many(*range, *flags);
  });
}

}  // namespace kvorum::app
