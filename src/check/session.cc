// The four session guarantees (Terry and others: Session guarantees for weakly consistent
// replicated data, PDIS 1994), with visibility: docs/consistency.md, "How histories are judged".
//
// What each observation must see at least follows from what it saw, by the guarantee's rule. Every
// other write of its key that it must see comes, in the one order of writes (arbitration), before
// the write that set the value it saw. The guarantee holds iff these constraints have no circle:
// seeing less, or ordering less, than what is forced never helps.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "check/causal.h"
#include "check/judge.h"

namespace kvorum::check {
namespace {

class Guarantee {
 public:
  Guarantee(const Frame& frame, const Given& given, ModelKind kind)
      : frame_(frame),
        given_(given),
        kind_(kind),
        causal_(frame, given),
        arbitration_(frame.nodes.size()),
        seen_by_(frame.nodes.size(), kNone) {}

  std::optional<Reasons> refute() {
    if (!causal_.settle()) {
      auto out = reasons(frame_, causal_.links, causal_.links.cycle());
      out.sentence = "what was seen goes round in a circle: " + out.sentence;
      return out;
    }
    add_session_order();
    std::vector<Node> last_on_key(frame_.keys.size());
    for (const auto& session : frame_.sessions) {
      std::fill(last_on_key.begin(), last_on_key.end(), kNone);
      for (const auto node : session) {
        if (given_.saw[node] != nullptr) {
          see(node, last_on_key[frame_.nodes[node].key]);
          last_on_key[frame_.nodes[node].key] = node;
        }
      }
    }
    for (Node node = 0; node < frame_.nodes.size(); ++node) {
      if (frame_.nodes[node].loose && given_.saw[node] != nullptr) {
        see(node, earlier_reader(node));
      }
    }
    if (found_) {
      return std::move(found_);
    }
    if (arbitration_.sorted().size() == frame_.nodes.size()) {
      return std::nullopt;
    }
    const auto circle = arbitration_.cycle();
    auto out = reasons(frame_, arbitration_, circle);
    for (const auto i : circle) {
      for (const auto node : {arbitration_[i].cause, because_.contains(i) ? because_[i] : kNone}) {
        if (node != kNone) {
          out.core.push_back(frame_.nodes[node].op);
        }
      }
    }
    out.sentence = "the order of writes would go round in a circle: " + out.sentence;
    return out;
  }

 private:
  // The last write of a session at or before the node; only those of the key, if one is given.
  Node last_write(Node node, std::uint32_t key = kNone) const {
    while (node != kNone &&
           !(frame_.nodes[node].writes && (key == kNone || frame_.nodes[node].key == key))) {
      node = frame_.nodes[node].before;
    }
    return node;
  }

  Node earlier_reader(Node node) const {
    const auto key = frame_.nodes[node].key;
    do {
      node = frame_.nodes[node].before;
    } while (node != kNone && (given_.saw[node] == nullptr || frame_.nodes[node].key != key));
    return node;
  }

  // Of the reader that see() is about.
  bool seen(Node write) const { return seen_by_[write] == reader_; }

  // Arbitration extends each session's order of writes; under writes-follow-reads, a write also
  // comes after what its session had seen before.
  void add_session_order() {
    for (Node node = 0; node < frame_.nodes.size(); ++node) {
      if (!frame_.nodes[node].writes || !causal_.in_use(node)) {
        continue;
      }
      const auto earlier = last_write(frame_.nodes[node].before);
      if (earlier != kNone) {
        arbitration_.add({earlier, node, Why::kSession});
      }
      for (auto reader = node; kind_ == ModelKind::kWritesFollowReads && reader != earlier;
           reader = frame_.nodes[reader].before) {
        if (given_.saw[reader] != nullptr) {
          for (const auto write : given_.saw[reader]->writes) {
            if (write != kInitial) {
              arbitration_.add({write, node, Why::kRead, reader});
            }
          }
        }
      }
    }
  }

