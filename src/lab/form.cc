#include "lab/form.h"

#include <algorithm>
#include <utility>

#include "lab/play.h"
#include "model/main_words.h"

namespace kvorum::lab {
namespace {

constexpr Duration kElectionTimeout = 300ms;
constexpr Duration kHeartbeat = 50ms;
// Elections must not be called for by the delays that the scenario puts on its links.
constexpr std::int64_t kElectionPerDelay = 4;
constexpr std::int64_t kHeartbeatsPerElection = 6;
// Shorter than a server's own: who cuts nodes off wants to see what becomes of it.
constexpr Duration kRequestTimeout = 2s;
constexpr std::int64_t kRequestPerDelay = 20;

// Ordered keyspaces serve `causal` and `session` as sequential, so that is what they are made with.
MainWords words_of(const Scenario& scenario) {
  MainWords words;
  const auto kind = scenario.level.kind;
  const bool by_order = kind == LevelKind::kCausal || kind == LevelKind::kSession;
  words.level = by_order ? "sequential" : to_string(scenario.level);
  words.partitions = scenario.partitions;
  words.n = scenario.n;
  words.w = scenario.w;
  words.r = scenario.r;
  words.conflict = scenario.conflict;
  words.durability = scenario.durability;
  return words;
}

}  // namespace

Result<Formation> form(const Scenario& scenario) {
  const auto words = words_of(scenario);
  auto main = describe_main(words, scenario.nodes);
  if (!main) {
    return tl::unexpected(std::move(main.error()));
  }
  Duration most{};
  for (const auto& link : scenario.delays) {
    most = std::max(most, link.delay.most);
  }
  Formation formation;
  formation.main = std::move(*main);
  formation.level = *words.level;
  formation.election_timeout = std::max(kElectionTimeout, kElectionPerDelay * most);
  formation.heartbeat = std::max(kHeartbeat, formation.election_timeout / kHeartbeatsPerElection);
  formation.request_timeout = kRequestTimeout + kRequestPerDelay * most;
  return formation;
}

}  // namespace kvorum::lab
