// Asking for memory before it is needed.
#pragma once

namespace kvorum {

// Brings the cache line of this address nearer; an address that is none does no harm. GCC takes a
// function that does nothing else for one without an effect, and drops its calls: not so with the
// empty statement.
inline void prefetch(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace kvorum
