#include "check/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace kvorum::check {
namespace {

// Closed intervals: at one moment, starts come before ends.
std::size_t concurrency_of(const History& history) {
  std::vector<std::pair<std::int64_t, int>> events;
  for (const auto& operation : history.operations) {
    if (operation.ended != Ended::kUnknown) {
      events.emplace_back(operation.start_ns, -1);
      events.emplace_back(operation.end_ns, 1);
    }
  }
  std::sort(events.begin(), events.end());
  std::size_t open = 0;
  std::size_t most = 0;
  for (const auto& [time, change] : events) {
    open -= static_cast<std::size_t>(change);
    most = std::max(most, open);
  }
  return most;
}

}  // namespace

Stats stats_of(const History& history) {
  struct Key {
    bool written = false;
    bool read = false;
  };
  Stats stats;
  std::unordered_map<Text, Key> keys;
  for (const auto& operation : history.operations) {
    auto& key = keys[operation.key];
    const bool observes = operation.observes();
    key.written |= operation.may_write();
    key.read |= observes;
    stats.reads += observes ? 1 : 0;
    stats.unknown += operation.is_write() && operation.ended == Ended::kUnknown ? 1 : 0;
  }
  stats.operations = history.operations.size();
  stats.keys = keys.size();
  for (const auto& [text, key] : keys) {
    stats.never_read += key.written && !key.read ? 1 : 0;
  }
  stats.concurrency = concurrency_of(history);
  return stats;
}

std::string to_string(const Stats& stats) {
  const auto share = [](std::size_t part, std::size_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  return fmt::format("keys={} reads/key={:.1f} never-read={} unknown={:.1f}% concurrency={}",
                     stats.keys, share(stats.reads, stats.keys), stats.never_read,
                     100 * share(stats.unknown, stats.operations), stats.concurrency);
}

}  // namespace kvorum::check
