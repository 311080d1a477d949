#include "check/order_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace kvorum::check {
namespace {

// States are told apart by 128 bits: two of 2^30 different ones are alike with a chance below
// 2^-68.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

constexpr std::uint64_t kLow = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kHigh = 0xd1342543de82ef95;
constexpr std::uint64_t kDead = 0xffffffff;  // stands for every value that nothing needs
constexpr std::size_t kBytesPerState = 40;

}  // namespace

OrderSearch::OrderSearch(const OrderTask& task, const Budget& budget)
    : task_(task),
      frame_(*task.frame),
      budget_(budget),
      values_(frame_.history->texts),
      items_(frame_.nodes.size()),
      keys_(frame_.keys.size()),
      unblocks_(frame_.nodes.size()),
      position_(task.lanes.size(), 0) {
  index_order();
  index_values();
}

void OrderSearch::index_order() {
  std::vector<Node> all;
  for (std::uint32_t lane = 0; lane < task_.lanes.size(); ++lane) {
    for (const auto node : task_.lanes[lane]) {
      items_[node].lane = lane;
      keys_[frame_.nodes[node].key].nodes.push_back(node);
      left_ += task_.optional[node] ? 0 : 1;
      all.push_back(node);
    }
  }
  fewest_left_ = left_ + 1;
  for (const auto& [first, second] : task_.precedence) {
    if (items_[first].lane != kNone && items_[second].lane != kNone) {
      unblocks_[first].push_back(second);
      ++items_[second].blocked;
    }
  }
  // The order of ends is most likely the one that the store chose. A write of unknown outcome ended
  // no later than the first observation of it; others come last.
  std::vector<std::int64_t> ends(frame_.nodes.size(), kNever);
  for (const auto node : all) {
    ends[node] = std::min(ends[node], frame_.op(node).end_ns);
    if (task_.given->saw[node] != nullptr) {
      for (const auto write : task_.given->saw[node]->writes) {
        if (write != kInitial) {
          ends[write] = std::min(ends[write], frame_.op(node).end_ns);
        }
      }
    }
  }
  std::sort(all.begin(), all.end(), [&](Node a, Node b) {
    return std::tie(ends[a], frame_.op(a).start_ns, a) <
           std::tie(ends[b], frame_.op(b).start_ns, b);
  });
  for (std::uint32_t rank = 0; rank < all.size(); ++rank) {
    items_[all[rank]].rank = rank;
  }
}

Node OrderSearch::front(std::size_t lane) const {
  return position_[lane] < task_.lanes[lane].size() ? task_.lanes[lane][position_[lane]] : kNone;
}

OrderSearch::Cell OrderSearch::cell(std::uint32_t key, Text value) {
  const auto [found, fresh] =
      cell_index_.try_emplace((std::uint64_t{key} << 32) | value, static_cast<Cell>(cells_.size()));
  if (fresh) {
    cells_.emplace_back();
  }
  return found->second;
}

OrderSearch::Cell OrderSearch::find_cell(std::uint32_t key, Text value) const {
  const auto found = cell_index_.find((std::uint64_t{key} << 32) | value);
  return found == cell_index_.end() ? kNoCell : found->second;
}

// What the key holds after the node, where that does not depend on what it held before.
std::optional<Text> OrderSearch::after(Node node) const {
  const auto& op = frame_.op(node);
  switch (op.op) {
    case HistoryOp::kDelete:
      return kAbsent;
    case HistoryOp::kPut:
    case HistoryOp::kCas:
      return op.value;
    case HistoryOp::kIncr:
      return frame_.nodes[node].observes ? std::optional(op.value) : std::nullopt;
    default:
      return std::nullopt;
  }
}

