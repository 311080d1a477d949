#include "app/run_compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "app/files.h"
#include "app/process_stage.h"
#include "app/verbs.h"
#include "base/parse.h"
#include "client/client.h"
#include "lab/comparison.h"
#include "lab/expect.h"
#include "lab/latency.h"
#include "lab/play.h"

namespace kvorum::app {
namespace {

namespace fs = std::filesystem;

struct ComparedLevel {
  const char* word;
  check::ModelKind model;
};
constexpr ComparedLevel kLevels[] = {{"eventual", check::ModelKind::kConvergence},
                                     {"sequential", check::ModelKind::kSequential},
                                     {"linearizable", check::ModelKind::kLinearizable}};

struct Counters {
  std::int64_t messages = 0;
  std::int64_t syncs = 0;
};

std::int64_t field(const std::string& info, const std::string& name) {
  const auto at = info.find(name + ':');
  const auto from = at == std::string::npos ? at : at + name.size() + 1;
  const auto text =
      from == std::string::npos ? std::string() : info.substr(from, info.find('\r', from) - from);
  return parse_number<std::int64_t>(text).value_or(0);
}

// Of all nodes together.
Result<Counters> counters(const ProcessStage& stage) {
  Counters sum;
  for (const auto& endpoint : stage.endpoints()) {
    constexpr ByteView kInfo[] = {"INFO", "stats"};
    client::Client client({.endpoints = {endpoint}});
    const auto reply = client.call(kInfo, client::Repeat::kHarmless);
    if (!reply) {
      return tl::unexpected(reply.error());
    }
    sum.messages += field(reply->text, "peer_messages_sent");
    sum.syncs += field(reply->text, "disk_syncs");
  }
  return sum;
}

// What is measured at one level.
struct Measured {
  std::vector<double> ms;         // of each operation that ended well
  std::vector<double> client_ms;  // of each client, from the common begin to its end
  Counters cost;
  lab::PlayResult result = lab::PlayResult::kMet;
  std::string why;  // the first that was not met
};

lab::Scenario at_level(lab::Scenario scenario, const ComparedLevel& level, Duration delay) {
  scenario.level = *parse_level(level.word);
  scenario.expect = {};
  scenario.expect.model = check::Model{level.model, 0};
  scenario.until_quiet = level.model == check::ModelKind::kConvergence;
  scenario.n = scenario.w = scenario.r = std::nullopt;
  for (auto& client : scenario.clients) {
    client.level.reset();
    for (auto& step : client.steps) {
      if (auto* operation = std::get_if<lab::Operation>(&step)) {
        operation->level.reset();
      }
    }
  }
  if (scenario.load) {
    scenario.load->level.reset();
  }
  if (delay > Duration()) {
    scenario.delays.clear();
    for (std::uint32_t a = 1; a <= scenario.nodes; ++a) {
      for (std::uint32_t b = 1; b <= scenario.nodes; ++b) {
        if (a != b) {
          scenario.delays.push_back({NodeId(a), NodeId(b), {delay, delay}});
        }
      }
    }
  }
  return scenario;
}

void take(const lab::RunRecord& record, Measured& measured) {
  for (const auto& operation : record.history) {
    if (!operation.final && operation.ended == Ended::kOk) {
      measured.ms.push_back(static_cast<double>(operation.end_ns - operation.start_ns) / 1e6);
    }
  }
  for (const auto& client : lab::client_times(record)) {
    measured.client_ms.push_back(client.ms);
  }
  const auto result = lab::result_of(record);
  if (measured.result != lab::PlayResult::kNotMet && result != lab::PlayResult::kMet) {
    measured.result = result;
    for (const auto& expected : record.expected) {
      measured.why = expected.met ? measured.why : expected.text + ": " + expected.why;
    }
  }
}

Result<Measured> measure(const lab::Scenario& scenario, const CompareOptions& options) {
  const auto folder = options.folder / to_string(scenario.level);
  auto stage = ProcessStage::start(scenario, folder.string());
  if (!stage) {
    return tl::unexpected(std::move(stage.error()));
  }
  Measured measured;
  for (std::uint32_t i = 0; i < options.repeat; ++i) {
    if (i > 0) {
      if (auto cleared = (*stage)->clear(); !cleared) {
        return tl::unexpected(std::move(cleared.error()));
      }
    }
    const auto before = counters(**stage);
    lab::PlayOptions play;
    play.seed = options.seed + i;
    auto record = lab::play(scenario, **stage, play);
    if (!record) {
      return tl::unexpected(std::move(record.error()));
    }
    const auto after = counters(**stage);
    if (!before || !after) {
      return tl::unexpected(before ? after.error() : before.error());
    }
    measured.cost.messages += after->messages - before->messages;
    measured.cost.syncs += after->syncs - before->syncs;
    lab::judge(lab::history_of(*record), options.budget, *record);
    take(*record, measured);
  }
  (*stage)->stop();
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return measured;
}

lab::LevelRow row_of(const char* level, const Measured& measured) {
  const auto times = lab::summarize(measured.ms);
  const auto operations = std::max(static_cast<double>(times.count), 1.0);
  lab::LevelRow row;
  row.level = level;
  row.operations = times.count;
  row.mean_ms = times.mean_ms;
  row.p50_ms = times.p50_ms;
  row.p99_ms = times.p99_ms;
  row.messages = static_cast<double>(measured.cost.messages) / operations;
  row.fsyncs = static_cast<double>(measured.cost.syncs) / operations;
  return row;
}

std::string conditions_of(const lab::Scenario& scenario, const CompareOptions& options) {
  Duration most{};
  for (const auto& link : scenario.delays) {
    most = std::max(most, link.delay.most);
  }
  const auto ms = std::chrono::duration<double>(most).count() * 1e3;
  return fmt::format(
      "{}: {} nodes on one machine, {}, played {} time{}; messages and syncs of all "
      "nodes, heartbeats included",
      scenario.name, scenario.nodes,
      most > Duration() ? fmt::format("messages between nodes take up to {:g} ms", ms)
                        : "no delay put on their links",
      options.repeat, options.repeat == 1 ? "" : "s");
}

}  // namespace

int compare_levels(const lab::Scenario& scenario, const CompareOptions& options) {
  std::vector<lab::LevelRow> rows;
  std::string clients;
  std::string conditions;
  int exit_code = kOk;
  for (const auto& level : kLevels) {
    const auto played = at_level(scenario, level, options.delay);
    const auto measured = measure(played, options);
    if (!measured) {
      return complain(measured.error().code == ErrorCode::kConfig ? kBadInput : kFailed,
                      measured.error().detail);
    }
    if (measured->result != lab::PlayResult::kMet) {
      fmt::print("{}: {}\n", level.word, measured->why);
      exit_code = measured->result == lab::PlayResult::kNotMet ? kFailed : kUndecided;
    }
    rows.push_back(row_of(level.word, *measured));
    clients += fmt::format("{}{} {:.2f} ms", clients.empty() ? "" : ", ", level.word,
                           lab::summarize(measured->client_ms).mean_ms);
    conditions = conditions_of(played, options);
  }
  auto text = lab::comparison_table(rows, conditions);
  text += fmt::format(
      "a client's whole time, mean: {}\n"
      "older systems published, on their machines: eventual 2 ms, sequential 50 ms, linearizable\n"
      "4000 ms for a client of two requests (2024); sequential 12.3 s for two of ten (its "
      "pauses)\n",
      clients);
  fmt::print("{}", text);
  for (const auto& [name, content] :
       {std::pair<const char*, std::string>{"comparison.txt", text},
        {"comparison.html", lab::comparison_page(rows, conditions)}}) {
    if (const auto written = write_file(options.folder / name, content); !written) {
      return complain(kFailed, written.error().detail);
    }
  }
  fmt::print("table and bar chart: {}\n", options.folder.string());
  return exit_code;
}

}  // namespace kvorum::app
