#include "lab/run_page.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

#include "check/page.h"
#include "lab/latency.h"
#include "lab/read_age.h"
#include "lab/run_page_html.h"

namespace kvorum::lab {
namespace {

constexpr std::size_t kMaxOperations = 10'000;  // that a page holds

std::string about(const RunRecord& record) {
  const auto& scenario = record.scenario;
  return fmt::format("{}, {} node{}, {}, took {:.1f} ms", to_string(scenario.level), scenario.nodes,
                     scenario.nodes == 1 ? "" : "s",
                     record.simulated ? fmt::format("simulated with seed {}", record.seed)
                                      : std::string("real processes"),
                     static_cast<double>(record.took_ns) / 1e6);
}

void append_expected(const RunRecord& record, std::string& out) {
  out += "\"expected\":[";
  for (const auto& expected : record.expected) {
    out += &expected == record.expected.data() ? "[" : ",[";
    append_json_string(expected.text, out);
    out += expected.undecided ? ",2," : expected.met ? ",0," : ",1,";
    append_json_string(expected.why, out);
    out += ']';
  }
  out += "],";
}

void append_latencies(const RunRecord& record, std::string& out) {
  out += "\"latency\":[";
  const char* between = "[";
  for (const auto& row : latencies(record)) {
    out += between;
    append_json_string(row.level, out);
    fmt::format_to(std::back_inserter(out), R"(,"{}",{},{:.6f},{:.6f},{:.6f}])", to_string(row.op),
                   row.count, row.mean_ms, row.p50_ms, row.p99_ms);
    between = ",[";
  }
  out += "],";
}

void append_faults(const RunRecord& record, std::int64_t base_ns, std::string& out) {
  out += "\"faults\":[";
  for (const auto& fault : record.faults) {
    fmt::format_to(std::back_inserter(out), R"({}{{"from":{},"to":{},"nodes":[)",
                   &fault == record.faults.data() ? "" : ",", fault.from_ns - base_ns,
                   fault.to_ns - base_ns);
    for (const auto& node : fault.nodes) {
      fmt::format_to(std::back_inserter(out), "{}{}", &node == fault.nodes.data() ? "" : ",",
                     node.value());
    }
    out += "],\"text\":";
    append_json_string(fault.text, out);
    out += '}';
  }
  out += "],";
}

// What run_page.js calls a source: the write's place, or one of these.
std::string source_of(const ReadAge& age, const check::PageData& data) {
  if (age.source == Source::kInitial) {
    return "-1";
  }
  if (age.source == Source::kNobody) {
    return "-2";
  }
  const auto place = data.place(age.write);
  return place ? fmt::to_string(*place) : "null";
}

void append_ages(const check::History& history, const check::PageData& data, std::string& out) {
  const auto ages = read_ages(history);
  out += "\"ages\":[";
  for (const auto operation : data.operations()) {
    out += operation == data.operations().front() ? "" : ",";
    if (const auto& age = ages[operation]) {
      fmt::format_to(std::back_inserter(out), "[{},{},{}]", source_of(*age, data), age->newer,
                     age->outdated_ns);
    } else {
      out += "null";
    }
  }
  out += "],";
}

}  // namespace

std::string run_page(const check::History& history, const RunRecord& record) {
  const check::PageData data(history, record.verdict, kMaxOperations);
  std::string json = "{";
  check::append_member("name", record.scenario.name, json);
  check::append_member("teaches", record.scenario.teaches, json);
  check::append_member("about", about(record), json);
  fmt::format_to(std::back_inserter(json), "\"nodes\":{},", record.scenario.nodes);
  append_expected(record, json);
  append_latencies(record, json);
  append_faults(record, data.base_ns(), json);
  append_ages(history, data, json);
  data.append(json);
  json += '}';
  return check::filled(kRunPage, json);
}

}  // namespace kvorum::lab
