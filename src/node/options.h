// What a node is told at start, and the small types that node.h and its parts share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "kv/machine.h"
#include "model/keyspace.h"
#include "model/level.h"

namespace kvorum::node {

using ConnId = StrongId<struct ConnIdTag, std::uint64_t>;

// Processor time that this process took since it began.
struct CpuTime {
  Duration user{};
  Duration system{};
};

struct Options {
  ClusterId cluster;
  NodeId self;
  Incarnation incarnation;
  std::uint64_t boot = 1;       // persisted before the node starts, so never used twice
  std::vector<NodeId> members;  // of cluster.toml, ascending
  Keyspace main =
      main_keyspace();  // its core, counts and partitions, when this node writes the first metadata
  std::uint64_t seed = 1;
  bool may_vote = true;  // false: formed without --init, so it may have lost its disk
  Duration election_timeout = 300ms;
  Duration heartbeat = 50ms;
  Duration request_timeout = 5s;
  Duration checkpoint_interval = 15s;  // between writes of changed rows to disk
  // That rows may take in memory; above, values stay on disk alone. 0: no bound.
  std::size_t memory_budget = 0;
  std::size_t outbox_bytes = std::size_t{64}
                             << 20;  // waiting client commands; above: clients are paused
  std::uint64_t log_keep_bytes = std::uint64_t{64}
                                 << 20;  // applied entries kept on disk for followers that lag
  std::size_t journal_bytes = std::size_t{8}
                              << 20;  // of a leaderless partition's log, before it is cut
  std::int64_t max_clock_skew_ms = 500;
  // Of leaderless replicas (dynamo/core.h).
  Duration sync_interval = 1s;
  Duration sync_idle_interval = 10s;
  Duration hint_life = std::chrono::hours(3);     // of rows kept for a replica that is down
  Duration fence_after = std::chrono::hours(24);  // of silence: then nobody waits for a replica
  Level read_level;                               // that connections begin with
  kv::Options kv;
  std::string version = "0.1.0";
  std::uint16_t resp_port = 0;  // for INFO
  bool faults = false;          // KV.FAULT is allowed
  bool durable = true;          // the store survives a power cut; false with --store mem
  // For INFO; called on the node's thread. Empty where there is no process: INFO has no section CPU
  // then.
  std::function<CpuTime()> cpu_time;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
struct LogLine {
  LogLevel level = LogLevel::kInfo;
  std::string text;
};

}  // namespace kvorum::node
