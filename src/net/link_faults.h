// What KV.FAULT does to the messages of one link. Without rules it is one look at active().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "net/loop.h"
#include "node/fault_table.h"

namespace kvorum::net {

// One direction: loses, keeps or delays messages.
class FaultLine {
 public:
  // `limit`: bytes that may wait.
  FaultLine(Loop& loop, std::size_t limit, bool outgoing)
      : loop_(loop), limit_(limit), outgoing_(outgoing), timer_(loop.io()) {}

  // The rules from now on. What no rule keeps any more is delivered, in order.
  void set(std::vector<node::FaultRule> rules);
  // Calls `deliver` now, later or never.
  void take(std::size_t bytes, std::function<void()> deliver);
  // The connection broke: what waits is lost with it.
  void clear();

 private:
  struct Kept {
    std::size_t bytes;
    std::function<void()> deliver;
  };

  const node::FaultRule* find(FaultKind kind) const;
  Prng& prng(const node::FaultRule& rule) const { return rule.use->prng[outgoing_ ? 0 : 1]; }
  bool lost(const node::FaultRule& rule, std::size_t bytes);
  void overflow(const node::FaultRule& rule);
  Instant due(const node::FaultRule* delay);
  void deliver_until(Instant now);
  void arm();

  Loop& loop_;
  std::size_t limit_;
  bool outgoing_;
  Timer timer_;
  std::uint64_t round_ = 0;  // timers of an older one do nothing
  std::vector<node::FaultRule> rules_;
  std::multimap<Instant, Kept> kept_;  // by when they are due
  std::size_t kept_bytes_ = 0;
  Instant last_due_;
  bool overfull_ = false;  // told that messages are dropped
};

// Both directions.
class LinkFaults {
 public:
  LinkFaults(Loop& loop, std::size_t limit) : out_(loop, limit, true), in_(loop, limit, false) {}

  // Takes the rules about this peer out of all.
  void set(NodeId peer, const std::vector<node::FaultRule>& rules);

  bool active() const { return active_; }
  bool cut() const { return cut_; }
  FaultLine& out() { return out_; }
  FaultLine& in() { return in_; }

 private:
  bool active_ = false;
  bool cut_ = false;
  FaultLine out_;
  FaultLine in_;
};

}  // namespace kvorum::net
