// The store in memory, for who needs more of it than the contract: the simulator.
#pragma once

#include <memory>

#include "store/store.h"

namespace kvorum::store {

// A second store with the same content. CHECK-fails unless `store` came from open_mem() or from
// here.
std::unique_ptr<Store> copy_mem(const Store& store);

}  // namespace kvorum::store
