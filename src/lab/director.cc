#include "lab/director.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/fault_log.h"
#include "lab/nearest.h"
#include "lab/quiet.h"
#include "lab/requests.h"

namespace kvorum::lab {
namespace {

constexpr Duration kLeastPatience = 15s;
constexpr Duration kQuietPatience = 60s;
constexpr Duration kTurn = 20ms;  // between looks at what timed faults wait for
constexpr std::uint32_t kFinalClients =
    1'000'000;  // those of the final reads are numbered from here

std::string in_us(Duration time) {
  return fmt::format("{}us", std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// One play: what its parts share.
class Director {
 public:
  Director(const Scenario& scenario, Venue& venue, const PlayOptions& options)
      : scenario_(scenario), venue_(venue), options_(options), timed_(scenario.faults) {
    std::stable_sort(timed_.begin(), timed_.end(),
                     [](const TimedFault& a, const TimedFault& b) { return a.at < b.at; });
  }

  Result<RunRecord> run();

 private:
  Result<void> set_up();
  Result<FaultCommand> put_links(const std::string& words);
  Result<void> put_delays();
  Result<void> attend(Recorder& recorder, std::size_t clients);
  Duration turn(Duration now) const;
  Result<void> act(Recorder& recorder, const FaultAction& action);
  Result<void> act_on_links(Recorder& recorder, const std::string& words);
  Result<NodeId> find_leader();
  Result<void> end(RunRecord& record);

  const Scenario& scenario_;
  Venue& venue_;
  const PlayOptions& options_;
  std::vector<TimedFault> timed_;  // those to come, by their times
  FaultLog faults_;
};

Result<void> Director::set_up() {
  for (const auto& [key, value] : scenario_.initial) {
    if (const auto put = venue_.ask({"SET", key, value}, false); !put) {
      return tl::unexpected(put.error());
    }
  }
  if (!scenario_.initial.empty()) {
    const auto quiet = wait_until_quiet(venue_, keys_of(scenario_), kQuietPatience);
    if (!quiet) {
      return tl::unexpected(quiet.error());
    }
  }
  return put_delays();
}

Result<FaultCommand> Director::put_links(const std::string& words) {
  auto command = parse_links(scenario_, words);
  if (!command) {
    return command;
  }
  if (auto put = venue_.put_links(*command, words); !put) {
    return tl::unexpected(std::move(put.error()));
  }
  return command;
}

// Evenly from [least, most] is the middle and as much to either side.
Result<void> Director::put_delays() {
  for (const auto& link : scenario_.delays) {
    if (link.from == link.to) {
      continue;  // what a node tells itself takes no message
    }
    const auto middle = (link.delay.least + link.delay.most) / 2;
    const auto words = fmt::format("delay {} {} {} jitter {}{} oneway seed {}", link.from.value(),
                                   link.to.value(), in_us(middle), in_us(link.delay.most - middle),
                                   scenario_.fifo ? "" : " unordered", options_.seed);
    if (auto put = put_links(words); !put) {
      return tl::unexpected(std::move(put.error()));
    }
  }
  return {};
}

Result<NodeId> Director::find_leader() {
  const auto deadline = venue_.now() + patience_of(scenario_);
  while (venue_.now() < deadline) {
    if (auto fine = venue_.look(); !fine) {
      return tl::unexpected(std::move(fine.error()));
    }
    if (const auto leader = venue_.leader()) {
      return *leader;
    }
    venue_.pause(kTurn);
  }
  return fail(ErrorCode::kNoLeader, "no leader was found to act on");
}

Result<void> Director::act_on_links(Recorder& recorder, const std::string& words) {
  recorder.add(EventKind::kFault, -1, NodeId(), words);
  const auto command = put_links(words);
  if (!command) {
    return tl::unexpected(command.error());
  }
  faults_.links(*command, words, recorder.now_ns());
  return {};
}

Result<void> Director::act(Recorder& recorder, const FaultAction& action) {
  if (action.verb == FaultVerb::kLinks) {
    return act_on_links(recorder, action.words);
  }
  auto node = action.node;
  if (!node) {
    const auto leader = find_leader();
    if (!leader) {
      return tl::unexpected(leader.error());
    }
    node = *leader;
  }
  const auto text = fmt::format("{} node {}", to_string(action.verb), node->value());
  recorder.add(EventKind::kFault, -1, *node, text);
  faults_.node(action.verb, *node, recorder.now_ns());
  return venue_.act(action.verb, *node);
}

// Until the next look at timed faults, or the time of the next one.
Duration Director::turn(Duration now) const {
  for (const auto& fault : timed_) {
    if (fault.at > now) {
      return std::min(kTurn, fault.at - now);
    }
  }
  return kTurn;
}

// Faults when they are due, until all clients are done.
Result<void> Director::attend(Recorder& recorder, std::size_t clients) {
  while (!recorder.all_finished(clients)) {
    if (auto fine = venue_.look(); !fine) {
      return fine;
    }
    const Duration now(recorder.now_ns());
    const auto due = std::find_if(timed_.begin(), timed_.end(), [&](const TimedFault& fault) {
      return fault.at <= now && (!fault.after || recorder.has_happened(*fault.after));
    });
    if (due != timed_.end()) {
      const auto action = due->action;
      timed_.erase(due);
      if (auto done = act(recorder, action); !done) {
        return done;
      }
      continue;
    }
    venue_.attend(turn(now));
    if (const auto wanted = recorder.take_wanted()) {
      if (auto done = act(recorder, wanted->action); !done) {
        return done;
      }
      recorder.granted(*wanted);
    }
  }
  return {};
}

// All faults go; then what the replicas hold, if that was asked for.
Result<void> Director::end(RunRecord& record) {
  record.faults = faults_.take(record.took_ns);
  if (auto mended = venue_.mend(); !mended) {
    return mended;
  }
  if (const auto healed = put_links("reset"); !healed) {
    return tl::unexpected(healed.error());
  }
  if (!scenario_.until_quiet) {
    return {};
  }
  const auto patience = kQuietPatience + patience_of(scenario_);
  const auto held = wait_until_quiet(venue_, keys_of(scenario_), patience);
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

Result<RunRecord> Director::run() {
  if (const auto ready = set_up(); !ready) {
    return tl::unexpected(ready.error());
  }
  const auto cast = cast_of(scenario_, options_.seed);
  RunRecord record;
  record.scenario = scenario_;
  record.seed = options_.seed;
  record.began_ms = venue_.wall_ms();
  Recorder recorder(options_.tell,
                    [this, began = venue_.now()] { return (venue_.now() - began).count(); });
  venue_.begin(cast, recorder);
  const auto attended = attend(recorder, cast.size());
  recorder.stop();
  venue_.dismiss();
  recorder.take(record);
  if (!attended) {
    return tl::unexpected(attended.error());
  }
  if (const auto ended = end(record); !ended) {
    return tl::unexpected(ended.error());
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

Result<RunRecord> conduct(const Scenario& scenario, Venue& venue, const PlayOptions& options) {
  return Director(scenario, venue, options).run();
}

}  // namespace kvorum::lab
