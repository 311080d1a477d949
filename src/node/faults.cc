#include "node/faults.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "node/node.h"

namespace kvorum::node {
namespace {

using Verb = FaultCommand::Verb;
using Answer = FaultAnswer::Kind;

constexpr ByteView kForbidden =
    "KV.FAULT is refused: this server does not run with --faults, or simulates its own";

std::vector<ByteView> split(ByteView text) {
  std::vector<ByteView> words;
  while (!text.empty()) {
    const auto blank = text.find(' ');
    words.push_back(text.substr(0, blank));
    text = blank == ByteView::npos ? ByteView() : text.substr(blank + 1);
  }
  return words;
}

Bytes join(std::span<const ByteView> words) {
  Bytes text;
  for (const auto word : words) {
    text += text.empty() ? "" : " ";
    text += word;
  }
  return text;
}

Error generic(std::string text) { return {ErrorCode::kGeneric, std::move(text)}; }

}  // namespace

Faults::Faults(const Options& options)
    : allowed_(options.faults),
      self_(options.self),
      members_(options.members),
      prng_(options.seed),
      table_(options.self, options.members) {}

void Faults::begin(ConnId conn, std::span<const ByteView> words, Now now) {
  auto& open = open_[conn] = Open{};
  if (!allowed_) {
    open.error = generic(std::string(kForbidden));
    return;
  }
  auto command = parse_fault(words, members_);
  if (!command) {
    open.error = command.error();
    return;
  }
  open.command = *command;
  open.text = join(words);
  if (command->verb != Verb::kStatus) {
    start(conn, open, now);
  }
}

void Faults::start(ConnId conn, Open& open, Now now) {
  const auto& command = open.command;
  if (command.verb != Verb::kRule) {
    put_in_force(command, open.text, now);
    for (const auto node : members_) {
      if (node != self_ && could_have(node, command)) {
        call(conn, open, node);
      }
    }
    return;
  }
  if (command.a == self_ || command.b == self_) {
    put_in_force(command, open.text, now);
    return;
  }
  for (const auto end : {command.b, command.a}) {
    if (end) {
      open.ends.push_back(end);
    }
  }
  const auto first = open.ends.back();
  open.ends.pop_back();
  call(conn, open, first);
}

bool Faults::could_have(NodeId node, const FaultCommand& command) const {
  return std::any_of(members_.begin(), members_.end(),
                     [&](NodeId other) { return other != node && command.covers(node, other); });
}

bool Faults::put_in_force(const FaultCommand& command, const Bytes& text, Now now) {
  if (!table_.apply(command, prng_.next(), now.mono)) {
    return false;
  }
  changed_ = true;
  log_.push_back({LogLevel::kWarn, "KV.FAULT " + text});
  return true;
}

void Faults::call(ConnId conn, Open& open, NodeId to) {
  ++open.calls;
  calls_[next_call_] = {conn, to};
  outgoing_.push_back({next_call_++, to, open.text});
}

bool Faults::settled(ConnId conn) const {
  const auto found = open_.find(conn);
  return found != open_.end() && found->second.calls == 0;
}

void Faults::finish(ConnId conn, ReplyWriter& reply, Now now) {
  const auto found = open_.find(conn);
  CHECK(found != open_.end(), "a fault command that was never begun");
  const auto open = std::move(found->second);
  open_.erase(found);
  if (open.error) {
    return reply.error(*open.error);
  }
  if (open.command.verb != Verb::kStatus) {
    return reply.status("OK");
  }
  const auto lines = table_.describe(now.mono);
  reply.array(lines.size());
  for (const auto& line : lines) {
    reply.bulk(line);
  }
}

Error Faults::abandon(ConnId conn) {
  const bool begun = open_.contains(conn);
  forget(conn);
  return begun ? Error{ErrorCode::kUnknown,
                       "other nodes did not answer in time: they may have done it, or will"}
               : Error{ErrorCode::kNoLeader, "its turn did not come in time; nothing was done"};
}

void Faults::forget(ConnId conn) {
  open_.erase(conn);
  std::erase_if(calls_, [conn](const auto& call) { return call.second.conn == conn; });
}

Result<void> Faults::apply(ByteView text, Now now) {
  if (!allowed_) {
    return fail(ErrorCode::kGeneric, "{}", kForbidden);
  }
  const auto command = parse_fault(split(text), members_);
  if (!command) {
    return tl::unexpected(command.error());
  }
  if (command->verb == Verb::kStatus || !put_in_force(*command, Bytes(text), now)) {
    return fail(ErrorCode::kGeneric, "KV.FAULT: that is not for node {}", self_.value());
  }
  return {};
}

std::optional<ConnId> Faults::answered(const FaultAnswer& answer) {
  const auto found = calls_.find(answer.id);
  if (found == calls_.end()) {
    return std::nullopt;
  }
  const auto [conn, to] = found->second;
  calls_.erase(found);
  auto& open = open_.at(conn);
  --open.calls;
  if (open.command.verb == Verb::kRule) {
    settle_rule(conn, open, to, answer);
  } else {
    settle_healing(open, to, answer);
  }
  return open.calls == 0 ? std::optional(conn) : std::nullopt;
}

void Faults::settle_rule(ConnId conn, Open& open, NodeId to, const FaultAnswer& answer) {
  if (answer.kind == Answer::kDone) {
    return;
  }
  if (answer.kind == Answer::kUnknown) {
    open.error = Error{ErrorCode::kUnknown,
                       fmt::format("node {} did not answer ({}): the rule may be in force there",
                                   to.value(), answer.why)};
  } else if (answer.kind == Answer::kRefused) {
    open.error = generic(answer.why);
  } else if (open.ends.empty()) {
    open.error = generic(fmt::format("KV.FAULT: node {} was not reached ({}); nothing was done",
                                     to.value(), answer.why));
  } else {
    const auto other = open.ends.back();
    open.ends.pop_back();
    call(conn, open, other);
  }
}

// All are asked, whatever one of them says.
void Faults::settle_healing(Open& open, NodeId to, const FaultAnswer& answer) {
  if (answer.kind == Answer::kDone || answer.kind == Answer::kAbsent || open.error) {
    return;
  }
  open.error =
      answer.kind == Answer::kRefused
          ? generic(fmt::format("node {}: {}", to.value(), answer.why))
          : Error{ErrorCode::kUnknown,
                  fmt::format("node {} was not heard ({}): its rules may still be in force",
                              to.value(), answer.why)};
}

void Faults::drain(Output& out, Now now) {
  if (table_.expire(now.mono)) {
    changed_ = true;
    log_.push_back({LogLevel::kWarn, "KV.FAULT: a rule's time is over"});
  }
  if (std::exchange(changed_, false)) {
    out.fault_rules = table_.rules();
  }
  out.fault_calls.insert(out.fault_calls.end(), std::make_move_iterator(outgoing_.begin()),
                         std::make_move_iterator(outgoing_.end()));
  outgoing_.clear();
  std::move(log_.begin(), log_.end(), std::back_inserter(out.log));
  log_.clear();
  out.wake_at = std::min(out.wake_at, table_.next_expiry());
}

}  // namespace kvorum::node
