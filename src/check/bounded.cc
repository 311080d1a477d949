// Bounded staleness: linearizability for writes, and gets that may lag by so much.
//
// By time: a get may take effect up to the bound before it starts.
//
// By versions, as in k-atomicity (Aiyer, Alvisi, Bazzi: On the availability of non-strict quorum
// systems, DISC 2005; k is one more than our bound): there is one order of a key's operations, gets
// included, that keeps to real time, in which every cas and counter finds the state just before it,
// and every get returns that state or one that at most so many writes have replaced since. Every
// write that takes effect makes a version, whatever it leaves; a failed compare makes none. No lag
// is linearizability.
#include <fmt/format.h>

#include "check/linearizable.h"

namespace kvorum::check {

Verdict judge_bounded_time(const History& history, std::int64_t bound_ns, const Budget& budget) {
  LinearRules rules;
  rules.gets.earlier_ns = bound_ns;
  auto verdict = judge_by_key(history, rules, budget);
  verdict.model = {ModelKind::kBoundedTime, bound_ns};
  return verdict;
}

Verdict judge_bounded_versions(const History& history, std::int64_t versions,
                               const Budget& budget) {
  LinearRules rules;
  rules.gets.versions_behind = versions;
  auto verdict = judge_by_key(history, rules, budget);
  verdict.model = {ModelKind::kBoundedVersions, versions};
  return verdict;
}

}  // namespace kvorum::check
