#include "check/zones.h"

#include <algorithm>
#include <limits>

namespace kvorum::check {
namespace {

constexpr std::uint32_t kNone = ZoneConflict::kNoStep;
constexpr std::int64_t kBeforeAll = std::numeric_limits<std::int64_t>::min();

// Clusters that follow each other without a gap (a cas leads from each to the next): their steps
// by level, of which each must come before the next.
struct Block {
  bool first = false;       // it begins with the first state
  std::uint32_t begin = 0;  // into Zones::members_
  std::uint32_t end = 0;
  std::int64_t first_end = kNever;
  std::int64_t last_start = kBeforeAll;
  std::uint32_t ends = kNone;    // the step with that first end; kNone: the first state
  std::uint32_t starts = kNone;  // the step with that last start

  bool forward() const { return first_end < last_start; }
};

struct Member {
  std::uint32_t step = kNone;
  std::uint32_t level = 0;
};

class Zones {
 public:
  explicit Zones(KeyProblem& problem) : p_(problem) {}

  ZoneResult run() {
    if (!find_clusters() || !order_members()) {
      return result_;
    }
    // Each round carries the others' narrowing one step further; more than a few gain little.
    constexpr int kRounds = 4;
    for (int round = 0; round < kRounds; ++round) {
      changed_ = false;
      if (!within_blocks() || !between_blocks()) {
        if (round != 0) {
          result_.conflict = {};  // true only of the narrowed intervals
        }
        return result_;
      }
      if (round == 0 && exact()) {
        result_.answer = ZoneAnswer::kOk;
        return result_;
      }
      narrow_between();
      if (!changed_) {
        break;
      }
    }
    return result_;
  }

 private:
  struct Cluster {
    State state = kNoState;
    std::uint32_t producer = kNone;  // kNone: it is the first state, or in a part without it
    bool first = false;              // before all else
    std::uint32_t leaver = kNone;    // the cas from it
    bool follows = false;            // its producer is the cas from another cluster
  };

  bool refute(const ZoneConflict& conflict) {
    result_.answer = ZoneAnswer::kViolation;
    result_.conflict = conflict;
    return false;
  }

  std::uint32_t cluster_of(State state) const {
    return state < by_state_.size() ? by_state_[state] : kNone;
  }

  bool find_clusters() {
    by_state_.assign(p_.use.size(), kNone);
    for (State state = 0; state < p_.use.size(); ++state) {
      const auto& use = p_.use[state];
      const bool initial = state == p_.first;
      if (use.need == 0 || use.direct + (initial ? 1 : 0) != 1 || p_.made_otherwise(state)) {
        continue;
      }
      by_state_[state] = static_cast<std::uint32_t>(clusters_.size());
      static_assert(StateUse::kLeftOut == kNone);
      clusters_.push_back({state, initial ? kNone : use.which, initial, kNone, false});
    }
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      const auto& step = p_.steps[i];
      if (step.kind != StepKind::kCas || step.optional) {
        continue;
      }
      const auto from = cluster_of(step.a);
      if (from == kNone) {
        continue;
      }
      if (clusters_[from].leaver != kNone) {
        return refute({ZoneWhy::kTwice, clusters_[from].leaver, i});
      }
      clusters_[from].leaver = i;
      if (const auto to = cluster_of(step.b); to != kNone) {
        clusters_[to].follows = true;
      }
    }
    return true;
  }

  // The members of each block, in order of their levels.
  bool order_members() {
    std::vector<std::uint32_t> count(clusters_.size() + 1);
    for (const auto& step : p_.steps) {
      if (const auto at = read_cluster(step); at != kNone) {
        ++count[at + 1];
      }
    }
    for (std::size_t i = 1; i < count.size(); ++i) {
      count[i] += count[i - 1];
    }
    std::vector<std::uint32_t> reads(count.back());
    auto next = count;
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      if (const auto at = read_cluster(p_.steps[i]); at != kNone) {
        reads[next[at]++] = i;
      }
    }
    in_block_.assign(p_.steps.size(), kNone);
    std::size_t walked = 0;
    for (std::uint32_t head = 0; head < clusters_.size(); ++head) {
      if (clusters_[head].follows) {
        continue;
      }
      Block block;
      block.begin = static_cast<std::uint32_t>(members_.size());
      std::uint32_t level = 0;
      if (clusters_[head].producer != kNone) {
        add_member(clusters_[head].producer, level++);
      }
      block.first = clusters_[head].first;
      for (auto at = head; at != kNone; ++walked) {
        for (auto i = count[at]; i < count[at + 1]; ++i) {
          add_member(reads[i], level);
        }
        const auto leaver = clusters_[at].leaver;
        if (leaver != kNone) {
          add_member(leaver, level + 1);
        }
        level += 2;
        at = leaver == kNone ? kNone : cluster_of(p_.steps[leaver].b);
      }
      block.end = static_cast<std::uint32_t>(members_.size());
      blocks_.push_back(block);
    }
    // What no walk reached goes in a circle: each made from the next.
    return walked == clusters_.size() || refute({});
  }

