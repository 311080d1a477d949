// The command table as data. parse() and COMMAND are made of it, and so are the shell's completion
// and help.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "model/command.h"
#include "node/commands.h"

namespace kvorum::node {

// How the arguments of a data command are decoded; kPlain takes them over as they are.
enum class Decode : std::uint8_t {
  kPlain,
  kAtMostOne,   // a verb with at most one argument
  kPairs,       // key value ...
  kSet,         // key value [options]
  kSetEx,       // key time value; preset_number = ms per unit
  kGetEx,       // key [options]
  kSetRange,    // key offset value
  kGetRange,    // key start end
  kDelta,       // key delta; preset_number = 1 or -1
  kFloatDelta,  // key delta
  kExpire,      // key time [NX|XX|GT|LT]; preset_number = ms per unit
  kFlush,       // [ASYNC|SYNC]
  kScan,        // cursor [options]
  kCas,         // key expected new [IFABSENT]
};

enum class Group : std::uint8_t { kString, kGeneric, kConnection, kServer, kKvorum };

// As COMMAND INFO names them.
namespace trait {
inline constexpr std::uint8_t kWrite = 1 << 0;
inline constexpr std::uint8_t kReadOnly = 1 << 1;
inline constexpr std::uint8_t kDenyOom = 1 << 2;
inline constexpr std::uint8_t kFast = 1 << 3;
inline constexpr std::uint8_t kAdmin = 1 << 4;
inline constexpr std::uint8_t kLoading = 1 << 5;  // answered while the node is not serving yet
inline constexpr std::uint8_t kMovableKeys = 1 << 6;
}  // namespace trait

struct CommandSpec {
  ByteView name;     // lower case
  ByteView syntax;   // the arguments, for people
  ByteView summary;  // one line, for people
  Group group = Group::kString;
  Verb verb = Verb::kData;
  int arity = 0;  // the name counts; negative: at least that many
  std::uint8_t traits = 0;
  std::int8_t first_key = 0;  // 0: none
  std::int8_t last_key = 0;   // negative: from the end
  std::int8_t key_step = 0;
  Op op = Op::kNoop;
  Decode decode = Decode::kPlain;
  std::uint16_t preset_flags = 0;
  std::int64_t preset_number = 0;
};

std::span<const CommandSpec> command_table();

// In any case; null when there is none of that name.
const CommandSpec* find_command(ByteView name);

// How many words stand in front of the command that a wrapper (KV.AT ...) runs; 0: it is none.
std::size_t wrapper_words(std::span<const ByteView> args);
// The command inside all wrappers; a wrapper that wraps nothing is left as it is.
std::span<const ByteView> unwrapped(std::span<const ByteView> args);

const char* to_string(Group group);

}  // namespace kvorum::node
