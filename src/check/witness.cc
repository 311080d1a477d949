// Writes, and gets that claim to be linearizable, take effect at a moment of their intervals. Any
// other get ("weak") is given an interval that begins when its session's last operation can have
// taken effect; with that its key has to be linearizable. What that says of one key's operations
// narrows the intervals of others in the same sessions, and so on. In the end the order found for
// each key says which writes each get is between, and whatever order keeps to that and to the
// sessions is a witness.
#include "check/witness.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "check/frame.h"
#include "check/key_order.h"
#include "check/links.h"

namespace kvorum::check {
namespace {

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kFirstStates = 20'000;  // of the search for a key's order; later tries more
constexpr std::uint64_t kMostStates = 1'000'000;
constexpr int kMostTries = 24;
constexpr int kMostRounds = 6;  // of narrowing a key before its order is looked for

using Order = std::vector<std::uint32_t>;  // indices of operations

// What the two models share: a copy of the history whose intervals can be narrowed.
class Timed {
 public:
  explicit Timed(const History& whole) : frame(whole), history(whole) {
    const auto linearizable = whole.texts.find("linearizable");
    nodes.assign(whole.operations.size(), kNone);
    keys.resize(frame.keys.size());
    weak.assign(whole.operations.size(), false);
    for (Node node = 0; node < frame.nodes.size(); ++node) {
      const auto i = frame.nodes[node].op;
      nodes[i] = node;
      keys[frame.nodes[node].key].push_back(i);
      auto& op = history.operations[i];
      if (op.op == HistoryOp::kGet && (op.level == kAbsent || op.level != linearizable)) {
        op.start_ns = kEver;
        weak[i] = true;
      }
      op.end_ns = std::max(op.start_ns, op.end_ns);
    }
  }

  OrderWish wish(std::uint32_t key) const {
    OrderWish out;
    for (const auto i : keys[key]) {
      (weak[i] ? out.weak_gets : out.operations).push_back(i);
    }
    return out;
  }

  Operation& op(Node node) { return history.operations[frame.nodes[node].op]; }

  const Frame frame;  // of the history itself
  History history;
  std::vector<Node> nodes;  // by operation
  std::vector<Order> keys;  // the operations of each key, by start
  std::vector<bool> weak;   // by operation
};

// Whether each session's own order is kept by `order`, which may leave operations out; `members`:
// those of the order and perhaps others, by start.
bool keeps_sessions(const Frame& frame, const std::vector<Node>& order,
                    const std::vector<Node>& members) {
  std::unordered_map<Node, std::size_t> places;
  for (const auto node : order) {
    places.emplace(node, places.size());
  }
  std::unordered_map<std::uint32_t, std::size_t> reached;  // by session
  for (const auto node : members) {
    const auto place = places.find(node);
    if (place == places.end()) {
      continue;
    }
    auto& before = reached[frame.nodes[node].session];
    if (place->second < before) {
      return false;
    }
    before = frame.nodes[node].loose ? before : place->second;
  }
  return true;
}

class Sequential {
 public:
  Sequential(const History& history, const Budget& budget)
      : history_(history),
        budget_(budget),
        timed_(history),
        frame_(timed_.frame),
        orders_(timed_.keys.size()),
        rounds_(timed_.keys.size(), 0),
        dirty_(timed_.keys.size(), false),
        before_(frame_.nodes.size()) {}

  bool found() {
    for (std::uint32_t key = 0; key < timed_.keys.size(); ++key) {
      touch(key);
    }
    for (Node node = 0; node < frame_.nodes.size(); ++node) {
      if (frame_.nodes[node].before != kNone) {
        before_[node].push_back(frame_.nodes[node].before);
      }
      pass_on(node);
    }
    if (!narrow()) {
      return false;
    }
    const auto intervals = timed_.history.operations;
    const auto sessions = before_;
    std::vector<std::uint32_t> keys(timed_.keys.size());
    std::iota(keys.begin(), keys.end(), 0u);
    for (int tries = 1;; ++tries) {
      states_ = kFirstStates * tries * tries;
      if (std::all_of(keys.begin(), keys.end(), [&](std::uint32_t key) { return settle(key); })) {
        return proves(merged());
      }
      if (tries == kMostTries || budget_.spent(0) != nullptr) {
        return false;
      }
      // The orders found before its own leave it none; so next time it goes first.
      const auto stuck = std::find(keys.begin(), keys.end(), stuck_);
      std::rotate(keys.begin(), stuck, stuck + 1);
      timed_.history.operations = intervals;
      before_ = sessions;
      orders_.assign(keys.size(), {});
      possible_ = true;
    }
  }

 private:
  void touch(std::uint32_t key) {
    if (!dirty_[key]) {
      dirty_[key] = true;
      queue_.push_back(key);
    }
  }

