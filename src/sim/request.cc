#include "sim/request.h"

#include <fmt/format.h>

#include <utility>

namespace kvorum::sim {
namespace {

using Type = wire::Reply::Type;

std::uint64_t percent(std::int64_t value) { return static_cast<std::uint64_t>(value); }

struct WeakLevel {
  const char* asked;
  const char* judged;  // what docs/consistency.md promises for it in an ordered keyspace
};
constexpr WeakLevel kWeak[] = {
    {"sequential", "sequential"}, {"session", "sequential"},        {"causal", "sequential"},
    {"prefix", "prefix"},         {"eventual", "prefix"},           {"one", "prefix"},
    {"quorum", "linearizable"},   {"bounded:50ms", "bounded:50ms"},
};

std::optional<std::string> text_of(const wire::Reply& reply) {
  return reply.is_nil() ? std::nullopt : std::optional(reply.text);
}

}  // namespace

std::string RequestMaker::key(std::size_t number) const {
  return fmt::format("{}{}", "ran"[number % 3], number);
}

std::string RequestMaker::unique(std::uint32_t client) {
  return fmt::format("{}.{}", client, ++values_);
}

std::string RequestMaker::value(std::uint32_t client) {
  auto text = unique(client);
  text.resize(std::max(text.size(), static_cast<std::size_t>(options_.value_bytes)), '_');
  return text;
}

Request RequestMaker::draw(Prng& prng, std::uint32_t client) {
  if (prng.chance(percent(options_.other_percent), 100)) {
    return other(prng);
  }
  if (prng.chance(percent(options_.read_percent), 100)) {
    return read(prng);
  }
  return write(prng, client);
}

Request RequestMaker::read(Prng& prng) {
  Request request;
  const auto name = key(prng.below(keys()));
  request.answer = Answer::kValue;
  request.record.op = HistoryOp::kGet;
  request.record.key = name;
  if (prng.chance(percent(options_.weak_percent), 100)) {
    const auto& level = kWeak[prng.below(std::size(kWeak))];
    request.args = {"KV.AT", level.asked, "GET", name};
    request.record.level = level.judged;
  } else {
    request.args = {"GET", name};
    request.record.level = "linearizable";
  }
  return request;
}

Request RequestMaker::final_read(std::size_t number) const {
  Request request;
  request.answer = Answer::kValue;
  request.record.op = HistoryOp::kGet;
  request.record.key = key(number);
  request.record.level = "linearizable";
  request.record.final = true;
  request.args = {"GET", request.record.key};
  return request;
}

Request RequestMaker::write(Prng& prng, std::uint32_t client) {
  const auto number = prng.below(keys());
  auto name = key(number);
  Request request;
  auto& record = request.record;
  record.level = "linearizable";
  record.key = name;
  if (name.front() == 'n') {
    record.op = HistoryOp::kIncr;
    record.by = static_cast<std::int64_t>(prng.below(9)) - 3;
    request.answer = Answer::kNumber;
    request.args = {"INCRBY", std::move(name), fmt::to_string(record.by)};
  } else if (name.front() == 'a' && prng.chance(9, 10)) {
    record.op = HistoryOp::kAppend;
    record.value = unique(client) + ';';
    request.args = {"APPEND", std::move(name), *record.value};
  } else if (prng.chance(percent(options_.change_percent), 100)) {
    return change(prng, client, std::move(name));
  } else {
    record.op = HistoryOp::kPut;
    record.value = value(client);
    last_written_[name] = *record.value;
    request.args = {"SET", std::move(name), *record.value};
  }
  return request;
}

Request RequestMaker::change(Prng& prng, std::uint32_t client, std::string name) {
  Request request;
  auto& record = request.record;
  record.level = "linearizable";
  record.key = name;
  const auto kind = prng.below(5);
  if (kind < 3) {
    record.value = value(client);
  }
  switch (kind) {
    case 0: {
      record.op = HistoryOp::kCas;
      record.expect = last_written_[name];
      request.answer = Answer::kCompared;
      request.args = {"KV.CAS", name, *record.expect, *record.value};
      break;
    }
    case 1:
      record.op = HistoryOp::kCas;  // from absent
      request.answer = Answer::kCompared;
      request.args = {"SETNX", name, *record.value};
      break;
    case 2:
      record.op = HistoryOp::kPut;  // what is known of it without an answer
      request.answer = Answer::kOldValue;
      request.args = {"GETSET", name, *record.value};
      break;
    case 3:
      record.op = HistoryOp::kDelete;
      request.answer = Answer::kTaken;
      request.args = {"GETDEL", std::move(name)};
      return request;
    default:
      record.op = HistoryOp::kDelete;
      request.args = {"DEL", std::move(name)};
      return request;
  }
  last_written_[name] = *record.value;
  return request;
}

// Commands on keys of their own, some with a time to live. What they answer is not judged; that all
// replicas end in the same state is.
Request RequestMaker::other(Prng& prng) {
  const auto key = fmt::format("x{}", prng.below(8));
  const auto tagged = fmt::format("{{x{}}}", prng.below(4));
  const auto ttl = fmt::to_string(1 + prng.below(3000));
  const auto text = fmt::to_string(prng.next());
  const auto offset = fmt::to_string(prng.below(40));
  const std::vector<std::string> choices[] = {
      {"PSETEX", key, ttl, text},
      {"PEXPIRE", key, ttl},
      {"PERSIST", key},
      {"GETEX", key, "PX", ttl},
      {"MSET", tagged + "a", text, tagged + "b", text},
      {"MSETNX", tagged + "a", text, tagged + "c", text},
      {"MGET", tagged + "a", tagged + "b", tagged + "c"},
      {"SETRANGE", key, offset, text},
      {"GETRANGE", key, "1", "-2"},
      {"STRLEN", key},
      {"EXISTS", tagged + "a", tagged + "b"},
      {"DEL", tagged + "a", tagged + "b"},
      {"SCAN", "0", "COUNT", "5"},
      {"KEYS", "x*"},
      {"DBSIZE"},
      {"RANDOMKEY"},
      {"PTTL", key},
      {"SET", key, text, "XX", "GET", "PX", ttl},
      {"INCRBYFLOAT", "f" + key, "1.5"},
      {"EXPIREAT", key, "1700000003"},
      {"KV.DIGEST"},
      {"KV.RECEIPT", "APPEND", key, text},
      {"KV.STATUS"},
      {"SET", key, text, "KEEPTTL"},
      {"SET", key, text, "NX", "EX", "2"},
      {"SETEX", key, "1", text},
      {"EXPIRE", key, "1", "GT"},
      {"PEXPIREAT", key, "1700000004000"},
      {"EXPIRETIME", key},
      {"TTL", key},
      {"TYPE", key},
      {"UNLINK", key},
      {"DECR", "i" + key},
      {"DECRBY", "i" + key, offset},
      {"INCR", "i" + key},
      {"INCR", key},  // mostly an error
      {"KV.DUMP"},
      {"KV.SEARCH", key},
      {"KV.WHERE", key},
      {"KV.LEVEL"},
      {"KV.KEYSPACE", "LIST"},
      {"INFO"},
      {"TIME"},
      {"ECHO", text},
      {"CLIENT", "ID"},
      {"HELLO", "3"},
      {"RESET"},
      {"SELECT", "0"},
      {"NOSUCHCOMMAND", key},
      {"GET"},
      {"KV.AT", "all", "GET", key},  // refused in an ordered keyspace
      {"MGET", "x1", "x2", "x3"},    // CROSSSLOT where they lie apart
  };
  Request request;
  request.answer = Answer::kNotRecorded;
  request.args = choices[prng.below(std::size(choices))];
  if (prng.chance(1, 200)) {
    request.args = {"FLUSHDB"};
    request.flushes = true;
  }
  return request;
}

void conclude(Request& request, const wire::Reply* reply) {
  auto& record = request.record;
  const bool reads = record.op == HistoryOp::kGet;
  if (reply == nullptr || (reply->is_error() && reply->text.starts_with("UNKNOWN"))) {
    record.ended = reads ? Ended::kFailed : Ended::kUnknown;
    record.err = reads ? "no answer" : "";
    if (record.op == HistoryOp::kIncr) {
      record.value.reset();
    }
    return;
  }
  if (reply->is_error()) {
    record.ended = Ended::kFailed;
    record.err = reply->text;
    return;
  }
  record.ended = Ended::kOk;
  switch (request.answer) {
    case Answer::kValue:
      record.value = text_of(*reply);
      break;
    case Answer::kCompared:
      record.ended = reply->integer == 1 ? Ended::kOk : Ended::kFailed;
      break;
    case Answer::kOldValue:
      record.op = HistoryOp::kCas;
      record.expect = text_of(*reply);
      break;
    case Answer::kTaken:
      record.op = reply->is_nil() ? HistoryOp::kGet : HistoryOp::kCas;
      record.expect = text_of(*reply);
      record.value.reset();
      break;
    case Answer::kNumber:
      record.value = fmt::to_string(reply->integer);
      break;
    case Answer::kDone:
    case Answer::kNotRecorded:
      break;
  }
}

}  // namespace kvorum::sim
