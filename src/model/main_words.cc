#include "model/main_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace kvorum {

bool is_ordered(const Level& level) {
  return level.kind == LevelKind::kLinearizable || level.kind == LevelKind::kSequential ||
         level.kind == LevelKind::kPrefix;
}

Result<Level> parse_main_level(const std::string& word) {
  auto level = parse_level(word);
  if (level &&
      (is_ordered(*level) || level->kind == LevelKind::kEventual ||
       ((level->kind == LevelKind::kQuorum || level->kind == LevelKind::kAll) && !level->sloppy))) {
    return level;
  }
  return fail(ErrorCode::kConfig,
              "'{}' is no level to begin with: linearizable, sequential, prefix (ordered), or "
              "eventual, one, quorum, all (leaderless)",
              word);
}

Result<Keyspace> describe_main(const MainWords& main, std::size_t members) {
  const auto level_word = main.level.value_or("linearizable");
  const auto level = parse_main_level(level_word);
  if (!level) {
    return tl::unexpected(level.error());
  }
  std::vector<std::string> words;
  const auto add = [&](const char* name, const auto& value) {
    if (value) {
      words.push_back(fmt::format("{}={}", name, *value));
    }
  };
  add("partitions", main.partitions);
  if (is_ordered(*level)) {
    if (main.n || main.w || main.r || main.conflict || main.durability) {
      return fail(ErrorCode::kConfig,
                  "N, W, R, conflict and durability are for leaderless levels (eventual, one, "
                  "quorum, all); '{}' is ordered: a majority has every write on disk",
                  level_word);
    }
  } else {
    words.emplace_back("leaderless");
    const auto n = main.n.value_or(static_cast<std::uint32_t>(std::min<std::size_t>(3, members)));
    std::uint32_t count = 1;
    if (level->kind == LevelKind::kAll) {
      count = n;
    } else if (level->kind == LevelKind::kQuorum && level->w == 0 && level->r == 0) {
      count = n / 2 + 1;
    }
    add("n", std::optional(n));
    add("w", main.w ? main.w : std::optional(std::max<std::uint32_t>(level->w, count)));
    add("r", main.r ? main.r : std::optional(std::max<std::uint32_t>(level->r, count)));
    add("conflict", main.conflict);
    add("durability", main.durability);
  }
  auto keyspace = parse_keyspace("main", {words.begin(), words.end()}, members);
  return keyspace ? std::move(keyspace) : fail(ErrorCode::kConfig, "{}", keyspace.error().detail);
}

}  // namespace kvorum
