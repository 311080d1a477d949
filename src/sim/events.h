// Simulated time: what happens when. The one queue of a run; equal times go by order of arrival.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace kvorum::sim {

class EventQueue {
 public:
  using Run = std::function<void()>;

  Instant now() const { return now_; }
  std::uint64_t ran() const { return ran_; }

  void at(Instant when, Run run);
  void after(Duration delay, Run run) { at(now_ + delay, std::move(run)); }

  // Runs the next event and moves time there. False: none is left.
  bool step();

 private:
  struct Entry {
    Instant when;
    std::uint64_t order;
    std::uint32_t slot;  // into runs_, so that sifting moves little

    bool operator>(const Entry& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  Instant now_{};
  std::uint64_t next_order_ = 0;
  std::uint64_t ran_ = 0;
  std::vector<Entry> heap_;
  std::vector<Run> runs_;
  std::vector<std::uint32_t> free_;
};

// Exponential with this mean, cut at 32 times it; integer arithmetic, so alike on every machine.
Duration draw_exponential(Prng& prng, Duration mean);

}  // namespace kvorum::sim
