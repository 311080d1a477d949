// A load from its begin to its end: threads, phases, figures of the nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "client/connection.h"
#include "load/figures.h"
#include "load/plan.h"
#include "load/tally.h"

namespace kvorum::load {

struct Options {
  std::vector<client::Endpoint> targets;  // at least one; connections go to them in turn
  PlanOptions plan;
  std::size_t clients = 50;  // connections
  std::size_t pipeline = 1;
  std::size_t threads = 1;  // at most `clients`
  std::string keyspace;     // empty: the one that connections begin in
  std::string read_level;   // empty: the keyspace's; so is the next one
  std::string write_level;
  double rate = 0;             // requests a second; 0: a closed loop
  std::uint64_t requests = 0;  // 0: as many as come within the duration
  Duration duration = 5s;      // 0: no bound
  Duration warm_up = 1s;       // before it, not measured
  bool fill = false;           // write every key first
  bool redis = false;          // the nodes are none of ours
};

struct Progress {
  const char* phase;       // "fill", "warm-up" or "load"
  double seconds;          // of it
  std::uint64_t answered;  // in it
  double rate;             // requests a second since the last time
};

enum class Ended : std::uint8_t { kDone, kInterrupted, kFailed };

struct Measured {
  Ended ended = Ended::kDone;
  std::string why;     // of kFailed
  double seconds = 0;  // from the first request to the last reply
  Tally tally;
  double load_cpu_seconds = 0;  // of this process
  // By target; empty where the node was gone or began anew. None with Options::redis.
  std::vector<std::optional<NodeFigures>> nodes;
};

// Runs it on threads of its own; the calling one handles SIGINT and SIGTERM meanwhile, which end
// the load early (the second one, at once), and tells the progress once a second if `tell` is not
// empty. Errors: what kept it from beginning to measure: kIo, a node that does not answer or
// refuses the settings; kConfig, an address that is none.
Result<Measured> run(const Options& options, const std::function<void(const Progress&)>& tell);

}  // namespace kvorum::load