  void expect(bool fits, Node node) {
    if (!fits && possible_) {
      possible_ = false;
      stuck_ = frame_.nodes[node].key;
    }
  }

  void raise_start(Node node, std::int64_t start) {
    auto& op = timed_.op(node);
    if (op.start_ns < start) {
      op.start_ns = start;
      expect(start <= op.end_ns, node);
      touch(frame_.nodes[node].key);
      pass_on(node);
    }
  }

  void lower_end(Node node, std::int64_t end) {
    auto& op = timed_.op(node);
    if (op.end_ns > end && !frame_.nodes[node].loose) {
      op.end_ns = end;
      expect(op.start_ns <= end, node);
      touch(frame_.nodes[node].key);
      pass_on(node);
    }
  }

  // Of what its session did later nothing took effect sooner; of what it did before, nothing later.
  void pass_on(Node node) {
    if (frame_.nodes[node].loose) {
      return;
    }
    const auto& session = frame_.sessions[frame_.nodes[node].session];
    const auto place = frame_.nodes[node].place;
    for (auto i = place + 1; i < session.size(); ++i) {
      auto& later = timed_.op(session[i]);
      const auto start = timed_.op(node).start_ns;
      if (later.start_ns >= start) {
        break;
      }
      later.start_ns = start;
      expect(start <= later.end_ns, session[i]);
      touch(frame_.nodes[session[i]].key);
    }
    for (auto i = place; i > 0; --i) {
      auto& earlier = timed_.op(session[i - 1]);
      const auto end = timed_.op(node).end_ns;
      if (earlier.end_ns <= end) {
        break;
      }
      earlier.end_ns = end;
      expect(earlier.start_ns <= end, session[i - 1]);
      touch(frame_.nodes[session[i - 1]].key);
    }
  }

  // Finds the key an order that fits those found so far.
  bool settle(std::uint32_t key) {
    auto wish = timed_.wish(key);
    for (const auto i : timed_.keys[key]) {
      look_back(timed_.nodes[i], wish.precedence);
    }
    auto order = find_order(timed_.history, wish, states_, budget_);
    if (!order) {
      stuck_ = key;
      return false;
    }
    orders_[key] = std::move(*order);
    link(orders_[key]);
    touch(key);
    return narrow();
  }

  bool narrow() {
    while (possible_ && !queue_.empty()) {
      const auto key = queue_.back();
      queue_.pop_back();
      dirty_[key] = false;
      if (!orders_[key].empty()) {
        keep_order(orders_[key]);
      } else if (rounds_[key]++ < kMostRounds && !narrow_key(key)) {
        return false;
      }
      if (budget_.spent(0) != nullptr) {
        return false;
      }
    }
    return possible_;
  }

  bool narrow_key(std::uint32_t key) {
    const auto intervals = narrowed(timed_.history, timed_.keys[key]);
    if (!intervals) {
      stuck_ = key;
      return false;
    }
    for (const auto& interval : *intervals) {
      raise_start(timed_.nodes[interval.operation], interval.start_ns);
      lower_end(timed_.nodes[interval.operation], interval.end_ns);
    }
    return true;
  }

  // Gets between the same two writes are in no order.
  void keep_order(const Order& order) {
    auto floor = kEver;
    auto next = kEver;
    for (const auto i : order) {
      floor = history_.operations[i].may_write() ? next : floor;
      raise_start(timed_.nodes[i], floor);
      next = std::max(next, timed_.history.operations[i].start_ns);
      floor = history_.operations[i].may_write() ? next : floor;
    }
    auto ceiling = kNever;
    auto before = kNever;
    for (auto i = order.rbegin(); i != order.rend(); ++i) {
      ceiling = history_.operations[*i].may_write() ? before : ceiling;
      lower_end(timed_.nodes[*i], ceiling);
      before = std::min(before, timed_.history.operations[*i].end_ns);
      ceiling = history_.operations[*i].may_write() ? before : ceiling;
    }
  }

  void link(const Order& order) {
    Node last = kNone;
    std::vector<Node> readers;
    for (const auto i : order) {
      const auto node = timed_.nodes[i];
      if (last != kNone) {
        before_[node].push_back(last);
      }
      if (!frame_.nodes[node].writes) {
        readers.push_back(node);
        continue;
      }
      before_[node].insert(before_[node].end(), readers.begin(), readers.end());
      readers.clear();
      last = node;
    }
  }

  // Which operations on its key come before the node by what sessions and the orders of other keys
  // say, though not by their times. What ended before it began need not be followed further back:
  // what is before that ended no later.
  void look_back(Node node, std::vector<Precedence>& found) {
    const auto start = timed_.op(node).start_ns;
    std::vector<Node> stack = {node};
    std::unordered_set<Node> met = {node};
    while (!stack.empty()) {
      const auto at = stack.back();
      stack.pop_back();
      for (const auto earlier : before_[at]) {
        if (timed_.op(earlier).end_ns < start || !met.insert(earlier).second) {
          continue;
        }
        stack.push_back(earlier);
        if (frame_.nodes[earlier].key == frame_.nodes[node].key) {
          found.push_back({frame_.nodes[earlier].op, frame_.nodes[node].op});
        }
      }
    }
  }

