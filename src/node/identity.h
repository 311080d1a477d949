// Who a data directory belongs to (docs/architecture.md, Identity). Formed once, synced, checked at
// every start.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/ids.h"
#include "store/store.h"

namespace kvorum::node {

struct Identity {
  ClusterId cluster;
  NodeId node;
  Incarnation incarnation;
  bool may_vote = false;   // formed with --init
  std::uint64_t boot = 0;  // starts so far, this one included
};

// Reads the directory's identity, or forms it when the store is empty: `incarnation` is a fresh
// random number, `init` whether
// --init was given. Raises the boot count. All of it is on disk when this returns. kIdentity:
// another cluster's or node's directory.
Result<Identity> identify(store::Store& store, ClusterId cluster, NodeId node,
                          Incarnation incarnation, bool init);

}  // namespace kvorum::node
