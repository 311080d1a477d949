#include "lab/actor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/play.h"
#include "lab/requests.h"

namespace kvorum::lab {
namespace {

// From its own node on, round.
std::vector<client::Endpoint> from(const std::vector<client::Endpoint>& endpoints, NodeId first) {
  auto out = endpoints;
  std::rotate(out.begin(), out.begin() + (first.value() - 1), out.end());
  return out;
}

}  // namespace

Actor::Actor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed,
             const Stage& stage, Recorder& recorder)
    : scenario_(scenario),
      client_(std::move(client)),
      prng_(chance_of(client_, seed)),
      endpoints_(stage.endpoints()),
      recorder_(recorder),
      dialect_(stage.dialect()),
      connection_({.endpoints = from(endpoints_, dialect_.first(HistoryOp::kPut, client_.node)),
                   .request_timeout = patience_of(scenario)}) {
  const auto reads = dialect_.first(HistoryOp::kGet, client_.node);
  if (reads != dialect_.first(HistoryOp::kPut, client_.node)) {
    reads_.emplace(client::Options{.endpoints = from(endpoints_, reads),
                                   .request_timeout = patience_of(scenario)});
  }
}

NodeId Actor::node_of(const client::Client& connection) const {
  const auto at = std::find(endpoints_.begin(), endpoints_.end(), connection.endpoint());
  return NodeId(1 + static_cast<std::uint32_t>(at - endpoints_.begin()));
}

void Actor::run() {
  for (const auto& step : client_.steps) {
    if (!take(step)) {
      return;
    }
  }
  recorder_.finished(static_cast<std::int32_t>(client_.number), node_of(connection_));
}

bool Actor::take(const Step& step) {
  if (const auto* operation = std::get_if<Operation>(&step)) {
    request(*operation);
    return !recorder_.stopped();
  }
  if (const auto* await = std::get_if<Await>(&step)) {
    return recorder_.wait_for(*await);
  }
  if (const auto* fault = std::get_if<FaultAction>(&step)) {
    return recorder_.wait_for_grant(recorder_.want(*fault));
  }
  const auto time = draw(std::get<Sleep>(step).time, prng_);
  recorder_.add(EventKind::kSlept, static_cast<std::int32_t>(client_.number), NodeId(),
                describe_time(time));
  return recorder_.sleep(time);
}

void Actor::request(const Operation& operation) {
  auto request = dialect_.request(operation, client_, scenario_);
  auto& connection = operation.op == HistoryOp::kGet && reads_ ? *reads_ : connection_;
  if (const auto connected = connection.connect(); !connected) {
    const auto number = recorder_.begin(request.record);
    conclude(request, tl::unexpected(connected.error()));
    return recorder_.end(number, std::move(request.record));
  }
  const auto connections = connection_.connections() + (reads_ ? reads_->connections() : 0);
  if (connections != std::exchange(connections_, connections)) {
    const auto node = node_of(connection);
    recorder_.add(EventKind::kConnected, static_cast<std::int32_t>(client_.number), node,
                  fmt::format("node {}", node.value()));
  }
  if (scenario_.local_write && operation.op != HistoryOp::kGet) {
    // Where it is refused, the write is forwarded as ever.
    constexpr ByteView kLead[] = {"KV.LEAD"};
    connection.call(kLead, client::Repeat::kHarmless);
  }
  send(connection, request);
  if (request.record.ended != Ended::kUnknown) {
    dialect_.settle(connection, client_, scenario_);
  }
}

void Actor::send(client::Client& connection, sim::Request& request) {
  request.record.node = node_of(connection).value();
  const auto number = recorder_.begin(request.record);
  dialect_.send(connection, request);
  request.record.node = node_of(connection).value();  // a read may have moved on
  recorder_.end(number, std::move(request.record));
}

}  // namespace kvorum::lab
