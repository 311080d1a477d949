#include "check/causal_order.h"

#include <algorithm>

namespace kvorum::check {

CausalOrder::CausalOrder(const Frame& frame, const Given& given)
    : links(frame.nodes.size()), frame_(&frame), given_(&given) {
  const auto count = frame.nodes.size();
  slot_.assign(count, kNone);
  place_.assign(count, 0);
  marked_.assign(count, 0);
  writes_.resize(frame.keys.size());
  slots_ = frame.sessions.size();
  for (Node node = 0; node < count; ++node) {
    const auto& at = frame.nodes[node];
    if (at.loose && !given.used[node]) {
      continue;
    }
    // Nothing comes after a write of unknown outcome in its session: it is a session by itself.
    slot_[node] = at.loose ? static_cast<std::uint32_t>(slots_++) : at.session;
    place_[node] = at.loose ? 0 : at.place;
    if (at.before != kNone) {
      links.add({at.before, node, Why::kSession});
    }
    if (at.writes) {
      auto& of_key = writes_[at.key];
      const auto mine = std::find_if(of_key.begin(), of_key.end(), [&](const SlotWrites& writes) {
        return writes.slot == slot_[node];
      });
      if (mine == of_key.end()) {
        of_key.push_back({slot_[node], {node}});
      } else {
        mine->writes.push_back(node);
      }
    }
    if (given.saw[node] != nullptr) {
      for (const auto write : given.saw[node]->writes) {
        if (write != kInitial) {
          links.add({write, node, Why::kReadsFrom});
        }
      }
    }
  }
}

bool CausalOrder::settle() {
  const auto order = links.sorted();
  if (order.size() < frame_->nodes.size()) {
    return false;
  }
  clocks_.assign(frame_->nodes.size() * slots_, 0);
  for (const auto node : order) {
    if (!in_use(node)) {
      continue;
    }
    auto* mine = &clocks_[std::size_t{node} * slots_];
    mine[slot_[node]] = std::max(mine[slot_[node]], place_[node] + 1);
    links.each_out(node, [&](const Link& link, std::uint32_t) {
      auto* next = &clocks_[std::size_t{link.to} * slots_];
      for (std::size_t slot = 0; slot < slots_; ++slot) {
        next[slot] = std::max(next[slot], mine[slot]);
      }
    });
  }
  return true;
}

std::size_t CausalOrder::known(const std::vector<Node>& writes, std::uint32_t limit) const {
  const auto end =
      std::lower_bound(writes.begin(), writes.end(), limit,
                       [&](Node write, std::uint32_t place) { return place_[write] < place; });
  return static_cast<std::size_t>(end - writes.begin());
}

}  // namespace kvorum::check
