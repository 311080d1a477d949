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
    : client_(std::move(client)),
      local_write_(scenario.local_write),
      level_(client_.level.value_or(scenario.level)),
      prng_(seed * 1'000'003 + client_.number),
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
    return recorder_.ask_for(*fault);
  }
  const auto& sleep = std::get<Sleep>(step).time;
  const auto spread = static_cast<std::uint64_t>((sleep.most - sleep.least).count());
  const auto time = sleep.least + Duration(static_cast<std::int64_t>(prng_.below(spread + 1)));
  recorder_.add(EventKind::kSlept, static_cast<std::int32_t>(client_.number), NodeId(),
                fmt::format("{:.0f} ms", std::chrono::duration<double>(time).count() * 1e3));
  return recorder_.sleep(time);
}

void Actor::request(const Operation& operation) {
  const auto level = operation.level ? operation.level : client_.level;
  auto request = make_request(operation, level);
  if (const auto connected = connection_.connect(); !connected) {
    request.record.client = client_.number;
    const auto number = recorder_.begin(request.record);
    request.record.ended = Ended::kFailed;
    request.record.err = connected.error().detail;
    return recorder_.end(number, std::move(request.record));
  }
  if (connection_.connections() != std::exchange(connections_, connection_.connections())) {
    recorder_.add(EventKind::kConnected, static_cast<std::int32_t>(client_.number), node(),
                  fmt::format("node {}", node().value()));
  }
  if (local_write_ && operation.op != HistoryOp::kGet) {
    // Where it is refused, the write is forwarded as ever.
    constexpr ByteView kLead[] = {"KV.LEAD"};
    connection_.call(kLead, client::Repeat::kHarmless);
  }
  if (request.record.level.empty()) {
    request.record.level = to_string(level_);
  }
  send(request);
  if (level_.kind == LevelKind::kSequential && request.record.ended != Ended::kUnknown) {
    keep_place();
  }
}

void Actor::send(sim::Request& request) {
  auto& record = request.record;
  record.client = client_.number;
  record.node = node().value();
  const auto number = recorder_.begin(record);
  const auto reply = connection_.call(views_of(request.args), record.op == HistoryOp::kGet
                                                                  ? client::Repeat::kHarmless
                                                                  : client::Repeat::kNever);
  record.node = node().value();  // a read may have moved on
  if (reply) {
    sim::conclude(request, &*reply);
  } else if (reply.error().code == ErrorCode::kUnknown) {
    sim::conclude(request, nullptr);
  } else {
    record.ended = Ended::kFailed;
    record.err = reply.error().detail;
  }
  recorder_.end(number, std::move(record));
}

// What the session has seen is good at any node.
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
