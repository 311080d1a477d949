#include "lab/sim_actor.h"

#include <fmt/format.h>

#include <utility>

#include "lab/play.h"
#include "lab/requests.h"

namespace kvorum::lab {
namespace {

// From what a client has seen to what it does next, which is therefore later.
constexpr Duration kThought = std::chrono::microseconds(1);

}  // namespace

SimActor::SimActor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed,
                   SimPort& port, Recorder& recorder)
    : scenario_(scenario),
      client_(std::move(client)),
      prng_(chance_of(client_, seed)),
      cluster_(port.cluster()),
      recorder_(recorder),
      connection_(port, scenario.nodes, client_.node, patience_of(scenario)) {}

void SimActor::go() {
  while (!recorder_.stopped()) {
    if (next_ == client_.steps.size()) {
      finished_ = true;
      return recorder_.finished(number(), connection_.node());
    }
    if (!take(client_.steps[next_++])) {
      return;
    }
  }
}

void SimActor::go_in(Duration time) {
  cluster_.at(cluster_.now() + time, [this] { go(); });
}

void SimActor::look() {
  if (await_ && recorder_.has_happened(*await_)) {
    await_.reset();
    go_in(kThought);
  } else if (fault_ && recorder_.is_granted(*fault_)) {
    fault_.reset();
    go_in(kThought);
  }
}

// Whether that took no time.
bool SimActor::take(const Step& step) {
  if (const auto* operation = std::get_if<Operation>(&step)) {
    request(*operation);
  } else if (const auto* await = std::get_if<Await>(&step)) {
    if (recorder_.has_happened(*await)) {
      return true;
    }
    await_ = *await;
  } else if (const auto* fault = std::get_if<FaultAction>(&step)) {
    fault_ = recorder_.want(*fault);
  } else {
    const auto time = draw(std::get<Sleep>(step).time, prng_);
    recorder_.add(EventKind::kSlept, number(), NodeId(), describe_time(time));
    go_in(time);
  }
  return false;
}

void SimActor::request(const Operation& operation) {
  request_ = make_request(operation, client_, scenario_);
  connection_.connect([this](const Result<void>& connected) {
    if (recorder_.stopped()) {
      return;
    }
    if (!connected) {
      const auto behind = recorder_.begin(request_.record);
      conclude(request_, tl::unexpected(connected.error()));
      recorder_.end(behind, request_.record);
      return go_in(kThought);
    }
    if (connection_.connections() != std::exchange(connections_, connection_.connections())) {
      const auto node = connection_.node();
      recorder_.add(EventKind::kConnected, number(), node, fmt::format("node {}", node.value()));
    }
    if (!scenario_.local_write || request_.record.op == HistoryOp::kGet) {
      return send();
    }
    connection_.call({"KV.LEAD"}, true, [this](const Result<wire::Reply>&) {
      if (!recorder_.stopped()) {
        send();  // where it was refused, the write is forwarded as ever
      }
    });
  });
}

void SimActor::send() {
  request_.record.node = connection_.node().value();
  const auto at = recorder_.begin(request_.record);
  const bool is_read = request_.record.op == HistoryOp::kGet;
  connection_.call(request_.args, is_read, [this, at](const Result<wire::Reply>& reply) {
    if (recorder_.stopped()) {
      return;
    }
    request_.record.node = connection_.node().value();  // a read may have moved on
    conclude(request_, reply);
    recorder_.end(at, request_.record);
    if (keeps_place(client_, scenario_) && request_.record.ended != Ended::kUnknown) {
      return keep_place();
    }
    go_in(kThought);
  });
}

void SimActor::keep_place() {
  connection_.call({"KV.SESSION"}, true, [this](const Result<wire::Reply>& token) {
    if (token && !token->is_error()) {
      connection_.set_prelude({"KV.SESSION", token->text});
    }
    go_in(kThought);
  });
}

}  // namespace kvorum::lab
