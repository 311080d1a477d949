#include "lab/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "check/history.h"

namespace kvorum::lab {
namespace {

std::vector<std::string> words_of(const Operation& operation) {
  const auto& key = operation.key;
  switch (operation.op) {
    case HistoryOp::kGet:
      return {"GET", key};
    case HistoryOp::kPut:
      return {"SET", key, operation.value};
    case HistoryOp::kDelete:
      return {"DEL", key};
    case HistoryOp::kAppend:
      return {"APPEND", key, operation.value};
    case HistoryOp::kIncr:
      return {"INCRBY", key, fmt::to_string(operation.by)};
    case HistoryOp::kCas:
      break;
  }
  if (!operation.expect) {
    return {"SETNX", key, operation.value};
  }
  return {"KV.CAS", key, *operation.expect, operation.value};
}

sim::Answer answer_of(HistoryOp op) {
  switch (op) {
    case HistoryOp::kGet:
      return sim::Answer::kValue;
    case HistoryOp::kCas:
      return sim::Answer::kCompared;
    case HistoryOp::kIncr:
      return sim::Answer::kNumber;
    case HistoryOp::kPut:
    case HistoryOp::kDelete:
    case HistoryOp::kAppend:
      break;
  }
  return sim::Answer::kDone;
}

std::string shown(const std::optional<std::string>& value) {
  return value ? check::shown(*value) : "absent";
}

}  // namespace

sim::Request make_request(const Operation& operation, const std::optional<Level>& level) {
  sim::Request request;
  request.args = words_of(operation);
  if (level) {
    request.args.insert(request.args.begin(), {"KV.AT", to_string(*level)});
    request.record.level = to_string(*level);
  }
  request.answer = answer_of(operation.op);
  auto& record = request.record;
  record.op = operation.op;
  record.key = operation.key;
  record.by = operation.by;
  const bool writes_text = operation.op == HistoryOp::kPut || operation.op == HistoryOp::kAppend ||
                           operation.op == HistoryOp::kCas;
  if (writes_text) {
    record.value = operation.value;
  }
  record.expect = operation.expect;
  return request;
}

sim::Request make_request(const Operation& operation, const ScenarioClient& client,
                          const Scenario& scenario) {
  auto request = make_request(operation, operation.level ? operation.level : client.level);
  request.record.client = client.number;
  if (request.record.level.empty()) {
    request.record.level = to_string(scenario.level);
  }
  return request;
}

void conclude(sim::Request& request, const Result<wire::Reply>& reply) {
  if (reply) {
    sim::conclude(request, &*reply);
  } else if (reply.error().code == ErrorCode::kUnknown) {
    sim::conclude(request, nullptr);
  } else {
    request.record.ended = Ended::kFailed;
    request.record.err = reply.error().detail;
  }
}

Result<wire::Reply> no_error(const std::vector<std::string>& words, wire::Reply reply) {
  if (reply.is_error()) {
    return fail(ErrorCode::kGeneric, "{}: {}", fmt::join(words, " "), reply.text);
  }
  return reply;
}

bool keeps_place(const ScenarioClient& client, const Scenario& scenario) {
  return client.level.value_or(scenario.level).kind == LevelKind::kSequential;
}

Duration draw(const DelayRange& range, Prng& prng) {
  const auto spread = static_cast<std::uint64_t>((range.most - range.least).count());
  return range.least + Duration(static_cast<std::int64_t>(prng.below(spread + 1)));
}

Prng chance_of(const ScenarioClient& client, std::uint64_t seed) {
  return Prng(seed * 1'000'003 + client.number);
}

std::vector<Step> draw_steps(const RandomLoad& load, std::uint32_t client, Prng& prng) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < load.operations; ++i) {
    if (i > 0 && load.think.most > Duration()) {
      const auto pause = draw(load.think, prng);
      steps.emplace_back(Sleep{{pause, pause}});
    }
    Operation operation;
    operation.key = load.keys[prng.below(load.keys.size())];
    operation.level = load.level;
    const auto kind = prng.below(100);
    if (kind < load.read_percent) {
      operation.op = HistoryOp::kGet;
    } else if (kind < load.read_percent + load.delete_percent) {
      operation.op = HistoryOp::kDelete;
    } else {
      operation.op = HistoryOp::kPut;
      operation.value = fmt::format("{}.{}", client, i);
    }
    steps.emplace_back(std::move(operation));
  }
  return steps;
}

std::vector<std::string> keys_of(const Scenario& scenario) {
  std::set<std::string> keys;
  for (const auto& [key, value] : scenario.initial) {
    keys.insert(key);
  }
  for (const auto& client : scenario.clients) {
    for (const auto& step : client.steps) {
      if (const auto* operation = std::get_if<Operation>(&step)) {
        keys.insert(operation->key);
      }
    }
  }
  for (const auto& [key, value] : scenario.expect.final) {
    keys.insert(key);
  }
  if (scenario.load) {
    keys.insert(scenario.load->keys.begin(), scenario.load->keys.end());
  }
  return {keys.begin(), keys.end()};
}

std::vector<ScenarioClient> cast_of(const Scenario& scenario, std::uint64_t seed) {
  auto cast = scenario.clients;
  std::sort(cast.begin(), cast.end(),
            [](const ScenarioClient& a, const ScenarioClient& b) { return a.number < b.number; });
  const auto count = scenario.load ? scenario.load->clients : 0;
  for (std::size_t i = 0; i < count; ++i) {
    ScenarioClient client;
    client.number = cast.empty() ? 0 : cast.back().number + 1;
    client.node = NodeId(1 + static_cast<std::uint32_t>(i % scenario.nodes));
    auto prng = chance_of(client, seed);
    client.steps = draw_steps(*scenario.load, client.number, prng);
    cast.push_back(std::move(client));
  }
  return cast;
}

std::string describe(const HistoryRecord& record) {
  const auto key = check::shown(record.key);
  switch (record.op) {
    case HistoryOp::kPut:
      return fmt::format("put {} = {}", key, shown(record.value));
    case HistoryOp::kAppend:
      return fmt::format("append {} to {}", shown(record.value), key);
    case HistoryOp::kCas:
      return fmt::format("cas {} from {} to {}", key, shown(record.expect), shown(record.value));
    case HistoryOp::kIncr:
      return fmt::format("incr {} by {}", key, record.by);
    case HistoryOp::kGet:
    case HistoryOp::kDelete:
      break;
  }
  return fmt::format("{} {}", to_string(record.op), key);
}

std::string describe_outcome(const HistoryRecord& record) {
  if (record.ended == Ended::kUnknown) {
    return "unknown: it may have happened, or may yet";
  }
  if (record.ended == Ended::kFailed) {
    return record.err.empty() ? "no: it held something else" : "failed: " + record.err;
  }
  const bool tells = record.op == HistoryOp::kGet || record.op == HistoryOp::kIncr;
  return tells ? shown(record.value) : "ok";
}

std::string describe_time(Duration time) {
  return fmt::format("{:.0f} ms", std::chrono::duration<double>(time).count() * 1e3);
}

}  // namespace kvorum::lab
