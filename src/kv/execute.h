// What each command does to a table. Semantics and error texts are those of Redis 7.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "kv/table.h"
#include "model/command.h"
#include "model/reply.h"

namespace kvorum::kv {

// Has the arguments that the command needs, none too long to be stored. The front door has checked
// that; this keeps the machine safe from bytes that came another way.
bool well_formed(const Command& command);

// Whether the command looks at, or keeps, the values that its rows have before it, so that none of
// them may be cold: those of all arguments for kMGet, of the first one for others. No row at all
// may be cold for kDump.
bool needs_values(const Command& command);

// One write at its place in the log.
struct WriteStep {
  Table& table;
  std::size_t max_value_bytes;
  WallMs now;  // log time
  Version version;
  ReplyWriter& reply;
  const KeyRef& first;  // of the first argument, where there is one
};

// Ops below 64 that concern rows: not kFlush and those of clients. Must be well formed.
void write(const Command& command, const WriteStep& step);

struct ReadStep {
  const Table& table;
  WallMs now;  // at or after log time
  ReplyWriter& reply;
};

// Ops from 64 on. Must be well formed. Gives the version of the row that kGet found, else 0.
Version read(const Command& command, const ReadStep& step);

// The reads that walk many rows (scan.cc).
void read_keys(ByteView pattern, const ReadStep& step);
void read_scan(const Command& command, const ReadStep& step);
void read_dump(const ReadStep& step);

}  // namespace kvorum::kv
