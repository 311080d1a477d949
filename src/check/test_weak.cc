#include "check/test_weak.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <set>

#include "base/check.h"
#include "check/judge.h"
#include "check/shrink.h"

namespace kvorum::check {
namespace {

using State = std::optional<std::string>;
using Mask = std::uint32_t;

// The operations that happened, in session order; `after[i]`: those that its session puts before i.
struct World {
  const History* history;
  std::vector<Operation> ops;
  std::vector<Mask> earlier;

  std::size_t size() const { return ops.size(); }
  State text(Text value) const { return value == kAbsent ? State() : State(history->texts[value]); }
  bool writes(std::size_t i) const { return ops[i].may_write(); }
  // A cas of unknown outcome is only here if it succeeded.
  bool observes(std::size_t i) const {
    return ops[i].observes() || (ops[i].op == HistoryOp::kCas && ops[i].ended == Ended::kUnknown);
  }

  State effect(std::size_t i, const State& now) const {
    const auto& op = ops[i];
    switch (op.op) {
      case HistoryOp::kPut:
      case HistoryOp::kCas:
        return op.ended == Ended::kFailed ? now : text(op.value);
      case HistoryOp::kDelete:
        return {};
      case HistoryOp::kAppend:
        return now.value_or("") + history->texts[op.value];
      case HistoryOp::kIncr:
        return std::to_string(std::stoll(now.value_or("0")) + op.by);
      case HistoryOp::kGet:
        return now;
    }
    return now;
  }

  bool fits(std::size_t i, const State& now) const {
    const auto& op = ops[i];
    switch (op.op) {
      case HistoryOp::kGet:
        return op.ended != Ended::kOk || now == text(op.value);
      case HistoryOp::kCas:
        if (op.ended == Ended::kFailed) {
          return op.never_ran || now != text(op.expect);
        }
        return now == text(op.expect);
      case HistoryOp::kIncr:
        return op.ended != Ended::kOk || effect(i, now) == text(op.value);
      default:
        return true;
    }
  }
};

// Calls with every world: the certain operations and some of the unknown ones.
bool any_world(const History& history, const std::function<bool(const World&)>& holds) {
  std::vector<std::size_t> order(history.operations.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return history.operations[a].start_ns < history.operations[b].start_ns;
  });
  std::vector<std::size_t> unknown;
  for (const auto i : order) {
    if (history.operations[i].ended == Ended::kUnknown && history.operations[i].is_write()) {
      unknown.push_back(i);
    }
  }
  for (Mask chosen = 0; chosen < (1u << unknown.size()); ++chosen) {
    World world{&history, {}, {}};
    for (const auto i : order) {
      const auto& op = history.operations[i];
      const auto at = std::find(unknown.begin(), unknown.end(), i) - unknown.begin();
      const bool happened = op.ended == Ended::kUnknown ? (op.is_write() && (chosen >> at & 1) != 0)
                                                        : op.may_write() || op.observes();
      if (!happened) {
        continue;
      }
      Mask earlier = 0;
      for (std::size_t j = 0; j < world.size(); ++j) {
        if (world.ops[j].client == op.client && world.ops[j].ended != Ended::kUnknown) {
          earlier |= 1u << j;
        }
      }
      world.ops.push_back(op);
      world.earlier.push_back(earlier);
    }
    if (holds(world)) {
      return true;
    }
  }
  return false;
}

// Tries all orders of `members` that respect `before` (a mask per operation); `step` is asked for
// each next one, with the mask of those already placed, and may refuse; `done` at the end.
bool any_order(Mask members, const std::vector<Mask>& before, std::vector<std::size_t>& order,
               const std::function<bool(const std::vector<std::size_t>&)>& good) {
  Mask placed = 0;
  for (const auto i : order) {
    placed |= 1u << i;
  }
  if (placed == members) {
    return good(order);
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    if ((members >> i & 1) != 0 && (placed >> i & 1) == 0 && (before[i] & members & ~placed) == 0) {
      order.push_back(i);
      if (any_order(members, before, order, good)) {
        return true;
      }
      order.pop_back();
    }
  }
  return false;
}

State initial(const World& world, Text key) { return world.text(world.history->initial_of(key)); }

// Whether the operations of `asked` fit when the order is played through.
bool plays(const World& world, const std::vector<std::size_t>& order, Mask asked) {
  std::map<Text, State> states;
  for (const auto i : order) {
    const auto key = world.ops[i].key;
    auto& now = states.try_emplace(key, initial(world, key)).first->second;
    if ((asked >> i & 1) != 0 && world.observes(i) && !world.fits(i, now)) {
      return false;
    }
    if (world.writes(i)) {
      now = world.effect(i, now);
    }
  }
  return true;
}

Mask all_of(const World& world) { return static_cast<Mask>((1u << world.size()) - 1); }

// All transitive relations (a mask of predecessors each) that contain the sessions.
bool any_causal_order(const World& world,
                      const std::function<bool(const std::vector<Mask>&)>& holds) {
  CHECK_LE(world.size(), 6u);
  std::set<std::vector<Mask>> met;
  std::vector<std::vector<Mask>> queue = {world.earlier};
  met.insert(world.earlier);
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const auto order = queue[at];
    if (holds(order)) {
      return true;
    }
    for (std::size_t a = 0; a < world.size(); ++a) {
      for (std::size_t b = 0; b < world.size(); ++b) {
        if (a == b || (order[b] >> a & 1) != 0 || (order[a] >> b & 1) != 0) {
          continue;
        }
        auto longer = order;
        for (std::size_t c = 0; c < world.size(); ++c) {
          if (c == b || (order[c] >> b & 1) != 0) {
            longer[c] |= order[a] | (1u << a);
          }
        }
        if (met.insert(longer).second) {
          queue.push_back(longer);
        }
      }
    }
  }
  return false;
}

