#include "node/leaderless_reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "kv/value.h"
#include "node/leaderless.h"

namespace kvorum::node {
namespace {

void reply_value(const dynamo::Row* row, WallMs now, ReplyWriter& reply) {
  const auto live = row != nullptr ? live_siblings(*row, now) : LiveSiblings();
  if (live.empty()) {
    return reply.nil();
  }
  if (live.size() > 1) {
    reply.array(live.size());
  }
  for (const auto* sibling : live) {
    reply.bulk(sibling->value);
  }
}

void reply_row(const Command& command, const dynamo::Row* row, WallMs now, ReplyWriter& reply) {
  if (command.op == Op::kGet) {
    return reply_value(row, now, reply);
  }
  const auto live = row != nullptr ? live_siblings(*row, now) : LiveSiblings();
  const auto* newest = live.empty() ? nullptr : live.front();
  switch (command.op) {
    case Op::kStrLen:
      return reply.integer(newest == nullptr ? 0 : static_cast<std::int64_t>(newest->value.size()));
    case Op::kGetRange:
      return reply.bulk(kv::range_of(newest == nullptr ? ByteView() : newest->value, command));
    case Op::kType:
      return reply.status(newest == nullptr ? "none" : "string");
    case Op::kTtl:
    case Op::kExpireTime:
      return reply.integer(newest == nullptr ? -2 : kv::time_of(newest->deadline, command, now));
    default:
      CHECK(false, "op {} reads no single row", static_cast<int>(command.op));
  }
}

}  // namespace

Result<void> check_leaderless(const Command& command) {
  constexpr std::uint16_t kLifetime = kRelativeTtl | kAbsoluteTtl;
  switch (command.op) {
    case Op::kSet:
      if ((command.flags & ~kLifetime) != 0) {
        return fail(ErrorCode::kRefused,
                    "a leaderless keyspace writes without looking: NX, XX, GET, KEEPTTL and KV.IF "
                    "need agreement (use an ordered keyspace)");
      }
      return {};
    case Op::kDel:
      if (command.has(kIfVersion)) {
        return fail(ErrorCode::kRefused,
                    "a leaderless keyspace deletes without looking: KV.IF needs agreement (use an "
                    "ordered keyspace)");
      }
      return {};
    case Op::kMSet:
    case Op::kFlush:
    case Op::kGet:
    case Op::kMGet:
    case Op::kExists:
    case Op::kStrLen:
    case Op::kGetRange:
    case Op::kTtl:
    case Op::kExpireTime:
    case Op::kType:
    case Op::kKeys:
    case Op::kScan:
    case Op::kDbSize:
    case Op::kDump:
    case Op::kSearch:
    case Op::kDigest:
      return {};
    case Op::kOnce:
    case Op::kOpenClient:
    case Op::kCloseClient:
      return fail(ErrorCode::kRefused,
                  "KV.ONCE needs one order of writes; a leaderless keyspace has none");
    case Op::kRandomKey:
      return fail(ErrorCode::kRefused, "a leaderless keyspace does not draw keys; use SCAN");
    default:
      return fail(ErrorCode::kRefused,
                  "that needs agreement, or could bury a concurrent write: a leaderless keyspace "
                  "refuses it (use an ordered one)");
  }
}

Result<Counts> leaderless_counts(const Keyspace& keyspace, const std::optional<Level>& asked) {
  Counts counts{keyspace.w, keyspace.r, false};
  if (!asked) {
    return counts;
  }
  counts.sloppy = asked->sloppy;
  switch (asked->kind) {
    case LevelKind::kEventual:
      counts.r = 1;
      counts.w = 1;
      break;
    case LevelKind::kAll:
      counts.r = counts.w = keyspace.n;
      break;
    case LevelKind::kQuorum:
      if (asked->w == 0 && asked->r == 0) {
        counts.w = counts.r = static_cast<std::uint8_t>(keyspace.n / 2 + 1);
      }
      counts.w = asked->w != 0 ? asked->w : counts.w;
      counts.r = asked->r != 0 ? asked->r : counts.r;
      break;
    case LevelKind::kSession:
    case LevelKind::kCausal:
      return fail(ErrorCode::kLevel, "'{}' is not part of this version for leaderless keyspaces",
                  to_string(*asked));
    default:
      return fail(
          ErrorCode::kLevel,
          "'{}' needs one order of writes; keyspace '{}' is leaderless and serves eventual, "
          "one, quorum, all, w= and r=",
          to_string(*asked), keyspace.name);
  }
  counts.w = std::max(counts.w, keyspace.w);  // a write never weakens
  if (counts.w > keyspace.n || counts.r > keyspace.n) {
    return fail(ErrorCode::kLevel, "'{}' asks for more than the {} replicas of keyspace '{}'",
                to_string(*asked), keyspace.n, keyspace.name);
  }
  return counts;
}

namespace {

bool newer(const dynamo::Sibling& a, const dynamo::Sibling& b) {
  return std::tie(a.stamp, a.dot) > std::tie(b.stamp, b.dot);
}

}  // namespace

Live look(const dynamo::Row& row, WallMs now) {
  Live live;
  for (const auto& sibling : row.siblings) {
    if (!sibling.gone(now)) {
      ++live.count;
      live.newest = live.newest == nullptr || newer(sibling, *live.newest) ? &sibling : live.newest;
    }
  }
  return live;
}

LiveSiblings live_siblings(const dynamo::Row& row, WallMs now) {
  LiveSiblings live;
  for (const auto& sibling : row.siblings) {
    if (!sibling.gone(now)) {
      live.push_back(&sibling);
    }
  }
  std::sort(live.begin(), live.end(),
            [](const dynamo::Sibling* a, const dynamo::Sibling* b) { return newer(*a, *b); });
  return live;
}

std::optional<Error> failure_of(const Command& command, std::span<const dynamo::Result> results) {
  const dynamo::Result* failed = nullptr;
  std::size_t done = 0;
  bool unknown = false;
  for (const auto& result : results) {
    done += result.ended == dynamo::Ended::kDone ? 1 : 0;
    unknown = unknown || result.ended == dynamo::Ended::kUnknown;
    if (result.ended != dynamo::Ended::kDone && (failed == nullptr || !unknown)) {
      failed = &result;
    }
  }
  if (failed == nullptr) {
    return std::nullopt;
  }
  if (results.size() == 1 || !is_write(command.op)) {
    return Error{failed->code, failed->why};
  }
  auto text = fmt::format("{} of {} keys written; ", done, results.size());
  text += failed->why.empty() ? default_text(failed->code) : failed->why;
  return Error{unknown || done > 0 ? ErrorCode::kUnknown : failed->code, std::move(text)};
}

void reply_rows(const Command& command, std::span<const dynamo::Row* const> rows, WallMs now,
                ReplyWriter& reply) {
  if (command.op == Op::kMGet) {
    reply.array(rows.size());
    for (const auto* row : rows) {
      reply_value(row, now, reply);
    }
    return;
  }
  if (command.op == Op::kExists) {
    return reply.integer(std::count_if(rows.begin(), rows.end(), [now](const dynamo::Row* row) {
      return row != nullptr && !live_siblings(*row, now).empty();
    }));
  }
  reply_row(command, rows.front(), now, reply);
}

void reply_written(const Command& command, std::span<const dynamo::Result> results,
                   ReplyWriter& reply) {
  if (command.op == Op::kDel) {
    return reply.integer(std::count_if(results.begin(), results.end(),
                                       [](const dynamo::Result& one) { return one.existed; }));
  }
  reply.status("OK");
}

std::string to_string(const Dot& dot) {
  return fmt::format("n{}:{:016x}:{}", dot.replica.node.value(), dot.replica.incarnation.value(),
                     dot.counter);
}

}  // namespace kvorum::node
