// The writes.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "kv/execute.h"
#include "kv/number.h"

namespace kvorum::kv {
namespace {

using Deadline = std::optional<WallMs>;

void ok(const WriteStep& step) { step.reply.status("OK"); }

void invalid_expire(const WriteStep& step, ByteView name) {
  step.reply.error({ErrorCode::kGeneric, fmt::format("invalid expire time in '{}' command", name)});
}

void reply_value(const WriteStep& step, const Row* row) {
  if (row != nullptr) {
    step.reply.bulk(row->value());
  } else {
    step.reply.nil();
  }
}

// The moment that the command names. False: outside of what 64 bits of milliseconds can say.
bool deadline_of(const Command& command, const WriteStep& step, Deadline& deadline) {
  auto ms = command.number;
  if (command.has(kRelativeTtl)) {
    if (__builtin_add_overflow(step.now.value(), command.number, &ms)) {
      return false;
    }
  } else if (!command.has(kAbsoluteTtl)) {
    return true;
  }
  deadline = WallMs(ms);
  return true;
}

// As above for commands that take a time to live, which must be positive (EXPIRE's may be
// negative).
bool lifetime_of(const Command& command, const WriteStep& step, Deadline& deadline) {
  const bool named = command.has(kRelativeTtl) || command.has(kAbsoluteTtl);
  return (!named || command.number > 0) && deadline_of(command, step, deadline);
}

// KV.IF: no row has version 0.
bool has_version(const Command& command, const Row* row) {
  return !command.has(kIfVersion) || (row == nullptr ? 0 : row->version().packed) ==
                                         static_cast<std::uint64_t>(command.number2);
}

// A deadline in the past means that the row does not come to be, or goes.
void put(const Spot& spot, ByteView value, Deadline deadline, const WriteStep& step) {
  if (!deadline || *deadline > step.now) {
    step.table.put(spot, value, step.version, deadline);
  } else if (spot.row != nullptr) {
    step.table.erase(spot);
  }
}

void set(const Command& command, const WriteStep& step) {
  Deadline deadline;
  if (!lifetime_of(command, step, deadline)) {
    return invalid_expire(step, "set");
  }
  const auto spot = step.table.look(step.first);
  if (command.has(kReturnOld)) {
    reply_value(step, spot.row);
  }
  if (!has_version(command, spot.row) ||
      command.has(spot.row != nullptr ? kIfAbsent : kIfPresent)) {
    if (!command.has(kReturnOld)) {
      step.reply.nil();
    }
    return;
  }
  if (command.has(kKeepTtl) && !deadline && spot.row != nullptr) {
    deadline = step.table.deadline(*spot.row);
  }
  put(spot, command.args[1], deadline, step);
  if (!command.has(kReturnOld)) {
    ok(step);
  }
}

void mset(const Command& command, const WriteStep& step) {
  const bool only_new = command.op != Op::kMSet;  // MSETNX and SETNX
  if (only_new) {
    for (std::size_t i = 0; i < command.args.size(); i += 2) {
      if (step.table.find(command.args[i]) != nullptr) {
        return step.reply.integer(0);
      }
    }
  }
  for (std::size_t i = 0; i < command.args.size(); i += 2) {
    put(step.table.look(command.args[i]), command.args[i + 1], std::nullopt, step);
  }
  if (only_new) {
    step.reply.integer(1);
  } else {
    ok(step);
  }
}

void del(const Command& command, const WriteStep& step) {
  std::int64_t count = 0;
  for (const auto key : command.args) {
    const auto spot = step.table.look(key);
    if (spot.row != nullptr && has_version(command, spot.row)) {
      step.table.erase(spot);
      ++count;
    }
  }
  step.reply.integer(count);
}

bool fits(std::size_t offset, std::size_t size, const WriteStep& step) {
  const auto limit = std::min(step.max_value_bytes, Row::kMaxBytes);
  if (offset > limit || size > limit - offset) {
    step.reply.error({ErrorCode::kTooLong, {}});
    return false;
  }
  return true;
}

void append(const Command& command, const WriteStep& step) {
  const auto spot = step.table.look(step.first);
  const auto part = command.args[1];
  const auto old_size = spot.row != nullptr ? spot.row->value_size() : 0;
  // As in Redis, a first APPEND is a SET and is not measured again.
  if (spot.row != nullptr && !fits(old_size, part.size(), step)) {
    return;
  }
  step.table.splice(spot, old_size, part, step.version);
  step.reply.integer(static_cast<std::int64_t>(old_size + part.size()));
}

void set_range(const Command& command, const WriteStep& step) {
  if (command.number < 0) {
    return step.reply.error({ErrorCode::kOffset, {}});
  }
  const auto spot = step.table.look(step.first);
  const auto part = command.args[1];
  const auto offset = static_cast<std::size_t>(command.number);
  auto size = spot.row != nullptr ? spot.row->value_size() : 0;
  if (!part.empty()) {
    if (!fits(offset, part.size(), step)) {
      return;
    }
    step.table.splice(spot, offset, part, step.version);
    size = std::max(size, offset + part.size());
  }
  step.reply.integer(static_cast<std::int64_t>(size));
}

void incr_by(const Command& command, const WriteStep& step) {
  const auto spot = step.table.look(step.first);
  std::int64_t number = 0;
  if (spot.row != nullptr) {
    const auto old = parse_integer(spot.row->value());
    if (!old) {
      return step.reply.error({ErrorCode::kNotInteger, {}});
    }
    number = *old;
  }
  if (__builtin_add_overflow(number, command.number, &number)) {
    return step.reply.error({ErrorCode::kOverflow, {}});
  }
  std::array<char, 24> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  const auto deadline = spot.row != nullptr ? step.table.deadline(*spot.row) : std::nullopt;
  step.table.put(spot, ByteView(text.data(), static_cast<std::size_t>(end - text.data())),
                 step.version, deadline);
  step.reply.integer(number);
}

void incr_by_float(const Command& command, const WriteStep& step) {
  const auto spot = step.table.look(step.first);
  const auto old = spot.row != nullptr ? parse_float(spot.row->value()) : 0.0L;
  const auto delta = parse_float(command.args[1]);
  if (!old || !delta) {
    return step.reply.error({ErrorCode::kNotFloat, {}});
  }
  const auto sum = *old + *delta;
  if (std::isnan(sum) || std::isinf(sum)) {
    return step.reply.error({ErrorCode::kNanOrInfinity, {}});
  }
  const auto text = format_float(sum);
  const auto deadline = spot.row != nullptr ? step.table.deadline(*spot.row) : std::nullopt;
  step.table.put(spot, text, step.version, deadline);
  step.reply.bulk(text);
}

// NX, XX, GT and LT of EXPIRE. A row without a deadline counts as one that lives for ever.
bool expire_allowed(const Command& command, Deadline current, WallMs wanted) {
  if (command.has(kIfAbsent) && current) {
    return false;
  }
  if (command.has(kIfPresent) && !current) {
    return false;
  }
  if (command.has(kIfGreater) && (!current || wanted <= *current)) {
    return false;
  }
  return !(command.has(kIfLess) && current && wanted >= *current);
}

void expire(const Command& command, const WriteStep& step) {
  Deadline deadline;
  if (!deadline_of(command, step, deadline) || !deadline) {
    return invalid_expire(step, "expire");
  }
  const auto spot = step.table.look(step.first);
  if (spot.row == nullptr || !expire_allowed(command, step.table.deadline(*spot.row), *deadline)) {
    return step.reply.integer(0);
  }
  if (*deadline <= step.now) {
    step.table.erase(spot);
  } else {
    step.table.set_deadline(spot, deadline, step.version);
  }
  step.reply.integer(1);
}

bool persist(const Spot& spot, const WriteStep& step) {
  if (spot.row == nullptr || !step.table.deadline(*spot.row)) {
    return false;
  }
  step.table.set_deadline(spot, std::nullopt, step.version);
  return true;
}

void get_ex(const Command& command, const WriteStep& step) {
  Deadline deadline;
  if (!lifetime_of(command, step, deadline)) {
    return invalid_expire(step, "getex");
  }
  const auto spot = step.table.look(step.first);
  reply_value(step, spot.row);
  if (spot.row == nullptr) {
    return;
  }
  if (command.has(kPersistTtl)) {
    persist(spot, step);
  } else if (deadline && *deadline <= step.now) {
    step.table.erase(spot);
  } else if (deadline) {
    step.table.set_deadline(spot, deadline, step.version);
  }
}

void get_del(const WriteStep& step) {
  const auto spot = step.table.look(step.first);
  reply_value(step, spot.row);
  if (spot.row != nullptr) {
    step.table.erase(spot);
  }
}

// Like SET where the comparison holds: the deadline goes unless it is kept or named.
void cas(const Command& command, const WriteStep& step) {
  Deadline deadline;
  if (!lifetime_of(command, step, deadline)) {
    return invalid_expire(step, "kv.cas");
  }
  const auto spot = step.table.look(step.first);
  const bool equal = command.has(kExpectAbsent)
                         ? spot.row == nullptr
                         : spot.row != nullptr && spot.row->value() == command.args[1];
  if (equal) {
    if (command.has(kKeepTtl) && !deadline && spot.row != nullptr) {
      deadline = step.table.deadline(*spot.row);
    }
    put(spot, command.args[2], deadline, step);
  }
  step.reply.integer(equal ? 1 : 0);
}

}  // namespace

void write(const Command& command, const WriteStep& step) {
  switch (command.op) {
    case Op::kNoop:
      return ok(step);
    case Op::kSet:
      return set(command, step);
    case Op::kMSet:
    case Op::kMSetNx:
    case Op::kSetNx:
      return mset(command, step);
    case Op::kDel:
      return del(command, step);
    case Op::kAppend:
      return append(command, step);
    case Op::kSetRange:
      return set_range(command, step);
    case Op::kIncrBy:
      return incr_by(command, step);
    case Op::kIncrByFloat:
      return incr_by_float(command, step);
    case Op::kExpire:
      return expire(command, step);
    case Op::kPersist:
      return step.reply.integer(persist(step.table.look(step.first), step) ? 1 : 0);
    case Op::kGetDel:
      return get_del(step);
    case Op::kGetEx:
      return get_ex(command, step);
    case Op::kCas:
      return cas(command, step);
    default:
      return step.reply.error({ErrorCode::kGeneric, {}});
  }
}

}  // namespace kvorum::kv
