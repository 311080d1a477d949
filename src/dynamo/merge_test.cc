// Rows against causal histories. The model keeps, for each write, the set of writes that its writer
// had seen; what a replica knows is a plain set of writes, merged by union; what must be there is
// what no other known write has seen. It shares nothing with rows but dots as names.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include "dynamo/version.h"

namespace kvorum::dynamo {
namespace {

using Dots = std::set<Dot>;
// What to do, where, and two numbers to choose with.
using Step = std::tuple<std::uint8_t, std::uint8_t, std::uint8_t, std::uint8_t>;
using Steps = std::vector<Step>;

constexpr std::size_t kReplicas = 4;
constexpr std::size_t kClients = 3;

// Always of full size: what matters takes some dozen steps.
Steps any_steps() {
  const auto byte = rc::gen::map(rc::gen::inRange(0, 256),
                                 [](int raw) { return static_cast<std::uint8_t>(raw); });
  const auto steps = rc::gen::container<Steps>(rc::gen::tuple(byte, byte, byte, byte));
  return *rc::gen::resize(rc::kNominalSize, steps);
}

struct Known {
  Row row;
  Dots dots;  // the model's
};

class World {
 public:
  // With `conflict`, replicas settle whenever they change a row. `skewed`: clocks differ and learn
  // nothing from one another, so stamps may go against causality.
  explicit World(Conflict conflict = Conflict::kSiblings, bool skewed = false)
      : conflict_(conflict), skewed_(skewed) {}

  void run(const Steps& steps) {
    for (const auto& step : steps) {
      take(step);
    }
  }

  void take(const Step& step) {
    const auto [what, where, a, b] = step;
    const auto at = where % kReplicas;
    auto& here = replicas_[at];
    auto& client = clients_[a % kClients];
    switch (what % 7) {
      case 0:
        return write(at, b, here);
      case 1:
        return write(at, b, client);
      case 2:
        return write(at, b, {});  // blind
      case 3:
        client = here;
        return;
      case 4:
        sent_.push_back(here);
        return;
      default:  // any message, late or again
        if (!sent_.empty()) {
          deliver(at, sent_[(a * 256u + b) % sent_.size()]);
        }
    }
  }

  void deliver(std::size_t at, const Known& from) {
    auto& here = replicas_[at];
    const Row old = here.row;
    const bool changed = merge(here.row, from.row);
    RC_ASSERT(changed == (here.row != old));
    here.dots.insert(from.dots.begin(), from.dots.end());
    settle_at(at);
  }

  // Until nothing changes any more. False: it goes on for too long.
  bool gossip() {
    for (int round = 0; round < 20; ++round) {
      const auto old = replicas_;
      for (std::size_t to = 0; to < kReplicas; ++to) {
        for (std::size_t from = 0; from < kReplicas; ++from) {
          deliver(to, replicas_[from]);
        }
      }
      if (std::equal(old.begin(), old.end(), replicas_.begin(),
                     [](const Known& a, const Known& b) { return a.row == b.row; })) {
        return true;
      }
    }
    return false;
  }

  // Of the known writes those that no known write has seen.
  Dots latest(const Dots& dots) const {
    Dots seen;
    for (const auto& dot : dots) {
      seen.insert(seen_by_.at(dot).begin(), seen_by_.at(dot).end());
    }
    Dots out;
    std::set_difference(dots.begin(), dots.end(), seen.begin(), seen.end(),
                        std::inserter(out, out.end()));
    return out;
  }

  const std::array<Known, kReplicas>& replicas() const { return replicas_; }
  std::uint64_t stamp_of(const Dot& dot) const { return stamps_.at(dot); }

  // Every row that there was.
  std::vector<Known> rows() const {
    auto rows = sent_;
    rows.insert(rows.end(), replicas_.begin(), replicas_.end());
    return rows;
  }

 private:
  void write(std::size_t at, std::uint8_t choice, const Known& seen) {
    auto& here = replicas_[at];
    counters_[at] += 1 + choice % 3;  // other keys use counters, too
    Sibling fresh;
    fresh.dot = {{NodeId(static_cast<std::uint32_t>(1 + at)), Incarnation(70 + at)}, counters_[at]};
    fresh.stamp.packed = stamp(at, choice);
    fresh.deleted = choice % 5 == 0;
    fresh.value = fresh.deleted ? Bytes() : Bytes(1, static_cast<char>('a' + choice % 7));
    if (choice % 4 == 0) {
      fresh.deadline = WallMs(choice);
    }
    const Dots past = seen.dots;  // a copy: `seen` may be `here`
    put(here.row, fresh, Context(seen.row.context));
    seen_by_[fresh.dot] = past;
    stamps_[fresh.dot] = fresh.stamp.packed;
    here.dots.insert(past.begin(), past.end());
    here.dots.insert(fresh.dot);
    settle_at(at);
  }

  // Causal: above all that there is; that is more than a hybrid clock promises, but not in the
  // order of replicas or counters.
  std::uint64_t stamp(std::size_t at, std::uint8_t choice) {
    if (skewed_) {
      return counters_[at] * (1 + choice % 8);
    }
    clock_ += 1 + choice;
    return clock_;
  }

