// For tests: judges that follow the definitions to the letter, by trying everything, and small
// random histories to compare with. They share nothing with the judges under test.
#pragma once

#include <functional>

#include "base/prng.h"
#include "check/history.h"
#include "check/verdict.h"

namespace kvorum::check {

bool brute_sequential(const History& history);
// kind: kCc, kCcv or kCm. All partial orders are tried: at most 6 operations.
bool brute_causal(const History& history, ModelKind kind);
// kinds: those of the four guarantees that are asked for together. At most 6 operations.
bool brute_session(const History& history, const std::vector<ModelKind>& kinds);
bool brute_prefix(const History& history);
bool brute_convergence(const History& history);

struct RandomHistory {
  int operations = 5;
  int sessions = 2;
  int keys = 2;
  bool unique = true;     // no value is written twice
  bool composed = false;  // append
  bool counted = false;   // incr; then values are numbers
  bool compared = true;   // cas, also failing ones
  bool removed = false;   // delete
  int unknown_percent = 10;
  bool final_gets = false;
  bool overlapping = true;  // clients begin before their last operation has ended, at times
};
History random_history(Prng& prng, const RandomHistory& options);

// What the random tests cover, 5 operations each.
std::vector<RandomHistory> kinds_of_histories();

// A violation as it must be: a sentence, and a core that is one by itself and holds the edges.
void expect_proof(const History& history, const Verdict& verdict, const Model& model);

struct Tally {
  int ok = 0;
  int violation = 0;
  int unknown = 0;
};
// Judges random histories of 2 to `options.operations` operations, and expects what `brute` says,
// or unknown; of a violation, a proof.
Tally compare(const RandomHistory& options, int rounds, const Model& model,
              const std::function<bool(const History&)>& brute);

// All operations in a few words, for a failing test's message.
std::string listed(const History& history);

}  // namespace kvorum::check
