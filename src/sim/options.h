// What a simulated run is made of. Drawn from the seed (swarm testing: Groce et al., ISSTA 2012),
// so different seeds stress different parts; each number can be set by name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/keyspace.h"
#include "model/level.h"

namespace kvorum::sim {

struct Options {
  std::uint64_t seed = 1;

  // The cluster.
  std::int64_t nodes = 5;
  std::int64_t partitions = 1;
  std::int64_t election_ms = 300;
  std::int64_t heartbeat_ms = 50;
  std::int64_t request_timeout_ms = 5000;
  std::int64_t checkpoint_ms = 5000;
  std::int64_t log_keep_kb = 65536;
  std::int64_t max_value_kb = 16384;
  std::int64_t memory_budget = 0;          // bytes of rows in memory; 0: no bound
  std::int64_t sync_ms = 1000;             // between rounds of leaderless replicas that differed
  std::int64_t hint_life_ms = 10'800'000;  // of what is kept for a leaderless replica that is down
  std::int64_t fence_ms = 86'400'000;      // of silence: then such a replica is not waited for
  std::optional<Keyspace> main;            // empty: ordered, in `partitions`
  Level read_level;                        // of reads that name none

  // The load.
  std::int64_t clients = 16;
  std::int64_t operations = 2000;
  std::int64_t keys = 16;
  std::int64_t value_bytes = 16;
  std::int64_t read_percent = 50;
  std::int64_t change_percent = 30;  // of writes: cas, append, incr, getset, ... instead of put
  std::int64_t other_percent = 10;   // of all: commands that the judge does not know
  std::int64_t once_percent = 20;    // of clients: number their writes and repeat lost ones
  std::int64_t token_percent = 20;   // of clients: carry their session to another node
  std::int64_t move_percent = 10;    // of their requests: those go to another node by choice
  std::int64_t reader_percent = 20;  // of clients: only read
  std::int64_t pipeline = 1;         // requests that a client has open at most
  std::int64_t think_us = 1000;      // mean pause of a client between requests
  std::int64_t weak_percent = 50;    // of reads: sequential, prefix or another weaker level
  std::int64_t give_up_ms = 2000;    // after which a client no longer waits for an answer
  std::int64_t hang_up_ppm = 0;      // chance that a client leaves right after a request

  // The load on leaderless keyspaces, by clients of their own.
  std::int64_t free_clients = 0;
  std::int64_t free_operations = 1000;
  std::int64_t free_keys = 4;         // of each keyspace
  std::int64_t free_think_us = 1000;  // mean pause of a client between requests
  std::int64_t free_level = 0;        // of all their requests: 1 is `one`, 2 `quorum`; 0: any
  std::int64_t sloppy_percent = 0;    // of writes: stand-ins may acknowledge
  std::int64_t sweepers = 0;          // further clients, of a keyspace that they flush

  // The network. Chances are for each packet, in millionths.
  std::int64_t delay_min_us = 50;
  std::int64_t delay_mean_us = 100;  // on top, exponential
  std::int64_t loss_ppm = 0;
  std::int64_t duplicate_ppm = 0;
  std::int64_t reorder_ppm = 0;
  std::int64_t damage_ppm = 0;  // a flipped byte: the link must notice and begin anew
  std::int64_t split = 0;       // 1: every message is a packet of its own

  // The disks.
  std::int64_t disk_min_us = 50;
  std::int64_t disk_mean_us = 200;

  // Clocks.
  std::int64_t offset_ms = 0;    // up to this, either way
  std::int64_t drift_ppm = 100;  // up to this, either way

  // Faults: mean time between two of a kind, 0 for none.
  std::int64_t crash_ms = 0;
  std::int64_t power_percent = 50;  // of crashes: the machine's, so unsynced writes may be lost
  std::int64_t stop_ms = 0;         // orderly stops
  std::int64_t pause_ms = 0;
  std::int64_t slow_ms = 0;
  std::int64_t cut_ms = 0;  // links: one way, both ways, a node alone, the cluster in two
  std::int64_t clog_ms = 0;
  std::int64_t disk_slow_ms = 0;
  std::int64_t disk_fail_ms = 0;
  std::int64_t disk_lost_ms = 0;       // damage that a checksum finds, or an empty disk
  std::int64_t clock_ms = 0;           // jumps of the wall clock
  std::int64_t fault_for_ms = 1000;    // mean length of a fault
  std::int64_t faults_end_ms = 20000;  // latest end of the time with faults
};

// One number of Options: what --set and --shrink know of it.
struct OptionInfo {
  const char* name;
  std::int64_t Options::*field;
  std::int64_t min;
  std::int64_t max;
};
std::span<const OptionInfo> option_table();

// The swarm's draw for this seed.
Options draw(std::uint64_t seed);

// "loss_ppm=1000". kConfig: no such name, or out of its range; nothing is changed then.
Result<void> set(Options& options, std::string_view assignment);

// "nodes=5 partitions=1 ...": all of them, in the table's order; set() reads each word back.
std::string to_string(const Options& options);

}  // namespace kvorum::sim
