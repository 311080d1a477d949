// A scenario: a cluster, clients that each do their requests in order and all at once, faults, and
// what is expected of it. docs/scenarios.md describes the file; `kvorum run` plays it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "check/verdict.h"
#include "model/history.h"
#include "model/level.h"

namespace kvorum::lab {

// A delay drawn uniformly.
struct DelayRange {
  Duration least{};
  Duration most{};
};

// From one node to another, in force from the start; from == to: a node's messages to itself.
struct LinkDelay {
  NodeId from;
  NodeId to;
  DelayRange delay;
};

// Until the client with that number has so many requests behind it.
struct Await {
  std::uint32_t client = 0;
  std::size_t requests = 0;
};

struct Sleep {
  DelayRange time;
};

// A request of a client. Values are texts; a number in the file is its decimal digits.
struct Operation {
  HistoryOp op = HistoryOp::kGet;
  std::string key;
  std::string value;                  // put, append, cas
  std::optional<std::string> expect;  // cas; empty: absent
  std::int64_t by = 1;                // incr
  std::optional<Level> level;         // else the client's, else the keyspace's own
};

enum class FaultVerb : std::uint8_t {
  kKill,     // at once, as a crash would
  kStop,     // in order
  kRestart,  // of a node that is down
  kPause,    // frozen, until kResume
  kResume,
  kLinks,  // a rule for links, in the words of KV.FAULT
};

const char* to_string(FaultVerb verb);

struct FaultAction {
  FaultVerb verb = FaultVerb::kKill;
  std::optional<NodeId> node;  // all but kLinks; empty: whoever leads partition 1 by then
  std::string words;           // kLinks: what stands behind KV.FAULT ("cut 1 2 for 500ms")
};

// What a client does, one after the other. A fault among them comes between two of its requests.
using Step = std::variant<Operation, Sleep, Await, FaultAction>;

struct ScenarioClient {
  std::uint32_t number = 0;
  NodeId node;  // that it asks first
  std::optional<Level> level;
  std::vector<Step> steps;
};

struct TimedFault {
  Duration at{};               // since the clients began
  std::optional<Await> after;  // ... and since that
  FaultAction action;
};

// Clients whose requests are drawn from the seed. They are numbered behind those with steps.
struct RandomLoad {
  std::size_t clients = 0;
  std::size_t operations = 0;  // of each client
  std::vector<std::string> keys;
  std::uint32_t read_percent = 50;
  std::uint32_t delete_percent = 0;
  DelayRange think;
  std::optional<Level> level;
};

// What a client's gets must not show all together: per client number, a key and what it was read
// as ("client0: a=0, client1: b=0"). The last get of the key counts.
struct Sighting {
  std::uint32_t client = 0;
  std::string key;
  std::optional<std::string> value;  // empty: absent
};

struct Expectations {
  std::optional<check::Model> model;                        // holds
  std::optional<check::Model> violates;                     // does not hold
  std::map<std::string, std::optional<std::string>> final;  // at every node, once it is quiet
  std::vector<std::vector<Sighting>> never;
  std::vector<std::vector<Sighting>> once;  // seen in at least one of the repetitions
};

struct Scenario {
  std::string name;     // the file's name without its ending, if it does not say
  std::string teaches;  // one or two sentences; may be empty
  std::uint32_t nodes = 3;
  std::vector<std::uint16_t> ports;  // per node for clients; 0 or empty: chosen
  // The keyspace `main`, in the words of `kvorum cluster start`.
  Level level;
  std::optional<std::uint32_t> partitions;
  std::optional<std::uint32_t> n;
  std::optional<std::uint32_t> w;
  std::optional<std::uint32_t> r;
  std::optional<std::string> conflict;
  std::optional<std::string> durability;

  std::map<std::string, std::string> initial;  // written before the clients begin
  std::vector<LinkDelay> delays;
  bool fifo = true;  // delayed messages of a link keep their order
  std::vector<ScenarioClient> clients;
  std::optional<RandomLoad> load;
  std::vector<TimedFault> faults;
  // Before each write its client has the node lead (KV.LEAD); not in the file, but how it is
  // played.
  bool local_write = false;
  bool until_quiet = false;  // wait for equal replicas at the end; always so with `final`
  Expectations expect;
  std::uint32_t repeat = 1;
  std::optional<std::uint64_t> seed;
};

// Reads our own files and those of the older system whose words are num_servers,
// consistency_level, port_number and clients. Errors (kConfig) begin with the path of the field:
// "clients[1].requests[0].type: 'gett' is no request; did you mean 'get'?".
Result<Scenario> parse_scenario(const std::string& text, const std::string& name);

// Delays of links from an older system's file: "min max" (seconds unless `unit` says otherwise) and
// then a line "id ip port" per server. Sets nodes, ports and delays.
Result<void> read_server_list(const std::string& text, Duration unit, Scenario& scenario);
// ... from JSON with `addresses` and a matrix of mean delays in milliseconds, each drawn from
// [0, 2 x mean].
Result<void> read_delay_matrix(const std::string& text, Scenario& scenario);

// The JSON Schema of our files.
const char* scenario_schema();

}  // namespace kvorum::lab