bool causal_for_each(const World& world, const std::vector<Mask>& past, bool whole_session) {
  for (std::size_t i = 0; i < world.size(); ++i) {
    std::vector<std::size_t> order;
    const Mask asked = whole_session ? world.earlier[i] | (1u << i) : 1u << i;
    if (!any_order(past[i] | (1u << i), past, order,
                   [&](const auto& whole) { return plays(world, whole, asked); })) {
      return false;
    }
  }
  return true;
}

// What the visible writes make of the key, in arbitration's order.
State folded(const World& world, const std::vector<std::size_t>& arbitration, Mask visible,
             Text key) {
  auto now = initial(world, key);
  for (const auto w : arbitration) {
    if ((visible >> w & 1) != 0 && world.ops[w].key == key && world.writes(w)) {
      now = world.effect(w, now);
    }
  }
  return now;
}

bool converging(const World& world, const std::vector<Mask>& past) {
  std::vector<std::size_t> order;
  return any_order(all_of(world), past, order, [&](const auto& arbitration) {
    for (std::size_t i = 0; i < world.size(); ++i) {
      if (world.observes(i) &&
          !world.fits(i, folded(world, arbitration, past[i], world.ops[i].key))) {
        return false;
      }
    }
    return true;
  });
}

class Sessions {
 public:
  Sessions(const World& world, const std::vector<ModelKind>& kinds) : world_(world) {
    for (const auto kind : kinds) {
      asked_.insert(kind);
    }
    for (std::size_t i = 0; i < world.size(); ++i) {
      writes_ |= world.writes(i) ? 1u << i : 0;
      if (world.observes(i)) {
        readers_.push_back(i);
      }
    }
    visible_.assign(world.size(), 0);
  }

  bool hold() {
    std::vector<std::size_t> order;
    return any_order(writes_, world_.earlier, order, [&](const auto& arbitration) {
      arbitration_ = arbitration;
      return choose(0);
    });
  }

 private:
  // Visibility of the readers from the n-th on.
  bool choose(std::size_t n) {
    if (n == readers_.size()) {
      return rules_hold();
    }
    const auto reader = readers_[n];
    const Mask possible = writes_ & ~(1u << reader);
    for (Mask seen = possible;; seen = (seen - 1) & possible) {
      visible_[reader] = seen;
      if (world_.fits(reader, folded(world_, arbitration_, seen, world_.ops[reader].key)) &&
          choose(n + 1)) {
        return true;
      }
      if (seen == 0) {
        return false;
      }
    }
  }

