// What came of a load's requests. A thread has its own; they are merged at the end.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/time.h"
#include "load/histogram.h"
#include "load/plan.h"

namespace kvorum::load {

struct KindTally {
  Histogram latency;         // of requests that ended well, from when they were due
  std::uint64_t absent = 0;  // of those, reads of keys that do not exist
  std::uint64_t failed = 0;
};

// Of one kind of request and one code.
struct Failures {
  std::uint64_t count = 0;
  bool unknown = false;  // the writes may have been done
  std::string example;
};

// Connections of one node.
struct Losses {
  std::uint64_t count = 0;
  std::string why;  // of the last
};

// The code of requests whose connection broke, or whose reply did not come in time.
inline constexpr const char* kLost = "LOST";

struct Tally {
  std::array<KindTally, kKinds> kinds;                        // by Kind
  std::map<std::pair<Kind, std::string>, Failures> failures;  // by code
  std::map<std::string, Losses> losses;                       // by address
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  Instant begin = Instant::max();  // when the first request could be due
  Instant last = Instant::min();   // when the last one was answered
  std::uint64_t left_over = 0;     // requests of an open loop that were due and never sent

  KindTally& of(Kind kind) { return kinds[static_cast<std::size_t>(kind)]; }
  const KindTally& of(Kind kind) const { return kinds[static_cast<std::size_t>(kind)]; }
  std::uint64_t ended() const;  // requests, well or not

  // `text` is an error reply, "CODE text".
  void failed(Kind kind, ByteView text);
  void lost(Kind kind, const std::string& why);
  void merge(const Tally& other);

 private:
  void add(Kind kind, std::string code, bool unknown, ByteView example);
};

}  // namespace kvorum::load
