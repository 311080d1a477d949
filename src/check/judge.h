// The judges, one file per model. Each is given a whole history, never changes it, and answers ok
// only with a proof. Thread: any; a history may be judged by several threads at once.
#pragma once

#include <vector>

#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

// Any one model.
Verdict judge(const History& history, const Model& model, const Budget& budget);

struct Ranking {
  std::vector<Verdict> verdicts;   // one per model, strongest first
  std::optional<Model> strongest;  // the strongest one that certainly holds
};
// Every model that can judge this history.
Ranking judge_all(const History& history, const Budget& budget);

// linearizable.cc (Herlihy & Wing, TOPLAS 1990): key by key.
Verdict judge_linearizable(const History& history, const Budget& budget);
// bounded.cc: linearizable after moving each get's start `bound_ns` earlier.
Verdict judge_bounded_time(const History& history, std::int64_t bound_ns, const Budget& budget);
// bounded.cc: each get returns one of the last `versions` + 1 states at some moment of its
// interval.
Verdict judge_bounded_versions(const History& history, std::int64_t versions, const Budget& budget);
// durability.cc: the writes plus the final gets alone are linearizable.
Verdict judge_durability(const History& history, const Budget& budget);
// sequential.cc (Lamport, IEEE ToC 1979): all keys together.
Verdict judge_sequential(const History& history, const Budget& budget);
// causal.cc, causal_memory.cc (Bouajjani, Enea, Guerraoui, Hamza, POPL 2017); kind: kCc, kCcv or
// kCm.
Verdict judge_causal(const History& history, ModelKind kind, const Budget& budget);
// session.cc (Terry et al., PDIS 1994, visibility included); kind: one of the four.
Verdict judge_session(const History& history, ModelKind kind, const Budget& budget);
// prefix.cc
Verdict judge_prefix(const History& history, const Budget& budget);
// convergence.cc
Verdict judge_convergence(const History& history, const Budget& budget);
// program_order.cc
Verdict judge_program_order(const History& history);
// levels.cc
Verdict judge_levels(const History& history, const Budget& budget);

}  // namespace kvorum::check
