// Delays of links out of the files of older systems.
#include <cmath>
#include <sstream>

#include "base/parse.h"
#include "lab/json_reader.h"
#include "lab/scenario.h"

namespace kvorum::lab {
namespace {

constexpr std::size_t kMostServers = 99;
constexpr Word kMatrixFields[] = {{"addresses", "addresses"}, {"delays", "delays"}};

std::optional<std::uint16_t> parse_port(ByteView word) {
  const auto port = parse_number<std::uint16_t>(word);
  return port && *port != 0 ? port : std::nullopt;
}

// "1.5", up to a day.
std::optional<Duration> parse_time(ByteView word, Duration unit) {
  double value = 0;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
  const auto ns = value * static_cast<double>(unit.count());
  if (failed != std::errc() || end != word.data() + word.size() || !(ns >= 0) ||
      ns > static_cast<double>(kMostMs) * 1'000'000) {
    return std::nullopt;
  }
  return Duration(static_cast<std::int64_t>(std::llround(ns)));
}

class ServerList {
 public:
  explicit ServerList(Duration unit) : unit_(unit) {}

  Result<void> read(const std::string& text) {
    std::istringstream stream(text);
    std::size_t number = 0;
    for (std::string line; std::getline(stream, line) && !problem_.found();) {
      ++number;
      if (const auto words = split_words(line); !words.empty()) {
        const auto at = fmt::format("line {}", number);
        range_ ? server(at, words) : delay(at, words);
      }
    }
    if (!range_ || ports_.empty()) {
      problem_.add("", "must be a line 'min max' and then a line 'id ip port' per server");
    } else if (ports_.rbegin()->first != ports_.size()) {
      problem_.add("", "has {} servers, and one with the id {}; they count from 1", ports_.size(),
                   ports_.rbegin()->first);
    }
    return problem_.found() ? Result<void>(problem_.error()) : Result<void>();
  }

  std::vector<std::uint16_t> ports() const {
    std::vector<std::uint16_t> out;
    for (const auto& [id, port] : ports_) {
      out.push_back(port);
    }
    return out;
  }
  DelayRange delay() const { return *range_; }

 private:
  void delay(const std::string& at, const std::vector<std::string>& words) {
    const auto least = parse_time(words[0], unit_);
    const auto most = words.size() == 2 ? parse_time(words[1], unit_) : std::nullopt;
    if (!least || !most) {
      return problem_.add(at, "must be the least and the most delay, up to a day");
    }
    if (*least > *most) {
      return problem_.add(at, "the least is more than the most");
    }
    range_ = DelayRange{*least, *most};
  }

  void server(const std::string& at, const std::vector<std::string>& words) {
    const auto id = parse_number<std::uint32_t>(words[0]);
    const auto port = words.size() == 3 ? parse_port(words[2]) : std::nullopt;
    if (!id || *id < 1 || *id > kMostServers || !port) {
      return problem_.add(at, "must be a server's 'id ip port', the id from 1 to {}", kMostServers);
    }
    if (!ports_.emplace(*id, *port).second) {
      problem_.add(at, "there are two servers {}", *id);
    }
    for (const auto& [other, used] : ports_) {
      if (other != *id && used == *port) {
        problem_.add(at, "port {} is server {}'s, too", *port, other);
      }
    }
  }

  Duration unit_;
  Problem problem_;
  std::optional<DelayRange> range_;
  std::map<std::uint32_t, std::uint16_t> ports_;
};

// The port of "host:port" or [host, port]; 0 if it names none.
std::uint16_t read_address(const Json& json, const std::string& path, Problem& problem) {
  std::optional<std::uint16_t> port;
  if (json.is_string()) {
    const auto text = json.get<std::string>();
    const auto colon = text.rfind(':');
    port = colon == std::string::npos ? std::optional<std::uint16_t>(0)
                                      : parse_port(ByteView(text).substr(colon + 1));
  } else if (json.is_array() && json.size() == 2 && json[0].is_string() &&
             json[1].is_number_integer()) {
    port = parse_port(json[1].dump());
  }
  if (!port) {
    problem.add(path, "must be like \"host:port\" or [\"host\", port]");
  }
  return port.value_or(0);
}

void read_row(const Json& row, const std::string& path, NodeId from, std::size_t servers,
              Problem& problem, std::vector<LinkDelay>& out) {
  if (!row.is_array() || row.size() != servers) {
    return problem.add(path, "must be a list of {} mean delays", servers);
  }
  for (std::uint32_t to = 1; to <= servers; ++to) {
    const auto& mean = row[to - 1];
    const auto at = fmt::format("{}[{}]", path, to - 1);
    if (!mean.is_number()) {
      return problem.add(at, "must be a number of milliseconds");
    }
    const auto most = 2 * read_range(mean, at, problem).most;
    out.push_back({from, NodeId(to), {Duration(), most}});
  }
}

// Both kinds of files say how many nodes there are. A scenario that was read before may name each
// of its own.
Result<void> fit(const std::vector<std::uint16_t>& ports, std::vector<LinkDelay> delays,
                 Scenario& scenario) {
  const auto nodes = static_cast<std::uint32_t>(ports.size());
  if (nodes < scenario.nodes && (!scenario.clients.empty() || scenario.load)) {
    return fail(ErrorCode::kConfig, "the file: has {} servers, and the scenario {} nodes", nodes,
                scenario.nodes);
  }
  scenario.nodes = nodes;
  scenario.ports = ports;
  scenario.delays = std::move(delays);
  return {};
}

}  // namespace

Result<void> read_server_list(const std::string& text, Duration unit, Scenario& scenario) {
  ServerList list(unit);
  if (auto done = list.read(text); !done) {
    return done;
  }
  const auto ports = list.ports();
  std::vector<LinkDelay> delays;
  for (std::uint32_t from = 1; from <= ports.size(); ++from) {
    for (std::uint32_t to = 1; to <= ports.size(); ++to) {
      delays.push_back({NodeId(from), NodeId(to), list.delay()});
    }
  }
  return fit(ports, std::move(delays), scenario);
}

Result<void> read_delay_matrix(const std::string& text, Scenario& scenario) {
  const auto json = parse_json(text);
  if (!json) {
    return tl::unexpected(json.error());
  }
  Problem problem;
  const Object file(*json, "", kMatrixFields, problem);
  std::vector<std::uint16_t> ports;
  std::vector<LinkDelay> delays;
  file.require("addresses");
  for (const auto& [path, address] : file.list("addresses")) {
    ports.push_back(read_address(*address, path, problem));
  }
  if (ports.empty() || ports.size() > kMostServers) {
    problem.add("addresses", "must be 1 to {}", kMostServers);
  }
  file.require("delays");
  const auto rows = file.list("delays");
  if (rows.size() != ports.size()) {
    problem.add("delays", "has {} rows for {} addresses", rows.size(), ports.size());
  }
  for (std::uint32_t i = 0; i < rows.size() && !problem.found(); ++i) {
    const auto& [path, row] = rows[i];
    read_row(*row, path, NodeId(i + 1), ports.size(), problem, delays);
  }
  return problem.found() ? Result<void>(problem.error()) : fit(ports, std::move(delays), scenario);
}

}  // namespace kvorum::lab