  bool rules_hold() const {
    return acyclic() &&
           std::all_of(readers_.begin(), readers_.end(),
                       [&](std::size_t reader) { return rules_hold_for(reader); }) &&
           (!asked_.contains(ModelKind::kWritesFollowReads) || arbitration_follows_reads());
  }

  bool rules_hold_for(std::size_t reader) const {
    const auto seen = visible_[reader];
    const auto earlier = world_.earlier[reader];
    if (asked_.contains(ModelKind::kReadYourWrites) && (earlier & writes_ & ~seen) != 0) {
      return false;
    }
    for (std::size_t i = 0; i < world_.size(); ++i) {
      const bool before = (earlier >> i & 1) != 0;
      if (asked_.contains(ModelKind::kMonotonicReads) && before && (visible_[i] & ~seen) != 0) {
        // Its own write is no part of what it has to see.
        if ((visible_[i] & ~seen & ~(1u << reader)) != 0) {
          return false;
        }
      }
      if ((seen >> i & 1) == 0) {
        continue;
      }
      if (asked_.contains(ModelKind::kMonotonicWrites) &&
          (world_.earlier[i] & writes_ & ~seen & ~(1u << reader)) != 0) {
        return false;
      }
      if (asked_.contains(ModelKind::kWritesFollowReads) &&
          (read_before(i) & ~seen & ~(1u << reader)) != 0) {
        return false;
      }
    }
    return true;
  }

  // What the write's session had read before writing it; a cas reads first.
  Mask read_before(std::size_t write) const {
    Mask all = visible_[write];
    for (std::size_t i = 0; i < world_.size(); ++i) {
      all |= (world_.earlier[write] >> i & 1) != 0 ? visible_[i] : 0;
    }
    return all;
  }

  bool arbitration_follows_reads() const {
    Mask before = 0;
    for (const auto write : arbitration_) {
      if ((read_before(write) & ~before) != 0) {
        return false;
      }
      before |= 1u << write;
    }
    return true;
  }

  bool acyclic() const {
    auto before = world_.earlier;
    for (const auto reader : readers_) {
      before[reader] |= visible_[reader];
    }
    for (std::size_t middle = 0; middle < before.size(); ++middle) {
      for (auto& mask : before) {
        mask |= (mask >> middle & 1) != 0 ? before[middle] : 0;
      }
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      if ((before[i] >> i & 1) != 0) {
        return false;
      }
    }
    return true;
  }

  const World& world_;
  std::set<ModelKind> asked_;
  Mask writes_ = 0;
  std::vector<std::size_t> readers_;
  std::vector<Mask> visible_;
  std::vector<std::size_t> arbitration_;
};

}  // namespace

bool brute_sequential(const History& history) {
  return any_world(history, [](const World& world) {
    std::vector<std::size_t> order;
    return any_order(all_of(world), world.earlier, order,
                     [&](const auto& whole) { return plays(world, whole, all_of(world)); });
  });
}

bool brute_causal(const History& history, ModelKind kind) {
  return any_world(history, [kind](const World& world) {
    return any_causal_order(world, [&](const std::vector<Mask>& past) {
      return kind == ModelKind::kCcv ? converging(world, past)
                                     : causal_for_each(world, past, kind == ModelKind::kCm);
    });
  });
}

bool brute_session(const History& history, const std::vector<ModelKind>& kinds) {
  return any_world(history, [&](const World& world) { return Sessions(world, kinds).hold(); });
}

