#include "load/lane.h"

namespace kvorum::load {

bool Lane::take(ByteView bytes, Instant now) {
  bool asked_for = true;
  const auto on_reply = [this, now, &asked_for](ReplyScanner::What what, ByteView text) {
    if (in_flight_ == 0) {
      asked_for = false;
      return;
    }
    const auto request = pop();
    if (what == ReplyScanner::What::kError) {
      return tally_.failed(request.kind, text);
    }
    auto& tally = tally_.of(request.kind);
    tally.absent += what == ReplyScanner::What::kNil ? 1 : 0;
    tally.latency.record(static_cast<std::uint64_t>((now - request.due).count()));
  };
  return scanner_.feed(bytes, on_reply) && asked_for;
}

void Lane::lose(const std::string& why) {
  while (in_flight_ > 0) {
    tally_.lost(pop().kind, why);
  }
  scanner_ = ReplyScanner();
}

}  // namespace kvorum::load