void OrderSearch::index_values() {
  for (std::uint32_t number = 0; number < keys_.size(); ++number) {
    auto& key = keys_[number];
    for (const auto node : key.nodes) {
      const auto& op = frame_.op(node);
      auto& item = items_[node];
      const bool failed = op.ended == Ended::kFailed;
      if (op.op == HistoryOp::kGet || (op.op == HistoryOp::kCas && !failed)) {
        item.needs = cell(number, op.op == HistoryOp::kGet ? op.value : op.expect);
      } else if (op.op == HistoryOp::kIncr && frame_.nodes[node].observes && op.value != kAbsent) {
        const auto result = values_.number(op.value);
        std::int64_t before = 0;
        // Before 0 came absent or "0": that is no single state.
        if (result && !__builtin_sub_overflow(*result, op.by, &before) && before != 0) {
          item.needs = cell(number, values_.of_number(before));
        }
      }
      const auto makes = failed ? std::nullopt : after(node);
      if (makes) {
        item.makes = cell(number, *makes);
      }
      key.composed = key.composed || (op.may_write() && !makes);
    }
    const auto initial = frame_.history->initial_of(frame_.keys[number]);
    for (const auto node : key.nodes) {
      const auto& op = frame_.op(node);
      const bool cas = op.op == HistoryOp::kCas && !task_.optional[node];
      const bool fails = cas && op.ended == Ended::kFailed;
      // What the key never holds is never found.
      const bool fails_always =
          fails && !key.composed && op.expect != initial && find_cell(number, op.expect) == kNoCell;
      items_[node].odd = op.op != HistoryOp::kGet && op.op != HistoryOp::kPut &&
                         op.op != HistoryOp::kDelete && !(cas && !fails) && !fails_always;
      items_[node].watches = op.op == HistoryOp::kGet || op.op == HistoryOp::kIncr ||
                             (op.op == HistoryOp::kCas && !fails_always);
      count(node, 1);
      if (const auto* chain = task_.given->saw[node]) {
        if (chain->base() == kInitial) {
          wait_for(node, 1);
        } else {
          items_[chain->base()].seen_by.push_back(node);
        }
      }
    }
    key.value = frame_.history->initial_of(frame_.keys[number]);
    key.cell = find_cell(number, key.value);
    rehash(number);
  }
}

// What is to come needs and leaves these states. An optional cas needs nothing: it may not happen.
void OrderSearch::count(Node node, int sign) {
  const auto& item = items_[node];
  if (item.needs != kNoCell && !task_.optional[node]) {
    cells_[item.needs].needed += static_cast<std::uint32_t>(sign);
  }
  if (item.makes != kNoCell) {
    cells_[item.makes].makers += static_cast<std::uint32_t>(sign);
  }
  auto& key = keys_[frame_.nodes[node].key];
  key.odd += item.odd ? static_cast<std::uint32_t>(sign) : 0;
  key.watchers += item.watches ? static_cast<std::uint32_t>(sign) : 0;
}

// The value that the reader saw has been set (or, with -1, that is over, or undone).
void OrderSearch::wait_for(Node reader, int sign) {
  const auto& chain = *task_.given->saw[reader];
  keys_[frame_.nodes[reader].key].waiting += static_cast<std::uint32_t>(sign);
  items_[reader].expected += static_cast<std::uint32_t>(sign);
  for (std::size_t i = 1; i < chain.writes.size(); ++i) {
    items_[chain.writes[i]].expected += static_cast<std::uint32_t>(sign);
  }
}

// Keeps account of who waits, when the node is taken (1) or given back (-1).
void OrderSearch::pass(Node node, int sign) {
  count(node, -sign);
  if (task_.given->saw[node] != nullptr) {
    wait_for(node, -sign);
  }
  for (const auto reader : items_[node].seen_by) {
    wait_for(reader, sign);
  }
}

// The key's value after the node, were it next; empty if its outcome does not fit.
std::optional<Text> OrderSearch::outcome(Node node) {
  const auto& op = frame_.op(node);
  const auto now = keys_[frame_.nodes[node].key].value;
  switch (op.op) {
    case HistoryOp::kGet:
      return now == op.value ? std::optional(now) : std::nullopt;
    case HistoryOp::kPut:
      return op.value;
    case HistoryOp::kDelete:
      return kAbsent;
    case HistoryOp::kAppend:
      return values_.appended(now, op.value);
    case HistoryOp::kCas:
      if (op.ended == Ended::kFailed) {
        return now != op.expect ? std::optional(now) : std::nullopt;
      }
      return now == op.expect ? std::optional(op.value) : std::nullopt;
    case HistoryOp::kIncr: {
      const auto sum = values_.increased(now, op.by);
      return frame_.nodes[node].observes && sum != op.value ? std::nullopt : sum;
    }
  }
  return std::nullopt;
}

