// The reads of single rows, and what a well-formed command is.
#include <algorithm>
#include <array>

#include "kv/execute.h"
#include "kv/value.h"

namespace kvorum::kv {
namespace {

void reply_value(ReplyWriter& reply, const Row* row) {
  if (row != nullptr) {
    reply.bulk(row->value());
  } else {
    reply.nil();
  }
}

void mget(const Command& command, const ReadStep& step) {
  step.reply.array(command.args.size());
  for (const auto key : command.args) {
    reply_value(step.reply, step.table.find(key));
  }
}

void exists(const Command& command, const ReadStep& step) {
  step.reply.integer(std::count_if(command.args.begin(), command.args.end(),
                                   [&](ByteView key) { return step.table.find(key) != nullptr; }));
}

void get_range(const Command& command, const ReadStep& step) {
  const auto* row = step.table.find(command.args[0]);
  step.reply.bulk(range_of(row != nullptr ? row->value() : ByteView(), command));
}

void reply_time(const Command& command, const ReadStep& step) {
  const auto* row = step.table.find(command.args[0]);
  step.reply.integer(row == nullptr ? -2 : time_of(step.table.deadline(*row), command, step.now));
}

void search(const Command& command, const ReadStep& step) {
  const auto* row = step.table.find(command.args[0]);
  if (row == nullptr) {
    return step.reply.array(0);
  }
  const auto deadline = step.table.deadline(*row);
  step.reply.array(1);
  step.reply.array(3);
  step.reply.bulk(row->value());
  step.reply.integer(static_cast<std::int64_t>(row->version().packed));
  step.reply.integer(deadline ? deadline->value() : -1);
}

void random_key(const Command& command, const ReadStep& step) {
  const auto* row = step.table.rows().random(static_cast<std::uint64_t>(command.number));
  if (row == nullptr) {
    return step.reply.nil();
  }
  step.reply.bulk(row->key());
}

void digest(const ReadStep& step) {
  std::array<char, 16> text;
  fmt::format_to_n(text.data(), text.size(), "{:016x}", step.table.digest());
  step.reply.bulk({text.data(), text.size()});
}

struct Arity {
  std::size_t least = 0;
  std::size_t most = 0;
  std::size_t step = 1;
};
constexpr std::size_t kMany = SIZE_MAX;

Arity arity(Op op) {
  switch (op) {
    case Op::kNoop:
    case Op::kFlush:
    case Op::kOpenClient:
    case Op::kCloseClient:
    case Op::kDbSize:
    case Op::kRandomKey:
    case Op::kDump:
    case Op::kDigest:
    case Op::kTell:  // no machine's business
    case Op::kLead:
    case Op::kHear:
      return {0, 0};
    case Op::kScan:
      return {0, 1};
    case Op::kPersist:
    case Op::kGetDel:
    case Op::kGetEx:
    case Op::kIncrBy:
    case Op::kExpire:
    case Op::kGet:
    case Op::kStrLen:
    case Op::kGetRange:
    case Op::kTtl:
    case Op::kExpireTime:
    case Op::kType:
    case Op::kKeys:
    case Op::kSearch:
      return {1, 1};
    case Op::kSet:
    case Op::kSetNx:
    case Op::kAppend:
    case Op::kSetRange:
    case Op::kIncrByFloat:
    case Op::kOnce:
      return {2, 2};
    case Op::kCas:
      return {3, 3};
    case Op::kMSet:
    case Op::kMSetNx:
      return {2, kMany, 2};
    case Op::kDel:
    case Op::kMGet:
    case Op::kExists:
      return {1, kMany};
  }
  return {1, 0};  // no such op: nothing fits
}

}  // namespace

bool well_formed(const Command& command) {
  const auto [least, most, step] = arity(command.op);
  const auto count = command.args.size();
  return count >= least && count <= most && count % step == 0 &&
         std::all_of(command.args.begin(), command.args.end(),
                     [](ByteView arg) { return arg.size() < Row::kMaxBytes; });
}

bool needs_values(const Command& command) {
  switch (command.op) {
    case Op::kAppend:
    case Op::kSetRange:
    case Op::kIncrBy:
    case Op::kIncrByFloat:
    case Op::kExpire:   // a row goes to the disk as a whole
    case Op::kPersist:  // and so here
    case Op::kGetDel:
    case Op::kGetEx:
    case Op::kCas:
    case Op::kGet:
    case Op::kMGet:
    case Op::kGetRange:
    case Op::kSearch:
      return true;
    case Op::kSet:
      return command.has(kReturnOld);
    default:
      return false;
  }
}

ByteView range_of(ByteView value, const Command& command) {
  const auto size = static_cast<std::int64_t>(value.size());
  auto start = command.number;
  auto end = command.number2;
  if (start < 0 && end < 0 && start > end) {
    return {};
  }
  start = std::max<std::int64_t>(start < 0 ? size + start : start, 0);
  end = std::min(std::max<std::int64_t>(end < 0 ? size + end : end, 0), size - 1);
  if (start > end) {
    return {};
  }
  return value.substr(static_cast<std::size_t>(start), static_cast<std::size_t>(end - start + 1));
}

std::int64_t time_of(std::optional<WallMs> deadline, const Command& command, WallMs now) {
  if (!deadline) {
    return -1;
  }
  auto ms = deadline->value();
  if (command.op == Op::kTtl) {
    // The row is there until log time says otherwise, so what remains may already be nothing.
    ms = __builtin_sub_overflow(ms, now.value(), &ms) ? INT64_MAX : std::max<std::int64_t>(ms, 0);
  }
  const auto unit = std::max<std::int64_t>(command.number, 1);
  return ms / unit + (ms % unit >= (unit + 1) / 2 && unit > 1 ? 1 : 0);
}

namespace {

void read_rest(const Command& command, const ReadStep& step) {
  switch (command.op) {
    case Op::kMGet:
      return mget(command, step);
    case Op::kExists:
      return exists(command, step);
    case Op::kStrLen: {
      const auto* row = step.table.find(command.args[0]);
      return step.reply.integer(row != nullptr ? static_cast<std::int64_t>(row->value_size()) : 0);
    }
    case Op::kGetRange:
      return get_range(command, step);
    case Op::kTtl:
      return reply_time(command, step);
    case Op::kExpireTime:
      return reply_time(command, step);
    case Op::kType:
      return step.reply.status(step.table.find(command.args[0]) != nullptr ? "string" : "none");
    case Op::kKeys:
      return read_keys(command.args[0], step);
    case Op::kScan:
      return read_scan(command, step);
    case Op::kDbSize:
      return step.reply.integer(static_cast<std::int64_t>(step.table.size()));
    case Op::kRandomKey:
      return random_key(command, step);
    case Op::kDump:
      return read_dump(step);
    case Op::kSearch:
      return search(command, step);
    case Op::kDigest:
      return digest(step);
    default:
      return step.reply.error({ErrorCode::kGeneric, {}});
  }
}

}  // namespace

Version read(const Command& command, const ReadStep& step) {
  if (command.op != Op::kGet) {
    read_rest(command, step);
    return {};
  }
  const auto* row = step.table.find(command.args[0]);
  reply_value(step.reply, row);
  return row != nullptr ? row->version() : Version{};
}

}  // namespace kvorum::kv
