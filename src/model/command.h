// Commands as data: what the front door decodes a client's request into, what the log carries, what
// kv/ executes.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/codec.h"
#include "base/ids.h"

namespace kvorum {

// On disk and on the wire as one byte: append new ones, never renumber.
enum class Op : std::uint8_t {
  // Writes: these go through the log.
  kNoop = 0,
  kSet = 1,          // args key value; flags kIfAbsent kIfPresent kReturnOld kKeepTtl + a deadline
  kMSet = 2,         // args key value ...
  kMSetNx = 3,       // args key value ...
  kDel = 4,          // args key ...
  kAppend = 5,       // args key value
  kSetRange = 6,     // args key value; number = offset
  kIncrBy = 7,       // args key; number = delta
  kIncrByFloat = 8,  // args key delta (text)
  kExpire = 9,       // args key; deadline; flags kIfAbsent(NX) kIfPresent(XX) kIfGreater kIfLess
  kPersist = 10,     // args key
  kGetDel = 11,      // args key
  kGetEx = 12,       // args key; deadline, or flag kPersistTtl; without either it only reads
  kFlush = 13,       // no args: a new generation
  kCas =
      14,  // args key expected new; flag kExpectAbsent: expected is "absent" and args[1] is ignored
  kSetNx = 15,        // args key value; answers 1 or 0
  kOpenClient = 16,   // number = client id (of KV.ONCE); answers it
  kCloseClient = 17,  // number = client id; answers 1 or 0
  kOnce = 18,  // a numbered command of a KV.ONCE client: number = client id, number2 = sequence,
               // args[0] = the encoded inner command, args[1] = answered-below mark as decimal text
  // Reads: served from the applied state, never logged.
  kGet = 64,         // args key
  kMGet = 65,        // args key ...
  kExists = 66,      // args key ...
  kStrLen = 67,      // args key
  kGetRange = 68,    // args key; number = start, number2 = end
  kTtl = 69,         // args key; number = unit in ms (1000: TTL, 1: PTTL)
  kExpireTime = 70,  // args key; number = unit in ms (1000: EXPIRETIME, 1: PEXPIRETIME)
  kType = 71,        // args key
  kKeys = 72,        // args pattern
  kScan = 73,  // args [pattern]; number = cursor, number2 = count. Answers [next cursor, keys]; see
               // kv/machine.h
  kDbSize = 74,
  kRandomKey = 75,  // number = a draw by the node, uniform over 64 bits
  kDump = 76,       // KV.DUMP: every row with version and deadline
  kSearch = 77,     // args key: [[value, version, deadline ms or -1]], or []
  kDigest = 78,     // KV.DIGEST: 16 hex digits over every row (key, value, version, deadline)
  kTell = 79,       // args text; number = when it was sent, ms: a node's message to another's log
  kLead = 80,       // no args: hand the partitions of the question over to the asker
  kHear = 81,       // number = a version of the table of keyspaces: answer once you know it
};

constexpr bool is_write(Op op) { return static_cast<std::uint8_t>(op) < 64; }

enum CommandFlag : std::uint16_t {
  kIfAbsent = 1 << 0,
  kIfPresent = 1 << 1,
  kReturnOld = 1 << 2,
  kKeepTtl = 1 << 3,
  kIfGreater = 1 << 4,
  kIfLess = 1 << 5,
  kPersistTtl = 1 << 6,
  kExpectAbsent = 1 << 7,
  kRelativeTtl = 1 << 8,  // number = ms from the entry's stamp
  kAbsoluteTtl = 1 << 9,  // number = ms since the Unix epoch
  kIfVersion = 1 << 10,   // kSet, kDel of one key: only on a row whose version, packed, is number2
};

// Borrows its arguments from the request's or the entry's bytes.
struct Command {
  Op op = Op::kNoop;
  std::uint16_t flags = 0;
  std::int64_t number = 0;
  std::int64_t number2 = 0;
  boost::container::small_vector<ByteView, 4> args;

  bool has(CommandFlag flag) const { return (flags & flag) != 0; }
};

// Appends the command: op u8, flags varint, number and number2 zigzag varints, count varint, then
// each argument.
void encode(const Command& command, Bytes& out);

// False (and reader.ok() false) on malformed bytes. `command` is overwritten; its args borrow the
// reader's bytes.
bool decode(Reader& reader, Command& command);

// A run: consecutive commands of one node, numbered seq, seq + 1, ... under the node's client id.
// An entry's payload is runs, one behind another. Nodes send runs go-back-N: kv/ applies a run's
// commands only from the next expected number on, so a repeat is skipped and a gap is refused
// (kv/machine.h).
struct RunHead {
  ClientId client;
  std::uint64_t first_seq = 0;  // from 1
  std::uint32_t count = 0;
  std::uint32_t bytes = 0;  // of the encoded commands that follow
};
inline constexpr std::size_t kRunHeadBytes = 24;

void encode(const RunHead& head, Bytes& out);
std::optional<RunHead> decode_run_head(Reader& reader);

// Who numbers a node's commands: (node, incarnation, boot count), hashed to 64 bits, never 0.
ClientId client_of(NodeId node, Incarnation incarnation, std::uint64_t boot);

}  // namespace kvorum
