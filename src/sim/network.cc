#include "sim/network.h"

#include <algorithm>

#include "sim/chance.h"

namespace kvorum::sim {
namespace {

constexpr Duration kRetry = 20ms;  // between attempts to connect
// A sender notices a dead connection after a while, as with TCP's time-outs.
constexpr Duration kNoticeMin = 100ms;
constexpr Duration kNoticeMean = 500ms;

using std::chrono::microseconds;

std::uint64_t number_of(NodeId from, NodeId to) {
  return std::uint64_t{from.value()} << 32 | to.value();
}

}  // namespace

Network::Link::Link(std::uint64_t seed, NodeId from, NodeId to)
    : delays(chance_of(seed, "packet delay", number_of(from, to))),
      losses(chance_of(seed, "packet loss", number_of(from, to))),
      duplicates(chance_of(seed, "packet twice", number_of(from, to))),
      disorder(chance_of(seed, "packet disorder", number_of(from, to))),
      damages(chance_of(seed, "packet damage", number_of(from, to))),
      dials(chance_of(seed, "dial", number_of(from, to))),
      notices(chance_of(seed, "silence noticed", number_of(from, to))) {}

Network::Network(EventQueue& events, Hosts& hosts, const Options& options)
    : events_(events),
      hosts_(hosts),
      options_(options),
      faults_(
          events, static_cast<std::uint32_t>(options.nodes), options.seed,
          [this](NodeId from, NodeId to, Bytes frames) { transmit(from, to, std::move(frames)); }) {
  for (std::uint32_t a = 1; a <= options.nodes; ++a) {
    for (std::uint32_t b = 1; b <= options.nodes; ++b) {
      if (a != b) {
        links_.try_emplace({NodeId(a), NodeId(b)}, options.seed, NodeId(a), NodeId(b));
      }
    }
  }
}

Duration Network::delay(Prng& prng) const {
  return microseconds(options_.delay_min_us) +
         draw_exponential(prng, microseconds(options_.delay_mean_us));
}

void Network::send(NodeId from, NodeId to, Bytes frames) {
  const auto found = links_.find({from, to});
  if (found != links_.end() && found->second.up) {
    faults_.send(from, to, std::move(frames));
  }
}

void Network::transmit(NodeId from, NodeId to, Bytes frames) {
  ++packets_;
  auto& link = links_.at({from, to});
  const auto takes =
      delay(link.delays);  // also of a packet that is lost: the next one's is the same
  if (chance(link.losses, options_.loss_ppm) || is_cut(from, to)) {
    ++lost_;
    return;
  }
  if (chance(link.damages, options_.damage_ppm) && !frames.empty()) {
    auto& byte = frames[link.damages.below(frames.size())];
    byte = static_cast<char>(byte ^ (1 << link.damages.below(8)));
  }
  if (chance(link.duplicates, options_.duplicate_ppm)) {
    deliver(from, to, delay(link.duplicates), frames);
  }
  deliver(from, to, takes, std::move(frames));
}

void Network::deliver(NodeId from, NodeId to, Duration takes, Bytes frames) {
  auto& link = links_.at({from, to});
  auto arrival = events_.now() + takes + link.clogged;
  if (!chance(link.disorder, options_.reorder_ppm)) {
    arrival = link.last_arrival = std::max(arrival, link.last_arrival);
  }
  events_.at(arrival, [this, from, to, epoch = link.epoch, frames = std::move(frames)]() mutable {
    arrive(from, to, epoch, std::move(frames));
  });
}

void Network::arrive(NodeId from, NodeId to, std::uint64_t epoch, Bytes frames) {
  const auto& link = links_.at({from, to});
  if (link.epoch == epoch && !is_cut(from, to) && hosts_.running(to)) {
    if (!link.silent) {
      return hosts_.packet(from, to, std::move(frames));
    }
    refuse(from, to);
  }
  ++lost_;
}

// A machine that is up again resets a connection that it knows nothing of.
void Network::refuse(NodeId from, NodeId to) {
  auto& link = links_.at({from, to});
  if (is_cut(to, from)) {
    return;
  }
  events_.after(delay(link.notices), [this, from, to, epoch = link.epoch] {
    if (links_.at({from, to}).epoch == epoch) {
      break_link(from, to, true);
    }
  });
}

void Network::cut(NodeId from, NodeId to) {
  cuts_.insert({from, to});
  notice_later(from, to);
}

void Network::notice_later(NodeId from, NodeId to) {
  auto& link = links_.at({from, to});
  const auto patience = kNoticeMin + draw_exponential(link.notices, kNoticeMean);
  events_.after(patience, [this, from, to, epoch = link.epoch] {
    const auto& now = links_.at({from, to});
    if (now.epoch == epoch && (now.silent || is_cut(from, to))) {
      break_link(from, to, true);
    }
  });
}

void Network::heal(NodeId from, NodeId to) { cuts_.erase({from, to}); }

void Network::clog(NodeId from, NodeId to, Duration extra) {
  links_.at({from, to}).clogged = extra;
}

void Network::fault(const FaultCommand& command) {
  faults_.apply(command);
  for (const auto& [ends, link] : links_) {
    if (faults_.is_cut(ends.first, ends.second)) {
      break_link(ends.first, ends.second, true);
    }
  }
}

void Network::started(NodeId node) {
  for (auto& [ends, link] : links_) {
    if (ends.first == node || ends.second == node) {
      try_link(ends.first, ends.second);
    }
  }
}

void Network::crashed(NodeId node, bool power) {
  for (auto& [ends, link] : links_) {
    if (ends.second == node && power && link.up) {
      link.silent = true;
      notice_later(ends.first, ends.second);
    } else if (ends.first == node || ends.second == node) {
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
  link.up = link.silent = false;
  ++link.epoch;
  link.last_arrival = {};
  faults_.broken(from, to);
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
  events_.after(2 * delay(link.dials), [this, from, to] {
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
