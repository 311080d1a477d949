#include "load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

namespace kvorum::load {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<Kind, const char*> kNames[] = {{Kind::kRead, "reads"},
                                                   {Kind::kWrite, "writes"}};
constexpr std::pair<const char*, double> kPercentiles[] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

double ms(double ns) { return ns / 1e6; }
double us(double ns) { return ns / 1e3; }

// Of a sum, to each of so many; 0 of none.
double each(double sum, std::uint64_t count) {
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

double rate(std::uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

const char* word_of(Ended ended) {
  switch (ended) {
    case Ended::kDone:
      return "done";
    case Ended::kInterrupted:
      return "interrupted";
    case Ended::kFailed:
      return "failed";
  }
  return "";
}

// Of those nodes whose figures are known.
struct Sums {
  std::size_t known = 0;
  NodeFigures figures;
};

Sums sums_of(const Measured& measured) {
  Sums sums;
  for (const auto& node : measured.nodes) {
    if (node) {
      ++sums.known;
      sums.figures.cpu_seconds += node->cpu_seconds;
      sums.figures.peer_messages += node->peer_messages;
      sums.figures.peer_bytes += node->peer_bytes;
      sums.figures.disk_syncs += node->disk_syncs;
    }
  }
  return sums;
}

std::string setting(const Options& options) {
  std::string text = fmt::format(
      "{} connections, pipeline {}, {} thread{}; {:g} % reads of {} {} keys of {} bytes, values of "
      "{} bytes",
      options.clients, options.pipeline, options.threads, options.threads == 1 ? "" : "s",
      options.plan.reads * 100, options.plan.keys,
      options.plan.distribution == Distribution::kZipfian ? "zipfian" : "uniform",
      options.plan.key_size, options.plan.value_size);
  const auto add = [&text](const char* what, const std::string& word) {
    text += word.empty() ? "" : fmt::format("; {} {}", what, word);
  };
  add("keyspace", options.keyspace);
  add("reads at", options.read_level);
  add("writes at", options.write_level);
  add("due", options.rate > 0 ? fmt::format("{:g} a second", options.rate) : "");
  return text;
}

void add_kinds(const Measured& measured, std::string& out) {
  const auto at = std::back_inserter(out);
  fmt::format_to(at, "{:<7}{:>11}{:>10}", "", "requests", "per s");
  for (const char* head : {"min ms", "mean", "p50", "p90", "p99", "p99.9", "max"}) {
    fmt::format_to(at, "{:>10}", head);
  }
  out += '\n';
  for (const auto& [kind, name] : kNames) {
    const auto& latency = measured.tally.of(kind).latency;
    if (latency.count() == 0) {
      continue;
    }
    fmt::format_to(at, "{:<7}{:>11}{:>10.0f}{:>10.3f}{:>10.3f}", name, latency.count(),
                   rate(latency.count(), measured.seconds), ms(static_cast<double>(latency.min())),
                   ms(latency.mean()));
    for (const auto& percentile : kPercentiles) {
      fmt::format_to(at, "{:>10.3f}",
                     ms(static_cast<double>(latency.percentile(percentile.second))));
    }
    fmt::format_to(at, "{:>10.3f}\n", ms(static_cast<double>(latency.max())));
  }
}

void add_failures(const Measured& measured, std::string& out) {
  const auto at = std::back_inserter(out);
  const auto& tally = measured.tally;
  for (const auto& [key, failures] : tally.failures) {
    fmt::format_to(at, "{} {} {}: {}, such as: {}\n", failures.count,
                   key.first == Kind::kRead ? "reads" : "writes",
                   failures.unknown ? "with an unknown outcome" : "failed", key.second,
                   failures.example);
  }
  for (const auto& [address, losses] : tally.losses) {
    fmt::format_to(at, "{}: {} connection{} broke: {}\n", address, losses.count,
                   losses.count == 1 ? "" : "s", losses.why);
  }
  if (tally.left_over > 0) {
    fmt::format_to(at,
                   "{} requests were due and not sent: the nodes, or this program, did not keep "
                   "up. The latencies leave them out\n",
                   tally.left_over);
  }
}

void add_costs(const Options& options, const Measured& measured, std::string& out) {
  const auto at = std::back_inserter(out);
  const auto& tally = measured.tally;
  const auto operations = tally.ended();
  fmt::format_to(
      at,
      "an operation: {:.1f} bytes sent, {:.1f} received, {:.2f} us of processor time of this "
      "program\n",
      each(static_cast<double>(tally.bytes_sent), operations),
      each(static_cast<double>(tally.bytes_received), operations),
      each(measured.load_cpu_seconds * 1e6, operations));
  const auto sums = sums_of(measured);
  if (sums.known > 0) {
    fmt::format_to(at,
                   "at {} node{}: {:.2f} us of processor time, {:.4f} messages and {:.1f} bytes to "
                   "others, {:.4f} disk syncs\n",
                   sums.known, sums.known == 1 ? "" : "s",
                   each(sums.figures.cpu_seconds * 1e6, operations),
                   each(static_cast<double>(sums.figures.peer_messages), operations),
                   each(static_cast<double>(sums.figures.peer_bytes), operations),
                   each(static_cast<double>(sums.figures.disk_syncs), operations));
  }
  for (std::size_t i = 0; i < measured.nodes.size(); ++i) {
    if (!measured.nodes[i]) {
      fmt::format_to(at, "{} was gone or began anew: its figures are not among these\n",
                     client::to_string(options.targets[i]));
    }
  }
}

Json json_of(const KindTally& kind, double seconds) {
  const auto& latency = kind.latency;
  Json times;
  times["min"] = us(static_cast<double>(latency.min()));
  times["mean"] = us(latency.mean());
  for (const auto& [name, percent] : kPercentiles) {
    times[name] = us(static_cast<double>(latency.percentile(percent)));
  }
  times["max"] = us(static_cast<double>(latency.max()));
  Json out;
  out["ok"] = latency.count();
  out["failed"] = kind.failed;
  out["absent"] = kind.absent;
  out["per_second"] = rate(latency.count(), seconds);
  out["latency_us"] = std::move(times);
  return out;
}

Json json_of(const Options& options) {
  Json out;
  out["targets"] = Json::array();
  for (const auto& target : options.targets) {
    out["targets"].push_back(client::to_string(target));
  }
  out["clients"] = options.clients;
  out["pipeline"] = options.pipeline;
  out["threads"] = options.threads;
  out["reads"] = options.plan.reads;
  out["keys"] = options.plan.keys;
  out["key_size"] = options.plan.key_size;
  out["value_size"] = options.plan.value_size;
  out["distribution"] = options.plan.distribution == Distribution::kZipfian ? "zipfian" : "uniform";
  out["seed"] = options.plan.seed;
  out["keyspace"] = options.keyspace;
  out["read_level"] = options.read_level;
  out["write_level"] = options.write_level;
  out["rate"] = options.rate;
  out["requests"] = options.requests;
  out["duration_s"] = std::chrono::duration<double>(options.duration).count();
  out["warm_up_s"] = std::chrono::duration<double>(options.warm_up).count();
  out["fill"] = options.fill;
  out["redis"] = options.redis;
  return out;
}

Json per_operation(const Measured& measured) {
  const auto& tally = measured.tally;
  const auto operations = tally.ended();
  Json out;
  out["bytes_sent"] = each(static_cast<double>(tally.bytes_sent), operations);
  out["bytes_received"] = each(static_cast<double>(tally.bytes_received), operations);
  out["load_cpu_us"] = each(measured.load_cpu_seconds * 1e6, operations);
  const auto sums = sums_of(measured);
  const bool known = sums.known > 0;
  const auto& figures = sums.figures;
  out["cpu_us"] = known ? Json(each(figures.cpu_seconds * 1e6, operations)) : Json();
  out["peer_messages"] =
      known ? Json(each(static_cast<double>(figures.peer_messages), operations)) : Json();
  out["peer_bytes"] =
      known ? Json(each(static_cast<double>(figures.peer_bytes), operations)) : Json();
  out["disk_syncs"] =
      known ? Json(each(static_cast<double>(figures.disk_syncs), operations)) : Json();
  return out;
}

}  // namespace

std::string table(const Options& options, const Measured& measured) {
  std::string out = setting(options) + '\n';
  if (measured.ended == Ended::kInterrupted) {
    out += "interrupted; until then:\n";
  }
  const auto ended = measured.tally.ended();
  out += fmt::format("{} requests in {:.3f} s: {:.0f} a second\n", ended, measured.seconds,
                     rate(ended, measured.seconds));
  add_kinds(measured, out);
  add_failures(measured, out);
  add_costs(options, measured, out);
  return out;
}

std::string json(const Options& options, const Measured& measured) {
  const auto& tally = measured.tally;
  Json out;
  out["options"] = json_of(options);
  out["ended"] = word_of(measured.ended);
  if (measured.ended == Ended::kFailed) {
    out["why"] = measured.why;
  }
  out["seconds"] = measured.seconds;
  out["requests"] = tally.ended();
  out["per_second"] = rate(tally.ended(), measured.seconds);
  for (const auto& [kind, name] : kNames) {
    out[name] = json_of(tally.of(kind), measured.seconds);
  }
  out["errors"] = Json::array();
  for (const auto& [key, failures] : tally.failures) {
    out["errors"].push_back({{"kind", key.first == Kind::kRead ? "read" : "write"},
                             {"code", key.second},
                             {"count", failures.count},
                             {"outcome", failures.unknown ? "unknown" : "definite"},
                             {"example", failures.example}});
  }
  out["lost_connections"] = Json::array();
  for (const auto& [address, losses] : tally.losses) {
    out["lost_connections"].push_back(
        {{"target", address}, {"count", losses.count}, {"why", losses.why}});
  }
  out["not_sent"] = tally.left_over;
  out["per_operation"] = per_operation(measured);
  out["nodes"] = Json::array();
  for (std::size_t i = 0; i < measured.nodes.size(); ++i) {
    const auto& node = measured.nodes[i];
    Json one = {{"target", client::to_string(options.targets[i])}, {"known", node.has_value()}};
    if (node) {
      one["cpu_seconds"] = node->cpu_seconds;
      one["peer_messages"] = node->peer_messages;
      one["peer_bytes"] = node->peer_bytes;
      one["disk_syncs"] = node->disk_syncs;
    }
    out["nodes"].push_back(std::move(one));
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace kvorum::load
