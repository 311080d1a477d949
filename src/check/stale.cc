#include "check/stale.h"

#include <algorithm>
#include <limits>

namespace kvorum::check {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

struct Query {
  std::uint32_t read = 0;
  std::uint32_t maker = kNone;
  std::int64_t made = std::numeric_limits<std::int64_t>::min();  // by then it was
};

// An inert one makes a version, but may make the same text again.
bool is_certain_write(const Step& step) {
  return !step.optional && !step.inert && step.kind != StepKind::kRead &&
         step.kind != StepKind::kNot;
}

std::vector<Query> queries(const KeyProblem& problem) {
  std::vector<Query> out;
  for (std::uint32_t i = 0; i < problem.steps.size(); ++i) {
    const auto& step = problem.steps[i];
    if (step.kind != StepKind::kRead || problem.made_otherwise(step.a)) {
      continue;
    }
    const auto& use = problem.use[step.a];
    const bool first = step.a == problem.first;
    if (first && use.direct == 0) {
      out.push_back({i});
    } else if (!first && use.direct == 1 && use.which != StateUse::kLeftOut) {
      out.push_back({i, use.which, problem.steps[use.which].end});
    }
  }
  return out;
}

// Counts inserted positions.
class Counter {
 public:
  explicit Counter(std::size_t size) : sums_(size + 1) {}

  void insert(std::size_t at) {
    ++total_;
    for (++at; at < sums_.size(); at += at & (~at + 1)) {
      ++sums_[at];
    }
  }
  std::int64_t from(std::size_t at) const {
    std::int64_t before = 0;
    for (; at != 0; at &= at - 1) {
      before += sums_[at];
    }
    return total_ - before;
  }

 private:
  std::vector<std::int64_t> sums_;
  std::int64_t total_ = 0;
};

}  // namespace

std::vector<std::uint32_t> find_stale_read(const KeyProblem& problem) {
  auto asked = queries(problem);
  std::vector<std::uint32_t> writes;  // by end
  std::vector<std::int64_t> starts;   // ascending
  for (std::uint32_t i = 0; i < problem.steps.size(); ++i) {
    if (is_certain_write(problem.steps[i])) {
      writes.push_back(i);
      starts.push_back(problem.steps[i].start);
    }
  }
  const auto& steps = problem.steps;
  std::sort(starts.begin(), starts.end());
  std::sort(writes.begin(), writes.end(),
            [&](std::uint32_t a, std::uint32_t b) { return steps[a].end < steps[b].end; });
  std::sort(asked.begin(), asked.end(), [&](const Query& a, const Query& b) {
    return steps[a.read].start < steps[b.read].start;
  });
  Counter counter(starts.size());
  std::size_t ended = 0;
  for (const auto& [read, maker, made] : asked) {
    for (; ended < writes.size() && steps[writes[ended]].end < steps[read].start; ++ended) {
      const auto start = steps[writes[ended]].start;
      counter.insert(std::lower_bound(starts.begin(), starts.end(), start) - starts.begin());
    }
    const auto after = std::upper_bound(starts.begin(), starts.end(), made) - starts.begin();
    if (counter.from(after) <= problem.rules.versions_behind) {
      continue;
    }
    std::vector<std::uint32_t> out = {read};
    if (maker != kNone) {
      out.push_back(maker);
    }
    const auto enough = out.size() + static_cast<std::size_t>(problem.rules.versions_behind) + 1;
    for (auto i = ended; i-- > 0 && out.size() < enough;) {
      if (steps[writes[i]].start > made) {
        out.push_back(writes[i]);
      }
    }
    return out;
  }
  return {};
}

}  // namespace kvorum::check