  std::uint32_t read_cluster(const Step& step) const {
    return step.kind == StepKind::kRead ? cluster_of(step.a) : kNone;
  }

  void add_member(std::uint32_t step, std::uint32_t level) {
    in_block_[step] = static_cast<std::uint32_t>(blocks_.size());
    members_.push_back({step, level});
  }

  void raise_start(std::uint32_t step, std::int64_t start) {
    if (start > p_.steps[step].start) {
      p_.steps[step].start = start;
      changed_ = true;
    }
  }

  void lower_end(std::uint32_t step, std::int64_t end) {
    if (end < p_.steps[step].end) {
      p_.steps[step].end = end;
      changed_ = true;
    }
  }

  // Each step against those that must come before it; then the block's bounds.
  bool within_blocks() {
    for (auto& block : blocks_) {
      if (!levels_agree(block)) {
        return false;
      }
      block.first_end = block.first ? kBeforeAll : kNever;
      block.last_start = kBeforeAll;
      for (auto i = block.begin; i < block.end; ++i) {
        const auto& step = p_.steps[members_[i].step];
        if (step.end < block.first_end) {
          block.first_end = step.end;
          block.ends = members_[i].step;
        }
        if (step.start > block.last_start) {
          block.last_start = step.start;
          block.starts = members_[i].step;
        }
      }
    }
    return true;
  }

  bool levels_agree(const Block& block) {
    std::uint32_t before = kNone;  // of the lower levels, the last to start
    std::uint32_t so_far = kNone;
    for (auto i = block.begin; i < block.end; ++i) {
      if (i == block.begin || members_[i].level != members_[i - 1].level) {
        before = so_far;
      }
      const auto at = members_[i].step;
      if (before != kNone && p_.steps[at].end < p_.steps[before].start) {
        return refute({ZoneWhy::kTooEarly, at, before});
      }
      if (so_far == kNone || p_.steps[at].start > p_.steps[so_far].start) {
        so_far = at;
      }
    }
    narrow_levels(block);
    return true;
  }

  void narrow_levels(const Block& block) {
    std::int64_t floor = kBeforeAll;
    std::int64_t next = kBeforeAll;
    for (auto i = block.begin; i < block.end; ++i) {
      if (i != block.begin && members_[i].level != members_[i - 1].level) {
        floor = next;
      }
      next = std::max(next, p_.steps[members_[i].step].start);
      raised_starts_.push_back({members_[i].step, floor});
    }
    std::int64_t ceiling = kNever;
    next = kNever;
    for (auto i = block.end; i-- > block.begin;) {
      if (i + 1 != block.end && members_[i].level != members_[i + 1].level) {
        ceiling = next;
      }
      next = std::min(next, p_.steps[members_[i].step].end);
      lowered_ends_.push_back({members_[i].step, ceiling});
    }
  }

  struct Bound {
    std::uint32_t step = kNone;
    std::int64_t at = 0;
  };

