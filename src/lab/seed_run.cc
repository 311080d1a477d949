#include "lab/seed_run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

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

SeedRun run_seed(const sim::Options& options, std::chrono::nanoseconds budget,
                 const std::function<void(const std::string& line)>& trace) {
  SeedRun run;
  run.outcome = sim::run(options, trace);
  for (const auto& record : std::exchange(run.outcome.history, {})) {
    run.history.add(record);
  }
  run.why = run.outcome.why;
  if (run.outcome.failure != sim::Failure::kNone) {
    run.finding =
        run.outcome.failure == sim::Failure::kSafety ? Finding::kUnsafe : Finding::kNotConverged;
    return run;
  }
  constexpr std::size_t kJudgeBytes = std::size_t{1} << 30;
  run.verdict =
      check::judge(run.history, {check::ModelKind::kLevels, 0}, check::Budget(budget, kJudgeBytes));
  if (run.verdict.answer == check::Answer::kViolation) {
    run.finding = Finding::kUnsafe;
    run.why = run.verdict.sentence;
  } else if (run.verdict.answer == check::Answer::kUnknown) {
    run.finding = Finding::kUndecided;
    run.why = run.verdict.reason + ": " + run.verdict.detail;
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
