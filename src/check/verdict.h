// What a judge says. Ok is a proof, a violation is a proof with its reason; everything else is
// unknown.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "check/history.h"

namespace kvorum::check {

enum class ModelKind : std::uint8_t {
  kLinearizable,
  kSequential,
  kCausal,  // by another name: ccv
  kCc,
  kCcv,
  kCm,
  kReadYourWrites,
  kMonotonicReads,
  kMonotonicWrites,
  kWritesFollowReads,
  kPrefix,
  kBoundedTime,
  kBoundedVersions,
  kConvergence,
  kDurability,
  kProgramOrder,
  kLevels,
};

struct Model {
  ModelKind kind = ModelKind::kLinearizable;
  std::int64_t bound = 0;  // ns, or versions

  friend bool operator==(const Model&, const Model&) = default;
};

// linearizable sequential causal cc ccv cm read-your-writes monotonic-reads monotonic-writes
// writes-follow-reads prefix bounded:200ms bounded:5v convergence durability program-order levels.
// Times take ns, us, ms or s. Empty: no such model.
std::optional<Model> parse_model(std::string_view word);
std::string to_string(const Model& model);

enum class Answer : std::uint8_t { kOk, kViolation, kUnknown };
const char* to_string(Answer answer);

// One must come before another, and why: "session", "real time", "reads from", ...
struct Edge {
  std::uint32_t from = 0;  // indices into History::operations
  std::uint32_t to = 0;
  std::string why;
};

struct Verdict {
  Model model;
  Answer answer = Answer::kOk;
  std::string reason;  // of unknown: "time", "memory", "unsupported"; then `detail` says more
  std::string detail;

  // Of a violation.
  std::string sentence;             // in words, naming the operations that matter
  std::vector<std::uint32_t> core;  // the contradicting operations (indices, ascending): they alone
                                    // are a violation of the model, and no smaller part found
  std::vector<Edge> edges;          // between operations of the core
  std::vector<std::uint32_t> prefix;  // the longest order found that is legal so far; may be empty
  std::string state;                  // what the keys of the core held after `prefix`

  std::uint64_t nodes = 0;  // states that were searched
  double seconds = 0;       // that it took; judge_all fills it in
};

// How much a judge may spend; shared by all threads of one judgement.
class Budget {
 public:
  Budget() = default;
  Budget(std::chrono::nanoseconds time, std::size_t bytes)
      : deadline_(std::chrono::steady_clock::now() + time), bytes_(bytes) {}

  // Called now and then during a search, with what this search holds. Non-empty: stop, and answer
  // unknown with this reason.
  const char* spent(std::size_t bytes) const {
    if (bytes > bytes_) {
      return "memory";
    }
    return std::chrono::steady_clock::now() > deadline_ ? "time" : nullptr;
  }
  std::size_t bytes() const { return bytes_; }
  // One of so many equal parts of the time that is left.
  Budget part(int of) const {
    Budget out = *this;
    if (deadline_ != std::chrono::steady_clock::time_point::max()) {
      const auto now = std::chrono::steady_clock::now();
      out.deadline_ = now + (deadline_ - now) / of;
    }
    return out;
  }

 private:
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  std::size_t bytes_ = std::size_t{4} << 30;
};

}  // namespace kvorum::check
