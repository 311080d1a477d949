#include "lab/scenario_words.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "lab/scenario_schema.h"

namespace kvorum::lab {
namespace {

constexpr Word kScenarioFields[] = {
    {"name", "name"},
    {"teaches", "teaches"},
    {"nodes", "nodes"},
    {"num_servers", "nodes"},
    {"level", "level"},
    {"consistency_level", "level"},
    {"partitions", "partitions"},
    {"n", "n"},
    {"w", "w"},
    {"r", "r"},
    {"conflict", "conflict"},
    {"durability", "durability"},
    {"ports", "ports"},
    {"port_number", "ports"},
    {"initial", "initial"},
    {"delays", "delays"},
    {"fifo", "fifo"},
    {"clients", "clients"},
    {"workload", "workload"},
    {"faults", "faults"},
    {"until_quiet", "until_quiet"},
    {"expect", "expect"},
    {"repeat", "repeat"},
    {"seed", "seed"},
};
constexpr Word kDelayFields[] = {
    {"from", "from"}, {"to", "to"}, {"ms", "ms"}, {"mean_ms", "mean_ms"}};
constexpr Word kClientFields[] = {
    {"client", "client"}, {"client_number", "client"},
    {"node", "node"},     {"server_number", "server_number"},  // counts from 0
    {"level", "level"},   {"requests", "requests"},
};
constexpr Word kRequestFields[] = {
    {"type", "type"},     {"request_type", "type"},
    {"key", "key"},       {"value", "value"},
    {"expect", "expect"}, {"by", "by"},
    {"level", "level"},   {"ms", "ms"},
    {"client", "client"}, {"requests", "requests"},
    {"do", "do"},         {"node", "node"},
};
constexpr Word kWorkloadFields[] = {
    {"clients", "clients"},
    {"operations", "operations"},
    {"keys", "keys"},
    {"read_percent", "read_percent"},
    {"delete_percent", "delete_percent"},
    {"think_ms", "think_ms"},
    {"level", "level"},
};
constexpr Word kFaultFields[] = {
    {"at_ms", "at_ms"}, {"after", "after"}, {"do", "do"}, {"node", "node"}};
constexpr Word kAfterFields[] = {{"client", "client"}, {"requests", "requests"}};
constexpr Word kExpectFields[] = {{"model", "model"},
                                  {"violates", "violates"},
                                  {"final", "final"},
                                  {"never", "never"},
                                  {"once", "once"}};

constexpr Word kRequestTypes[] = {
    {"get", "get"},   {"read", "get"},      {"put", "put"},       {"set", "put"},
    {"write", "put"}, {"delete", "delete"}, {"append", "append"}, {"incr", "incr"},
    {"cas", "cas"},   {"sleep", "sleep"},   {"await", "await"},   {"fault", "fault"},
};
// Bounds and counts are levels, too, and no words.
constexpr Word kLevels[] = {
    {"linearizable", "linearizable"},
    {"linearizability", "linearizable"},
    {"sequential", "sequential"},
    {"prefix", "prefix"},
    {"causal", "causal"},
    {"session", "session"},
    {"eventual", "eventual"},
    {"one", "one"},
    {"quorum", "quorum"},
    {"all", "all"},
};
constexpr Word kModels[] = {
    {"linearizable", "linearizable"},
    {"sequential", "sequential"},
    {"causal", "causal"},
    {"cc", "cc"},
    {"ccv", "ccv"},
    {"cm", "cm"},
    {"read-your-writes", "read-your-writes"},
    {"monotonic-reads", "monotonic-reads"},
    {"monotonic-writes", "monotonic-writes"},
    {"writes-follow-reads", "writes-follow-reads"},
    {"prefix", "prefix"},
    {"convergence", "convergence"},
    {"durability", "durability"},
    {"program-order", "program-order"},
    {"levels", "levels"},
};
constexpr Word kConflicts[] = {{"lww", "lww"}, {"siblings", "siblings"}, {"lexical", "lexical"}};
constexpr Word kVerbs[] = {
    {"kill", "kill"},     {"stop", "stop"},   {"restart", "restart"}, {"pause", "pause"},
    {"resume", "resume"}, {"cut", "cut"},     {"hold", "hold"},       {"delay", "delay"},
    {"drop", "drop"},     {"disk", "disk"},   {"clock", "clock"},     {"release", "release"},
    {"heal", "heal"},     {"reset", "reset"},
};

constexpr WordList kFieldLists[] = {
    {"scenario", kScenarioFields}, {"delay", kDelayFields},       {"client", kClientFields},
    {"request", kRequestFields},   {"workload", kWorkloadFields}, {"fault", kFaultFields},
    {"after", kAfterFields},       {"expect", kExpectFields},
};
constexpr WordList kValueLists[] = {
    {"request_type", kRequestTypes}, {"level", kLevels}, {"model", kModels},
    {"conflict", kConflicts},        {"do", kVerbs},
};

constexpr RequestShape kRequests[] = {
    {"get", HistoryOp::kGet, {"key", "level"}},
    {"put", HistoryOp::kPut, {"key", "value", "level"}},
    {"delete", HistoryOp::kDelete, {"key", "level"}},
    {"append", HistoryOp::kAppend, {"key", "value", "level"}},
    {"incr", HistoryOp::kIncr, {"key", "by", "level"}},
    {"cas", HistoryOp::kCas, {"key", "expect", "value", "level"}},
    {"sleep", std::nullopt, {"ms"}},
    {"await", std::nullopt, {"client", "requests"}},
    {"fault", std::nullopt, {"do", "node"}},
};

constexpr std::pair<std::string_view, FaultVerb> kFaultVerbs[] = {
    {"kill", FaultVerb::kKill},   {"stop", FaultVerb::kStop},     {"restart", FaultVerb::kRestart},
    {"pause", FaultVerb::kPause}, {"resume", FaultVerb::kResume},
};

}  // namespace

const RequestShape* find_request(std::string_view type) {
  const auto* const at = std::find_if(std::begin(kRequests), std::end(kRequests),
                                      [&](const RequestShape& one) { return one.type == type; });
  return at == std::end(kRequests) ? nullptr : at;
}

std::span<const WordList> field_lists() { return kFieldLists; }
std::span<const WordList> value_lists() { return kValueLists; }

Words words_of(std::string_view list) {
  for (const auto lists : {field_lists(), value_lists()}) {
    for (const auto& one : lists) {
      if (one.name == list) {
        return one.words;
      }
    }
  }
  CHECK(false);
  return {};
}

std::optional<FaultVerb> find_verb(std::string_view word) {
  if (!meaning(word, kVerbs)) {
    return std::nullopt;
  }
  for (const auto& [name, verb] : kFaultVerbs) {
    if (name == word) {
      return verb;
    }
  }
  return FaultVerb::kLinks;
}

const char* scenario_schema() { return kScenarioSchema; }

}  // namespace kvorum::lab
