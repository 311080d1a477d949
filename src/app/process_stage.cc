#include "app/process_stage.h"

#include <fmt/format.h>

#include <csignal>
#include <random>
#include <utility>

#include "lab/form.h"

namespace kvorum::app {
namespace {

using Clock = std::chrono::steady_clock;

std::int64_t in_ms(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

Result<ClusterConfig> configure(const lab::Scenario& scenario) {
  auto formation = lab::form(scenario);
  if (!formation) {
    return tl::unexpected(std::move(formation.error()));
  }
  ClusterConfig config;
  std::random_device random;
  while (!config.cluster) {
    config.cluster = ClusterId(std::uint64_t{random()} << 32 | random());
  }
  config.level = formation->level;
  config.main = std::move(formation->main);
  config.election_timeout_ms = in_ms(formation->election_timeout);
  config.heartbeat_ms = in_ms(formation->heartbeat);
  config.request_timeout_ms = in_ms(formation->request_timeout);
  for (std::uint32_t id = 1; id <= scenario.nodes; ++id) {
    NodeConfig node;
    node.id = NodeId(id);
    const auto asked = id <= scenario.ports.size() ? scenario.ports[id - 1] : std::uint16_t{0};
    for (auto* port : {&node.resp_port, &node.peer_port}) {
      const auto free = free_port();
      if (!free) {
        return tl::unexpected(free.error());
      }
      *port = *free;
    }
    node.resp_port = asked != 0 ? asked : node.resp_port;
    config.nodes.push_back(node);
  }
  return config;
}

}  // namespace

ProcessStage::ProcessStage(const std::string& directory, ClusterConfig config)
    : dir_(directory), config_(std::move(config)), frozen_(config_.nodes.size(), false) {
  for (const auto& node : config_.nodes) {
    endpoints_.push_back(endpoint_of(node));
    members_.emplace_back();
  }
}

Result<std::unique_ptr<ProcessStage>> ProcessStage::start(const lab::Scenario& scenario,
                                                          const std::string& directory) {
  auto config = configure(scenario);
  if (!config) {
    return tl::unexpected(std::move(config.error()));
  }
  for (const auto& node : config->nodes) {
    if (const auto taken = taken_port(node)) {
      return fail(ErrorCode::kIo, "{}", *taken);
    }
  }
  std::unique_ptr<ProcessStage> stage(new ProcessStage(directory, std::move(*config)));
  if (auto locked = stage->dir_.lock(true); !locked) {
    return tl::unexpected(std::move(locked.error()));
  }
  if (auto written = stage->dir_.write_config(stage->config_); !written) {
    return tl::unexpected(std::move(written.error()));
  }
  auto members = start_all(stage->dir_, stage->config_, true);
  if (!members) {
    return tl::unexpected(std::move(members.error()));
  }
  for (auto& one : *members) {
    const auto id = one.config.id;
    stage->member(id) = std::move(one);
  }
  return stage;
}

ProcessStage::~ProcessStage() { stop(); }

void ProcessStage::stop() {
  std::vector<Member> up;
  for (auto& one : members_) {
    if (one) {
      one->process.signal(SIGCONT);
      up.push_back(std::move(*one));
      one.reset();
    }
  }
  stop_all(up);
}

void ProcessStage::end(NodeId node, int signal) {
  if (auto& one = member(node)) {
    one->process.signal(SIGCONT);
    one->process.signal(signal);
    if (!one->process.wait(kStopPatience)) {
      one->process.signal(SIGKILL);
      one->process.wait(kStopPatience);
    }
    one.reset();
  }
  frozen_[node.value() - 1] = false;
}

Result<void> ProcessStage::run(NodeId node) {
  auto& one = member(node);
  if (one && one->process.wait(Duration())) {
    one.reset();  // it ended by itself
  }
  if (one) {
    return {};
  }
  auto process = dir_.start(node, true);
  if (!process) {
    return tl::unexpected(std::move(process.error()));
  }
  one = Member{*config_.find(node), std::move(*process)};
  return await(dir_, *one, Readiness::kAnswers, Clock::now() + kStartPatience);
}

Result<void> ProcessStage::act(lab::FaultVerb verb, NodeId node) {
  using lab::FaultVerb;
  switch (verb) {
    case FaultVerb::kKill:
      end(node, SIGKILL);
      return {};
    case FaultVerb::kStop:
      end(node, SIGTERM);
      return {};
    case FaultVerb::kRestart:
      return run(node);
    case FaultVerb::kPause:
    case FaultVerb::kResume:
      if (const auto& one = member(node)) {
        one->process.signal(verb == FaultVerb::kPause ? SIGSTOP : SIGCONT);
        frozen_[node.value() - 1] = verb == FaultVerb::kPause;
      }
      return {};
    case FaultVerb::kLinks:
      break;
  }
  return fail(ErrorCode::kGeneric, "links are not a process's");
}

Result<void> ProcessStage::mend() {
  for (const auto& node : config_.nodes) {
    if (frozen_[node.id.value() - 1]) {
      act(lab::FaultVerb::kResume, node.id);
    }
    if (auto up = run(node.id); !up) {
      return up;
    }
  }
  return {};
}

bool ProcessStage::interrupted() {
  interrupted_ = interrupted_ || held_signal(Duration()) != 0;
  return interrupted_;
}

}  // namespace kvorum::app
