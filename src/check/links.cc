#include "check/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <set>

namespace kvorum::check {
namespace {

constexpr std::array<const char*, 6> kNames = {
    "session",         "reads from",         "overwritten before", "read before overwritten",
    "appended before", "read before writing"};
constexpr std::size_t kMostStarts = 64;  // nodes from which a short cycle is looked for

}  // namespace

const char* name_of(Why why) { return kNames.at(static_cast<std::size_t>(why)); }

void Links::index() {
  first_.assign(nodes_ + 2, 0);
  for (const auto& link : links_) {
    ++first_[link.from + 2];
  }
  for (std::size_t i = 2; i < first_.size(); ++i) {
    first_[i] += first_[i - 1];
  }
  out_.resize(links_.size());
  for (std::uint32_t i = 0; i < links_.size(); ++i) {
    out_[first_[links_[i].from + 1]++] = i;
  }
}

std::vector<Node> Links::sorted() {
  index();
  std::vector<std::uint32_t> waiting(nodes_, 0);
  for (const auto& link : links_) {
    ++waiting[link.to];
  }
  std::vector<Node> order;
  order.reserve(nodes_);
  for (Node node = 0; node < nodes_; ++node) {
    if (waiting[node] == 0) {
      order.push_back(node);
    }
  }
  for (std::size_t at = 0; at < order.size(); ++at) {
    each_out(order[at], [&](const Link& link, std::uint32_t) {
      if (--waiting[link.to] == 0) {
        order.push_back(link.to);
      }
    });
  }
  stuck_.clear();
  for (Node node = 0; node < nodes_ && order.size() < nodes_; ++node) {
    if (waiting[node] != 0) {
      stuck_.push_back(node);
    }
  }
  return order;
}

std::vector<std::uint32_t> Links::cycle() const {
  // Whatever was left over has something left over before it, so going back ends in a circle.
  std::vector<Node> back(nodes_, kNone);
  for (const auto node : stuck_) {
    each_out(node, [&](const Link& link, std::uint32_t) { back[link.to] = node; });
  }
  std::vector<bool> met(nodes_, false);
  auto node = stuck_.front();
  while (!met[node]) {
    met[node] = true;
    node = back[node];
  }
  std::vector<std::uint32_t> best;
  const auto last = node;
  std::size_t tried = 0;
  do {
    auto found = path(node, node, links_.size());
    if (best.empty() || found.size() < best.size()) {
      best = std::move(found);
    }
    node = back[node];
  } while (node != last && ++tried < kMostStarts && best.size() > 2);
  return best;
}

std::vector<std::uint32_t> Links::path(Node from, Node to, std::size_t below) const {
  constexpr std::uint32_t kUnseen = 0xffffffff;
  // Steps within a session cost nothing: told, they become one.
  std::vector<std::uint32_t> came(nodes_, kUnseen);
  std::vector<std::uint32_t> cost(nodes_, kUnseen);
  std::deque<std::pair<Node, std::uint32_t>> queue = {{from, 0}};
  while (!queue.empty()) {
    const auto node = queue.front().first;
    const auto spent = queue.front().second;
    queue.pop_front();
    if (node == to && came[to] != kUnseen) {
      break;
    }
    if (cost[node] < spent) {
      continue;
    }
    each_out(node, [&](const Link& link, std::uint32_t i) {
      const bool free = link.why == Why::kSession;
      const auto total = spent + (free ? 0 : 1);
      if (i >= below || cost[link.to] <= total) {
        return;
      }
      cost[link.to] = total;
      came[link.to] = i;
      if (free) {
        queue.emplace_front(link.to, total);
      } else {
        queue.emplace_back(link.to, total);
      }
    });
  }
  std::vector<std::uint32_t> way;
  if (came[to] == kUnseen) {
    return way;
  }
  auto node = to;
  do {
    way.push_back(came[node]);
    node = links_[came[node]].from;
  } while (node != from);
  std::reverse(way.begin(), way.end());
  return way;
}

namespace {

// One step in words; `from` has been named already.
std::string tell(const Frame& frame, const Link& link) {
  const auto& history = *frame.history;
  const auto to = describe(history, frame.op(link.to));
  switch (link.why) {
    case Why::kSession:
      return "the same client went on to " + to;
    case Why::kReadsFrom:
      return "its value was seen by " + to;
    case Why::kOverwritten:
      return fmt::format("it is older than {}, which {} saw knowing both", to,
                         describe(history, frame.op(link.cause)));
    case Why::kReadBefore:
      return "it saw a value that was not yet overwritten by " + to;
    case Why::kAppended:
      return "a value that was read shows behind it " + to;
    case Why::kRead:
      return "having seen it, a client went on to " + to;
  }
  return to;
}

class Teller {
 public:
  Teller(const Frame& frame, const Links& links) : frame_(frame), links_(links) {}

  // Everything that the way's links rest on.
  void rest_on(const std::vector<std::uint32_t>& way) {
    for (const auto i : way) {
      const auto& link = links_[i];
      if (link.why != Why::kSession) {
        core_.insert(frame_.nodes[link.from].op);
        core_.insert(frame_.nodes[link.to].op);
      }
      if (link.cause == kNone || (link.why != Why::kOverwritten && link.why != Why::kReadBefore) ||
          !told_.insert(i).second) {
        continue;
      }
      core_.insert(frame_.nodes[link.cause].op);
      // kOverwritten: `cause` knew `from`. kReadBefore: what was read precedes `to`.
      const auto why = link.why == Why::kOverwritten ? links_.path(link.from, link.cause, i)
                                                     : links_.path(link.cause, link.to, i);
      rest_on(why);
    }
  }

  std::vector<std::uint32_t> core() const { return {core_.begin(), core_.end()}; }

 private:
  const Frame& frame_;
  const Links& links_;
  std::set<std::uint32_t> core_;
  std::set<std::uint32_t> told_;
};

}  // namespace

Reasons reasons(const Frame& frame, const Links& links, const std::vector<std::uint32_t>& way) {
  std::vector<Link> steps;
  for (const auto i : way) {
    const auto& link = links[i];
    if (!steps.empty() && link.why == Why::kSession && steps.back().why == Why::kSession) {
      steps.back().to = link.to;
    } else {
      steps.push_back(link);
    }
  }
  // A cycle may begin in the middle of a session.
  if (steps.size() > 2 && steps.front().why == Why::kSession && steps.back().why == Why::kSession &&
      steps.back().to == steps.front().from) {
    steps.front().from = steps.back().from;
    steps.pop_back();
  }
  Reasons out;
  Teller teller(frame, links);
  for (const auto& step : steps) {
    if (out.sentence.empty()) {
      out.sentence = describe(*frame.history, frame.op(step.from));
    }
    out.sentence += "; " + tell(frame, step);
    out.edges.push_back({frame.nodes[step.from].op, frame.nodes[step.to].op, name_of(step.why)});
  }
  teller.rest_on(way);
  out.core = teller.core();
  return out;
}

}  // namespace kvorum::check
