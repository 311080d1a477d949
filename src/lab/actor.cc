#include "lab/actor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lab/play.h"
#include "lab/requests.h"
#include "wire/resp.h"

namespace kvorum::lab {
namespace {

// From its own node on, round.
std::vector<client::Endpoint> from(const std::vector<client::Endpoint>& endpoints, NodeId first) {
  auto out = endpoints;
  std::rotate(out.begin(), out.begin() + (first.value() - 1), out.end());
  return out;
}

std::vector<ByteView> views_of(const std::vector<std::string>& words) {
  return {words.begin(), words.end()};
}

}  // namespace

Actor::Actor(const Scenario& scenario, ScenarioClient client, std::uint64_t seed,
             const std::vector<client::Endpoint>& endpoints, Recorder& recorder)
    : scenario_(scenario),
      client_(std::move(client)),
      prng_(chance_of(client_, seed)),
      endpoints_(endpoints),
      recorder_(recorder),
      connection_(
          {.endpoints = from(endpoints, client_.node), .request_timeout = patience_of(scenario)}) {}

NodeId Actor::node() const {
  const auto at = std::find(endpoints_.begin(), endpoints_.end(), connection_.endpoint());
  return NodeId(1 + static_cast<std::uint32_t>(at - endpoints_.begin()));
}

void Actor::run() {
  for (const auto& step : client_.steps) {
    if (!take(step)) {
      return;
    }
  }
  recorder_.finished(static_cast<std::int32_t>(client_.number), node());
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
  auto request = make_request(operation, client_, scenario_);
  if (const auto connected = connection_.connect(); !connected) {
    const auto number = recorder_.begin(request.record);
    conclude(request, tl::unexpected(connected.error()));
    return recorder_.end(number, std::move(request.record));
  }
  if (connection_.connections() != std::exchange(connections_, connection_.connections())) {
    recorder_.add(EventKind::kConnected, static_cast<std::int32_t>(client_.number), node(),
                  fmt::format("node {}", node().value()));
  }
  if (scenario_.local_write && operation.op != HistoryOp::kGet) {
    // Where it is refused, the write is forwarded as ever.
    constexpr ByteView kLead[] = {"KV.LEAD"};
    connection_.call(kLead, client::Repeat::kHarmless);
  }
  send(request);
  if (keeps_place(client_, scenario_) && request.record.ended != Ended::kUnknown) {
    keep_place();
  }
}

void Actor::send(sim::Request& request) {
  auto& record = request.record;
  record.node = node().value();
  const auto number = recorder_.begin(record);
  const auto repeat =
      record.op == HistoryOp::kGet ? client::Repeat::kHarmless : client::Repeat::kNever;
  const auto reply = connection_.call(views_of(request.args), repeat);
  record.node = node().value();  // a read may have moved on
  conclude(request, reply);
  recorder_.end(number, std::move(record));
}

void Actor::keep_place() {
  constexpr ByteView kSession[] = {"KV.SESSION"};
  const auto token = connection_.call(kSession, client::Repeat::kHarmless);
  if (token && !token->is_error()) {
    const ByteView words[] = {"KV.SESSION", token->text};
    Bytes prelude;
    wire::append_request(words, prelude);
    connection_.set_prelude({std::move(prelude)});
  }
}

}  // namespace kvorum::lab
