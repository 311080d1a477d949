#include "lab/play.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "lab/actor.h"
#include "lab/fault_log.h"
#include "lab/nearest.h"
#include "lab/quiet.h"
#include "lab/recorder.h"
#include "lab/requests.h"

namespace kvorum::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Duration kLeastPatience = 15s;
constexpr Duration kQuietPatience = 60s;
constexpr Duration kTurn = 20ms;  // between looks at what timed faults wait for
constexpr std::uint32_t kFinalClients =
    1'000'000;  // those of the final reads are numbered from here

Result<FaultCommand> put_links(const Scenario& scenario, Stage& stage, const std::string& words) {
  auto command = parse_links(scenario, words);
  if (command) {
    if (auto put = stage.put_links(*command, words); !put) {
      return tl::unexpected(std::move(put.error()));
    }
  }
  return command;
}

std::string in_us(Duration time) {
  return fmt::format("{}us", std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// Evenly from [least, most] is the middle and as much to either side.
Result<void> put_delays(const Scenario& scenario, Stage& stage, std::uint64_t seed) {
  for (const auto& link : scenario.delays) {
    if (link.from == link.to) {
      continue;  // what a node tells itself takes no message
    }
    const auto middle = (link.delay.least + link.delay.most) / 2;
    const auto words = fmt::format("delay {} {} {} jitter {}{} oneway seed {}", link.from.value(),
                                   link.to.value(), in_us(middle), in_us(link.delay.most - middle),
                                   scenario.fifo ? "" : " unordered", seed);
    if (auto put = put_links(scenario, stage, words); !put) {
      return tl::unexpected(std::move(put.error()));
    }
  }
  return {};
}

Result<NodeId> find_leader(Stage& stage, Duration patience) {
  const auto deadline = Clock::now() + patience;
  while (!stage.interrupted() && Clock::now() < deadline) {
    if (const auto leader = stage.leader()) {
      return *leader;
    }
    std::this_thread::sleep_for(kTurn);
  }
  return fail(ErrorCode::kNoLeader, "no leader was found to act on");
}

// One play: what its parts share.
class Play {
 public:
  Play(const Scenario& scenario, Stage& stage, const PlayOptions& options)
      : scenario_(scenario), stage_(stage), options_(options) {}

  Result<RunRecord> run();

 private:
  Result<void> set_up();
  Result<void> conduct(Recorder& recorder, std::size_t clients);
  Result<void> act(Recorder& recorder, const FaultAction& action);
  Result<void> act_on_links(Recorder& recorder, const std::string& words);
  Result<void> end(RunRecord& record);

  const Scenario& scenario_;
  Stage& stage_;
  const PlayOptions& options_;
  FaultLog faults_;
};

Result<void> Play::set_up() {
  for (const auto& [key, value] : scenario_.initial) {
    if (const auto put = stage_.ask({"SET", key, value}, client::Repeat::kNever); !put) {
      return tl::unexpected(put.error());
    }
  }
  if (!scenario_.initial.empty()) {
    const auto quiet = wait_until_quiet(stage_, keys_of(scenario_), kQuietPatience);
    if (!quiet) {
      return tl::unexpected(quiet.error());
    }
  }
  return put_delays(scenario_, stage_, options_.seed);
}

Result<void> Play::act_on_links(Recorder& recorder, const std::string& words) {
  recorder.add(EventKind::kFault, -1, NodeId(), words);
  const auto command = put_links(scenario_, stage_, words);
  if (!command) {
    return tl::unexpected(command.error());
  }
  faults_.links(*command, words, recorder.now_ns());
  return {};
}

Result<void> Play::act(Recorder& recorder, const FaultAction& action) {
  if (action.verb == FaultVerb::kLinks) {
    return act_on_links(recorder, action.words);
  }
  auto node = action.node;
  if (!node) {
    const auto leader = find_leader(stage_, patience_of(scenario_));
    if (!leader) {
      return tl::unexpected(leader.error());
    }
    node = *leader;
  }
  const auto text = fmt::format("{} node {}", to_string(action.verb), node->value());
  recorder.add(EventKind::kFault, -1, *node, text);
  faults_.node(action.verb, *node, recorder.now_ns());
  return stage_.act(action.verb, *node);
}

// Faults when they are due, until all clients are done.
Result<void> Play::conduct(Recorder& recorder, std::size_t clients) {
  auto timed = scenario_.faults;
  std::stable_sort(timed.begin(), timed.end(),
                   [](const TimedFault& a, const TimedFault& b) { return a.at < b.at; });
  while (!recorder.all_finished(clients)) {
    if (stage_.interrupted()) {
      return fail(ErrorCode::kGeneric, "interrupted");
    }
    const auto now = Clock::now() - recorder.began();
    const auto due = std::find_if(timed.begin(), timed.end(), [&](const TimedFault& fault) {
      return fault.at <= now && (!fault.after || recorder.has_happened(*fault.after));
    });
    if (due != timed.end()) {
      const auto action = due->action;
      timed.erase(due);
      if (auto done = act(recorder, action); !done) {
        return done;
      }
      continue;
    }
    if (const auto wanted = recorder.next_wanted(Clock::now() + kTurn, clients)) {
      if (auto done = act(recorder, wanted->action); !done) {
        return done;
      }
      recorder.granted(*wanted);
    }
  }
  return {};
}

// All faults go; then what the replicas hold, if that was asked for.
Result<void> Play::end(RunRecord& record) {
  record.faults = faults_.take(record.took_ns);
  if (auto mended = stage_.mend(); !mended) {
    return mended;
  }
  if (auto healed = put_links(scenario_, stage_, "reset"); !healed) {
    return tl::unexpected(std::move(healed.error()));
  }
  if (!scenario_.until_quiet) {
    return {};
  }
  const auto patience = kQuietPatience + patience_of(scenario_);
  const auto held = wait_until_quiet(stage_, keys_of(scenario_), patience);
  if (!held) {
    return tl::unexpected(held.error());
  }
  const auto last = record.history.empty() ? 0 : record.took_ns + 1;
  for (const auto& one : *held) {
    HistoryRecord read;
    read.client = kFinalClients + one.node.value();
    read.final = true;
    read.key = one.key;
    read.value = one.value;
    read.node = one.node.value();
    read.start_ns = read.end_ns = last;
    record.history.push_back(std::move(read));
  }
  return {};
}

Result<RunRecord> Play::run() {
  if (const auto ready = set_up(); !ready) {
    return tl::unexpected(ready.error());
  }
  const auto cast = cast_of(scenario_, options_.seed);
  RunRecord record;
  record.scenario = scenario_;
  record.seed = options_.seed;
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  record.began_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
  Recorder recorder(options_.tell);
  std::vector<Actor> actors;
  actors.reserve(cast.size());
  for (const auto& client : cast) {
    actors.emplace_back(scenario_, client, options_.seed, stage_, recorder);
  }
  std::vector<std::jthread> threads;
  for (auto& actor : actors) {
    threads.emplace_back([&actor] { actor.run(); });
  }
  const auto conducted = conduct(recorder, actors.size());
  recorder.stop();
  threads.clear();
  recorder.take(record);
  const auto ended = end(record);
  if (!conducted || !ended) {
    return tl::unexpected(conducted ? ended.error() : conducted.error());
  }
  return record;
}

}  // namespace

const char* to_string(FaultVerb verb) {
  switch (verb) {
    case FaultVerb::kKill:
      return "kill";
    case FaultVerb::kStop:
      return "stop";
    case FaultVerb::kRestart:
      return "restart";
    case FaultVerb::kPause:
      return "pause";
    case FaultVerb::kResume:
      return "resume";
    case FaultVerb::kLinks:
      break;
  }
  return "links";
}

Result<FaultCommand> parse_links(const Scenario& scenario, const std::string& words) {
  std::vector<NodeId> members;
  for (std::uint32_t id = 1; id <= scenario.nodes; ++id) {
    members.emplace_back(id);
  }
  const auto parts = split_words(words);
  const std::vector<ByteView> views(parts.begin(), parts.end());
  return parse_fault(views, members);
}

Duration patience_of(const Scenario& scenario) {
  Duration most{};
  for (const auto& link : scenario.delays) {
    most = std::max(most, link.delay.most);
  }
  return kLeastPatience + 40 * most;
}

Result<RunRecord> play(const Scenario& scenario, Stage& stage, const PlayOptions& options) {
  return Play(scenario, stage, options).run();
}

}  // namespace kvorum::lab
