// KV.FAULT as data: what tests and demos may do to the links between nodes, how they say it, and
// how one node hands it to another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"

namespace kvorum {

enum class FaultKind : std::uint8_t {
  kCut,    // the link is closed, and refused until healed
  kMute,   // cut ... oneway: the link is up, but nothing said one way arrives
  kHold,   // messages wait, in order, for their release
  kDelay,  // messages arrive later
  kDrop,   // messages are lost by chance
  // Of a node, not of a link: a and b are the same.
  kDisk,   // each batch of writes takes longer
  kClock,  // its wall clock is ahead, or behind
};
constexpr bool is_of_node(FaultKind kind) {
  return kind == FaultKind::kDisk || kind == FaultKind::kClock;
}

// One KV.FAULT command, checked.
struct FaultCommand {
  enum class Verb : std::uint8_t { kRule, kHeal, kRelease, kStatus };

  Verb verb = Verb::kStatus;
  FaultKind kind = FaultKind::kCut;  // kRule
  NodeId a;                          // 0: all nodes but `b`
  NodeId b;                          // 0: all nodes but `a`
  bool oneway = false;               // what a sends to b, and not what b sends to a
  Duration delay{};                  // kClock: may be negative
  Duration jitter{};                 // drawn evenly from [delay - jitter, delay + jitter]
  bool unordered = false;            // later messages may overtake
  std::uint32_t percent = 0;
  std::optional<std::uint64_t> seed;
  Duration lasts{};  // 0: until healed

  // Whether it is about the link between two nodes, or, of the same one, about that node.
  bool covers(NodeId x, NodeId y) const {
    const auto fits = [](NodeId named, NodeId node) { return !named || named == node; };
    return (fits(a, x) && fits(b, y)) || (fits(a, y) && fits(b, x));
  }
};

// The words behind KV.FAULT, in any case. The error names the word that is wrong.
Result<FaultCommand> parse_fault(std::span<const ByteView> words, std::span<const NodeId> members);

// Between nodes, over a connection that no fault touches: a command, or the answer to one.
struct FaultFrame {
  enum class Kind : std::uint8_t { kCommand, kDone, kRefused };

  ClusterId cluster;
  NodeId from;
  NodeId to;
  Kind kind = Kind::kCommand;
  Bytes text;  // the command's words with blanks between, or why it was refused

  friend bool operator==(const FaultFrame&, const FaultFrame&) = default;
};

}  // namespace kvorum
