// What a load sends: GET and SET of keys that are drawn from a seed, as bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/prng.h"
#include "load/keys.h"

namespace kvorum::load {

enum class Kind : std::uint8_t { kRead, kWrite };
inline constexpr std::size_t kKinds = 2;

struct PlanOptions {
  double reads = 0.5;  // of all requests, 0 to 1
  std::uint64_t keys = 100'000;
  std::size_t key_size = 16;  // bytes; at least key_digits(keys)
  std::size_t value_size = 64;
  Distribution distribution = Distribution::kUniform;
  std::uint64_t seed = 1;
};

// How many bytes a key needs at least.
std::size_t key_digits(std::uint64_t keys);

// One thread's requests, without end.
class Plan {
 public:
  // Each `thread` has a sequence of its own.
  Plan(const PlanOptions& options, std::uint64_t thread);

  // Appends the next request.
  Kind next(Bytes& out);
  // From now on a SET of each key in turn: first, first + step, ...
  void fill(std::uint64_t first, std::uint64_t step);
  // From now on as drawn.
  void draw() { fill_step_ = 0; }

 private:
  void append(const Bytes& request, std::size_t key_end, std::uint64_t key, Bytes& out) const;

  Keys keys_;
  Prng prng_;
  std::uint64_t read_below_;  // a draw of 32 bits below this is a read
  std::size_t value_size_;
  // Whole requests; the key's last digits and the value are written over.
  Bytes get_;
  Bytes set_;
  std::size_t get_key_end_ = 0;
  std::size_t set_key_end_ = 0;
  Bytes letters_;  // values are pieces of it
  std::uint64_t fill_next_ = 0;
  std::uint64_t fill_step_ = 0;  // 0: as drawn
};

}  // namespace kvorum::load
