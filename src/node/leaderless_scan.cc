// The reads of leaderless keyspaces that walk many rows.
#include <fmt/format.h>

#include <algorithm>

#include "kv/glob.h"
#include "node/leaderless_reply.h"

namespace kvorum::node {
namespace {

constexpr int kHashBits = 48;  // of a cursor
constexpr std::uint64_t kEnd = std::uint64_t{1} << kHashBits;

bool is_live(const dynamo::Row& row, WallMs now) {
  return std::any_of(row.siblings.begin(), row.siblings.end(),
                     [now](const dynamo::Sibling& sibling) { return !sibling.gone(now); });
}

using Visit = std::function<void(ByteView key, const dynamo::Row& row)>;

void each_row(const dynamo::Core& core, const std::vector<PartitionId>& partitions,
              const Visit& visit) {
  for (const auto partition : partitions) {
    core.each(partition, [&](ByteView key, const dynamo::Row& row) {
      visit(key, row);
      return true;
    });
  }
}

void reply_keys(const std::vector<Bytes>& keys, ReplyWriter& reply) {
  reply.array(keys.size());
  for (const auto& key : keys) {
    reply.bulk(key);
  }
}

bool matches(const Command& command, ByteView key) {
  return command.args.empty() || command.args[0] == "*" || kv::glob_match(command.args[0], key);
}

// Whole ranges of the table's last level, so that no key is told twice or left out whatever comes
// and goes meanwhile.
void scan(const dynamo::Core& core, const Keyspace& keyspace, const Command& command, WallMs now,
          ReplyWriter& reply) {
  const auto cursor = static_cast<std::uint64_t>(command.number);
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(command.number2, 1));
  auto ordinal = scan_ordinal(command);
  auto range = cursor & (kEnd - 1);
  constexpr std::uint64_t kRanges = std::uint64_t{1} << (4 * dynamo::Table::kDepth);
  static_assert(dynamo::Table::kFanOut == 16);
  std::vector<Bytes> keys;
  std::size_t seen = 0;
  while (ordinal < keyspace.partitions && seen < wanted) {
    const auto* table = core.table(PartitionId(keyspace.first_partition.value() + ordinal));
    if (table == nullptr) {
      break;  // who holds it goes on
    }
    for (; range < kRanges && seen < wanted; ++range) {
      table->each({dynamo::Table::kDepth, static_cast<std::uint32_t>(range)},
                  [&](const std::string& key, const dynamo::Row& row) {
                    ++seen;
                    if (is_live(row, now) && matches(command, key)) {
                      keys.push_back(key);
                    }
                    return true;
                  });
    }
    if (range >= kRanges) {
      ++ordinal;
      range = 0;
    }
  }
  const auto next = std::uint64_t{ordinal} << kHashBits | range;
  reply.array(2);
  reply.bulk(ordinal < keyspace.partitions ? std::to_string(next) : "0");
  reply_keys(keys, reply);
}

// [[key, [[value, version, deadline ms or -1, "live" or "deleted"], ...]], ...] in key order.
void dump(const dynamo::Core& core, const std::vector<PartitionId>& partitions,
          ReplyWriter& reply) {
  std::vector<std::pair<Bytes, dynamo::Row>> rows;
  each_row(core, partitions,
           [&](ByteView key, const dynamo::Row& row) { rows.emplace_back(key, row); });
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  reply.array(rows.size());
  for (const auto& [key, row] : rows) {
    reply.array(2);
    reply.bulk(key);
    reply_siblings(row, reply);
  }
}

void digest(const dynamo::Core& core, const std::vector<PartitionId>& partitions,
            ReplyWriter& reply) {
  std::uint64_t sum = 0;
  for (const auto partition : partitions) {
    const auto* table = core.table(partition);
    sum += table != nullptr ? table->digest() : 0;
  }
  reply.bulk(fmt::format("{:016x}", sum));
}

}  // namespace

void reply_siblings(const dynamo::Row& row, ReplyWriter& reply) {
  reply.array(row.siblings.size());
  for (const auto& sibling : row.siblings) {
    reply.array(4);
    reply.bulk(sibling.value);
    reply.bulk(to_string(sibling.dot));
    reply.integer(sibling.deadline ? sibling.deadline->value() : -1);
    reply.bulk(sibling.deleted ? "deleted" : "live");
  }
}

std::uint32_t scan_ordinal(const Command& command) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(command.number) >> kHashBits);
}

void read_rows(const dynamo::Core& core, const Keyspace& keyspace,
               const std::vector<PartitionId>& partitions, const Command& command, WallMs now,
               ReplyWriter& reply) {
  switch (command.op) {
    case Op::kScan:
      return scan(core, keyspace, command, now, reply);
    case Op::kDump:
      return dump(core, partitions, reply);
    case Op::kDigest:
      return digest(core, partitions, reply);
    default:
      break;
  }
  std::vector<Bytes> keys;
  std::int64_t live = 0;
  each_row(core, partitions, [&](ByteView key, const dynamo::Row& row) {
    if (is_live(row, now)) {
      ++live;
      if (command.op == Op::kKeys && matches(command, key)) {
        keys.emplace_back(key);
      }
    }
  });
  if (command.op == Op::kKeys) {
    reply_keys(keys, reply);
  } else {
    reply.integer(live);
  }
}

}  // namespace kvorum::node