bool brute_prefix(const History& history) {
  return any_world(history, [](const World& world) {
    Mask writes = 0;
    Mask readers = 0;
    std::set<Text> keys;
    for (std::size_t i = 0; i < world.size(); ++i) {
      (world.writes(i) ? writes : readers) |= 1u << i;
      keys.insert(world.ops[i].key);
    }
    return std::all_of(keys.begin(), keys.end(), [&](Text key) {
      Mask mine = 0;
      for (std::size_t i = 0; i < world.size(); ++i) {
        mine |= world.ops[i].key == key ? 1u << i : 0;
      }
      std::vector<std::size_t> order;
      return any_order(writes & mine, world.earlier, order, [&](const auto& whole) {
        Mask left = readers & mine;
        auto now = initial(world, key);
        std::int64_t latest = std::numeric_limits<std::int64_t>::min();
        for (std::size_t length = 0;; ++length) {
          for (std::size_t i = 0; i < world.size(); ++i) {
            if (world.fits(i, now) && world.ops[i].end_ns >= latest) {
              left &= ~(1u << i);
            }
          }
          if (length == whole.size()) {
            return left == 0;
          }
          const auto next = whole[length];
          if (world.observes(next) && !world.fits(next, now)) {
            return false;
          }
          now = world.effect(next, now);
          latest = std::max(latest, world.ops[next].start_ns);
        }
      });
    });
  });
}

bool brute_convergence(const History& history) {
  return any_world(history, [](const World& world) {
    std::vector<std::size_t> order;
    const std::vector<Mask> unordered(world.size(), 0);
    Mask writes = 0;
    for (std::size_t i = 0; i < world.size(); ++i) {
      writes |= world.writes(i) ? 1u << i : 0;
    }
    return any_order(writes, unordered, order, [&](const auto& arbitration) {
      for (std::size_t i = 0; i < world.size(); ++i) {
        if (world.ops[i].final &&
            !world.fits(i, folded(world, arbitration, writes, world.ops[i].key))) {
          return false;
        }
      }
      return true;
    });
  });
}

void expect_proof(const History& history, const Verdict& verdict, const Model& model) {
  ASSERT_EQ(verdict.answer, Answer::kViolation) << verdict.reason << " " << verdict.detail;
  EXPECT_FALSE(verdict.sentence.empty());
  ASSERT_FALSE(verdict.core.empty());
  ASSERT_TRUE(std::is_sorted(verdict.core.begin(), verdict.core.end()));
  const auto again = judge(part_of(history, verdict.core), model, {});
  EXPECT_EQ(again.answer, Answer::kViolation) << verdict.sentence << listed(history);
  for (const auto& edge : verdict.edges) {
    EXPECT_FALSE(edge.why.empty());
    for (const auto end : {edge.from, edge.to}) {
      EXPECT_TRUE(std::binary_search(verdict.core.begin(), verdict.core.end(), end))
          << verdict.sentence << listed(history);
    }
  }
}

Tally compare(const RandomHistory& options, int rounds, const Model& model,
              const std::function<bool(const History&)>& brute) {
  Tally tally;
  for (int seed = 0; seed < rounds && !testing::Test::HasFailure(); ++seed) {
    Prng prng(static_cast<std::uint64_t>(seed));
    auto sized = options;
    sized.operations = 2 + seed % (options.operations - 1);
    const auto history = random_history(prng, sized);
    const auto verdict = judge(history, model, {});
    ++(verdict.answer == Answer::kOk          ? tally.ok
       : verdict.answer == Answer::kViolation ? tally.violation
                                              : tally.unknown);
    if (verdict.answer == Answer::kUnknown) {
      continue;
    }
    EXPECT_EQ(verdict.answer == Answer::kOk, brute(history))
        << to_string(model) << " seed " << seed << listed(history) << "\n"
        << verdict.sentence;
    if (verdict.answer == Answer::kViolation) {
      expect_proof(history, verdict, model);
    }
  }
  return tally;
}

std::vector<RandomHistory> kinds_of_histories() {
  std::vector<RandomHistory> out;
  out.push_back({});
  out.push_back({.sessions = 3});
  out.push_back({.keys = 1});
  out.push_back({.unique = false});
  out.push_back({.unique = false, .removed = true});
  out.push_back({.keys = 1, .composed = true});
  out.push_back({.sessions = 3, .composed = true, .compared = false});
  out.push_back({.keys = 1, .counted = true});
  out.push_back({.sessions = 3, .compared = false, .unknown_percent = 40});
  return out;
}

std::string listed(const History& history) {
  std::string out;
  for (const auto& op : history.operations) {
    out += "\n  " + describe(history, op) + (op.final ? " final" : "");
  }
  return out;
}

}  // namespace kvorum::check
