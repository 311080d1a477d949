// The ordered core alone: three nodes in one thread, whose disks and network take no time. An entry
// of so many bytes, or a barrier for reads, goes its whole way: about five turns.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "raft/raft.h"

namespace kvorum::raft {
namespace {

constexpr std::uint32_t kNodes = 3;

class Group {
 public:
  Group() {
    for (std::uint32_t id = 1; id <= kNodes; ++id) {
      Options options;
      options.self = NodeId(id);
      options.seed = id;
      options.window_bytes = std::size_t{1} << 20;
      Restored restored;
      restored.config.voters = {NodeId(1), NodeId(2), NodeId(3)};
      restored.base.config = restored.config;
      restored.first_index = Index(1);
      nodes_[id - 1] = std::make_unique<Raft>(options, std::move(restored), now_);
    }
    now_.mono += 1s;  // longer than any election time-out
    nodes_[0]->tick(now_);
    settle();
    CHECK(nodes_[0]->role() == Role::kLeader);
  }

  // Returns when all have told each other what they can: the leader has applied it.
  void write(const SharedBytes& payload) {
    CHECK(nodes_[0]->propose(EntryType::kCommands, payload, NodeId(), now_));
    settle();
    CHECK(nodes_[0]->applied() == nodes_[0]->last_index());
  }

  // A barrier for reads at the leader, 0, or a follower.
  void read(std::size_t node) {
    nodes_[node]->read_barrier(++tag_, now_);
    settle();
    CHECK(confirmed_ == tag_);
  }

 private:
  // Turns of all three, until none has an effect.
  void settle() {
    bool busy = true;
    while (busy) {
      busy = false;
      for (auto& node : nodes_) {
        busy = turn(*node) || busy;
      }
      for (const auto& message : network_) {
        nodes_[message.to.value() - 1]->step(message, now_);
      }
      network_.clear();
    }
  }

  bool turn(Raft& node) {
    out_.clear();
    node.drain(out_, now_);
    post(out_.send_now);
    if (out_.ticket != 0) {
      post(out_.send_after_persist);
      node.step(Persisted{out_.ticket}, now_);
    }
    if (!out_.reads.empty()) {
      confirmed_ = out_.reads.back().tag;
    }
    return out_.ticket != 0 || !network_.empty();
  }

  void post(std::vector<Message>& messages) {
    for (auto& message : messages) {
      network_.push_back(std::move(message));
    }
  }

  Now now_;
  std::array<std::unique_ptr<Raft>, kNodes> nodes_;
  std::vector<Message> network_;
  Output out_;
  std::uint64_t tag_ = 0;
  std::uint64_t confirmed_ = 0;
};

void write(benchmark::State& state) {
  Group group;
  const auto payload = share(Bytes(static_cast<std::size_t>(state.range(0)), 'p'));
  for (auto _ : state) {
    group.write(payload);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(write)->Arg(90)->Arg(5760)->Arg(92160);

void read(benchmark::State& state, std::size_t node) {
  Group group;
  for (auto _ : state) {
    group.read(node);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(read, leader, 0);
BENCHMARK_CAPTURE(read, follower, 1);

}  // namespace
}  // namespace kvorum::raft

BENCHMARK_MAIN();
