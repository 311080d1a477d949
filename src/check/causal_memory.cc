// Causal memory: each session has an order of its own past in which all of its own observations fit
// (POPL 2017, section 5.3: CyclicHB and WriteHBInitRead). The forced order of a session starts as
// the causal order and grows by "a write that comes before a read, and is not what it saw, comes
// before what it saw", until nothing changes.
//
// That this suffices: emit, for one observation of the session after the other, what the forced
// order puts before it. Then the last write of the key is the one that was seen, as the rule put
// all others before it. So it holds for chains of appends, too.
#include <fmt/format.h>

#include "check/causal.h"

namespace kvorum::check {
namespace {

class SessionOrder {
 public:
  // Of the session that ends with `last`.
  SessionOrder(const Frame& frame, const Given& given, CausalOrder order, Node last)
      : frame_(frame),
        given_(given),
        order_(std::move(order)),
        session_(frame.nodes[last].session) {
    for (const auto node : frame.sessions[session_]) {
      if (given.saw[node] != nullptr && (node == last || frame.session_before(node, last))) {
        readers_.push_back(node);
      }
    }
    if (frame.nodes[last].loose) {
      readers_.push_back(last);
    }
  }

  std::optional<Reasons> refute() {
    for (const auto reader : readers_) {
      each_appended(*given_.saw[reader], [&](const Link& link) { order_.links.add(link); });
    }
    for (bool grown = true; grown;) {
      if (!order_.settle()) {
        return told(reasons(frame_, order_.links, order_.links.cycle()));
      }
      grown = false;
      for (const auto reader : readers_) {
        const auto before = order_.links.size();
        if (auto found = grow(reader)) {
          return found;
        }
        grown = grown || order_.links.size() > before;
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<Reasons> grow(Node reader) {
    const auto base = given_.saw[reader]->base();
    Node missed = kNone;
    order_.each_unseen(reader, [&](Node unseen) {
      if (base == kInitial) {
        missed = unseen;
      } else if (!order_.before(unseen, base)) {
        order_.links.add({unseen, base, Why::kOverwritten, reader});
      }
    });
    if (missed == kNone) {
      return std::nullopt;
    }
    // Only links that the clocks know count: those of the rounds before.
    auto out =
        reasons(frame_, order_.links, order_.links.path(missed, reader, order_.links.size()));
    out.sentence = fmt::format("{} missed {}, though it came after that: {}",
                               describe(*frame_.history, frame_.op(reader)),
                               describe(*frame_.history, frame_.op(missed)), out.sentence);
    out.core.push_back(frame_.nodes[missed].op);
    out.core.push_back(frame_.nodes[reader].op);
    return told(std::move(out));
  }

  Reasons told(Reasons out) const {
    out.sentence = fmt::format("no order of what client {} can know fits all that it saw: {}",
                               frame_.history->clients[session_], out.sentence);
    return out;
  }

  const Frame& frame_;
  const Given& given_;
  CausalOrder order_;
  const std::uint32_t session_;
  std::vector<Node> readers_;
};

}  // namespace

std::optional<Reasons> refute_cm(const Frame& frame, const Given& given) {
  CausalOrder order(frame, given);
  if (auto found = refute_cc(frame, given, order)) {
    return found;
  }
  std::vector<Node> ends;
  for (const auto& session : frame.sessions) {
    if (!session.empty()) {
      ends.push_back(session.back());
    }
  }
  // A cas of unknown outcome whose write was seen ends a session, too: nothing follows it.
  for (Node node = 0; node < frame.nodes.size(); ++node) {
    if (frame.nodes[node].loose && given.saw[node] != nullptr) {
      ends.push_back(node);
    }
  }
  for (const auto last : ends) {
    if (auto found = SessionOrder(frame, given, order, last).refute()) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace kvorum::check