  // One order of all keys' operations; not all are in it if their orders go in a circle.
  std::vector<Node> merged() const {
    Links links(frame_.nodes.size());
    for (Node node = 0; node < frame_.nodes.size(); ++node) {
      for (const auto earlier : before_[node]) {
        links.add({earlier, node});
      }
    }
    auto whole = links.sorted();
    std::vector<bool> placed(frame_.nodes.size(), false);
    for (const auto& order : orders_) {
      for (const auto i : order) {
        placed[timed_.nodes[i]] = true;
      }
    }
    std::erase_if(whole, [&](Node node) { return frame_.nodes[node].loose && !placed[node]; });
    return whole;
  }

  // Told from the operations alone, not from how the order was made.
  bool proves(const std::vector<Node>& whole) const {
    const auto definite = [&](Node node) { return !frame_.nodes[node].loose; };
    std::vector<Node> all(frame_.nodes.size());
    std::iota(all.begin(), all.end(), 0u);
    if (std::count_if(whole.begin(), whole.end(), definite) !=
            std::count_if(all.begin(), all.end(), definite) ||
        !keeps_sessions(frame_, whole, all)) {
      return false;
    }
    std::vector<Order> by_key(timed_.keys.size());
    for (const auto node : whole) {
      by_key[frame_.nodes[node].key].push_back(frame_.nodes[node].op);
    }
    return std::all_of(by_key.begin(), by_key.end(),
                       [&](const Order& order) { return all_fit(history_, order); });
  }

  const History& history_;
  const Budget& budget_;
  Timed timed_;
  const Frame& frame_;
  std::vector<Order> orders_;  // per key; empty: not known yet
  std::vector<int> rounds_;    // per key
  std::vector<bool> dirty_;    // per key: intervals have changed since it was looked at
  std::vector<std::uint32_t> queue_;
  std::vector<std::vector<Node>> before_;  // per node: by its session, and the orders found
  bool possible_ = true;                   // no interval is empty
  std::uint32_t stuck_ = 0;                // the key that there was no order for
  std::uint64_t states_ = 0;
};

// Each get for itself: any moment before its end will do.
bool has_prefix_order(const History& history, const Timed& timed, std::uint32_t key,
                      const Budget& budget) {
  const auto& members = timed.keys[key];
  auto wish = timed.wish(key);
  std::unordered_map<std::uint32_t, std::uint32_t> last;  // write, by client
  for (const auto i : members) {
    const auto& op = history.operations[i];
    if (op.may_write()) {
      if (const auto before = last.find(op.client); before != last.end()) {
        wish.precedence.push_back({before->second, i});
      }
      if (op.ended != Ended::kUnknown) {
        last[op.client] = i;
      }
    }
  }
  const auto order = find_order(timed.history, wish, kMostStates, budget);
  if (!order || !all_fit(history, *order)) {
    return false;
  }
  std::vector<Node> writes;
  std::unordered_set<std::uint32_t> placed(order->begin(), order->end());
  auto latest = kEver;  // start of the writes so far
  for (const auto i : *order) {
    const auto& op = history.operations[i];
    if (op.may_write()) {
      latest = std::max(latest, op.start_ns);
      writes.push_back(timed.nodes[i]);
    } else if (op.end_ns < latest) {
      return false;
    }
  }
  const auto initial = history.initial_of(history.operations[members.front()].key);
  for (const auto i : members) {
    const auto& op = history.operations[i];
    // A compare that fails on the first state fits the prefix without writes.
    const bool fails_first =
        op.op == HistoryOp::kCas && op.ended == Ended::kFailed && op.expect != initial;
    if (!placed.contains(i) && op.ended != Ended::kUnknown && !fails_first) {
      return false;
    }
  }
  std::vector<Node> nodes;
  for (const auto i : members) {
    nodes.push_back(timed.nodes[i]);
  }
  return keeps_sessions(timed.frame, writes, nodes);
}

}  // namespace

bool has_sequential_witness(const History& history, const Budget& budget) {
  return Sequential(history, budget).found();
}

std::vector<std::uint32_t> without_prefix_witness(const History& history, const Budget& budget) {
  const Timed timed(history);
  Order open;
  for (std::uint32_t key = 0; key < timed.keys.size(); ++key) {
    if (!has_prefix_order(history, timed, key, budget)) {
      open.insert(open.end(), timed.keys[key].begin(), timed.keys[key].end());
    }
  }
  std::sort(open.begin(), open.end());
  return open;
}

}  // namespace kvorum::check
