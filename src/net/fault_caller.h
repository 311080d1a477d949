// Hands KV.FAULT commands to other nodes: one short connection to the peer port for each, so that
// no fault on a link touches it.
#pragma once

#include <cstddef>
#include <functional>

#include "net/loop.h"
#include "net/server.h"
#include "node/faults.h"

namespace kvorum::net {

class FaultCaller {
 public:
  using Done = std::function<void(const node::FaultAnswer&)>;

  FaultCaller(Loop& loop, const ServerOptions& options) : loop_(loop), options_(options) {}

  // `done` is called once, later, from the loop.
  void call(const node::FaultCall& call, const Address& to, Done done);

 private:
  static constexpr std::size_t kMaxOpen = 256;

  Loop& loop_;
  const ServerOptions& options_;
  std::size_t open_ = 0;
};

}  // namespace kvorum::net