  // The reader also sees `write`, because of `cause`; `why` in words, as its rule has it.
  void must_see(Node write, Node cause, const char* why) {
    if (write == kNone || write == kInitial || write == reader_ || seen(write)) {
      return;
    }
    const auto base = given_.saw[reader_]->base();
    if (base != kInitial) {
      if (cause != kNone) {
        because_[static_cast<std::uint32_t>(arbitration_.size())] = cause;
      }
      arbitration_.add({write, base, Why::kOverwritten, reader_});
    } else if (!found_) {
      Reasons out;
      const auto& history = *frame_.history;
      out.sentence = fmt::format("{} missed {}, {}", describe(history, frame_.op(reader_)),
                                 describe(history, frame_.op(write)), why);
      out.edges.push_back({frame_.nodes[write].op, frame_.nodes[reader_].op, "must be seen"});
      out.core = {frame_.nodes[reader_].op, frame_.nodes[write].op};
      if (cause != kNone) {
        out.core.push_back(frame_.nodes[cause].op);
      }
      found_ = std::move(out);
    }
  }

  void see(Node reader, Node earlier) {
    reader_ = reader;
    const auto& chain = *given_.saw[reader];
    for (const auto write : chain.writes) {
      if (write != kInitial) {
        seen_by_[write] = reader;
      }
    }
    each_appended(chain, [&](const Link& link) { arbitration_.add(link); });
    switch (kind_) {
      case ModelKind::kReadYourWrites:
        see_own_writes();
        break;
      case ModelKind::kMonotonicReads:
        // What was read before that one is older than, or part of, what that one saw.
        if (earlier != kNone) {
          for (const auto write : given_.saw[earlier]->writes) {
            must_see(write, earlier, "which the same client had seen before");
          }
        }
        break;
      case ModelKind::kMonotonicWrites:
        see_sessions_writes(chain);
        break;
      default:
        see_what_writers_saw(chain);
    }
  }

  // The last write of the key before the node, in its session, that the reader did not see: those
  // before it come before it in arbitration as well.
  Node last_unseen(Node node) const {
    const auto key = frame_.nodes[node].key;
    auto write = last_write(frame_.nodes[node].before, key);
    while (write != kNone && seen(write)) {
      write = last_write(frame_.nodes[write].before, key);
    }
    return write;
  }

  void see_own_writes() {
    must_see(last_unseen(reader_), kNone, "which the same client had written before");
  }

  void see_sessions_writes(const Chain& chain) {
    std::vector<std::uint32_t> done;  // sessions whose last seen write was looked at
    for (auto at = chain.writes.rbegin(); at != chain.writes.rend(); ++at) {
      if (*at == kInitial) {
        continue;
      }
      const auto& write = frame_.nodes[*at];
      if (std::find(done.begin(), done.end(), write.session) == done.end()) {
        must_see(last_unseen(*at), *at, "which came before a write of the same client that it saw");
        if (!write.loose) {
          done.push_back(write.session);
        }
      }
    }
  }

  // What was seen before the base was written is older than the base anyway, so only what was
  // appended to it asks for more. "Had seen before" is transitive: whatever is read in the causal
  // past of the append.
  void see_what_writers_saw(const Chain& chain) {
    for (std::size_t i = 1; i < chain.writes.size(); ++i) {
      for (const auto other : readers_of(frame_.nodes[reader_].key)) {
        if (other != chain.writes[i] && !causal_.before(other, chain.writes[i])) {
          continue;
        }
        for (const auto write : given_.saw[other]->writes) {
          must_see(write, other, "which the writer of what it saw had seen before writing that");
        }
      }
    }
  }

  const std::vector<Node>& readers_of(std::uint32_t key) {
    if (readers_.empty()) {
      readers_.resize(frame_.keys.size());
      for (Node node = 0; node < frame_.nodes.size(); ++node) {
        if (given_.saw[node] != nullptr && causal_.in_use(node)) {
          readers_[frame_.nodes[node].key].push_back(node);
        }
      }
    }
    return readers_[key];
  }

  const Frame& frame_;
  const Given& given_;
  const ModelKind kind_;
  CausalOrder causal_;
  Links arbitration_;
  std::vector<std::vector<Node>> readers_;  // per key
  Node reader_ = kNone;                     // whose outcome is looked at
  std::vector<Node> seen_by_;               // per write: the last reader that saw it
  std::unordered_map<std::uint32_t, Node>
      because_;  // per link of arbitration: what else it rests on
  std::optional<Reasons> found_;
};

}  // namespace

Verdict judge_session(const History& history, ModelKind kind, const Budget& budget) {
  auto verdict = judge_by_sources(history, budget, [kind](const Frame& frame, const Given& given) {
    return Guarantee(frame, given, kind).refute();
  });
  verdict.model = {kind, 0};
  return verdict;
}

}  // namespace kvorum::check
