// What a leaderless request answers, from the core's results or rows.
#pragma once

#include <boost/container/small_vector.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dynamo/core.h"
#include "model/command.h"
#include "model/keyspace.h"
#include "model/reply.h"

namespace kvorum::node {

// The command as a whole: nothing, if every key's request is done. With several keys it is unknown
// as soon as some may have been written; definite only if none was.
std::optional<Error> failure_of(const Command& command, std::span<const dynamo::Result> results);

// A read's answer. `rows`: one per key of the command, in order. Where siblings stand beside one
// another, GET and MGET give an array of them; what tells of one value tells of the newest.
void reply_rows(const Command& command, std::span<const dynamo::Row* const> rows, WallMs now,
                ReplyWriter& reply);
// A write's.
void reply_written(const Command& command, std::span<const dynamo::Result> results,
                   ReplyWriter& reply);

// Those of the row that a reader sees, newest first.
using LiveSiblings = boost::container::small_vector<const dynamo::Sibling*, 4>;
LiveSiblings live_siblings(const dynamo::Row& row, WallMs now);
// How many there are, and the newest of them; null: none.
struct Live {
  std::size_t count = 0;
  const dynamo::Sibling* newest = nullptr;
};
Live look(const dynamo::Row& row, WallMs now);

// [[value, version, deadline ms or -1, "live" or "deleted"], ...].
void reply_siblings(const dynamo::Row& row, ReplyWriter& reply);

// "n2:00ab..:17": node, incarnation, counter.
std::string to_string(const Dot& dot);

// KEYS, SCAN, DBSIZE, KV.DUMP, KV.DIGEST over those of the partitions that `core` holds. A SCAN
// begins at its cursor and ends before the next partition that is not here. The cursor has the
// partition's ordinal in its upper 16 bits and a range of its table below, so it is good at any
// node that holds it.
void read_rows(const dynamo::Core& core, const Keyspace& keyspace,
               const std::vector<PartitionId>& partitions, const Command& command, WallMs now,
               ReplyWriter& reply);
// Which of the keyspace's partitions, from 0, the cursor of a SCAN names.
std::uint32_t scan_ordinal(const Command& command);

}  // namespace kvorum::node
