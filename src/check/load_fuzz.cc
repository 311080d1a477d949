// Any bytes as a recorded history: loaded or refused with the file's name; what was loaded holds
// together and can be reported.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "check/load.h"
#include "check/report.h"
#include "check/stats.h"

namespace kvorum::check {
namespace {

void look_at(const History& history) {
  Verdict verdict;
  verdict.answer = Answer::kViolation;
  for (std::uint32_t i = 0; i < history.operations.size(); ++i) {
    const auto& operation = history.operations[i];
    CHECK_LT(operation.client, history.clients.size());
    CHECK_LE(operation.start_ns, operation.end_ns);
    CHECK_EQ(operation.end_ns == kNever, operation.ended == Ended::kUnknown);
    CHECK_GE(operation.line, 1U);
    for (const auto text : {operation.key, operation.value, operation.expect, operation.level}) {
      CHECK_LT(text, history.texts.size());
    }
    CHECK_NE(operation.key, kAbsent);
    if (i % 3 == 0) {
      verdict.core.push_back(i);
    }
  }
  CHECK(!explain_text(history, verdict).empty());
  CHECK(!explain_json(history, verdict).empty());
  CHECK(!explain_html(history, verdict).empty());
  CHECK_EQ(stats_of(history).operations, history.operations.size());
}

}  // namespace
}  // namespace kvorum::check

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto history =
      kvorum::check::load_text({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (history) {
    kvorum::check::look_at(*history);
  } else {
    CHECK(history.error().detail.starts_with("fuzz:"));
  }
  return 0;
}
