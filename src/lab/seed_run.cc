#include "lab/seed_run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "check/judge.h"

namespace kvorum::lab {

const char* to_string(Finding finding) {
  switch (finding) {
    case Finding::kOk:
      return "ok";
    case Finding::kUndecided:
      return "undecided";
    case Finding::kNotConverged:
      return "not converged";
    case Finding::kUnsafe:
      return "violation";
  }
  return "?";
}

std::string replay_command(const sim::Options& options) {
  const auto drawn = sim::draw(options.seed);
  auto command = fmt::format("kvorum sim --seed {}", options.seed);
  for (const auto& option : sim::option_table()) {
    if (options.*(option.field) != drawn.*(option.field)) {
      command += fmt::format(" --set {}={}", option.name, options.*(option.field));
    }
  }
  return command;
}

namespace {

constexpr std::size_t kJudgeBytes = std::size_t{1} << 30;

// "level prefix" of "level prefix: client 1 get ...".
std::string kind_of(const check::Verdict& verdict) {
  return verdict.sentence.substr(0, verdict.sentence.find(": "));
}

// Something is judged even where judging the levels takes too long.
void judge_cheaply(SeedRun& run, std::chrono::nanoseconds budget) {
  run.cheap_hold = true;
  for (const auto model : {check::ModelKind::kDurability, check::ModelKind::kConvergence}) {
    auto verdict = check::judge(run.history, {model, 0}, check::Budget(budget, kJudgeBytes));
    if (verdict.answer == check::Answer::kViolation) {
      run.finding = Finding::kUnsafe;
      run.kind = check::to_string(verdict.model);
      run.why = run.kind + ": " + verdict.sentence;
      run.verdict = std::move(verdict);
      return;
    }
    const bool holds = verdict.answer == check::Answer::kOk;
    run.cheap_hold = run.cheap_hold && holds;
    run.why += fmt::format("; {} {}", check::to_string(verdict.model),
                           holds ? "holds" : "is undecided, too");
  }
}

void judge(SeedRun& run, std::chrono::nanoseconds budget) {
  run.verdict =
      check::judge(run.history, {check::ModelKind::kLevels, 0}, check::Budget(budget, kJudgeBytes));
  if (run.verdict.answer == check::Answer::kViolation) {
    run.finding = Finding::kUnsafe;
    run.kind = kind_of(run.verdict);
    run.why = run.verdict.sentence;
  } else if (run.verdict.answer == check::Answer::kUnknown) {
    run.finding = Finding::kUndecided;
    run.why = run.verdict.reason + ": " + run.verdict.detail;
    judge_cheaply(run, budget);
  }
}

}  // namespace

SeedRun run_seed(const sim::Options& options, std::chrono::nanoseconds budget,
                 const std::function<void(const std::string& line)>& trace) {
  const CheckContext context("see it again: " + replay_command(options));
  SeedRun run;
  run.outcome = sim::run(options, trace);
  for (const auto& record : std::exchange(run.outcome.history, {})) {
    run.history.add(record);
  }
  run.kind = run.outcome.kind;
  run.why = run.outcome.why;
  if (run.outcome.failure != sim::Failure::kNone) {
    run.finding =
        run.outcome.failure == sim::Failure::kSafety ? Finding::kUnsafe : Finding::kNotConverged;
  } else {
    judge(run, budget);
  }
  return run;
}

std::string to_json(const sim::Options& options) {
  nlohmann::ordered_json numbers;
  numbers["seed"] = options.seed;
  for (const auto& option : sim::option_table()) {
    numbers[option.name] = options.*(option.field);
  }
  return nlohmann::ordered_json{{"sim", numbers}}.dump(2) + '\n';
}

Result<sim::Options> from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("sim") || !json["sim"].is_object()) {
    return fail(ErrorCode::kConfig, "not a file of the form {{\"sim\": {{\"seed\": 7, ...}}}}");
  }
  sim::Options options;
  for (const auto& [name, value] : json["sim"].items()) {
    if (!value.is_number_integer() || (name == "seed" && !value.is_number_unsigned())) {
      return fail(ErrorCode::kConfig, "sim.{} is not a whole number", name);
    }
    if (name == "seed") {
      options.seed = value.get<std::uint64_t>();
    } else if (const auto done = sim::set(options, fmt::format("{}={}", name, value.dump()));
               !done) {
      return tl::unexpected(done.error());
    }
  }
  return options;
}

}  // namespace kvorum::lab
