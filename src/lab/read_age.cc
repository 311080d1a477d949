#include "lab/read_age.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace kvorum::lab {
namespace {

using check::Operation;

// What a write left its key as, if its outcome says so.
std::optional<check::Text> made(const Operation& write) {
  switch (write.op) {
    case HistoryOp::kPut:
    case HistoryOp::kCas:
      return write.value;
    case HistoryOp::kDelete:
      return check::kAbsent;
    case HistoryOp::kIncr:
      return write.ended == Ended::kOk ? std::optional(write.value) : std::nullopt;
    default:
      return std::nullopt;
  }
}

class Key {
 public:
  void add(std::uint32_t write, const Operation& operation) {
    by_start_.push_back(write);
    if (const auto value = made(operation)) {
      makers_[*value].push_back(write);
    } else {
      unsure_.push_back(write);
    }
  }

  void sort(const std::vector<Operation>& all) {
    std::stable_sort(by_start_.begin(), by_start_.end(),
                     [&](auto a, auto b) { return all[a].start_ns < all[b].start_ns; });
  }

  ReadAge age(const check::History& history, const Operation& read) const {
    const auto& all = history.operations;
    ReadAge out;
    if (const auto write = writer(history, read)) {
      out.source = Source::kWrite;
      out.write = *write;
    } else if (read.value == history.initial_of(read.key)) {
      out.source = Source::kInitial;
    } else {
      return out;
    }
    // Those begun before the read, the latest first, down to what overlaps the source.
    auto at = std::lower_bound(by_start_.begin(), by_start_.end(), read.start_ns,
                               [&](auto write, auto ns) { return all[write].start_ns < ns; });
    std::int64_t first_end = read.start_ns;
    while (at != by_start_.begin()) {
      const auto& newer = all[*--at];
      if (out.source == Source::kWrite && newer.start_ns <= all[out.write].end_ns) {
        break;
      }
      if (newer.end_ns < read.start_ns) {
        ++out.newer;
        first_end = std::min(first_end, newer.end_ns);
      }
    }
    out.outdated_ns = read.start_ns - first_end;
    return out;
  }

 private:
  std::optional<std::uint32_t> writer(const check::History& history, const Operation& read) const {
    const auto& all = history.operations;
    std::optional<std::uint32_t> best;
    const auto rank = [&](std::uint32_t write) {
      return std::pair(std::min(all[write].end_ns, read.start_ns), all[write].start_ns);
    };
    const auto consider = [&](std::uint32_t write) {
      if (all[write].start_ns <= read.end_ns && (!best || rank(*best) <= rank(write))) {
        best = write;
      }
    };
    if (const auto found = makers_.find(read.value); found != makers_.end()) {
      for (const auto write : found->second) {
        if (read.version >= 0 && all[write].version == read.version) {
          return write;
        }
        consider(write);
      }
    }
    for (const auto write : unsure_) {
      if (may_have_made(history, all[write], read.value)) {
        consider(write);
      }
    }
    return best;
  }

  static bool may_have_made(const check::History& history, const Operation& write,
                            check::Text value) {
    return value != check::kAbsent && (write.op == HistoryOp::kIncr ||
                                       history.texts[value].ends_with(history.texts[write.value]));
  }

  std::vector<std::uint32_t> by_start_;
  std::unordered_map<check::Text, std::vector<std::uint32_t>> makers_;  // of a value
  std::vector<std::uint32_t> unsure_;  // whose outcome does not say what they made
};

}  // namespace

std::vector<std::optional<ReadAge>> read_ages(const check::History& history) {
  const auto& all = history.operations;
  std::unordered_map<check::Text, Key> keys;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].may_write()) {
      keys[all[i].key].add(i, all[i]);
    }
  }
  for (auto& [key, writes] : keys) {
    writes.sort(all);
  }
  std::vector<std::optional<ReadAge>> out(all.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].op == HistoryOp::kGet && all[i].ended == Ended::kOk) {
      out[i] = keys[all[i].key].age(history, all[i]);
    }
  }
  return out;
}

}  // namespace kvorum::lab
