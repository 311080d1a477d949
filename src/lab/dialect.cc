#include "lab/dialect.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "lab/requests.h"
#include "wire/resp.h"

namespace kvorum::lab {
namespace {

constexpr std::int64_t kWaitMs = 1000;  // for the replicas of a Redis

constexpr const char* kCompareAndSet =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 "
    "else return 0 end";

void exchange(client::Client& client, sim::Request& request) {
  const std::vector<ByteView> words(request.args.begin(), request.args.end());
  const auto repeat =
      request.record.op == HistoryOp::kGet ? client::Repeat::kHarmless : client::Repeat::kNever;
  conclude(request, client.call(words, repeat));
}

class KvorumDialect final : public Dialect {
 public:
  sim::Request request(const Operation& operation, const ScenarioClient& who,
                       const Scenario& scenario) const override {
    return make_request(operation, who, scenario);
  }

  NodeId first(HistoryOp /*op*/, NodeId own) const override { return own; }

  void send(client::Client& client, sim::Request& request) const override {
    exchange(client, request);
  }

  // What the session has seen is good at any node.
  void settle(client::Client& client, const ScenarioClient& who,
              const Scenario& scenario) const override {
    if (!keeps_place(who, scenario)) {
      return;
    }
    constexpr ByteView kSession[] = {"KV.SESSION"};
    const auto token = client.call(kSession, client::Repeat::kHarmless);
    if (token && !token->is_error()) {
      const ByteView words[] = {"KV.SESSION", token->text};
      Bytes prelude;
      wire::append_request(words, prelude);
      client.set_prelude({std::move(prelude)});
    }
  }
};

}  // namespace

const Dialect& kvorum_dialect() {
  static const KvorumDialect dialect;
  return dialect;
}

sim::Request RedisDialect::request(const Operation& operation, const ScenarioClient& who,
                                   const Scenario& /*scenario*/) const {
  auto request = make_request(operation, {});
  request.record.client = who.number;
  if (operation.op == HistoryOp::kCas && operation.expect) {
    request.args = {"EVAL", kCompareAndSet, "1", operation.key, *operation.expect, operation.value};
  }
  return request;
}

NodeId RedisDialect::first(HistoryOp op, NodeId own) const {
  return op == HistoryOp::kGet && replica_reads_ ? own : NodeId(1);
}

void RedisDialect::send(client::Client& client, sim::Request& request) const {
  exchange(client, request);
  const auto& record = request.record;
  const bool written = record.op != HistoryOp::kGet && record.ended == Ended::kOk;
  if (written && wait_ > 0 && !replicas_have_it(client)) {
    sim::conclude(request, nullptr);
  }
}

bool RedisDialect::replicas_have_it(client::Client& client) const {
  const auto connections = client.connections();
  const auto count = fmt::to_string(wait_);
  const auto patience = fmt::to_string(kWaitMs);
  const ByteView words[] = {"WAIT", count, patience};
  const auto reply = client.call(words, client::Repeat::kNever);
  // WAIT is about what its own connection has written: a new one's answer says nothing.
  return reply && client.connections() == connections &&
         reply->type == wire::Reply::Type::kInteger && reply->integer >= wait_;
}

}  // namespace kvorum::lab
