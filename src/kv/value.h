// What reads tell of one value, the same for ordered and leaderless keyspaces.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "model/command.h"

namespace kvorum::kv {

// GETRANGE: the part that the command names, borrowed from `value`.
ByteView range_of(ByteView value, const Command& command);

// kTtl and kExpireTime of a row that is there: in whole units, rounded to the nearest as Redis
// does; -1 without a deadline.
std::int64_t time_of(std::optional<WallMs> deadline, const Command& command, WallMs now);

}  // namespace kvorum::kv