// Whether taking the node now cannot be a mistake.
bool OrderSearch::free_to_take(Node node) {
  if (items_[node].blocked != 0) {
    return false;
  }
  if (!frame_.nodes[node].writes) {
    return outcome(node).has_value();
  }
  const auto& key = keys_[frame_.nodes[node].key];
  const auto& item = items_[node];
  if (task_.optional[node] || key.waiting != 0) {
    return false;
  }
  if (key.watchers == 0) {
    return true;
  }
  const auto unneeded = [&](Cell cell) { return cell == kNoCell || cells_[cell].needed == 0; };
  return key.odd == 0 && item.needs == kNoCell && unneeded(item.makes) && unneeded(key.cell);
}

// Whether overwriting the key's value with `value` takes away what something to come needs.
bool OrderSearch::buries(Node node, Text value) const {
  const auto& key = keys_[frame_.nodes[node].key];
  const auto& item = items_[node];
  if (item.expected != key.waiting) {
    return true;
  }
  if (key.cell == kNoCell || key.value == value) {
    return false;
  }
  const auto& use = cells_[key.cell];
  const auto own = item.needs == key.cell && !task_.optional[node] ? 1u : 0u;
  if (use.needed <= own) {
    return false;
  }
  // Appends and blind increments can come back to any value.
  return use.makers == 0 && !key.composed;
}

void OrderSearch::rehash(std::uint32_t number) {
  auto& key = keys_[number];
  const bool dead =
      key.watchers == 0 || (key.odd == 0 && (key.cell == kNoCell || cells_[key.cell].needed == 0));
  const auto content = (std::uint64_t{number} << 32) | (dead ? kDead : key.value);
  positions_.low -= key.low;
  positions_.high -= key.high;
  key.low = mix(content * kLow + 1);
  key.high = mix(content * kHigh + 2);
  positions_.low += key.low;
  positions_.high += key.high;
}

void OrderSearch::set_value(std::uint32_t number, Text value) {
  auto& key = keys_[number];
  if (key.value != value) {
    key.value = value;
    key.cell = find_cell(number, value);
  }
  rehash(number);
}

void OrderSearch::take(Node node) {
  const auto number = frame_.nodes[node].key;
  const auto value = *outcome(node);
  const auto before = keys_[number].value;
  steps_.push_back({node, before});
  pass(node, 1);
  set_value(number, value);
  const auto lane = items_[node].lane;
  const auto place = ++position_[lane];
  const auto content = (std::uint64_t{lane} << 32) | place;
  positions_.low += mix(content * kLow + 3);
  positions_.high += mix(content * kHigh + 4);
  left_ -= task_.optional[node] ? 0 : 1;
  if (place < task_.lanes[lane].size()) {
    look_.push_back(task_.lanes[lane][place]);
  }
  for (const auto next : unblocks_[node]) {
    if (--items_[next].blocked == 0) {
      look_.push_back(next);
    }
  }
  // Reading changes what is needed, writing also what fits.
  for (std::size_t other = 0; other < task_.lanes.size(); ++other) {
    const auto next = front(other);
    if (next != kNone && frame_.nodes[next].key == number) {
      look_.push_back(next);
    }
  }
}

void OrderSearch::undo(std::size_t steps) {
  while (steps_.size() > steps) {
    const auto [node, value] = steps_.back();
    steps_.pop_back();
    for (const auto next : unblocks_[node]) {
      ++items_[next].blocked;
    }
    const auto lane = items_[node].lane;
    const auto content = (std::uint64_t{lane} << 32) | position_[lane];
    positions_.low -= mix(content * kLow + 3);
    positions_.high -= mix(content * kHigh + 4);
    --position_[lane];
    left_ += task_.optional[node] ? 0 : 1;
    pass(node, -1);
    set_value(frame_.nodes[node].key, value);
  }
  look_.clear();
}

