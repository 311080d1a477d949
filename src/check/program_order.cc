// Program order: a client's lines stand in its own order. A recorder's defect, not the store's.
#include <fmt/format.h>

#include "check/judge.h"

namespace kvorum::check {

Verdict judge_program_order(const History& history) {
  Verdict verdict;
  verdict.model = {ModelKind::kProgramOrder, 0};
  constexpr std::uint32_t kNobody = 0xffffffff;
  std::vector<std::uint32_t> last(history.clients.size(), kNobody);
  std::vector<std::uint32_t> last_numbered(history.clients.size(), kNobody);
  for (std::uint32_t i = 0; i < history.operations.size(); ++i) {
    const auto& op = history.operations[i];
    auto bad = kNobody;
    const char* what = nullptr;
    if (last[op.client] != kNobody && history.operations[last[op.client]].start_ns > op.start_ns) {
      bad = last[op.client];
      what = "began later";
    }
    const auto numbered = last_numbered[op.client];
    if (op.seq >= 0 && numbered != kNobody && history.operations[numbered].seq >= op.seq) {
      bad = numbered;
      what = "has no smaller sequence number";
    }
    if (what != nullptr) {
      verdict.answer = Answer::kViolation;
      verdict.core = {bad, i};
      verdict.edges = {{bad, i, "line order"}};
      verdict.sentence =
          fmt::format("{} stands before {}, but {}", describe(history, history.operations[bad]),
                      describe(history, op), what);
      return verdict;
    }
    last[op.client] = i;
    last_numbered[op.client] = op.seq >= 0 ? i : numbered;
  }
  return verdict;
}

}  // namespace kvorum::check
