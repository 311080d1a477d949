#include "app/cluster_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "app/verbs.h"
#include "client/client.h"
#include "client/status.h"

namespace kvorum::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr Duration kRetryPause = 20ms;  // between looks at a node that does not answer yet
constexpr Duration kConnectTimeout = 1s;
constexpr Duration kAnswerTimeout = 10s;

sigset_t held_set() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
    ::sigaddset(&set, number);
  }
  return set;
}

// Empty: not yet.
std::optional<std::string> answer(const NodeConfig& node, const std::vector<ByteView>& request) {
  client::Client client({.endpoints = {endpoint_of(node)},
                         .connect_timeout = kConnectTimeout,
                         .request_timeout = kAnswerTimeout});
  const auto reply = client.call(request, client::Repeat::kHarmless);
  if (!reply || reply->is_error()) {
    return std::nullopt;
  }
  return reply->text;
}

// An ordered keyspace serves `quorum` as linearizable, so the question fits both cores.
bool is_ready(const NodeConfig& node, Readiness readiness) {
  if (!answer(node, {"PING"})) {
    return false;
  }
  if (readiness == Readiness::kAnswers) {
    return true;
  }
  const auto status = answer(node, {"KV.STATUS"});
  if (!status || status->find("link:down") != std::string::npos) {
    return false;
  }
  return client::status_word(*status, "role") == "learner" ||
         answer(node, {"KV.AT", "quorum", "GET", "kvorum:ready"}).has_value();
}

}  // namespace

client::Endpoint endpoint_of(const NodeConfig& node) { return {node.host, node.resp_port}; }

std::optional<std::string> taken_port(const NodeConfig& node) {
  for (const auto port : node.ports()) {
    if (port == 0 || port_is_free(node.host, port)) {
      continue;
    }
    return errno == EADDRINUSE ? fmt::format("port {} is in use", port)
                               : fmt::format("port {}: {}", port, std::strerror(errno));
  }
  return std::nullopt;
}

std::vector<Member> running(const ClusterDir& dir, const ClusterConfig& config) {
  std::vector<Member> members;
  for (const auto& node : config.nodes) {
    if (auto process = dir.find(node.id)) {
      members.push_back({node, std::move(*process)});
    }
  }
  return members;
}

void stop_all(const std::vector<Member>& members) {
  for (const auto& member : members) {
    member.process.signal(SIGTERM);
  }
  const auto deadline = Clock::now() + kStopPatience;
  for (const auto& member : members) {
    if (member.process.wait(deadline - Clock::now())) {
      continue;
    }
    complain(kFailed,
             fmt::format("node {} did not stop in time and was killed", member.config.id.value()));
    member.process.signal(SIGKILL);
    member.process.wait(kStopPatience);
  }
}

Result<void> await(const ClusterDir& dir, const Member& member, Readiness readiness,
                   Clock::time_point deadline) {
  const auto id = member.config.id;
  while (!member.process.wait(Duration(0))) {
    if (is_ready(member.config, readiness)) {
      return {};
    }
    if (held_signal(Duration(0)) != 0) {
      return fail(ErrorCode::kGeneric, "interrupted");
    }
    if (Clock::now() >= deadline) {
      return fail(ErrorCode::kTimeout, "node {} does not serve yet; see {}", id.value(),
                  dir.log_path(id));
    }
    member.process.wait(kRetryPause);
  }
  const auto why = dir.last_log_line(id);
  return fail(ErrorCode::kGeneric, "node {} stopped: {}", id.value(),
              why.empty() ? "it left no word in " + dir.log_path(id) : why);
}

Result<std::vector<Member>> start_all(const ClusterDir& dir, const ClusterConfig& config,
                                      Orphan orphan) {
  std::vector<Member> members;
  Result<void> serving;
  for (const auto& node : config.nodes) {
    auto process = dir.start(node.id, orphan);
    if (!process) {
      serving = tl::unexpected(std::move(process.error()));
      break;
    }
    members.push_back({node, std::move(*process)});
  }
  // Nobody leads before an election, and one may fail.
  const auto elections = 4 * std::chrono::milliseconds(config.election_timeout_ms);
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience + elections;
  for (std::size_t i = 0; serving && i < members.size(); ++i) {
    serving = await(dir, members[i], Readiness::kAnswers, deadline);
  }
  for (std::size_t i = 0; serving && i < members.size(); ++i) {
    serving = await(dir, members[i], Readiness::kServes, deadline);
  }
  if (serving) {
    return members;
  }
  stop_all(members);
  for (const auto& node : config.nodes) {
    dir.unmark_if_empty(node.id);
  }
  return tl::unexpected(std::move(serving.error()));
}

void hold_signals() {
  const auto set = held_set();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

int held_signal(Duration timeout) {
  const auto set = held_set();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec time{seconds.count(), (timeout - seconds).count()};
  const int number = ::sigtimedwait(&set, nullptr, &time);
  return number == SIGCHLD || number < 0 ? 0 : number;
}

Result<std::string> ask_status(const NodeConfig& node) {
  constexpr ByteView kRequest[] = {"KV.STATUS"};
  client::Client client({.endpoints = {endpoint_of(node)},
                         .connect_timeout = kConnectTimeout,
                         .request_timeout = kConnectTimeout});
  auto reply = client.call(kRequest, client::Repeat::kHarmless);
  if (!reply) {
    return tl::unexpected(std::move(reply.error()));
  }
  if (reply->is_error()) {
    return fail(ErrorCode::kGeneric, "{}", reply->text);
  }
  return std::move(reply->text);
}

}  // namespace kvorum::app