// Takes all that is free to take.
void OrderSearch::close() {
  while (!look_.empty()) {
    const auto node = look_.back();
    look_.pop_back();
    if (front(items_[node].lane) == node && free_to_take(node)) {
      take(node);
    }
  }
}

// Whether an operation that could be next finds what it needs only after the optional write. In any
// order that fits, such a write can be put off until right before one that does; or left out.
bool OrderSearch::helps(Node write, Text value, const std::vector<Node>& fronts) {
  auto& key = keys_[frame_.nodes[write].key];
  for (const auto next : fronts) {
    if (next == write || frame_.nodes[next].key != frame_.nodes[write].key) {
      continue;
    }
    const auto& op = frame_.op(next);
    if (op.op == HistoryOp::kAppend ||
        (op.op == HistoryOp::kIncr && !frame_.nodes[next].observes)) {
      return true;
    }
    if (op.op == HistoryOp::kPut || op.op == HistoryOp::kDelete || outcome(next)) {
      continue;
    }
    const auto now = std::exchange(key.value, value);
    const bool fits = outcome(next).has_value();
    key.value = now;
    if (fits) {
      return true;
    }
  }
  return false;
}

std::vector<Node> OrderSearch::candidates() {
  std::vector<Node> fronts;
  for (std::size_t lane = 0; lane < task_.lanes.size(); ++lane) {
    const auto node = front(lane);
    if (node != kNone && items_[node].blocked == 0) {
      fronts.push_back(node);
    }
  }
  std::vector<Node> found;
  for (const auto node : fronts) {
    const auto value = outcome(node);
    if (value && !buries(node, *value) && (!task_.optional[node] || helps(node, *value, fronts))) {
      found.push_back(node);
    }
  }
  std::sort(found.begin(), found.end(),
            [&](Node a, Node b) { return items_[a].rank < items_[b].rank; });
  return found;
}

bool OrderSearch::seen_before() { return !seen_.insert(positions_).second; }

void OrderSearch::note_longest() {
  if (left_ >= fewest_left_) {
    return;
  }
  fewest_left_ = left_;
  result_.longest.clear();
  for (const auto& step : steps_) {
    result_.longest.push_back(step.node);
  }
  result_.state = state();
}

std::string OrderSearch::state() const {
  constexpr std::size_t kMostKeys = 8;
  std::string out;
  std::size_t told = 0;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i].nodes.empty()) {
      continue;
    }
    if (++told > kMostKeys) {
      return out + ", ...";
    }
    const auto value = keys_[i].value;
    out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", frame_.history->texts[frame_.keys[i]],
                       value == kAbsent ? "absent" : values_.text(value));
  }
  return out;
}

OrderResult OrderSearch::run() {
  for (const auto& lane : task_.lanes) {
    if (!lane.empty()) {
      look_.push_back(lane.front());
    }
  }
  close();
  for (;;) {
    if (left_ == 0) {
      note_longest();
      result_.answer = Answer::kOk;
      return std::move(result_);
    }
    const char* reason = nullptr;
    if (result_.nodes % 64 == 0) {
      reason = budget_.spent(seen_.size() * kBytesPerState + values_.bytes());
    }
    if (task_.most_nodes != 0 && result_.nodes >= task_.most_nodes) {
      reason = "time";
    }
    if (reason != nullptr) {
      note_longest();
      result_.reason = reason;
      return std::move(result_);
    }
    if (!seen_before()) {
      ++result_.nodes;
      levels_.push_back({candidates(), 0, steps_.size()});
    }
    if (levels_.empty() || steps_.size() > levels_.back().steps ||
        levels_.back().candidates.empty()) {
      note_longest();
    }
    while (!levels_.empty() && levels_.back().next == levels_.back().candidates.size()) {
      levels_.pop_back();
    }
    if (levels_.empty()) {
      result_.answer = Answer::kViolation;
      return std::move(result_);
    }
    auto& level = levels_.back();
    undo(level.steps);
    take(level.candidates[level.next++]);
    close();
  }
}

}  // namespace kvorum::check
