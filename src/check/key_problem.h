// One key's operations, rewritten without changing which orders are legal: as few kinds of steps,
// as few distinct states and as narrow intervals as can be proved.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "check/history.h"
#include "check/states.h"

namespace kvorum::check {

enum class StepKind : std::uint8_t {
  kRead,    // the state is `a`
  kNot,     // the state is not `a`: a cas whose compare failed
  kPut,     // becomes `b` (a delete: kNoValue)
  kCas,     // is `a`, becomes `b`
  kAppend,  // grows by `token`
  kIncr,    // becomes the number that is `by` more; `b`, unless kNoState
};

struct Step {
  StepKind kind = StepKind::kRead;
  bool optional = false;  // may be left out: an unknown outcome
  bool inert = false;     // changes at most an absent key: appends "", or adds 0
  State a = kNoState;
  State b = kNoState;
  Text token = kAbsent;
  std::int64_t by = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::uint32_t operation = 0;  // index into History::operations

  bool needs_a() const { return kind == StepKind::kRead || kind == StepKind::kCas; }
};

// Linearizability itself, or one of the models that ask less of gets.
struct GetRules {
  std::int64_t earlier_ns = 0;       // a get may take effect so much before it starts
  std::int64_t versions_behind = 0;  // and return a state that so many writes have replaced
};

// The start that counts for real time.
std::int64_t start_of(const Operation& operation, const GetRules& rules);

// What must come first beyond what the times say.
struct Precedence {
  std::uint32_t first = 0;  // indices of operations
  std::uint32_t second = 0;
};

// How often a state is looked for, and made, by the steps that are left.
struct StateUse {
  std::uint32_t need = 0;    // by steps that must happen
  std::uint32_t soft = 0;    // by optional ones
  std::uint32_t nots = 0;    // by kNot
  std::uint32_t direct = 0;  // steps that leave it, but for appends and counters without a result
  std::uint32_t which = 0;   // the indices of those, xored: of a single one, its index
  static constexpr std::uint32_t kLeftOut = 0xffffffff;  // `which`, in a part without it

  bool looked_for() const { return need + soft + nots != 0; }
};

struct KeyProblem {
  // `operations`: indices of the operations on one key. What ended after `until` counts as open
  // then: its outcome is unknown.
  KeyProblem(const History& history, std::span<const std::uint32_t> operations,
             const GetRules& rules, std::int64_t until = kNever);

  // Only the steps of `kept` operations (ascending), with what is known of them from the others: a
  // state that only one step could make stays so, even if that step is left out.
  KeyProblem part(std::span<const std::uint32_t> kept) const;

  // Appends that could make `state` with their last step.
  std::span<const Text> last_tokens(State state) const;
  // Whether more than `use[state].direct` (and the first state) could make it.
  bool made_otherwise(State state) const;
  // Whether appending could still turn it into a text that matters.
  bool extends(State state) const;

  // What parts of a problem share with it. The states grow while a search goes on.
  struct Known {
    States states;
    std::unordered_map<State, std::vector<Text>> last_tokens;
    std::unordered_map<Text, std::uint32_t> append_left;  // by token
    std::size_t unrecorded = 0;                           // kIncr without a result
    std::vector<std::string> open_texts;                  // that an append may still make; sorted
  };

  GetRules rules;
  std::shared_ptr<Known> known;
  States& states;
  State first = kNoValue;
  std::vector<Step> steps;
  std::vector<StateUse> use;  // by state; states made later have none
  bool refuted = false;       // some outcome has no cause, whatever the order

  std::size_t appends = 0;   // steps of kind kAppend
  std::size_t counters = 0;  // steps of kind kIncr
  std::size_t nots = 0;      // steps of kind kNot
};

}  // namespace kvorum::check
