#include "lab/quiet.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace kvorum::lab {
namespace {

constexpr Duration kLookInterval = 5ms;  // and twice as long with each look, up to:
constexpr Duration kLongestInterval = 200ms;

struct Copy {
  NodeId node;
  std::vector<std::string> rows;  // live ones: value and version
  std::optional<std::string> value;
  std::string trouble;  // "down", "silent", ... in place of rows
};

// A row is [value, version, deadline], and "live" or "deleted" behind that if it is leaderless.
bool is_live(const wire::Reply& row) {
  return row.elements.size() < 4 || row.elements[3].text == "live";
}

Copy read_copy(const wire::Reply& answer) {
  Copy copy;
  if (answer.elements.empty()) {
    copy.trouble = "no answer";
    return copy;
  }
  copy.node = NodeId(static_cast<std::uint32_t>(answer.elements[0].integer));
  for (std::size_t i = 1; i < answer.elements.size(); ++i) {
    const auto& row = answer.elements[i];
    if (row.elements.size() < 3) {
      copy.trouble = row.text.empty() ? "no answer" : row.text;
    } else if (is_live(row)) {
      const auto& value = row.elements[0].text;
      const auto& version = row.elements[1];
      copy.rows.push_back(fmt::format("{} at {}{}", value, version.text,
                                      version.text.empty() ? fmt::to_string(version.integer) : ""));
      copy.value = copy.value ? *copy.value + " | " + value : value;
    }
  }
  std::sort(copy.rows.begin(), copy.rows.end());
  return copy;
}

Result<std::vector<Copy>> search(Venue& venue, const std::string& key) {
  const auto reply = venue.search(key);
  if (!reply) {
    return tl::unexpected(reply.error());
  }
  std::vector<Copy> copies;
  for (const auto& answer : reply->elements) {
    copies.push_back(read_copy(answer));
  }
  return copies;
}

bool agree(const std::vector<Copy>& copies) {
  return std::all_of(copies.begin(), copies.end(), [&](const Copy& copy) {
    return copy.trouble.empty() && copy.rows == copies.front().rows;
  });
}

std::string describe(const std::vector<Copy>& copies) {
  std::string text;
  for (const auto& copy : copies) {
    const auto held = copy.rows.empty() ? "nothing" : fmt::format("{}", fmt::join(copy.rows, ", "));
    text += fmt::format("{}node {}: {}", text.empty() ? "" : "; ", copy.node.value(),
                        copy.trouble.empty() ? held : copy.trouble);
  }
  return text;
}

}  // namespace

Result<std::vector<Held>> wait_until_quiet(Venue& venue, const std::vector<std::string>& keys,
                                           Duration patience) {
  const auto deadline = venue.now() + patience;
  std::vector<Held> held;
  auto interval = kLookInterval;
  for (std::size_t at = 0; at < keys.size();) {
    const auto copies = search(venue, keys[at]);
    if (copies && agree(*copies)) {
      for (const auto& copy : *copies) {
        held.push_back({copy.node, keys[at], copy.value});
      }
      ++at;
      continue;
    }
    if (venue.now() >= deadline) {
      return fail(ErrorCode::kTimeout, "the replicas did not become equal within {} s: key {}: {}",
                  std::chrono::duration_cast<std::chrono::seconds>(patience).count(), keys[at],
                  copies ? describe(*copies) : copies.error().detail);
    }
    if (auto fine = venue.look(); !fine) {
      return tl::unexpected(std::move(fine.error()));
    }
    venue.pause(interval);
    interval = std::min(2 * interval, kLongestInterval);
  }
  return held;
}

}  // namespace kvorum::lab
