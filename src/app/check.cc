// `kvorum check`: judges recorded histories.
#include "app/check.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "app/units.h"
#include "app/verbs.h"

namespace kvorum::app {
namespace {

constexpr const char* kFooter = R"(Models, strongest first:
  linearizable          one order for all, in real time
  sequential            one order for all, each client's own order kept
  causal (ccv), cm, cc  causal convergence, causal memory, weak causal consistency
  read-your-writes, monotonic-reads, monotonic-writes, writes-follow-reads
  prefix                reads see a prefix of each key's order of writes
  bounded:200ms         reads are at most so old;   bounded:5v  at most so many versions behind
  convergence           the final reads agree on a fold of all writes
  durability            no acknowledged write is missing in the final reads
  program-order         each client's lines are in its own order
  levels                each operation satisfies the level that it names
  all                   every one of them, and which is the strongest that holds

Files: JSON Lines, Jepsen's EDN, JSON and logs, CSV; also gzipped. "-" is standard input.
A line per file: `FILE: ok|violation|unknown ops=N time=SECONDS`, and below a violation why.
Exit code: 0 all ok, 1 a violation, 2 bad input, 3 unknown. For `all`: 1 if no model holds.)";

std::string needs(std::string_view what, const std::string& word) {
  return fmt::format("'{}' is not {}", word, what);
}

struct Words {
  std::string models = "linearizable";
  std::string budget = "60s";
  std::string memory = "4G";
  std::string clock_error = "0ms";
  std::vector<std::string> initial;
};

// Empty, or what is wrong.
std::string read_models(const std::string& words, CheckOptions& out) {
  std::size_t begin = 0;
  while (begin <= words.size()) {
    const auto end = std::min(words.find(',', begin), words.size());
    const auto word = words.substr(begin, end - begin);
    begin = end + 1;
    if (word == "all") {
      out.all = true;
    } else if (const auto model = check::parse_model(word)) {
      out.models.push_back(*model);
    } else {
      return needs("a model (kvorum check --help lists them)", word);
    }
  }
  return out.all && !out.models.empty() ? "'all' stands alone" : "";
}

std::string read_words(const Words& words, CheckOptions& out) {
  if (auto wrong = read_models(words.models, out); !wrong.empty()) {
    return wrong;
  }
  const auto budget = parse_time(words.budget);
  const auto memory = parse_size(words.memory);
  const auto clock_error = parse_time(words.clock_error);
  if (!budget) {
    return needs("a time such as 60s or 500ms", words.budget);
  }
  if (!memory) {
    return needs("a size such as 4G or 500M", words.memory);
  }
  if (!clock_error) {
    return needs("a time such as 5ms", words.clock_error);
  }
  out.budget = std::chrono::nanoseconds(*budget);
  out.memory = static_cast<std::size_t>(*memory);
  out.load.clock_error_ns = *clock_error;
  for (const auto& word : words.initial) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) {
      return needs("KEY=VALUE", word);
    }
    out.load.initial.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  if (!out.html.empty() && out.files.size() > 1 && !out.together) {
    return "--html draws one history: name one file, or add --together";
  }
  return {};
}

// A word as a shell reads it.
std::string in_shell(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
    return word;
  }
  std::string out = "'";
  for (const char c : word) {
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out + '\'';
}

// The options that change the answer, and so belong into the command that repeats it.
std::string repeated(const Words& words, const CheckOptions& options) {
  std::string out;
  const Words usual;
  for (const auto& [name, word, standard] :
       {std::tuple("--budget", words.budget, usual.budget),
        std::tuple("--memory", words.memory, usual.memory),
        std::tuple("--clock-error", words.clock_error, usual.clock_error)}) {
    out += word == standard ? "" : fmt::format(" {} {}", name, in_shell(word));
  }
  for (const auto& word : words.initial) {
    out += " --initial " + in_shell(word);
  }
  return out + (options.together ? " --together" : "");
}

}  // namespace

void add_check_verb(CLI::App& app, int& exit_code) {
  const auto words = std::make_shared<Words>();
  const auto options = std::make_shared<CheckOptions>();
  auto* verb = app.add_subcommand("check", "Judge recorded histories against consistency models");
  verb->footer(kFooter);
  verb->add_option("files", options->files, "Recorded histories")->required();
  verb->add_option("-m,--model", words->models, "Models, separated by commas, or `all`")
      ->capture_default_str();
  verb->add_option("--budget", words->budget, "Time to spend on a file; then the answer is unknown")
      ->capture_default_str();
  verb->add_option("--memory", words->memory, "Memory to spend on a search")->capture_default_str();
  verb->add_flag("--json", options->json, "Print one JSON object an answer");
  verb->add_option("--html", options->html,
                   "Write a page that shows the history and the violation");
  verb->add_option("--initial", words->initial, "KEY=VALUE: what a key holds at first")
      ->allow_extra_args(false);
  verb->add_option("--clock-error", words->clock_error,
                   "How far the recorders' clocks may be apart; widens every interval")
      ->capture_default_str();
  verb->add_flag("--together", options->together, "The files are parts of one history");
  verb->add_flag("--stats", options->stats,
                 "Print reads per key, the share of unknown outcomes, the concurrency");
  verb->callback([words, options, &exit_code] {
    if (const auto wrong = read_words(*words, *options); !wrong.empty()) {
      exit_code = complain(kBadInput, wrong);
      return;
    }
    options->repeated = repeated(*words, *options);
    for (auto& file : options->files) {
      options->quoted_files.push_back(in_shell(file));
    }
    exit_code = run_check(*options);
  });
}

}  // namespace kvorum::app
