// Search for one order of operations in which every outcome fits: the positions in all lanes, with
// the values of all keys. Exponential in the worst case, so it stops at a budget.
//
// What keeps it small (none of it loses an order):
// - a lane's front that only observes, and fits, is taken at once and never undone;
// - a value is not overwritten while an outcome still needs it and nothing left can write it again;
// - between a write that set a value and an observation that certainly saw that one, no write of
// the
//   key is taken that is no part of what was seen;
// - a put that nothing needs, over a value that nothing needs, is taken at once;
// - a write of unknown outcome is tried only where what comes next could not do without it;
// - states are met once: a set of all seen, in which values that nothing needs are alike.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "check/causal_order.h"
#include "check/values.h"
#include "check/verdict.h"

namespace kvorum::check {

struct OrderTask {
  const Frame* frame = nullptr;
  const Given* given = nullptr;                   // what observations certainly saw
  std::vector<std::vector<Node>> lanes;           // each in order; a node is in one lane at most
  std::vector<std::pair<Node, Node>> precedence;  // beyond the lanes: first before second
  std::vector<bool> optional;                     // per node: it may never happen
  std::uint64_t most_nodes = 0;                   // states to look at; 0: no bound but the budget
};

struct OrderResult {
  Answer answer = Answer::kUnknown;  // ok: an order was found; violation: there is none
  std::string reason;                // of unknown
  std::vector<Node> longest;         // the longest order that fits so far, or the whole one
  std::string state;                 // what the keys hold behind it
  std::uint64_t nodes = 0;
};

class OrderSearch {
 public:
  OrderSearch(const OrderTask& task, const Budget& budget);
  OrderResult run();

 private:
  using Cell = std::uint32_t;  // a value on a key
  static constexpr Cell kNoCell = 0xffffffff;

  struct Item {
    std::uint32_t lane = kNone;
    std::uint32_t rank = 0;      // candidates are tried in this order
    std::uint32_t blocked = 0;   // operations that must come first and have not
    Cell needs = kNoCell;        // the one state that it fits
    Cell makes = kNoCell;        // the state that it leaves, where that is fixed
    bool odd = false;            // counted in Key::odd
    bool watches = false;        // counted in Key::watchers
    std::uint32_t expected = 0;  // by how many of Key::waiting, as the next part of what they saw
    std::vector<Node> seen_by;   // observations in lanes whose value it set
  };
  struct Key {
    Text value = kAbsent;
    Cell cell = kNoCell;         // of value, if an operation names it
    bool composed = false;       // an operation makes its value out of the one before
    std::uint32_t watchers = 0;  // operations to come that look at the value
    std::uint32_t waiting = 0;   // observations to come whose value has been set
    std::uint32_t odd = 0;       // operations to come that are no get, put, delete or certain cas
    std::uint64_t low = 0;       // its share of the state's hash
    std::uint64_t high = 0;
    std::vector<Node> nodes;
  };
  struct CellUse {
    std::uint32_t needed = 0;  // by operations to come
    std::uint32_t makers = 0;  // operations to come that leave it
  };
  struct Step {
    Node node;
    Text value;  // of its key before
  };
  struct Level {
    std::vector<Node> candidates;
    std::size_t next = 0;
    std::size_t steps = 0;
  };
  struct Fingerprint {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
    friend std::size_t hash_value(const Fingerprint& print) { return print.low; }
  };

  void index_values();
  void index_order();
  Cell cell(std::uint32_t key, Text value);
  Cell find_cell(std::uint32_t key, Text value) const;
  std::optional<Text> after(Node node) const;
  std::optional<Text> outcome(Node node);
  bool free_to_take(Node node);
  bool buries(Node node, Text value) const;
  void set_value(std::uint32_t key, Text value);
  void rehash(std::uint32_t key);
  void count(Node node, int sign);
  void wait_for(Node reader, int sign);
  void pass(Node node, int sign);
  void take(Node node);
  void undo(std::size_t steps);
  void close();
  Node front(std::size_t lane) const;  // kNone: the lane is done
  bool helps(Node write, Text value, const std::vector<Node>& fronts);
  std::vector<Node> candidates();
  bool seen_before();
  void note_longest();
  std::string state() const;

  const OrderTask& task_;
  const Frame& frame_;
  const Budget& budget_;
  Values values_;
  std::vector<Item> items_;
  std::vector<Key> keys_;
  std::vector<CellUse> cells_;
  std::unordered_map<std::uint64_t, Cell> cell_index_;  // (key, value)
  std::vector<std::vector<Node>> unblocks_;
  std::vector<std::uint32_t> position_;  // per lane
  std::vector<Node> look_;               // fronts of lanes that may have become takeable
  std::vector<Step> steps_;
  std::vector<Level> levels_;
  boost::unordered_flat_set<Fingerprint> seen_;
  Fingerprint positions_;  // hash of all positions and values
  std::size_t left_ = 0;   // operations that must still happen
  std::size_t fewest_left_ = 0;
  OrderResult result_;
};

}  // namespace kvorum::check
