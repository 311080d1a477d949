// The command table: what a client may say, how many arguments it takes, and what it means.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/command.h"
#include "model/reply.h"

namespace kvorum::node {

// What a request asks for. kData carries a Command; the rest are answered by the node itself, in
// the connection's order.
enum class Verb : std::uint8_t {
  kData,
  kPing,
  kEcho,
  kHello,
  kAuth,
  kClient,
  kCommand,
  kConfig,
  kInfo,
  kTime,
  kSelect,
  kQuit,
  kReset,
  kKvAt,
  kKvLevel,
  kKvReceipt,
  kKvSession,
  kKvOnce,
  kKvStatus,
  kKvWhere,
  kKvDump,
  kKvSearch,
  kKvDigest,
  kKvKeyspace,
  kKvFault,
  kKvSend,
  kKvLead,
  kKvContext,
  kKvIf,
  kKvConflicts,
};

struct Limits {
  std::size_t key_bytes = 65536;
  std::size_t value_bytes = std::size_t{16} << 20;
};

struct Parsed {
  Verb verb = Verb::kData;
  Command command;  // kData: decoded, its args borrow the request's
};

// Looks the command up (any case), checks the arity, decodes and checks options. Error texts are
// Redis 7's: "unknown command 'foo', with args beginning with: ", "wrong number of arguments for
// 'get' command", "syntax error", "invalid expire time in 'set' command", ...  KV.DUMP, KV.SEARCH
// and KV.DIGEST are kData (Op::kDump, kSearch, kDigest).
Result<Parsed> parse(std::span<const ByteView> args, const Limits& limits);

// Calls visit(key) for each key of a data command: none for kKeys, kScan, kDbSize, kRandomKey,
// kFlush, kDump, kDigest.
template <class Visit>
void each_key(const Command& command, Visit visit) {
  std::size_t step = 1, end = 1;
  switch (command.op) {
    case Op::kMSet:
    case Op::kMSetNx:
      step = 2;
      end = command.args.size();
      break;
    case Op::kDel:
    case Op::kMGet:
    case Op::kExists:
      end = command.args.size();
      break;
    case Op::kKeys:
    case Op::kScan:
    case Op::kDbSize:
    case Op::kRandomKey:
    case Op::kFlush:
    case Op::kDump:
    case Op::kDigest:
    case Op::kNoop:
    case Op::kOpenClient:
    case Op::kCloseClient:
    case Op::kOnce:
      return;
    default:
      break;
  }
  for (std::size_t i = 0; i < end && i < command.args.size(); i += step) {
    visit(command.args[i]);
  }
}

// COMMAND, COMMAND COUNT, COMMAND DOCS [name...], COMMAND INFO [name...], COMMAND LIST, COMMAND
// GETKEYS ...: from the same table.
void reply_command(std::span<const ByteView> args, ReplyWriter& reply);

}  // namespace kvorum::node