  // Forward zones must not overlap, and no other zone or write fits into one.
  bool between_blocks() {
    forward_.clear();
    for (std::uint32_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i].forward()) {
        forward_.push_back(i);
      }
    }
    std::sort(forward_.begin(), forward_.end(), [&](std::uint32_t a, std::uint32_t b) {
      return blocks_[a].first_end < blocks_[b].first_end;
    });
    for (std::size_t i = 1; i < forward_.size(); ++i) {
      const auto& a = blocks_[forward_[i - 1]];
      const auto& b = blocks_[forward_[i]];
      if (b.first_end < a.last_start) {
        return refute({ZoneWhy::kBetween, a.ends, b.starts, b.ends, a.starts});
      }
    }
    for (const auto& block : blocks_) {
      if (!block.forward() && !fits(block.last_start, block.first_end, block.starts, block.ends)) {
        return false;
      }
    }
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      const auto& step = p_.steps[i];
      if (changes_or_reads(i) && !step.optional && !fits(step.start, step.end, i, i)) {
        return false;
      }
    }
    return true;
  }

  // Whether it has no place within another's zone.
  bool changes_or_reads(std::uint32_t i) const {
    return in_block_[i] == kNone && p_.steps[i].kind != StepKind::kNot && !p_.steps[i].inert;
  }

  // The forward zone that began last before `time`, as an index into forward_; kNone if none.
  std::uint32_t zone_before(std::int64_t time) const {
    const auto after = std::partition_point(forward_.begin(), forward_.end(), [&](std::uint32_t i) {
      return blocks_[i].first_end < time;
    });
    return after == forward_.begin() ? kNone
                                     : static_cast<std::uint32_t>(after - forward_.begin()) - 1;
  }

  bool fits(std::int64_t start, std::int64_t end, std::uint32_t starts, std::uint32_t ends) {
    const auto at = zone_before(start);
    if (at == kNone || end >= blocks_[forward_[at]].last_start) {
      return true;
    }
    const auto& around = blocks_[forward_[at]];
    return refute({ZoneWhy::kBetween, around.ends, starts, ends, around.starts});
  }

  // Everything is in a block or merely buries: then what has been tested is all there is.
  bool exact() const {
    if (p_.nots + p_.appends + p_.counters != 0) {
      return false;
    }
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      const auto& step = p_.steps[i];
      const bool buries = step.kind == StepKind::kPut && step.b == kDeadState;
      const bool from_outside = step.needs_a() && cluster_of(step.a) == kNone;
      if (step.optional || from_outside || (in_block_[i] == kNone && !buries)) {
        return false;
      }
    }
    return true;
  }

  // Inside a forward zone there is no place for a step of another block.
  void narrow_between() {
    for (const auto& [step, floor] : raised_starts_) {
      raise_start(step, floor);
    }
    for (const auto& [step, ceiling] : lowered_ends_) {
      lower_end(step, ceiling);
    }
    raised_starts_.clear();
    lowered_ends_.clear();
    for (const auto& block : blocks_) {
      std::int64_t floor = kBeforeAll;
      std::int64_t ceiling = kNever;
      around(block.last_start, block.first_end, &block, floor, ceiling);
      for (auto i = block.begin; i < block.end; ++i) {
        raise_start(members_[i].step, floor);
        lower_end(members_[i].step, ceiling);
      }
    }
    for (std::uint32_t i = 0; i < p_.steps.size(); ++i) {
      if (changes_or_reads(i)) {
        std::int64_t floor = kBeforeAll;
        std::int64_t ceiling = kNever;
        around(p_.steps[i].start, p_.steps[i].end, nullptr, floor, ceiling);
        raise_start(i, floor);
        lower_end(i, ceiling);
      }
    }
  }

  // What began after one step of a forward zone had ended comes after all of it; what ended
  // before one step of it began comes before all of it.
  void around(std::int64_t start, std::int64_t end, const Block* self, std::int64_t& floor,
              std::int64_t& ceiling) const {
    auto at = zone_before(start);
    if (at != kNone && &blocks_[forward_[at]] == self) {
      at = at == 0 ? kNone : at - 1;
    }
    if (at != kNone) {
      floor = blocks_[forward_[at]].last_start;
    }
    auto after = std::partition_point(forward_.begin(), forward_.end(), [&](std::uint32_t i) {
      return blocks_[i].last_start <= end;
    });
    if (after != forward_.end() && &blocks_[*after] == self) {
      ++after;
    }
    if (after != forward_.end()) {
      ceiling = blocks_[*after].first_end;
    }
  }

  KeyProblem& p_;
  ZoneResult result_;
  std::vector<Cluster> clusters_;
  std::vector<std::uint32_t> by_state_;  // cluster, kNone if the state has none
  std::vector<Member> members_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> in_block_;  // by step
  std::vector<std::uint32_t> forward_;   // blocks, by first_end; they do not overlap
  std::vector<Bound> raised_starts_;     // for the next round
  std::vector<Bound> lowered_ends_;
  bool changed_ = false;
};

}  // namespace

ZoneResult test_zones(KeyProblem& problem) { return Zones(problem).run(); }

}  // namespace kvorum::check