  void settle_at(std::size_t at) {
    std::vector<Sibling> losers;
    const auto before = replicas_[at].row;
    settle(replicas_[at].row, conflict_, losers);
    RC_ASSERT(replicas_[at].row.siblings.size() + losers.size() == before.siblings.size());
  }

  Conflict conflict_;
  bool skewed_;
  std::uint64_t clock_ = 0;
  std::array<std::uint64_t, kReplicas> counters_{};
  std::array<Known, kReplicas> replicas_;
  std::array<Known, kClients> clients_;
  std::vector<Known> sent_;
  std::map<Dot, Dots> seen_by_;
  std::map<Dot, std::uint64_t> stamps_;
};

Dots dots_of(const Row& row) {
  Dots dots;
  for (const auto& sibling : row.siblings) {
    dots.insert(sibling.dot);
  }
  return dots;
}

// The row holds what the model's set says, in order, and its context covers nothing else.
void expect_fits(const World& world, const Known& known) {
  RC_ASSERT(dots_of(known.row) == world.latest(known.dots));
  RC_ASSERT(std::is_sorted(known.row.siblings.begin(), known.row.siblings.end(),
                           [](const auto& a, const auto& b) { return a.dot < b.dot; }));
  Context context;
  for (const auto& dot : known.dots) {
    context.add(dot);
  }
  RC_ASSERT(known.row.context == context);
}

Row merged(Row a, const Row& b) {
  merge(a, b);
  return a;
}

std::vector<Known> shuffled(std::vector<Known> rows) {
  const auto keys = *rc::gen::container<std::vector<std::uint32_t>>(
      rows.size(), rc::gen::arbitrary<std::uint32_t>());
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; });
  std::vector<Known> out;
  for (const auto at : order) {
    out.push_back(rows[at]);
  }
  return out;
}

RC_GTEST_PROP(Merge, RowsHoldWhatNothingSeenSupersedes, ()) {
  const auto steps = any_steps();
  World world;
  for (const auto& step : steps) {
    world.take(step);
    expect_fits(world, world.replicas()[std::get<1>(step) % kReplicas]);
  }
}

RC_GTEST_PROP(Merge, IsAssociativeCommutativeAndIdempotent, ()) {
  const auto steps = any_steps();
  World world;
  world.run(steps);
  const auto rows = world.rows();
  const auto pick = [&] { return rows[*rc::gen::inRange<std::size_t>(0, rows.size())].row; };
  const auto a = pick();
  const auto b = pick();
  const auto c = pick();
  RC_ASSERT(merged(a, a) == a);
  RC_ASSERT(merged(a, {}) == a);
  RC_ASSERT(merged({}, a) == a);
  RC_ASSERT(merged(a, b) == merged(b, a));
  RC_ASSERT(merged(merged(a, b), b) == merged(a, b));
  RC_ASSERT(merged(merged(a, b), c) == merged(a, merged(b, c)));
  auto again = merged(a, b);
  RC_ASSERT(!merge(again, a) && !merge(again, b));
}

RC_GTEST_PROP(Merge, NoOrderLosesAVersion, ()) {
  const auto steps = any_steps();
  World world;
  world.run(steps);
  const auto rows = world.rows();
  Known all;
  for (const auto& known : rows) {
    all.dots.insert(known.dots.begin(), known.dots.end());
  }
  for (int round = 0; round < 3; ++round) {
    all.row = {};
    for (const auto& known : shuffled(rows)) {
      merge(all.row, known.row);
    }
    expect_fits(world, all);
  }
}

RC_GTEST_PROP(Merge, LastWriterWinsEverywhere, ()) {
  const auto steps = any_steps();
  World world(Conflict::kLww);
  world.run(steps);
  RC_ASSERT(world.gossip());
  const auto& first = world.replicas()[0];
  for (const auto& known : world.replicas()) {
    RC_ASSERT(known.row == first.row);
  }
  if (first.dots.empty()) {
    return;
  }
  const auto last = *std::max_element(
      first.dots.begin(), first.dots.end(),
      [&](const Dot& a, const Dot& b) { return world.stamp_of(a) < world.stamp_of(b); });
  RC_ASSERT(dots_of(first.row) == Dots{last});
}

void expect_ends_alike(Conflict conflict, bool skewed, const Steps& steps) {
  World world(conflict, skewed);
  for (const auto& step : steps) {
    world.take(step);
    const auto& here = world.replicas()[std::get<1>(step) % kReplicas];
    RC_ASSERT(here.row.siblings.size() == (here.dots.empty() ? 0u : 1u));
  }
  RC_ASSERT(world.gossip());
  const auto& first = world.replicas()[0].row;
  for (const auto& known : world.replicas()) {
    RC_ASSERT(known.row == first);
  }
}

RC_GTEST_PROP(Merge, TheSmallestValueEndsAlikeAndNeverVanishes, ()) {
  for (int round = 0; round < 10; ++round) {  // what it guards against is rare
    expect_ends_alike(Conflict::kLexical, false, any_steps());
  }
}

RC_GTEST_PROP(Merge, SkewedClocksEndAlikeAndNeverVanish, ()) {
  for (int round = 0; round < 10; ++round) {
    expect_ends_alike(Conflict::kLww, true, any_steps());
  }
}

}  // namespace
}  // namespace kvorum::dynamo
