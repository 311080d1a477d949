// KV.FAULT at one node: its own rules, and the commands of its clients that other nodes must carry
// out.
//
// A rule is in force at one end of its link, for both directions: at the node that was asked if
// that is an end, else at the first named one that answers. Healing and releasing go to all nodes
// that could have such a rule. Between nodes the commands take connections of their own, so that a
// cut never keeps its own healing out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/prng.h"
#include "model/fault.h"
#include "model/reply.h"
#include "node/fault_table.h"
#include "node/options.h"

namespace kvorum::node {

struct Output;

// A command for another node. Every call is answered once.
struct FaultCall {
  std::uint64_t id = 0;
  NodeId to;
  Bytes text;
};

struct FaultAnswer {
  enum class Kind : std::uint8_t {
    kDone,
    kRefused,
    kAbsent,     // nothing listens there: a process that is gone has no rules
    kUnreached,  // nothing was sent
    kUnknown,    // it was sent, and no answer came
  };

  std::uint64_t id = 0;
  Kind kind = Kind::kUnknown;
  std::string why;
};

class Faults {
 public:
  explicit Faults(const Options& options);

  // A client's command has come to the front of its connection's queue. `words` stand behind
  // KV.FAULT.
  void begin(ConnId conn, std::span<const ByteView> words, Now now);
  bool settled(ConnId conn) const;
  // Answers the command of begin(), once it is settled.
  void finish(ConnId conn, ReplyWriter& reply, Now now);
  // The client's patience is over before it is settled.
  Error abandon(ConnId conn);
  void forget(ConnId conn);

  // Another node's command; in force after the next drain().
  Result<void> apply(ByteView text, Now now);
  // The answer to a call, unless nobody waits for it any more. The connection whose command is
  // settled by it.
  std::optional<ConnId> answered(const FaultAnswer& answer);

  void drain(Output& out, Now now);

 private:
  struct Open {
    FaultCommand command;
    Bytes text;
    std::vector<NodeId> ends;  // kRule: who else may be asked, the next one last
    std::size_t calls = 0;     // without an answer
    std::optional<Error> error;
  };
  struct Call {
    ConnId conn;
    NodeId to;
  };

  void start(ConnId conn, Open& open, Now now);
  bool put_in_force(const FaultCommand& command, const Bytes& text, Now now);
  void call(ConnId conn, Open& open, NodeId to);
  void settle_rule(ConnId conn, Open& open, NodeId to, const FaultAnswer& answer);
  static void settle_healing(Open& open, NodeId to, const FaultAnswer& answer);
  bool could_have(NodeId node, const FaultCommand& command) const;

  bool allowed_;
  NodeId self_;
  std::vector<NodeId> members_;
  Prng prng_;
  FaultTable table_;
  bool changed_ = false;
  std::map<ConnId, Open> open_;
  std::map<std::uint64_t, Call> calls_;
  std::uint64_t next_call_ = 1;
  std::vector<FaultCall> outgoing_;
  std::vector<LogLine> log_;
};

}  // namespace kvorum::node
