// Starting, awaiting and ending a cluster's processes; shared by the verbs of `kvorum cluster`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cluster_dir.h"
#include "app/config.h"
#include "app/process.h"
#include "client/connection.h"

namespace kvorum::app {

inline constexpr Duration kStopPatience = 20s;
inline constexpr Duration kStartPatience = 30s;

struct Member {
  NodeConfig config;
  Process process;
};

client::Endpoint endpoint_of(const NodeConfig& node);

// One line that names the first of the node's ports that somebody listens on.
std::optional<std::string> taken_port(const NodeConfig& node);

// The nodes whose processes run.
std::vector<Member> running(const ClusterDir& dir, const ClusterConfig& config);

// SIGTERM to all, then SIGKILL to those that are still there when the patience ends. Prints a line
// for each of the latter.
void stop_all(const std::vector<Member>& members);

enum class Readiness : std::uint8_t { kAnswers, kServes };

// Waits until the node answers (a PING), or serves (its links are up, and it answers a read by a
// majority; a node without a vote need not). The error says why it does not: the process ended, a
// signal to us (SIGINT, SIGTERM, SIGHUP must be blocked), too long.
Result<void> await(const ClusterDir& dir, const Member& member, Readiness readiness,
                   std::chrono::steady_clock::time_point deadline);

// Starts every node; stops them again if one does not come to serve.
Result<std::vector<Member>> start_all(const ClusterDir& dir, const ClusterConfig& config,
                                      Orphan orphan);

// SIGINT, SIGTERM, SIGHUP and SIGCHLD stay pending from here on, to be waited for.
void hold_signals();
// A held signal other than SIGCHLD that arrives within the time-out; 0: none.
int held_signal(Duration timeout);

// KV.STATUS of the node, or why there is none.
Result<std::string> ask_status(const NodeConfig& node);

}  // namespace kvorum::app
