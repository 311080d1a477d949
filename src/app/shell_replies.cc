#include "app/shell_replies.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/cli_format.h"

namespace kvorum::app {
namespace {

using Type = wire::Reply::Type;
using wire::Reply;

// Of a row [value, version, deadline, "live" or "deleted"].
bool is_live(const Reply& row) { return row.elements.size() > 3 && row.elements[3].text == "live"; }

// Of a dumped row: [key, value, version, deadline], or in a leaderless keyspace [key, rows]. Nil:
// all its rows are deleted.
Reply value_of(const Reply& row) {
  if (row.elements[1].type != Type::kArray) {
    return row.elements[1];
  }
  Reply values{Type::kArray, 0, {}, {}};
  for (const auto& one : row.elements[1].elements) {
    if (is_live(one)) {
      values.elements.push_back(one.elements[0]);
    }
  }
  if (values.elements.size() > 1) {
    return values;
  }
  return values.elements.empty() ? Reply() : values.elements[0];
}

std::string lines(const std::vector<std::string>& all) {
  return fmt::format("{}", fmt::join(all, "\n"));
}

std::string time_of(std::int64_t unix_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)), unix_ms % 1000);
}

}  // namespace

Reply pairs_of(const Reply& dump) {
  Reply pairs{Type::kMap, 0, {}, {}};
  for (const auto& row : dump.elements) {
    auto value = row.elements.size() > 1 ? value_of(row) : Reply();
    if (!value.is_nil()) {
      pairs.elements.push_back(row.elements[0]);
      pairs.elements.push_back(std::move(value));
    }
  }
  return pairs;
}

std::string format_pairs(const Reply& pairs) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i + 1 < pairs.elements.size(); i += 2) {
    const auto& value = pairs.elements[i + 1];
    std::vector<std::string> values;
    for (const auto& one : value.elements) {
      values.push_back(quote(one.text));
    }
    out.push_back(fmt::format(
        "{} => {}", quote(pairs.elements[i].text),
        values.empty() ? quote(value.text) : fmt::format("{}", fmt::join(values, " | "))));
  }
  return out.empty() ? "(no pairs)" : lines(out);
}

std::string format_deliveries(const Reply& deliveries) {
  std::vector<std::string> out;
  for (const auto& one : deliveries.elements) {
    const auto& words = one.elements;
    if (words.size() == 3) {
      out.push_back(fmt::format("node {}: sent {}, arrived {} ({} ms)", words[0].integer,
                                time_of(words[1].integer), time_of(words[2].integer),
                                words[2].integer - words[1].integer));
    } else if (words.size() == 2) {
      out.push_back(fmt::format("node {}: {}", words[0].integer, words[1].text));
    }
  }
  return lines(out);
}

Reply refusal_of(const Plan& plan) {
  const auto key = quote(plan.key);
  return {Type::kError,
          0,
          plan.word == Word::kInsert   ? fmt::format("REFUSED {} exists already; use update", key)
          : plan.word == Word::kDelete ? fmt::format("REFUSED {} does not exist", key)
                                       : fmt::format("REFUSED {} does not exist; use insert", key),
          {}};
}

Reply status_reply(Bytes text) { return {Type::kStatus, 0, std::move(text), {}}; }

}  // namespace kvorum::app
