// The causal order that a history forces: sessions and what each observation saw, closed. A vector
// clock per operation answers "is a before b" at once (as in AWDIT, 2025).
#pragma once

#include <vector>

#include "check/links.h"
#include "check/origins.h"

namespace kvorum::check {

// What each observation is taken to have seen; null: it observes nothing, or is left open.
struct Given {
  std::vector<const Chain*> saw;  // per node
  std::vector<bool> used;         // per node: whether a write of unknown outcome has happened
};

class CausalOrder {
 public:
  CausalOrder(const Frame& frame, const Given& given);

  // Sorts and counts anew, after links were added. False if there is a cycle.
  bool settle();
  bool in_use(Node node) const { return slot_[node] != kNone; }
  // Whether a must come before b. Needs a settled order.
  bool before(Node a, Node b) const { return a != b && clock(b)[slot_[a]] > place_[a]; }

  // For each session, its last write of the reader's key that the reader knows and that is not part
  // of what it saw.
  template <class Visit>
  void each_unseen(Node reader, Visit visit) {
    const auto& chain = *given_->saw[reader];
    ++stamp_;
    for (const auto write : chain.writes) {
      if (write != kInitial) {
        marked_[write] = stamp_;
      }
    }
    marked_[reader] = stamp_;
    for (const auto& [slot, writes] : writes_[frame_->nodes[reader].key]) {
      auto count = known(writes, clock(reader)[slot]);
      while (count > 0 && marked_[writes[count - 1]] == stamp_) {
        --count;
      }
      if (count > 0) {
        visit(writes[count - 1]);
      }
    }
  }
  // For each session, its first write of the key that must come after `node` and is not part of
  // what the reader saw; the reader has just been given to each_unseen.
  template <class Visit>
  void each_later(Node node, Visit visit) const {
    for (const auto& [slot, writes] : writes_[frame_->nodes[node].key]) {
      auto low = std::size_t{0};
      for (auto high = writes.size(); low < high;) {
        const auto middle = (low + high) / 2;
        if (before(node, writes[middle])) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      while (low < writes.size() && marked_[writes[low]] == stamp_) {
        ++low;
      }
      if (low < writes.size()) {
        visit(writes[low]);
      }
    }
  }
  // For each session, its first write of the key outside of what the reader saw.
  template <class Visit>
  void each_first(std::uint32_t key, Visit visit) const {
    for (const auto& [slot, writes] : writes_[key]) {
      std::size_t at = 0;
      while (at < writes.size() && marked_[writes[at]] == stamp_) {
        ++at;
      }
      if (at < writes.size()) {
        visit(writes[at]);
      }
    }
  }

  Links links;

 private:
  struct SlotWrites {
    std::uint32_t slot;
    std::vector<Node> writes;  // in the session's order
  };

  const std::uint32_t* clock(Node node) const { return &clocks_[std::size_t{node} * slots_]; }
  // How many of the writes are among the first `limit` of their session.
  std::size_t known(const std::vector<Node>& writes, std::uint32_t limit) const;

  const Frame* frame_;
  const Given* given_;
  std::size_t slots_ = 0;
  std::vector<std::uint32_t> slot_;    // per node; kNone: a write that never happened
  std::vector<std::uint32_t> place_;   // per node, in its slot
  std::vector<std::uint32_t> clocks_;  // per node and slot: how many come before it or are it
  std::vector<std::vector<SlotWrites>> writes_;  // per key
  std::vector<std::uint32_t> marked_;
  std::uint32_t stamp_ = 0;
};

}  // namespace kvorum::check
