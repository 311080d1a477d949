#include "model/level.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "base/ascii.h"
#include "base/parse.h"

namespace kvorum {
namespace {

constexpr std::array<std::pair<ByteView, LevelKind>, 6> kPlainWords{{
    {"linearizable", LevelKind::kLinearizable},
    {"sequential", LevelKind::kSequential},
    {"prefix", LevelKind::kPrefix},
    {"causal", LevelKind::kCausal},
    {"session", LevelKind::kSession},
    {"eventual", LevelKind::kEventual},
}};

std::optional<Level> parse_bound(ByteView bound) {
  Level level{.kind = LevelKind::kBounded};
  const auto ends = [&](ByteView unit) {
    return bound.size() > unit.size() && bound.ends_with(unit);
  };
  const auto amount = [&](std::size_t unit) {
    return parse_number<std::int64_t>(bound.substr(0, bound.size() - unit));
  };
  std::optional<std::int64_t> value;
  if (ends("ms")) {
    value = level.bound_ms = amount(2).value_or(-1);
  } else if (ends("s")) {
    value = level.bound_ms = amount(1).value_or(-1) * 1000;
  } else if (ends("v")) {
    value = level.bound_versions = amount(1).value_or(-1);
  }
  if (!value || *value < 0 || *value > 86'400'000) {
    return std::nullopt;
  }
  return level;
}

std::optional<Level> parse_counts(ByteView word) {
  Level level{.kind = LevelKind::kQuorum};
  while (!word.empty()) {
    const auto comma = word.find(',');
    const auto part = word.substr(0, comma);
    word = comma == ByteView::npos ? ByteView() : word.substr(comma + 1);
    const auto count = part.size() > 2 ? parse_number<std::uint8_t>(part.substr(2)) : std::nullopt;
    if (!count || *count == 0 || part[1] != '=' || (part[0] != 'w' && part[0] != 'r')) {
      return std::nullopt;
    }
    auto& named = part[0] == 'w' ? level.w : level.r;
    if (named != 0) {
      return std::nullopt;
    }
    named = *count;
  }
  return level;
}

std::optional<Level> parse(ByteView word) {
  constexpr ByteView kSloppy = ",sloppy";
  if (word.ends_with(kSloppy)) {
    auto level = parse(word.substr(0, word.size() - kSloppy.size()));
    const bool counts = level &&
                        (level->kind == LevelKind::kQuorum || level->kind == LevelKind::kAll) &&
                        !level->sloppy;
    if (!counts) {
      return std::nullopt;
    }
    level->sloppy = true;
    return level;
  }
  for (const auto& [name, kind] : kPlainWords) {
    if (word == name) {
      return Level{.kind = kind};
    }
  }
  if (word == "one" || word == "1") {
    return Level{.kind = LevelKind::kQuorum, .w = 1, .r = 1};
  }
  if (word == "all" || word == "9") {
    return Level{.kind = LevelKind::kAll};
  }
  if (word == "quorum") {
    return Level{.kind = LevelKind::kQuorum};
  }
  if (word.starts_with("bounded:")) {
    return parse_bound(word.substr(8));
  }
  return word.empty() ? std::nullopt : parse_counts(word);
}

}  // namespace

Result<Level> parse_level(ByteView word) {
  const auto lower_case = lower(word.substr(0, 64));
  if (const auto level = parse(lower_case)) {
    return *level;
  }
  return fail(ErrorCode::kLevel, "'{}' is no level; try linearizable, sequential, prefix",
              lower_case);
}

std::string to_string(const Level& level) {
  if (level.sloppy) {
    auto strict = level;
    strict.sloppy = false;
    return to_string(strict) + ",sloppy";
  }
  switch (level.kind) {
    case LevelKind::kBounded:
      return level.bound_ms >= 0 ? fmt::format("bounded:{}ms", level.bound_ms)
                                 : fmt::format("bounded:{}v", level.bound_versions);
    case LevelKind::kAll:
      return "all";
    case LevelKind::kQuorum:
      if (level.w == 0 && level.r == 0) {
        return "quorum";
      }
      if (level.w == 0 || level.r == 0) {
        return level.w == 0 ? fmt::format("r={}", level.r) : fmt::format("w={}", level.w);
      }
      return level.w == 1 && level.r == 1 ? "one" : fmt::format("w={},r={}", level.w, level.r);
    default:
      for (const auto& [name, kind] : kPlainWords) {
        if (level.kind == kind) {
          return std::string(name);
        }
      }
      return "?";
  }
}

const char* to_string(Path path) {
  switch (path) {
    case Path::kLog:
      return "log";
    case Path::kReadIndex:
      return "readindex";
    case Path::kLocal:
      return "local";
    case Path::kNone:
      return "none";
    case Path::kCoordinator:
      return "coordinator";
  }
  return "?";
}

Result<SessionToken> parse_token(ByteView text) {
  std::array<std::uint64_t, 3> parts{};
  if (!text.starts_with("kv1-")) {
    return fail(ErrorCode::kToken, "that is no session token");
  }
  text.remove_prefix(4);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto dash = i + 1 < parts.size() ? text.find('-') : text.size();
    const auto value = dash == ByteView::npos
                           ? std::nullopt
                           : parse_number<std::uint64_t>(text.substr(0, dash), 16);
    if (!value || (i == 1 && *value > 0xffffffff)) {
      return fail(ErrorCode::kToken, "that is no session token");
    }
    parts[i] = *value;
    text.remove_prefix(i + 1 < parts.size() ? dash + 1 : dash);
  }
  return SessionToken{ClusterId(parts[0]), PartitionId(static_cast<std::uint32_t>(parts[1])),
                      Index(parts[2])};
}

std::string to_string(const SessionToken& token) {
  return fmt::format(FMT_COMPILE("kv1-{:016x}-{:x}-{:x}"), token.cluster.value(),
                     token.partition.value(), token.index.value());
}

}  // namespace kvorum
