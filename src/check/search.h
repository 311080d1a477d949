// The search for a legal order of one key's steps: Wing & Gong (Testing and verifying concurrent
// objects, JPDC 1993) with Lowe's memo of what has been tried (Testing for linearizability, CCPE
// 2017), cut down by rules that no legal order can be lost to.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "check/key_problem.h"
#include "check/verdict.h"

namespace kvorum::check {

// Which of several possible next steps is tried first.
enum class SearchOrder : std::uint8_t {
  kByCall,  // by start, optional ones among the others
  kByEnd,   // by end, optional ones last
};

class Search {
 public:
  // The problem must outlive the search, which adds to its states.
  Search(KeyProblem& problem, SearchOrder order);

  // Has each first operation come before its second one, beyond what the times say; to be called
  // before run(). Orders may be lost then, so kNone proves nothing any more.
  void respect(const std::vector<Precedence>& pairs);

  enum class Outcome : std::uint8_t { kFound, kNone, kMore };
  // Goes on for up to `nodes` more states.
  Outcome run(std::uint64_t nodes);

  // After kFound a legal order, as operations; before, how far it is now.
  std::vector<std::uint32_t> order() const;
  // The longest legal order met so far, if `keep_longest` was called first: then orders that cannot
  // be completed are followed to their ends.
  void keep_longest() { keep_longest_ = true; }
  const std::vector<std::uint32_t>& longest() const { return longest_; }
  std::uint64_t nodes() const { return nodes_; }
  std::size_t bytes() const;

 private:
  // 128 random bits a step, xored over the steps taken, stand for their set: a false match among
  // 10^8 states has a chance below 2^-70, and can only hide a legal order, never make one up.
  struct Fingerprint {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
  };
  class Seen {
   public:
    bool insert(const Fingerprint& print);
    std::size_t bytes() const { return slots_.size() * sizeof(Fingerprint); }

   private:
    std::vector<Fingerprint> slots_;  // open addressing; all zero: free
    std::size_t count_ = 0;
  };
  // Steps with the same effect. Of several that could be next the one that ends first will do: in
  // any legal order it may change places with the one taken.
  struct Kind {
    std::vector<std::uint32_t> members;  // by start
    std::uint32_t first = 0;             // no member before it is left
    std::uint32_t optional_taken = 0;
    std::uint64_t met = 0;  // the visit that has met it as a candidate
    std::uint32_t best = 0;
  };
  struct Place {
    std::uint32_t kind = 0;
    std::uint32_t at = 0;  // in its members
  };
  struct Frame {
    std::uint32_t taken = 0;       // length of the trail
    std::uint32_t candidates = 0;  // where its own begin
    std::uint32_t next = 0;
  };

  void sort_steps();
  void find_kinds();
  void find_makers();
  bool visit(bool must_use);
  bool settle();
  bool take_what_holds();
  bool needs_can_be_met();
  bool add_candidates(bool must_use);
  Kind& kind_now(std::uint32_t i);
  void consider(std::uint32_t i);
  void add_best(std::uint32_t i, bool must_use);
  bool waits_for_change() const;
  State after(const Step& step);
  bool may_bury(const Step& step, State next);
  bool in_reach(State state) const;
  void hold(State state);
  void let_go();
  bool can_be_made(State state, std::int64_t deadline);
  bool alive(State state);
  bool extends(State state);
  Fingerprint fingerprint(bool must_use);
  void take(std::uint32_t i);
  void untake();
  void note_longest();

  KeyProblem& p_;
  SearchOrder order_;
  std::vector<Step> steps_;          // by start
  std::vector<std::uint32_t> next_;  // of those left, the definite and the optional apart; the
  std::vector<std::uint32_t> prev_;  // last two entries are the two heads
  std::vector<Fingerprint> prints_;
  std::vector<Place> places_;
  std::vector<bool> taken_;
  std::vector<std::uint32_t> blocked_;                // by how many others that must come first
  std::vector<std::vector<std::uint32_t>> unblocks_;  // by step: which others wait for it
  std::vector<Kind> kinds_;  // the last one: puts that nobody can tell apart now
  std::vector<std::vector<std::uint32_t>> makers_;  // by state: kinds that may leave it
  std::vector<StateUse> use_;                       // by state, of the steps left
  std::vector<std::int8_t> extends_;                // by state; -1: not known yet

  State state_ = kNoValue;
  std::size_t behind_ = 0;                // versions that a read may be behind; then also:
  std::vector<State> held_;               // every state so far, this one last
  std::vector<std::uint32_t> reachable_;  // by state: how often among those that may be read
  Fingerprint set_;                       // of the definite steps taken
  std::uint32_t left_ = 0;
  std::size_t nots_ = 0;
  std::vector<std::uint32_t> trail_;
  std::vector<Frame> frames_;
  std::vector<std::uint32_t> candidates_;
  std::vector<std::uint32_t> optional_kinds_;  // that have been taken from
  std::vector<std::uint32_t> window_;          // the definite steps that could be next
  std::int64_t bound_ = kNever;                // what starts later cannot be next
  Seen seen_;
  std::uint64_t nodes_ = 0;
  bool started_ = false;
  bool keep_longest_ = false;
  std::vector<std::uint32_t> longest_;
};

}  // namespace kvorum::check
