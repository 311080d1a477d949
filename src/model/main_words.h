// What somebody who forms a cluster says about its keyspace `main`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/keyspace.h"
#include "model/level.h"

namespace kvorum {

// What is said about the keyspace `main`, by flags or by the file; the rest follows from it.
struct MainWords {
  std::optional<std::string> level = {};
  std::optional<std::uint32_t> partitions = {};
  std::optional<std::uint32_t> n = {}, w = {}, r = {};
  std::optional<std::string> conflict = {}, durability = {};
};

// linearizable, sequential, prefix (ordered), or eventual, one, quorum, all and counts
// (leaderless). Otherwise the error says why not.
Result<Level> parse_main_level(const std::string& word);
bool is_ordered(const Level& level);
Result<Keyspace> describe_main(const MainWords& words, std::size_t members);

}  // namespace kvorum
