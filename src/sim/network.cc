#include "sim/network.h"

#include <algorithm>

namespace kvorum::sim {
namespace {

constexpr Duration kRetry = 20ms;  // between attempts to connect
// A sender notices a dead connection after a while, as with TCP's time-outs.
constexpr Duration kNoticeMin = 100ms;
constexpr Duration kNoticeMean = 500ms;

using std::chrono::microseconds;

}  // namespace

Network::Network(EventQueue& events, Hosts& hosts, const Options& options, Prng prng)
    : events_(events), hosts_(hosts), options_(options), prng_(prng) {
  for (std::uint32_t a = 1; a <= options.nodes; ++a) {
    for (std::uint32_t b = 1; b <= options.nodes; ++b) {
      if (a != b) {
        links_[{NodeId(a), NodeId(b)}];
      }
    }
  }
}

Duration Network::delay() {
  return microseconds(options_.delay_min_us) +
         draw_exponential(prng_, microseconds(options_.delay_mean_us));
}

void Network::send(NodeId from, NodeId to, Bytes frames) {
  const auto found = links_.find({from, to});
  if (found == links_.end() || !found->second.up) {
    return;
  }
  ++packets_;
  if (is_cut(from, to) || chance(options_.loss_ppm)) {
    ++lost_;
    return;
  }
  if (chance(options_.damage_ppm) && !frames.empty()) {
    auto& byte = frames[prng_.below(frames.size())];
    byte = static_cast<char>(byte ^ (1 << prng_.below(8)));
  }
  if (chance(options_.duplicate_ppm)) {
    deliver(from, to, delay(), frames);
  }
  deliver(from, to, delay(), std::move(frames));
}

void Network::deliver(NodeId from, NodeId to, Duration takes, Bytes frames) {
  auto& link = links_.at({from, to});
  auto arrival = events_.now() + takes + link.clogged;
  if (!chance(options_.reorder_ppm)) {
    arrival = link.last_arrival = std::max(arrival, link.last_arrival);
  }
  events_.at(arrival, [this, from, to, epoch = link.epoch, frames = std::move(frames)]() mutable {
    if (links_.at({from, to}).epoch != epoch || is_cut(from, to) || !hosts_.running(to)) {
      ++lost_;
      return;
    }
    hosts_.packet(from, to, std::move(frames));
  });
}

void Network::cut(NodeId from, NodeId to) {
  cuts_.insert({from, to});
  const auto epoch = links_.at({from, to}).epoch;
  events_.after(kNoticeMin + draw_exponential(prng_, kNoticeMean), [this, from, to, epoch] {
    if (is_cut(from, to) && links_.at({from, to}).epoch == epoch) {
      break_link(from, to, true);
    }
  });
}

void Network::heal(NodeId from, NodeId to) { cuts_.erase({from, to}); }

void Network::clog(NodeId from, NodeId to, Duration extra) {
  links_.at({from, to}).clogged = extra;
}

void Network::started(NodeId node) {
  for (auto& [ends, link] : links_) {
    if (ends.first == node || ends.second == node) {
      try_link(ends.first, ends.second);
    }
  }
}

void Network::crashed(NodeId node) {
  for (auto& [ends, link] : links_) {
    if (ends.first == node || ends.second == node) {
      break_link(ends.first, ends.second, ends.second == node);
    }
  }
}

void Network::reset(NodeId from, NodeId to) { break_link(from, to, true); }

void Network::break_link(NodeId from, NodeId to, bool tell) {
  auto& link = links_.at({from, to});
  if (!link.up) {
    return;
  }
  link.up = false;
  ++link.epoch;
  link.last_arrival = {};
  if (tell && hosts_.running(from)) {
    hosts_.disconnected(from, to);
  }
  try_link(from, to);
}

// A connection needs both directions for its handshake.
void Network::try_link(NodeId from, NodeId to) {
  auto& link = links_.at({from, to});
  if (link.up || link.trying || !hosts_.running(from)) {
    return;
  }
  link.trying = true;
  events_.after(2 * delay(), [this, from, to] {
    auto& tried = links_.at({from, to});
    tried.trying = false;
    if (tried.up || !hosts_.running(from)) {
      return;
    }
    if (!hosts_.running(to) || is_cut(from, to) || is_cut(to, from)) {
      tried.trying = true;
      events_.after(kRetry, [this, from, to] {
        links_.at({from, to}).trying = false;
        try_link(from, to);
      });
      return;
    }
    tried.up = true;
    hosts_.connected(from, to, hosts_.hello(to));
  });
}

void Network::calm() {
  calm_ = true;
  cuts_.clear();
  for (auto& [ends, link] : links_) {
    link.clogged = {};
  }
}

}  // namespace kvorum::sim
