// Asking for memory before it is needed.
#pragma once

#include <cstddef>

namespace kvorum {

// Brings the cache line of this address nearer; an address that is none does no harm. GCC takes a
// function that does nothing else for one without an effect, and drops its calls: not so with the
// empty statement.
// Not called prefetch(): boost calls its own without a namespace, and would find this one, too.
inline void bring_near(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}
inline void bring_near(const void* address, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64) {
    bring_near(static_cast<const char*>(address) + at);
  }
}

}  // namespace kvorum
