// When what was wrong in a play, for its picture.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "lab/run_record.h"
#include "model/fault.h"

namespace kvorum::lab {

class FaultLog {
 public:
  void node(FaultVerb verb, NodeId node, std::int64_t now_ns);
  // `words` are those of the command.
  void links(const FaultCommand& command, const std::string& words, std::int64_t now_ns);
  // Everything is over now.
  std::vector<FaultSpan> take(std::int64_t now_ns);

 private:
  static constexpr std::int64_t kOpenEnd = std::numeric_limits<std::int64_t>::max();

  struct Open {
    FaultSpan span;
    std::optional<FaultCommand> command;  // empty: of a node
  };
  void close(std::size_t at, std::int64_t now_ns);

  std::vector<Open> open_;
  std::vector<FaultSpan> closed_;
};

}  // namespace kvorum::lab
